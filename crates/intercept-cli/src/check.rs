//! `intercept check`: what becomes of a replayed packet and its answer on the test host, station by station.
//!
//! Everything is read, nothing is changed and nothing is sent.

mod application;
mod path;
mod queue;

use crate::args::{Args, QueueRange};
use crate::config::{Config, SourceConfig};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use tc_sys::firewall::Firewall;
use tc_sys::host::{self, Listener};
use tc_sys::privilege;
use tc_sys::program::{Arguments, Finding, Report, ReportFormat, number};

/// Says which station of a packet's way on the test host does not work
///
/// Give the same arguments as for intercept itself, which may run meanwhile or not. Each station is looked at in the
/// order of the way: how a request reaches the application, how its answer reaches the queue, who takes it there, and
/// how tcpcopy reaches intercept. Nothing is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    args: Args,

    /// Ports of the application under test
    ///
    /// A comma list. The default are the ports of the rules that feed the queue.
    #[arg(long, value_name = "PORTS", value_delimiter = ',', value_parser = port)]
    application: Vec<u16>,

    /// An address under which a replayed client comes
    ///
    /// As with -c of tcpcopy. With it, the rules and the reverse path filter are asked about this very client.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,

    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

fn port(text: &str) -> Result<u16, String> {
    number(text, 1..=u16::MAX)
}

/// What all stations are about.
struct Subject {
    queues: QueueRange,
    client: Option<IpAddr>,
    /// Nothing if only root may read it.
    firewall: Option<Firewall>,
}

impl CheckArgs {
    /// Looks at all stations and prints what was found.
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        self.args.check()?;
        let format = if self.json { ReportFormat::Json } else { ReportFormat::Text };
        let config = Config::from(self.args);
        let SourceConfig::Queues(queues, _) = config.source else {
            return Err("check knows the way through the queue only; leave -i and --source out".to_owned());
        };
        let version = self.client.unwrap_or(IpAddr::from([0; 4]));
        let subject = Subject { queues, client: self.client, firewall: Firewall::current(&version) };
        let mut report = Report::default();
        look_at_permission(&mut report);
        let ports = ports(self.application, &subject);
        if ports.is_empty() {
            let found = "no rule feeds the queue, and --application names no port";
            let remedy = "intercept check --application <port of the application>";
            report.add(Finding::unknown("application", found, "read iptables-save", remedy));
        }
        for port in &ports {
            application::look(*port, &subject, &mut report);
        }
        path::look(&subject, &mut report);
        queue::look(&ports, &subject, &mut report);
        look_at_tunnel(config.port, &subject, &mut report);
        Ok(report.print("intercept", format))
    }
}

fn look_at_permission(report: &mut Report) {
    if privilege::has_net_admin() {
        report.add(Finding::good("permission", "CAP_NET_ADMIN is there", "read /proc/self/status"));
    } else {
        let remedy = tc_sys::error::privilege_hint();
        report.add(Finding::bad("permission", "CAP_NET_ADMIN is missing", "read /proc/self/status", remedy));
    }
}

/// The ports to look at, each once.
fn ports(named: Vec<u16>, subject: &Subject) -> BTreeSet<u16> {
    if !named.is_empty() {
        return named.into_iter().collect();
    }
    let rules = subject.firewall.iter().flat_map(|firewall| firewall.rules_to("NFQUEUE"));
    let listed = rules.filter_map(|rule| {
        let mut words = rule.split_whitespace().skip_while(|word| !matches!(*word, "--sport" | "--sports"));
        words.nth(1)
    });
    listed.flat_map(|list| list.split(',')).filter_map(|port| port.parse().ok()).collect()
}

/// Whether this is the name of an intercept, which an administrator may have given a longer one.
fn is_intercept(command: &str) -> bool {
    command.contains("intercept")
}

/// Whether tcpcopy can connect.
fn look_at_tunnel(port: u16, subject: &Subject, report: &mut Report) {
    const STATION: &str = "tunnel";
    match Listener::on(port) {
        None => {
            let found = format!("nobody listens on port {port}, where tcpcopy connects");
            report.add(Finding::bad(STATION, found, "read /proc/net/tcp", "start intercept"));
        }
        Some(listener) if listener.process.as_ref().is_some_and(|holder| !is_intercept(&holder.command)) => {
            let found = format!("port {port} is held by {}", listener.name());
            let remedy = "stop that program, or choose another port with -p, here and for tcpcopy";
            report.add(Finding::bad(STATION, found, "read /proc/net/tcp and /proc/*/fd", remedy));
        }
        Some(listener) if !listener.is_reachable() => {
            let found = format!("{} listens on port {port} of the loopback interface only", listener.name());
            report.add(Finding::bad(STATION, found, "read /proc/net/tcp", "start intercept with another -b"));
        }
        Some(listener) => {
            let found = format!("{} listens on port {port}", listener.name());
            report.add(Finding::good(STATION, found, "read /proc/net/tcp"));
        }
    }
    let tcpcopy = host::peers(port).first().copied();
    application::look_at_input(STATION, port, tcpcopy, subject, report);
}

/// An address of this host, for questions about routes.
fn own_address(like: IpAddr) -> Option<IpAddr> {
    let fits = |address: &IpAddr| address.is_ipv4() == like.is_ipv4() && !address.is_loopback();
    tc_sys::process::local_addresses().into_iter().find(fits)
}
