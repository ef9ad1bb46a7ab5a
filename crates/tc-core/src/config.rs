//! What can be set.

use crate::clients::FIRST_PORT;
use crate::compare::CompareConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tc_proto::PortShare;

/// Settings of a [`Replayer`](crate::Replayer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// When the next request may go.
    pub pace: Pace,
    /// How long anything waits at most for the target to begin its answer to what was before.
    pub answer_limit: Duration,
    /// Where captured packets come from.
    pub origin: Origin,
    /// How long a hole in the captured stream may last. A client whose packet was lost sends it again before, so an
    /// older hole was never seen by the capture.
    pub hole_limit: Duration,
    /// Which client connections are replayed.
    pub admission: Admission,
    /// Octets of the largest packet sent to the target, IP header included.
    pub mtu: usize,
    /// The maximum segment size that a synthesized SYN names, or what follows from `mtu`.
    pub mss: Option<u16>,
    /// The round-trip time to the target that is assumed before one was measured.
    pub initial_rtt: Option<Duration>,
    /// How long a session that still has something to send may stay without a word from client and target.
    pub session_timeout: Duration,
    /// The same for a session that has sent everything: a client that keeps its connection open.
    pub keepalive_timeout: Duration,
    /// Sessions at once; more are not begun.
    pub max_sessions: usize,
    /// Octets of captured data that a session may keep.
    pub max_session_octets: usize,
    /// Octets of memory that all sessions may take; beyond that the newest are shed.
    pub max_octets: usize,
    /// The clients' ports that belong to this replayer, when others replay beside it. Only their packets come to it, and
    /// its flows use no other ports.
    pub ports: PortShare,
    /// Whether answers are compared, and how.
    pub compare: Option<CompareConfig>,
}

impl ReplayConfig {
    /// The settings of each of so many replayers that work side by side and share what these settings allow one.
    pub fn split(self, workers: u16) -> impl Iterator<Item = Self> {
        let parts = usize::from(workers.max(1));
        let (max_sessions, max_octets) = (self.max_sessions.div_ceil(parts), self.max_octets.div_ceil(parts));
        PortShare::split(workers).map(move |ports| Self { max_sessions, max_octets, ports, ..self })
    }
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            answer_limit: Duration::from_secs(30),
            origin: Origin::default(),
            hole_limit: Duration::from_secs(3),
            admission: Admission::default(),
            mtu: 1500,
            mss: None,
            initial_rtt: None,
            session_timeout: Duration::from_mins(10),
            keepalive_timeout: Duration::from_mins(12),
            max_sessions: 1_000_000,
            max_session_octets: 128 << 20,
            max_octets: 2 << 30,
            ports: PortShare::WHOLE,
            compare: None,
        }
    }
}

/// Where captured packets come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// From the wire, where replayed packets pass by as well.
    #[default]
    Wire,
    /// From a file: a packet to a target is a client's if `-x` names its address as that of the online server.
    File,
}

/// When the next request of a connection may go, once it was captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// When the target has begun to answer the one before.
    #[default]
    Answered,
    /// When the target has said as much as the client had heard, or was silent for a moment: answers that shall be told
    /// apart must not overlap.
    Heard,
    /// At once.
    Unanswered,
}

/// Which client connections are replayed, how often, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// How many of a hundred connections are replayed, 1 to 100. A connection is in or out by its address and port.
    pub percentage: u8,
    /// Whether that is reached at once.
    pub ramp: Ramp,
    /// Whether connections that were open already are joined.
    pub join: Join,
    /// Replayed connections for each captured one, at least 1.
    pub copies: u16,
    /// Moves all client ports by 63 times this number, at most 1023, so that several tcpcopy that replay the same
    /// clients to one target keep out of each other's way.
    pub port_shift: u16,
    /// As whom clients on the loopback interface appear, unless they get another address anyhow.
    pub loopback: LoopbackClients,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            percentage: 100,
            ramp: Ramp::default(),
            join: Join::default(),
            copies: 1,
            port_shift: 0,
            loopback: LoopbackClients::default(),
        }
    }
}

impl Admission {
    /// As whom a client would appear in one of its replays: its address, and its port moved.
    pub(crate) fn appearance(&self, client: SocketAddr, copy: u16) -> SocketAddr {
        let ip = self.loopback.appearance(client.ip());
        if self.port_shift == 0 && copy == 0 {
            return SocketAddr::new(ip, client.port());
        }
        // Two primes to each other, that copies and shifts seldom meet.
        let moved = u32::from(client.port()) + 63 * u32::from(self.port_shift) + 61 * u32::from(copy);
        let ports = u32::from(u16::MAX - FIRST_PORT) + 1;
        let offset = moved.wrapping_sub(u32::from(FIRST_PORT)) % ports;
        SocketAddr::new(ip, FIRST_PORT + u16::try_from(offset).unwrap_or(0))
    }
}

/// As whom clients on the loopback interface appear, for each IP version; without one, as what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopbackClients {
    /// Those from `127.0.0.0/8`.
    pub v4: Option<Ipv4Addr>,
    /// Those from `::1`.
    pub v6: Option<Ipv6Addr>,
}

impl LoopbackClients {
    fn appearance(self, client: IpAddr) -> IpAddr {
        let other = match client {
            IpAddr::V4(v4) if v4.is_loopback() => self.v4.map(IpAddr::from),
            IpAddr::V6(v6) if v6.is_loopback() => self.v6.map(IpAddr::from),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        other.unwrap_or(client)
    }
}

/// How the percentage of replayed connections is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ramp {
    /// At once.
    #[default]
    None,
    /// From 1 on, one more each second after the first packet.
    OneEachSecond,
}

/// What becomes of client connections that were open already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// They join at their next request.
    #[default]
    AtNextRequest,
    /// They are left out.
    Never,
}
