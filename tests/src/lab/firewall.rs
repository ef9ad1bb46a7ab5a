//! Firewall rules of a host.

use super::{Host, TARGET};

/// A rule, in the words of iptables; it stays until it is removed or its host goes.
#[derive(Debug, Clone)]
pub struct Rule {
    table: &'static str,
    rule: String,
}

impl Rule {
    /// Answers of the application go to the netfilter queue.
    #[must_use]
    pub fn queue_answers(port: u16, queue: u16) -> Self {
        Self::filter(format!("OUTPUT -p tcp --sport {port} -j NFQUEUE --queue-num {queue}"))
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
        Self { table: "mangle", rule }
    }

    /// Nothing reaches the port.
    #[must_use]
    pub fn block(port: u16) -> Self {
        Self::filter(format!("INPUT -p tcp --dport {port} -j DROP"))
    }

    fn filter(rule: String) -> Self {
        Self { table: "filter", rule }
    }

    /// Puts the rule in force, before all others.
    pub fn add(&self, host: &Host) {
        host.run(&format!("iptables -w -t {} -I {}", self.table, self.rule));
    }

    /// Removes the rule.
    pub fn remove(&self, host: &Host) {
        host.run(&format!("iptables -w -t {} -D {}", self.table, self.rule));
    }
}

fn random(share: f64) -> String {
    format!("-m statistic --mode random --probability {share}")
}
