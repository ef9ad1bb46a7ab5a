//! The whole way: a SYN to the application, and its answer back through intercept.
//!
//! The first SYN comes from this host's own address. If its answer takes the right way, the next one comes from a
//! client's address: the difference between the two is what happens to packets with a foreign source.

use super::tunnel::Tunnel;
use super::{PROBE_PORT, Probes, segment, send};
use crate::config::Config;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tc_proto::tunnel::Sighting;
use tc_proto::{Flags, Flow, PacketRef, PortShare, Segment, SeqNum};
use tc_sys::Families;
use tc_sys::capture::{Capture, CaptureConfig, CaptureRule, PnetCapture};
use tc_sys::host;
use tc_sys::inject::Injector;
use tc_sys::program::{Finding, Report};

const ANSWER: &str = "answer";
const SOURCE: &str = "source";
const OTHER_CLIENTS: &str = "give -c addresses that it lets through";
/// When the SYN is sent again, and when that is enough.
const AGAIN: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(2);
/// How long an answer that came one way may still come the other way too.
const GRACE: Duration = Duration::from_millis(200);

/// What came of a SYN.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// The answer that intercept returned.
    returned: Option<Segment>,
    /// The answer that came straight to this host, which no answer should.
    straight: Option<Segment>,
    /// What intercept saw of a SYN that got no answer.
    sighting: Option<Sighting>,
}

/// Sends the probes for one entry of `-x`.
pub(super) fn look(way: Probes<'_>, tunnel: &mut Tunnel, report: &mut Report) {
    let Probes { config, injector, client, mapping } = way;
    let target = mapping.target;
    let Ok(own) = host::route_to(target) else { return };
    let port = PROBE_PORT + u16::try_from(std::process::id() % 3000).unwrap_or(0);
    let flow = Flow { client: SocketAddr::new(own, port), target };
    let outcome = follow(injector, tunnel, flow);
    let works = outcome.returned.is_some_and(accepts) && outcome.straight.is_none();
    report.add(judge_own(&outcome, flow));
    if !works {
        return;
    }
    let Some(flow) = client_flow(config, client, target, port + 1) else {
        let found = "no client's packet was seen, and without -c clients keep their addresses";
        report.add(Finding::unknown(SOURCE, found, "captured", "wait for clients: --patience 60"));
        return;
    };
    let outcome = follow(injector, tunnel, flow);
    report.add(judge_client(&outcome, flow, own));
}

/// A connection of a client, as the target would see it. Nothing if no client is known and -c names none.
pub(super) fn client_flow(
    config: &Config,
    client: Option<SocketAddr>,
    target: SocketAddr,
    port: u16,
) -> Option<Flow> {
    // Under -c anybody will do, even an address that nobody has.
    let anybody = (!config.clients.is_empty()).then_some(IpAddr::from([192, 0, 2, 1]));
    let seen = client.map(|client| client.ip()).filter(|client| !client.is_loopback());
    config.clients.allocate(SocketAddr::new(seen.or(anybody)?, port), target, PortShare::WHOLE, |_| false)
}

/// Sends a SYN, and another one while intercept looks for it if that gets no answer.
fn follow(injector: &mut Injector, tunnel: &mut Tunnel, flow: Flow) -> Outcome {
    let outcome = probe(injector, tunnel, flow);
    if outcome.returned.is_some() || outcome.straight.is_some() || !tunnel.trace(flow) {
        return outcome;
    }
    let outcome = probe(injector, tunnel, flow);
    Outcome { sighting: tunnel.await_sighting(flow), ..outcome }
}

fn probe(injector: &mut Injector, tunnel: &mut Tunnel, flow: Flow) -> Outcome {
    let iss = SeqNum::new(std::process::id().wrapping_mul(2_654_435_761));
    let rules = vec![CaptureRule::port(flow.client.port())];
    let families = if flow.client.is_ipv4() { Families::Ipv4 } else { Families::Ipv6 };
    let capture = CaptureConfig { rules, families, receive_buffer: 1 << 20, ..CaptureConfig::default() };
    let mut straight = PnetCapture::open(&capture).ok();
    let mut outcome = Outcome::default();
    if tunnel.announce(flow).is_err() {
        return outcome;
    }
    let start = Instant::now();
    let (mut next, mut deadline) = (start, start + LIMIT);
    while Instant::now() < deadline {
        if Instant::now() >= next {
            next += AGAIN;
            // What cannot be sent was a station of its own.
            let _ = send(injector, &segment(flow, Flags::SYN, iss));
        }
        let is_answer = |segment: &Segment| segment.source == flow.target && segment.destination == flow.client;
        let returned = tunnel.read().ok().flatten().filter(is_answer);
        let octets = straight.as_mut().and_then(|capture| capture.next_packet().ok().flatten());
        let direct = octets.and_then(|octets| PacketRef::parse(octets).ok());
        let direct = direct.map(|packet| *packet.segment()).filter(is_answer);
        let found = returned.is_some() || direct.is_some();
        outcome.returned = outcome.returned.or(returned);
        outcome.straight = outcome.straight.or(direct);
        if found {
            (next, deadline) = (deadline + LIMIT, Instant::now() + GRACE);
        }
    }
    // The half-open connection goes at once, not after a minute.
    let _ = send(injector, &segment(flow, Flags::RST, iss + 1));
    outcome
}

