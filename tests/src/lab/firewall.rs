//! Firewall rules of a host.

use super::{Host, TARGET};

/// A rule, in the words of iptables, for both versions of IP where it can be; it stays until it is removed or its host goes.
#[derive(Debug, Clone)]
pub struct Rule {
    programs: &'static [&'static str],
    table: &'static str,
    words: String,
}

const BOTH: &[&str] = &["iptables", "ip6tables"];

impl Rule {
    /// Answers of the application go to the netfilter queue.
    #[must_use]
    pub fn queue_answers(port: u16, queue: u16) -> Self {
        Self::filter(format!("OUTPUT -p tcp --sport {port} -j NFQUEUE --queue-num {queue}"))
    }

    /// Datagrams of the application go to the netfilter queue.
    #[must_use]
    pub fn queue_datagrams(port: u16, queue: u16) -> Self {
        Self::filter(format!("OUTPUT -p udp --sport {port} -j NFQUEUE --queue-num {queue}"))
    }

    /// Packets to the application go through a netfilter queue before it gets them.
    #[must_use]
    pub fn queue_requests(port: u16, queue: u16) -> Self {
        Self::filter(format!("INPUT -p tcp --dport {port} -j NFQUEUE --queue-num {queue}"))
    }

    /// This share of the packets to the port is lost.
    #[must_use]
    pub fn lose_to(port: u16, share: f64) -> Self {
        Self::filter(format!("INPUT -p tcp --dport {port} {} -j DROP", random(share)))
    }

    /// This share of the packets from the port is lost.
    #[must_use]
    pub fn lose_from(port: u16, share: f64) -> Self {
        Self::filter(format!("OUTPUT -p tcp --sport {port} {} -j DROP", random(share)))
    }

    /// This share of the packets to the target application leaves this host twice.
    #[must_use]
    pub fn duplicate_requests(port: u16, share: f64) -> Self {
        let rule = format!(
            "POSTROUTING -p tcp -d {TARGET} --dport {port} {} -j TEE --gateway {TARGET}",
            random(share)
        );
        Self { programs: &["iptables"], table: "mangle", words: rule }
    }

    /// This host's own raw sockets cannot send to the port.
    #[must_use]
    pub fn forbid_to(port: u16) -> Self {
        Self::filter(format!("OUTPUT -p tcp --dport {port} -j DROP"))
    }

    /// Nothing reaches the port.
    #[must_use]
    pub fn block(port: u16) -> Self {
        Self::filter(format!("INPUT -p tcp --dport {port} -j DROP"))
    }

    fn filter(rule: String) -> Self {
        Self { programs: BOTH, table: "filter", words: rule }
    }

    /// Puts the rule in force, before all others.
    pub fn add(&self, host: &Host) {
        self.run(host, "-I");
    }

    /// Removes the rule.
    pub fn remove(&self, host: &Host) {
        self.run(host, "-D");
    }

    fn run(&self, host: &Host, action: &str) {
        for program in self.programs {
            host.run(&format!("{program} -w -t {} {action} {}", self.table, self.words));
        }
    }
}

fn random(share: f64) -> String {
    format!("-m statistic --mode random --probability {share}")
}
