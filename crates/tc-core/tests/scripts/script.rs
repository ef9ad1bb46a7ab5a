//! A script, as it was written: all sequence numbers are relative.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tc_core::{ReplayConfig, RouteScope};
use tc_proto::Flags;

/// Number of a client connection, 1 unless the script says otherwise.
pub(crate) type Number = usize;

/// A whole script.
#[derive(Debug)]
pub(crate) struct Script {
    /// The first line: what must hold.
    pub(crate) sentence: String,
    pub(crate) settings: Settings,
    pub(crate) lines: Vec<Line>,
}

/// What holds for all of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) config: ReplayConfig,
    /// How far from its time an expected packet may be.
    pub(crate) tolerance: Duration,
    pub(crate) family: Family,
    pub(crate) pool: Pool,
    /// Whether a tunnel is there from the beginning.
    pub(crate) tunnel: bool,
}

/// The IP versions over which a script is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Both,
    Ipv4,
    Ipv6,
}

/// The addresses under which clients appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Their own.
    None,
    /// One for all.
    One,
    /// The target's, under which nobody can appear.
    Target,
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Rc<PathBuf>,
    pub(crate) line: usize,
    pub(crate) text: Rc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.text)
    }
}

/// When a line happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So long after the line before.
    After(Duration),
    /// In the same wake-up as the line before: nothing is sent in between.
    Together,
}

/// One line that does or expects something.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) when: When,
    pub(crate) action: Action,
}

/// What a line does or expects.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// `c>`: the capture sees a packet of the client.
    Captured(Number, Packet, Manner),
    /// `t>`: a header of the target comes back.
    Header(Number, Packet),
    /// `>t`: a packet to the target.
    Sent(Number, Packet),
    /// `>r`: a route.
    Route(Number, RouteFacts),
    TunnelUp(Scope),
    TunnelDown(Scope),
    /// All clients have gone without a word.
    ClientsGone,
    /// From now on holes may last so long.
    LimitHoles(Duration),
    Client(Number, ClientChange),
    /// The target's next connection has another initial sequence number.
    NewTarget(Number),
    /// `expect`.
    Expect(Expectation),
}

/// What must hold for the engine's state.
#[derive(Clone, Debug)]
pub(crate) enum Expectation {
    /// That nothing was sent, which holds for any line.
    Nothing,
    Counters(Vec<(String, u64)>),
    Sessions(usize),
    Busy(usize),
    Octets(usize),
    Waiting(Vec<(String, usize)>),
    NoTimer,
    /// Whether the target's next word is waited for.
    Awaits(bool),
}

/// How a connection's client differs from what its number says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientChange {
    /// It has the address and port of another one's, and an initial sequence number of its own.
    SamePort(Number),
    /// The same, and the initial sequence number too.
    SamePortAndIss(Number),
    /// It is on the online host itself.
    Loopback,
}

/// What must hold for the flow of a route.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RouteFacts {
    /// The port differs from the client's.
    pub(crate) new_port: bool,
    /// The address is that of the pool.
    pub(crate) pooled: bool,
    /// It is another replay of that connection.
    pub(crate) copy_of: Option<Number>,
}

/// The scope of a tunnel, by name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    All,
    Target,
}

impl Scope {
    pub(crate) fn of(self, target: std::net::IpAddr) -> RouteScope {
        match self {
            Self::All => RouteScope::All,
            Self::Target => RouteScope::Target(target),
        }
    }
}

/// What is wrong with a captured packet, or special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// Only the first octets are there.
    Cut(usize),
    /// With "more fragments" set.
    Fragment,
    /// As fragments of so many octets.
    Pieces(usize),
    /// One of the fragments of so many octets, the first is 1.
    Piece(usize, usize),
    Udp,
    /// To a port that no `-x` names.
    Unmapped,
    /// To the target itself: a replayed packet, captured once more.
    Replayed,
    /// With padding of the link layer behind it.
    Padded,
    /// With IPv4 options, or an IPv6 extension header.
    IpOptions,
    /// With a TCP Fast Open cookie.
    FastOpen,
    /// The IP length field is 0, as for a packet beyond 64 KiB that the kernel put together.
    Offloaded,
}

/// A packet in packetdrill's notation.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) flags: Flags,
    pub(crate) seq: i64,
    pub(crate) len: usize,
    pub(crate) ack: Option<i64>,
    pub(crate) window: Option<u16>,
    pub(crate) urgent: u16,
    pub(crate) ttl: Option<u8>,
    pub(crate) traffic_class: Option<u8>,
    /// `None` for `<...>`: not looked at.
    pub(crate) options: Option<Options>,
}

/// TCP options; padding is not written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) mss: Option<u16>,
    pub(crate) sack_permitted: bool,
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: Vec<(i64, i64)>,
}
