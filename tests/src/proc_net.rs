//! The sockets of a host, as the kernel lists them.

use std::collections::BTreeSet;
use std::fs;

use crate::lab::Host;

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// The sockets of a host.
#[derive(Clone, Copy)]
pub struct Sockets<'a> {
    host: &'a Host,
}

impl<'a> Sockets<'a> {
    /// The sockets of `host`.
    #[must_use]
    pub fn of(host: &'a Host) -> Self {
        Self { host }
    }

    /// Whether somebody listens on this TCP port.
    #[must_use]
    pub fn listens(self, port: u16) -> bool {
        self.tcp().any(|(local, _, state)| local == port && state == LISTEN)
    }

    /// How many TCP connections to this remote port are established.
    #[must_use]
    pub fn established_to(self, port: u16) -> usize {
        self.tcp().filter(|(_, remote, state)| *remote == port && state == ESTABLISHED).count()
    }

    /// How many TCP connections of this local port are established.
    #[must_use]
    pub fn established_from(self, port: u16) -> usize {
        self.tcp().filter(|(local, _, state)| *local == port && state == ESTABLISHED).count()
    }

    /// The remote ports of established TCP connections of this local port.
    #[must_use]
    pub fn peers_of(self, port: u16) -> BTreeSet<u16> {
        let connections = self.tcp().filter(|(local, _, state)| *local == port && state == ESTABLISHED);
        connections.map(|(_, remote, _)| remote).collect()
    }

    /// Whether a program is bound to this netfilter queue.
    #[must_use]
    pub fn queue_is_bound(self, queue: u16) -> bool {
        let text = self.read("netfilter/nfnetlink_queue");
        let mut numbers = text.lines().filter_map(|line| line.split_whitespace().next());
        numbers.any(|number| number.parse() == Ok(queue))
    }

    /// How many sockets capture TCP: packet sockets, and raw sockets of protocol 6.
    #[must_use]
    pub fn captures(self) -> usize {
        let packet = self.read("packet").lines().skip(1).count();
        packet + self.read("raw").lines().skip(1).filter(|line| line.contains(":0006 ")).count()
    }

    /// How many packets the kernel could not hand over: to raw sockets, and to programs bound to netfilter queues.
    #[must_use]
    pub fn dropped(self) -> u64 {
        let last = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
        let raw: u64 = self.read("raw").lines().filter_map(last).sum();
        let queues = self.read("netfilter/nfnetlink_queue");
        let fields = |line: &str| -> u64 {
            let drops = line.split_whitespace().skip(5).take(2);
            drops.filter_map(|field| field.parse::<u64>().ok()).sum()
        };
        raw + queues.lines().map(fields).sum::<u64>()
    }

    fn tcp(self) -> impl Iterator<Item = (u16, u16, String)> + use<> {
        let text = self.read("tcp") + &self.read("tcp6");
        text.lines().filter_map(parse_tcp).collect::<Vec<_>>().into_iter()
    }

    fn read(self, name: &str) -> String {
        let path = format!("/proc/thread-self/net/{name}");
        self.host.inside(|| fs::read_to_string(path)).unwrap_or_default()
    }
}

/// Local port, remote port and state of a line of the kernel's table.
fn parse_tcp(line: &str) -> Option<(u16, u16, String)> {
    let mut words = line.split_whitespace().skip(1);
    let mut port = || u16::from_str_radix(words.next()?.rsplit(':').next()?, 16).ok();
    let (local, remote) = (port()?, port()?);
    Some((local, remote, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_understood() {
        let line = "   1: 0100007F:0CEA 0100007F:8EAC 01 00000000:00000000 00:00000000";
        assert_eq!(parse_tcp(line), Some((0x0cea, 0x8eac, "01".to_owned())));
        assert_eq!(parse_tcp("  sl  local_address rem_address   st tx_queue"), None);
    }
}
