//! Facts about this host's network that decide what becomes of a packet, read without changing anything.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use pnet::datalink::{self, NetworkInterface};
use tc_proto::Flow;

use crate::process::{ProcessHolding, port_holder};

/// A kernel setting, by its path below `/proc/sys`.
#[must_use]
pub fn setting(path: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
    Some(text.trim().to_owned())
}

/// The source address that packets to `target` leave with.
///
/// # Errors
///
/// `ENETUNREACH` and its like: there is no route.
pub fn route_to(target: SocketAddr) -> io::Result<IpAddr> {
    let unspecified: SocketAddr = match target {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    // Nothing is sent: for a datagram socket, connecting is looking for the route.
    let socket = UdpSocket::bind(unspecified)?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}

/// The interfaces that are up and lead to other hosts.
#[must_use]
pub fn links() -> Vec<NetworkInterface> {
    datalink::interfaces().into_iter().filter(|link| link.is_up() && !link.is_loopback()).collect()
}

/// Whether the kernel takes a packet from `source` that comes in on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// It does.
    Accepted,
    /// It drops such packets as forged (`rp_filter`).
    Refused,
    /// It did not say; `ip` is missing, or there is no such route at all.
    Unknown,
}

/// Asks the kernel for the route of a packet from `source` to `destination` that comes in on `interface`.
#[must_use]
pub fn reverse_path(source: IpAddr, destination: IpAddr, interface: &str) -> ReversePath {
    let (source, destination) = (source.to_string(), destination.to_string());
    let arguments = ["route", "get", &destination, "from", &source, "iif", interface];
    match Command::new("ip").args(arguments).env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => ReversePath::Accepted,
        // Which of the two depends on the kernel.
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            let refused = error.contains("Invalid cross-device") || error.contains("Invalid argument");
            if refused { ReversePath::Refused } else { ReversePath::Unknown }
        }
        Err(_) => ReversePath::Unknown,
    }
}

/// How strictly the kernel looks at the source of what comes in on an interface: the larger of two settings counts.
#[must_use]
pub fn reverse_path_filter(interface: &str) -> u8 {
    let of = |name: &str| {
        let value = setting(&format!("net/ipv4/conf/{name}/rp_filter"));
        value.and_then(|value| value.parse::<u8>().ok()).unwrap_or(0)
    };
    of("all").max(of(interface))
}

/// Who listens on a TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub addresses: Vec<IpAddr>,
    /// Who, if that can be seen from here.
    pub process: Option<ProcessHolding>,
}

impl Listener {
    /// Of a port of this host.
    #[must_use]
    pub fn on(port: u16) -> Option<Self> {
        let addresses = listening(port);
        (!addresses.is_empty()).then(|| Self { addresses, process: port_holder(port) })
    }

    /// Whether other hosts can reach it.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.addresses.iter().any(|address| !address.is_loopback())
    }

    /// Its name and process id, or that they are hidden.
    #[must_use]
    pub fn name(&self) -> String {
        let hidden = || "a process that only root can see".to_owned();
        self.process.as_ref().map_or_else(hidden, ToString::to_string)
    }
}

/// Whether this host has a connection of this flow, half open or open, at the target's end.
#[must_use]
pub fn has_connection(flow: &Flow) -> bool {
    // TCP_ESTABLISHED and TCP_SYN_RECV of include/net/tcp_states.h.
    const STATES: [&str; 2] = ["01", "03"];
    STATES.into_iter().any(|state| {
        let ends = sockets(flow.target.port(), state, |local, remote| (local, remote));
        ends.contains(&(flow.target.ip(), flow.client))
    })
}

/// A counter of TCP beyond those of the standards, by its name in `/proc/net/netstat`.
#[must_use]
pub fn tcp_counter(name: &str) -> Option<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("TcpExt:")).map(str::split_whitespace);
    let (mut names, mut values) = (lines.next()?, lines.next()?);
    values.nth(names.position(|found| found == name)?)?.parse().ok()
}

/// The other ends of the connections of a TCP port of this host.
#[must_use]
pub fn peers(port: u16) -> Vec<IpAddr> {
    const ESTABLISHED: &str = "01";
    sockets(port, ESTABLISHED, |_, remote| remote.ip())
}

fn listening(port: u16) -> Vec<IpAddr> {
    const LISTEN: &str = "0A";
    sockets(port, LISTEN, |local, _| local)
}

/// What is picked of each socket of a port that is in this state: its own address, and its peer's with the port.
fn sockets<T>(port: u16, state: &str, pick: fn(IpAddr, SocketAddr) -> T) -> Vec<T> {
    let tables = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
    let tables = tables.into_iter().filter_map(|table| fs::read_to_string(table).ok());
    let find = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().take(4).collect();
        let [_, local, remote, found] = columns[..] else { return None };
        let (address, of_port) = local.rsplit_once(':')?;
        let (remote, remote_port) = remote.rsplit_once(':')?;
        let port_of = |digits| u16::from_str_radix(digits, 16).ok();
        if found != state || port_of(of_port) != Some(port) {
            return None;
        }
        let remote = SocketAddr::new(address_of(remote)?, port_of(remote_port)?);
        Some(pick(address_of(address)?, remote))
    };
    tables.flat_map(|table| table.lines().filter_map(find).collect::<Vec<_>>()).collect()
}

/// An address of proc(5), `/proc/net/tcp`: 32-bit words, each in the order of the processor's octets. IPv4 in IPv6 is
/// IPv4.
fn address_of(words: &str) -> Option<IpAddr> {
    let word = |at: usize| words.get(at..at + 8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let octets: Option<Vec<[u8; 4]>> =
        (0..words.len()).step_by(8).map(|at| word(at).map(u32::to_ne_bytes)).collect();
    let octets = octets?.concat();
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| IpAddr::from(octets).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_that_are_listened_on_are_read_from_the_kernels_tables() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let found = Listener::on(port).expect("found");
        assert_eq!(found.addresses, [IpAddr::from([127, 0, 0, 1])]);
        assert!(!found.is_reachable());
        assert_eq!(found.process.map(|process| process.pid), Some(std::process::id()));
        drop(listener);
        assert_eq!(Listener::on(port), None);
    }

    #[test]
    fn a_connection_is_found_by_both_its_ends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        let stream = std::net::TcpStream::connect(target).expect("connected");
        let client = stream.local_addr().expect("an address");
        assert!(has_connection(&Flow { client, target }));
        assert!(!has_connection(&Flow { client: SocketAddr::new(client.ip(), 1), target }));
    }

    #[test]
    fn counters_are_found_by_their_names() {
        assert!(tcp_counter("IPReversePathFilter").is_some());
        assert_eq!(tcp_counter("NoSuchCounter"), None);
    }

    #[test]
    fn an_ipv6_address_is_four_words() {
        let found = address_of("00000000000000000000000001000000");
        assert_eq!(found, Some(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)));
        assert_eq!(address_of("00000000"), Some(IpAddr::from([0; 4])));
        assert_eq!(address_of("xyz"), None);
    }
}
