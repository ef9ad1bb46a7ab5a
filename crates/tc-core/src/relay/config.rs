//! The relay's configuration.

use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;
use tc_proto::tunnel::MAX_RECORDS_PER_FRAME;
use tc_proto::tunnel::auth::Key;

/// What a relay may keep, and for how long.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Destinations whose responses go on to them and to no tunnel.
    pub passlist: Vec<IpNet>,
    /// Addresses from which tunnels may come; none for all.
    pub allow: Vec<IpNet>,
    /// What each tunnel must prove to know.
    pub key: Option<Key>,
    /// Tunnels at most.
    pub max_tunnels: usize,
    /// Tunnels at most whose hand-shake is not over; the oldest makes room for another.
    pub max_half_open: usize,
    /// Routes that the table has room for from the start.
    pub initial_routes: usize,
    /// Routes at most; the one that idled longest makes room for another.
    pub max_routes: usize,
    /// A route without responses for this long goes.
    pub route_idle: Duration,
    /// A route goes this long after its last response, once the target has sent FIN or RST.
    pub route_closing: Duration,
    /// A route goes this long after its last response, once its tunnel has taken it back: late responses still find
    /// it, and tcpcopy answers them.
    pub route_removed: Duration,
    /// Headers held at most because their route has not come, over all flows.
    pub max_held: usize,
    /// Headers held at most for one flow.
    pub max_held_per_flow: usize,
    /// How long a SYN-ACK or RST waits for its route, with what follows it.
    pub hold_handshake: Duration,
    /// How long other headers wait for their route: for a tcpcopy that lost its tunnel and connects again.
    pub hold_other: Duration,
    /// Octets of each response's payload that a tunnel gets at most, whatever it asks for.
    pub max_payload: u16,
    /// Octets of headers that may wait for one tunnel.
    pub max_pending: usize,
    /// Octets of headers that may wait for all tunnels together; beyond, the one for which most wait is cut.
    pub max_pending_of_all: usize,
    /// Records in a frame at most, for the C programs: from 1 to 16.
    pub records_per_frame: usize,
    /// How long a tunnel may take to say its version, and to prove that it knows the key.
    pub handshake_limit: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            passlist: Vec::new(),
            allow: Vec::new(),
            key: None,
            max_tunnels: 512,
            max_half_open: 128,
            initial_routes: 65_536,
            max_routes: 1_000_000,
            route_idle: Duration::from_hours(2),
            route_closing: Duration::from_mins(5),
            route_removed: Duration::from_secs(10),
            max_held: 65_536,
            max_held_per_flow: 64,
            hold_handshake: Duration::from_secs(30),
            hold_other: Duration::from_secs(3),
            max_payload: 2048,
            max_pending: 64 << 20,
            max_pending_of_all: 256 << 20,
            records_per_frame: MAX_RECORDS_PER_FRAME,
            handshake_limit: Duration::from_secs(10),
        }
    }
}

impl RelayConfig {
    pub(super) fn passes(&self, address: IpAddr) -> bool {
        self.passlist.iter().any(|network| network.contains(&address))
    }

    pub(super) fn allows(&self, peer: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&peer))
    }
}
