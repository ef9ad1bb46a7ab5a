//! Firewall rules of a host.

use super::Host;

/// A rule of the filter table, in the words of iptables; it stays until it is removed or its host goes.
#[derive(Debug, Clone)]
pub struct Rule(String);

impl Rule {
    /// Answers of the application go to the netfilter queue.
    #[must_use]
    pub fn queue_answers(port: u16, queue: u16) -> Self {
        Self(format!("OUTPUT -p tcp --sport {port} -j NFQUEUE --queue-num {queue}"))
    }

    /// This share of the packets to the application is lost.
    #[must_use]
    pub fn lose_requests(port: u16, share: f64) -> Self {
        Self(format!("INPUT -p tcp --dport {port} -m statistic --mode random --probability {share} -j DROP"))
    }

    /// This share of the packets from the tunnel's port is lost.
    #[must_use]
    pub fn lose_tunnel(port: u16, share: f64) -> Self {
        Self(format!("OUTPUT -p tcp --sport {port} -m statistic --mode random --probability {share} -j DROP"))
    }

    /// Nothing reaches the port.
    #[must_use]
    pub fn block(port: u16) -> Self {
        Self(format!("INPUT -p tcp --dport {port} -j DROP"))
    }

    /// Puts the rule in force, before all others.
    pub fn add(&self, host: &Host) {
        host.run(&format!("iptables -w -I {}", self.0));
    }

    /// Removes the rule.
    pub fn remove(&self, host: &Host) {
        host.run(&format!("iptables -w -D {}", self.0));
    }
}
