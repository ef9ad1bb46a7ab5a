//! The application under test: does a request reach it, and does it listen?

use super::Subject;
use std::net::IpAddr;
use tc_sys::firewall::{Fate, Packet, Way};
use tc_sys::host::Listener;
use tc_sys::program::{Finding, Report};

pub(super) const UNREADABLE: &str = "the rules cannot be read";
pub(super) const READ: &str = "read iptables-save";
pub(super) const AS_ROOT: &str = "run this check as root on the host, not in a container";

/// A request to the application, and the application.
pub(super) fn look(port: u16, subject: &Subject, report: &mut Report) {
    look_at_input("request", port, subject.client, subject, report);
    match Listener::on(port) {
        None => {
            let found = format!("nothing listens on port {port}");
            let remedy = "start the application under test, or correct --application";
            report.add(Finding::bad("application", found, "read /proc/net/tcp", remedy));
        }
        Some(listener) if !listener.is_reachable() => {
            let found = format!("{} listens on port {port} of the loopback interface only", listener.name());
            let remedy = "let it listen on an address of the network";
            report.add(Finding::bad("application", found, "read /proc/net/tcp", remedy));
        }
        Some(listener) => {
            let found = format!("{} listens on port {port}", listener.name());
            report.add(Finding::good("application", found, "read /proc/net/tcp"));
        }
    }
}

/// Whether the rules let a SYN to this port in.
pub(super) fn look_at_input(
    station: &'static str,
    port: u16,
    client: Option<IpAddr>,
    subject: &Subject,
    report: &mut Report,
) {
    let Some(firewall) = &subject.firewall else {
        report.add(Finding::unknown(station, UNREADABLE, READ, AS_ROOT));
        return;
    };
    let packet = Packet {
        way: Way::In,
        source: client,
        destination: None,
        source_port: None,
        destination_port: Some(port),
    };
    report.add(match firewall.fate(&packet) {
        Fate::Passes => Finding::good(station, format!("the rules let packets to port {port} in"), READ),
        Fate::Queued { rule, .. } => {
            let remedy = format!("see whether its program accepts them; or remove it: {}", removal(&rule));
            Finding::unknown(station, format!("packets to port {port} go to a queue: {rule}"), READ, remedy)
        }
        Fate::Lost(rule) => {
            let remedy =
                format!("iptables -I INPUT -p tcp --dport {port} -j ACCEPT, or remove it: {}", removal(&rule));
            Finding::bad(station, format!("packets to port {port} are dropped by: {rule}"), READ, remedy)
        }
        Fate::Doubtful(rule) => {
            let remedy = "see whether it is for the clients; name one with --client";
            Finding::unknown(station, format!("packets to port {port} may be dropped by: {rule}"), READ, remedy)
        }
    });
}

/// The command that removes a rule, as `iptables-save` prints it.
pub(super) fn removal(rule: &str) -> String {
    match rule.strip_prefix("-A ") {
        Some(rest) => format!("iptables -D {rest}"),
        None => rule.to_owned(),
    }
}
