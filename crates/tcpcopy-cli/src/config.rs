//! What the program does with the arguments.

use crate::args::{Args, CaptureArgs, Peer};
use crate::greeting::Terms;
use crate::offline::{Input, OfflineConfig, Speed};
use crate::outlet::Accuracy;
use crate::report::ReportConfig;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tc_core::compare::{CompareConfig, Detail};
use tc_core::{Admission, ClientPool, Join, LinkAddresses, Mapping, Pace, Ramp, ReplayConfig, RouteScope};
use tc_proto::tunnel::Times;
use tc_sys::capture::{Backend, CaptureConfig, CaptureRule};
use tc_sys::inject::{Injector, LinkTarget};
use tc_sys::{Families, SysError, key_file};

/// How many seconds the keep-alive timeout is longer than the session timeout unless told otherwise.
const KEEPALIVE_MARGIN: u32 = 120;

/// At the speed of the target the files stand still from time to time, and what fills a hole waits in them.
const HOLE_LIMIT_UNLIMITED: Duration = Duration::from_mins(1);

/// Octets of each answer that are compared: a status line.
const PAYLOAD: u16 = 64;

/// What follows when an intercept cannot be reached at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    Fail,
    Wait,
}

/// An intercept, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intercept {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The flows that it serves.
    pub(crate) scope: RouteScope,
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Wire,
    Files(OfflineConfig),
}

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// Nothing for the best that works.
    pub(crate) backend: Option<Backend>,
    pub(crate) capture: CaptureConfig,
    pub(crate) clients: ClientPool,
    /// Connections of each thread to each intercept.
    pub(crate) connections: usize,
    pub(crate) intercepts: Vec<Intercept>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) origin: Origin,
    /// The device to inject on; nothing for raw sockets.
    pub(crate) output: Option<String>,
    pub(crate) replay: ReplayConfig,
    /// How the comparison of answers is reported, if there is one.
    pub(crate) report: Option<ReportConfig>,
    /// What `-x` said, for the log.
    pub(crate) target: String,
    pub(crate) threads: u16,
    /// Which versions of IP targets have.
    pub(crate) targets: Families,
    /// Where the key is, if intercept must know one.
    pub(crate) key_file: Option<PathBuf>,
    /// Octets of each answer's payload that intercept is asked for.
    pub(crate) payload: u16,
    pub(crate) unreachable: Unreachable,
}

impl Config {
    /// How exactly the time of sending is to be known.
    pub(crate) const fn accuracy(&self) -> Accuracy {
        if self.report.is_some() { Accuracy::Clock } else { Accuracy::Turn }
    }

    /// What is said to each intercept first. Reads the key.
    pub(crate) fn terms(&self) -> Result<Terms, SysError> {
        let key = self.key_file.as_deref().map(key_file::read).transpose()?;
        let times = if self.report.is_some() { Times::Wanted } else { Times::Unwanted };
        Ok(Terms { key, payload: self.payload, times })
    }
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let target = args.mappings.to_string();
        let origin = origin(&args);
        let replay = replay_config(&args, &origin);
        let report = report_config(&args);
        let mappings = args.mappings.0;
        let clients = args.clients.unwrap_or_default();
        Self {
            backend: args.capture,
            capture: capture_config(&mappings, &clients, args.interfaces, args.choices),
            targets: families(&mappings, |mapping, version| mapping.target.is_ipv4() == version.is_ipv4()),
            clients,
            connections: usize::from(args.connections).div_ceil(args.threads.into()),
            intercepts: intercepts(&mappings, args.intercepts, args.port),
            mappings,
            origin,
            output: args.output,
            replay,
            payload: if report.is_some() { PAYLOAD } else { 0 },
            report,
            target,
            threads: args.threads,
            key_file: args.key_file,
            unreachable: if args.lonely { Unreachable::Wait } else { Unreachable::Fail },
        }
    }
}

impl Config {
    /// Opens what packets are sent through.
    pub(crate) fn open_injector(&self) -> Result<Injector, SysError> {
        let Some(device) = &self.output else { return Injector::open(self.targets) };
        let mut targets: Vec<LinkTarget> = Vec::new();
        for mapping in &self.mappings {
            let (address, LinkAddresses { source, next_hop }) = (mapping.target.ip(), mapping.link);
            match targets.iter_mut().find(|target| target.address == address) {
                Some(target) => {
                    target.source = target.source.or(source);
                    target.next_hop = target.next_hop.or(next_hop);
                }
                None => targets.push(LinkTarget { address, next_hop, source }),
            }
        }
        Injector::open_link(device, &targets)
    }
}

