//! `tcpcopy check`: the way of a replayed packet, station by station.
//!
//! Nothing is changed anywhere. What is sent are a RST that belongs to no connection, a connection to intercept, and
//! SYNs that are taken back by a RST.

mod capture;
mod probe;
mod tunnel;

use crate::args::Args;
use crate::config::Config;
use crate::greeting::Terms;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tc_core::Mapping;
use tc_proto::{Flags, Flow, PacketSpec, SeqNum, Window};
use tc_sys::error::reason;
use tc_sys::firewall::Firewall;
use tc_sys::host;
use tc_sys::inject::{Injector, PacketBatch};
use tc_sys::program::{Arguments, Finding, Report, ReportFormat, number};

/// Says which station of a packet's way to the target does not work
///
/// Give the same arguments as for the replay. Each station is looked at in the order of the way: permission, captured
/// packets, route, sending, tunnel, and a probe SYN to the application and back. Nothing is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    args: Args,

    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,

    /// How many seconds to wait for a client's packet
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = seconds)]
    patience: u64,
}

fn seconds(text: &str) -> Result<u64, String> {
    number(text, 1..=3600)
}

/// Where the source ports of probes begin: where no service is.
const PROBE_PORT: u16 = 61_000;

impl CheckArgs {
    /// Looks at all stations and prints what was found.
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        self.args.check()?;
        let format = if self.json { ReportFormat::Json } else { ReportFormat::Text };
        let mut report = Report::default();
        let config = Config::from(self.args);
        let terms = config.terms().map_err(|error| error.to_string())?;
        look(&config, &terms, Duration::from_secs(self.patience), &mut report);
        Ok(report.print("tcpcopy", format))
    }
}

fn look(config: &Config, terms: &Terms, patience: Duration, report: &mut Report) {
    let mut injector = match config.open_injector() {
        Ok(injector) => {
            report.add(Finding::good("permission", "raw sockets can be opened", "opened one"));
            Some(injector)
        }
        Err(error) => {
            let remedy = error.hint.clone().unwrap_or_default();
            let found = format!("the raw socket cannot be opened: {}", reason(&error.cause));
            report.add(Finding::bad("permission", found, "tried to open one", remedy));
            None
        }
    };
    let client = capture::look(config, patience, report);
    let mut seen = Vec::new();
    for mapping in &config.mappings {
        if seen.contains(&mapping.target) {
            continue;
        }
        seen.push(mapping.target);
        let routed = look_at_route(mapping.target, report);
        if let (Some(injector), Some(own)) = (&mut injector, routed) {
            let own = Flow { client: SocketAddr::new(own, PROBE_PORT), target: mapping.target };
            let as_client = probe::client_flow(config, client, mapping.target, PROBE_PORT);
            look_at_sending(injector, &[Some(own), as_client], mapping.target, report);
        }
    }
    look_at_rules(config, report);
    for intercept in &config.intercepts {
        let Some(mut tunnel) = tunnel::look(intercept, terms, report) else { continue };
        let served = config.mappings.iter().filter(|mapping| intercept.scope.covers(mapping.target));
        for mapping in served {
            if let Some(injector) = &mut injector {
                let way = Probes { config, injector, client, mapping };
                probe::look(way, &mut tunnel, report);
            }
        }
    }
}

/// What a probe needs.
struct Probes<'a> {
    config: &'a Config,
    injector: &'a mut Injector,
    /// A client whose packet was captured.
    client: Option<SocketAddr>,
    mapping: &'a Mapping,
}

/// The address that packets of this host to the target have, if there is a route.
fn look_at_route(target: SocketAddr, report: &mut Report) -> Option<IpAddr> {
    match host::route_to(target) {
        Ok(source) => {
            let found = format!("{} is reached from {source}", target.ip());
            report.add(Finding::good("route", found, "asked the kernel for the route"));
            Some(source)
        }
        Err(error) => {
            let found = format!("no route to {}: {}", target.ip(), reason(&error));
            let remedy = format!("ip route add {} via <router to the test host>", target.ip());
            report.add(Finding::bad("route", found, "asked the kernel for the route", remedy));
            None
        }
    }
}

/// From our own address and from a client's.
fn look_at_sending(injector: &mut Injector, flows: &[Option<Flow>], target: SocketAddr, report: &mut Report) {
    const HOW: &str = "sent a RST that belongs to no connection";
    for flow in flows.iter().flatten() {
        if let Err(error) = send(injector, &segment(*flow, Flags::RST, SeqNum::new(0))) {
            let from = flow.client.ip();
            let found = format!("a raw packet from {from} to {target} cannot be sent: {}", reason(&error));
            let remedy = "find the rule that forbids it: iptables -S OUTPUT; nft list ruleset";
            report.add(Finding::bad("send", found, HOW, remedy));
            return;
        }
    }
    report.add(Finding::good("send", format!("this host lets raw packets to {target} out"), HOW));
}

/// Only root can read the rules; where they cannot be read, sending has said what counts.
fn look_at_rules(config: &Config, report: &mut Report) {
    let Some(target) = config.mappings.first().map(|mapping| mapping.target) else { return };
    let Some(firewall) = Firewall::current(&target.ip()) else { return };
    if let Some(rule) = firewall.invalid_dropped() {
        let found = format!("a rule drops what conntrack takes for invalid, as replayed packets are: {rule}");
        let remedy = format!(
            "iptables -t raw -I OUTPUT -p tcp -d {} --dport {} -j CT --notrack",
            target.ip(),
            target.port()
        );
        report.add(Finding::bad("conntrack", found, "read iptables-save", remedy));
    }
}

fn segment(flow: Flow, flags: Flags, seq: SeqNum) -> PacketSpec<'static> {
    PacketSpec { seq, flags, window: Window::new(1024), ..PacketSpec::between(flow.client, flow.target) }
}

fn send(injector: &mut Injector, packet: &PacketSpec<'_>) -> std::io::Result<()> {
    let mut batch = PacketBatch::new();
    batch.push_with(|octets| {
        packet.emit(octets);
        Some(packet.destination.ip())
    });
    match injector.send(&batch).errors().next() {
        Some(failure) => Err(failure.error()),
        None => Ok(()),
    }
}