fn accepts(answer: Segment) -> bool {
    answer.flags.contains(Flags::SYN) && answer.flags.contains(Flags::ACK)
}

fn judge_own(outcome: &Outcome, flow: Flow) -> Finding {
    let (target, port) = (flow.target, flow.target.port());
    let how = format!("sent a SYN from {}", flow.client);
    match (outcome.returned, outcome.straight) {
        (Some(answer), None) if accepts(answer) => {
            Finding::good(ANSWER, format!("{target} accepts, and intercept returns its answer"), how)
        }
        (_, Some(answer)) if accepts(answer) => {
            let found =
                format!("the answer of {target} comes straight to this host, and so would it to clients");
            let remedy = format!(
                "on the test host: iptables -I OUTPUT -p tcp --sport {port} -j NFQUEUE --queue-num 0; then there: \
                 intercept check --application {port}"
            );
            Finding::bad(ANSWER, found, how, remedy)
        }
        (Some(_), _) | (_, Some(_)) => {
            let remedy = "start the application under test there, or correct the target of -x";
            Finding::bad(ANSWER, format!("{target} refuses: nothing listens there"), how, remedy)
        }
        (None, None) => {
            let (found, remedy) = lost(outcome.sighting, flow).unwrap_or_else(|| {
                let found = "neither by intercept nor straight: it ends on the test host";
                let remedy = format!("on the test host: intercept check --application {port}");
                (format!("no answer of {target}, {found}"), remedy)
            });
            Finding::bad(ANSWER, found, how, remedy)
        }
    }
}

fn judge_client(outcome: &Outcome, flow: Flow, own: IpAddr) -> Finding {
    let how = format!("sent a SYN from {}", flow.client);
    if outcome.returned.is_some_and(accepts) {
        return Finding::good(SOURCE, format!("packets from {} arrive too", flow.client.ip()), how);
    }
    let client = flow.client.ip();
    let (found, remedy) = lost(outcome.sighting, flow).unwrap_or_else(|| {
        let remedy = format!(
            "{}; if all is well there, the network between drops them: {OTHER_CLIENTS}",
            check_there(flow)
        );
        (format!("a SYN from {client} gets no answer"), remedy)
    });
    let found = format!("{found}, while one from {own} is answered: foreign sources are dropped");
    Finding::bad(SOURCE, found, how, remedy)
}

/// On which leg a SYN or its answer was lost, and what mends it; nothing if intercept cannot tell.
fn lost(sighting: Option<Sighting>, flow: Flow) -> Option<(String, String)> {
    let Sighting { arrived, connected, reverse_path, .. } = sighting?;
    let Flow { client, target } = flow;
    let syn = format!("a SYN from {} to {target}", client.ip());
    Some(match (connected, arrived) {
        (true, _) => {
            let found =
                format!("{syn} is answered on the test host, and intercept's queue does not get the answer");
            (found, check_there(flow))
        }
        (false, None) => return None,
        (false, Some(false)) => {
            let found = format!("{syn} does not arrive at the test host: the network between loses it");
            (found, format!("look for the filter on the way; if it drops foreign sources, {OTHER_CLIENTS}"))
        }
        (false, Some(true)) if reverse_path => {
            let found = format!("{syn} arrives at the test host, and its reverse path filter drops it");
            let remedy = "on the test host: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.<interface>.rp_filter=0";
            (found, format!("{remedy}; {}", check_there(flow)))
        }
        (false, Some(true)) => {
            let found =
                format!("{syn} arrives at the test host, and a rule there drops it before the application");
            (found, check_there(flow))
        }
    })
}

fn check_there(flow: Flow) -> String {
    let Flow { client, target } = flow;
    format!("on the test host: intercept check --application {} --client {}", target.port(), client.ip())
}
