//! Between the wire and the application: reverse path filter and forwarding.

use super::{Subject, own_address};
use std::net::IpAddr;
use tc_sys::firewall::Firewall;
use tc_sys::host::{self, ReversePath};
use tc_sys::program::{Finding, Report};

const STRICT: u8 = 1;

/// Whether packets with the addresses of clients are taken.
pub(super) fn look(subject: &Subject, report: &mut Report) {
    look_at_reverse_path(subject.client, report);
    look_at_reverse_path_rule(subject, report);
    look_at_forwarding(subject, report);
}

fn look_at_reverse_path(client: Option<IpAddr>, report: &mut Report) {
    const STATION: &str = "source";
    const HOW: &str = "read net.ipv4.conf.*.rp_filter and asked the kernel for the route back";
    let strict: Vec<_> =
        host::links().into_iter().filter(|link| host::reverse_path_filter(&link.name) == STRICT).collect();
    if strict.is_empty() || client.is_some_and(|client| client.is_ipv6()) {
        report.add(Finding::good(STATION, "no interface refuses sources because of the route back", HOW));
        return;
    }
    let Some(own) = own_address(IpAddr::from([0; 4])) else { return };
    // Without a client's name, one of a network that nobody has stands for all that come from far.
    let source = client.unwrap_or(IpAddr::from([198, 51, 100, 1]));
    let asked = strict.iter().map(|link| (&link.name, host::reverse_path(source, own, &link.name)));
    let refused = asked.into_iter().find(|(_, answer)| *answer != ReversePath::Accepted);
    report.add(match refused {
        None => Finding::good(STATION, format!("packets from {source} are taken, strict as rp_filter is"), HOW),
        Some((name, ReversePath::Unknown)) => {
            let found = format!("rp_filter of {name} is strict, and the kernel does not say what that means");
            Finding::unknown(STATION, found, HOW, format!("ip route get {own} from {source} iif {name}"))
        }
        Some((name, _)) => {
            let remedy = format!("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{name}.rp_filter=0");
            let found = format!("rp_filter of {name} drops packets from {source}: the route back is another");
            Finding::bad(STATION, found, HOW, remedy)
        }
    });
}

/// What the kernel's own filter is for IPv4, rules are for IPv6.
fn look_at_reverse_path_rule(subject: &Subject, report: &mut Report) {
    let Some(rule) = subject.firewall.as_ref().and_then(Firewall::foreign_reverse_path) else { return };
    let found = format!("a rule of nft drops packets whose route back is another: {rule}");
    let remedy =
        "see whether the way back to the clients is by the same interface; of firewalld: IPv6_rpfilter=no";
    report.add(Finding::unknown("source", found, "read nft list ruleset", remedy));
}

/// It matters where answers come through this host from another one, whose rules are in FORWARD.
fn look_at_forwarding(subject: &Subject, report: &mut Report) {
    const STATION: &str = "forwarding";
    const HOW: &str = "read net.ipv4.ip_forward and iptables-save";
    let forwards = host::setting("net/ipv4/ip_forward").is_some_and(|value| value != "0");
    let needed = subject
        .firewall
        .as_ref()
        .is_some_and(|firewall| firewall.rules_to("NFQUEUE").any(|rule| rule.starts_with("-A FORWARD")));
    report.add(match (needed, forwards) {
        (true, false) => {
            let found = "a rule of FORWARD feeds a queue, but this host does not forward";
            Finding::bad(STATION, found, HOW, "sysctl -w net.ipv4.ip_forward=1")
        }
        (true, true) => Finding::good(STATION, "this host forwards, as its rule in FORWARD needs", HOW),
        (false, true) => {
            Finding::good(STATION, "this host forwards, which the replay neither needs nor minds", HOW)
        }
        (false, false) => Finding::good(STATION, "this host does not forward, and need not", HOW),
    });
}