/// Files when `-i` names some, else the wire.
fn origin(args: &Args) -> Origin {
    let inputs: Vec<_> = args.interfaces.iter().filter_map(|name| Input::named(name)).collect();
    if inputs.is_empty() {
        return Origin::Wire;
    }
    Origin::Files(OfflineConfig {
        inputs,
        speed: args.acceleration,
        longest_gap: args.interval.map(|ms| Duration::from_millis(ms.into())),
        passes: args.times,
    })
}

fn replay_config(args: &Args, origin: &Origin) -> ReplayConfig {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let admission = Admission {
        percentage: args.rate,
        ramp: if args.gradually { Ramp::OneEachSecond } else { Ramp::None },
        join: if args.only_full { Join::Never } else { Join::AtNextRequest },
        copies: args.copies,
        port_shift: args.port_factor,
        loopback: args.host.unwrap_or_default(),
    };
    let defaults = ReplayConfig::default();
    let (packets_from, hole_limit) = match origin {
        Origin::Wire => (tc_core::Origin::Wire, defaults.hole_limit),
        Origin::Files(files) if files.speed == Speed::Unlimited => {
            (tc_core::Origin::File, HOLE_LIMIT_UNLIMITED)
        }
        Origin::Files(_) => (tc_core::Origin::File, defaults.hole_limit),
    };
    ReplayConfig {
        origin: packets_from,
        hole_limit,
        pace: pace(args),
        admission,
        mtu: args.mtu.into(),
        mss: args.mss,
        initial_rtt: args.rtt.map(|rtt| Duration::from_millis(rtt.into())),
        session_timeout: seconds(args.session_timeout),
        keepalive_timeout: seconds(args.keepalive_timeout.unwrap_or(args.session_timeout + KEEPALIVE_MARGIN)),
        max_octets: (args.memory as usize) << 20,
        compare: compare_config(args),
        ..defaults
    }
}

const fn pace(args: &Args) -> Pace {
    match (args.no_wait, args.compare.is_wanted()) {
        (true, _) => Pace::Unanswered,
        (false, true) => Pace::Heard,
        (false, false) => Pace::Answered,
    }
}

fn compare_config(args: &Args) -> Option<CompareConfig> {
    let detail = if args.compare.report_paths { Detail::Paths } else { Detail::Anonymous };
    args.compare.is_wanted().then(|| CompareConfig { origin: Instant::now(), detail })
}

fn report_config(args: &Args) -> Option<ReportConfig> {
    args.compare.is_wanted().then(|| ReportConfig {
        files: args.compare.report.clone(),
        conditions: args.compare.fail_if.clone(),
        target: args.mappings.to_string(),
        started: SystemTime::now(),
    })
}

/// The versions of IP for which `serves` holds with at least one mapping. It gets an address of each version.
fn families(mappings: &[Mapping], serves: impl Fn(&Mapping, IpAddr) -> bool) -> Families {
    let any = |version: IpAddr| mappings.iter().any(|mapping| serves(mapping, version));
    match (any(Ipv4Addr::UNSPECIFIED.into()), any(Ipv6Addr::UNSPECIFIED.into())) {
        (true, true) => Families::Both,
        (false, true) => Families::Ipv6,
        (true | false, false) => Families::Ipv4,
    }
}

fn capture_config(
    mappings: &[Mapping],
    clients: &ClientPool,
    interfaces: Vec<String>,
    choices: CaptureArgs,
) -> CaptureConfig {
    let rule = |mapping: &Mapping| CaptureRule {
        transport: mapping.transport,
        destination: mapping.online,
        port: mapping.port,
    };
    let mut config = CaptureConfig {
        interfaces,
        rules: mappings.iter().map(rule).collect(),
        exclude: mappings.iter().map(|mapping| mapping.target).collect(),
        families: families(mappings, |mapping, version| {
            let online = mapping.online.is_none_or(|online| online.is_ipv4() == version.is_ipv4());
            online && clients.leads(version, mapping.target.ip())
        }),
        ..CaptureConfig::default()
    };
    choices.apply(&mut config);
    config
}

/// The intercepts of `-s`, each for all flows, or else one on each target.
fn intercepts(mappings: &[Mapping], peers: Vec<Peer>, port: u16) -> Vec<Intercept> {
    if peers.is_empty() {
        let targets: BTreeSet<IpAddr> = mappings.iter().map(|mapping| mapping.target.ip()).collect();
        let on_target =
            |address: IpAddr| Intercept { host: address.to_string(), port, scope: RouteScope::Target(address) };
        return targets.into_iter().map(on_target).collect();
    }
    let named =
        |peer: Peer| Intercept { host: peer.host, port: peer.port.unwrap_or(port), scope: RouteScope::All };
    peers.into_iter().map(named).collect()
}
