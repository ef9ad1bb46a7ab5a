//! Live capture of incoming packets of TCP and UDP.
//!
//! A capture sees a *copy* of what arrives at this host for this host; the packets themselves go their way untouched.
//! What is seen, and how it differs from the wire:
//!
//! - before DNAT, before the INPUT chain and before reassembly; once per packet, also when it comes through a bond, a
//!   bridge or a VLAN; packets that this host forwards pass the filter too when their destination matches a rule;
//! - after GRO: up to 64 KiB and more in one packet, with a TCP checksum that may be unfinished. Never verify it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::SystemTime;

use tc_proto::Transport;

use crate::pcap::PcapError;
use crate::{Families, SysError};

mod answers;
mod arrival;
mod fanout;
pub mod filter;
mod mirrored;
mod pacer;
mod pnet;
mod ring;
mod socket;

pub use answers::{AnswerCapture, AnswerConfig, CapturedAnswer};
pub use arrival::ArrivalWatch;
pub use filter::FilterError;
pub use pacer::{Alertness, Pacer};
pub use pnet::PnetCapture;
pub use ring::RingCapture;

/// After so many packets of one source the others get their turn.
const TURN: u32 = 64;

/// How packets come from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// [`RingCapture`].
    Ring,
    /// [`PnetCapture`].
    Pnet,
}

impl Backend {
    /// Opens a capture of this kind.
    ///
    /// # Errors
    ///
    /// Those of [`RingCapture::open`] and [`PnetCapture::open`].
    pub fn open(self, config: &CaptureConfig) -> Result<Box<dyn Capture>, CaptureError> {
        let capture: Box<dyn Capture> = match self {
            Self::Ring => Box::new(RingCapture::open(config)?),
            Self::Pnet => Box::new(PnetCapture::open(config)?),
        };
        Ok(config.accept.wrap(capture))
    }

    /// Opens so many captures that share what comes: the packets of a client go to the one at the index of the
    /// [`PortShare`](tc_proto::PortShare) that its port belongs to.
    ///
    /// # Errors
    ///
    /// Those of [`RingCapture::open`] and [`PnetCapture::open`].
    pub fn open_several(self, config: &CaptureConfig, count: u16) -> Result<Captures, CaptureError> {
        fn boxed<C: Capture + 'static>(captures: Vec<C>) -> Captures {
            captures.into_iter().map(|capture| Box::new(capture) as Box<dyn Capture>).collect()
        }
        let captures = match self {
            Self::Ring => boxed(fanout::open_several::<RingCapture>(config, count)?),
            Self::Pnet => boxed(fanout::open_several::<PnetCapture>(config, count)?),
        };
        Ok(captures.into_iter().map(|capture| config.accept.wrap(capture)).collect())
    }
}

/// Opens so many captures with rings, or else through pnet, and tells why there are no rings.
///
/// # Errors
///
/// That of [`PnetCapture::open`], when neither can be opened.
pub fn open_several(
    config: &CaptureConfig,
    count: u16,
) -> Result<(Captures, Option<CaptureError>), CaptureError> {
    match Backend::Ring.open_several(config, count) {
        Ok(captures) => Ok((captures, None)),
        Err(refused) => Ok((Backend::Pnet.open_several(config, count)?, Some(refused))),
    }
}

/// Captures that share what comes.
pub type Captures = Vec<Box<dyn Capture>>;

/// A source of captured packets.
pub trait Capture: Send {
    /// The descriptors to wait on for readability (for mio's `SourceFd`); the same ones for the whole life of the
    /// capture, which owns them.
    fn raw_fds(&self) -> Vec<RawFd>;

    /// The next packet, from its IP header on; `None` when all sources are drained.
    ///
    /// # Errors
    ///
    /// What the kernel reports about a source, once: `ENETDOWN` when a named interface went down or away, for one.
    /// The capture stays usable; go on calling.
    fn next_packet(&mut self) -> io::Result<Option<&[u8]>>;

    /// The same, with the time at which the kernel got it, if that is known. The first call may switch such times on,
    /// which takes a moment.
    ///
    /// # Errors
    ///
    /// As [`next_packet`](Self::next_packet).
    fn next_stamped(&mut self) -> io::Result<Option<Stamped<'_>>> {
        Ok(self.next_packet()?.map(|octets| Stamped { octets, stamp: None }))
    }

    /// What the kernel counted since the capture was opened.
    ///
    /// # Errors
    ///
    /// What getsockopt(2) of `PACKET_STATISTICS` reports.
    fn statistics(&mut self) -> io::Result<CaptureStatistics>;
}

/// A captured packet, and when the kernel got it.
#[derive(Clone, Copy, Debug)]
pub struct Stamped<'a> {
    /// The packet, from its IP header on.
    pub octets: &'a [u8],
    /// The time, if it is known.
    pub stamp: Option<SystemTime>,
}

/// Packets counted by the kernel since a capture was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureStatistics {
    /// Packets that passed the filter, the dropped ones included.
    pub packets: u64,
    /// Packets lost because the receive buffer or the ring was full: this program was too slow.
    pub dropped: u64,
}

impl std::ops::AddAssign for CaptureStatistics {
    fn add_assign(&mut self, other: Self) {
        let Self { packets, dropped } = other;
        self.packets += packets;
        self.dropped += dropped;
    }
}

/// What to capture: packets of this transport to this port, of this address or of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaptureRule {
    /// TCP or UDP.
    pub transport: Transport,
    /// The destination address; `None` for each address of either family.
    pub destination: Option<IpAddr>,
    /// The destination port.
    pub port: u16,
}

impl CaptureRule {
    /// The rule for a TCP port of any address.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self { transport: Transport::Tcp, destination: None, port }
    }
}

impl From<SocketAddr> for CaptureRule {
    fn from(address: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, destination: Some(address.ip()), port: address.port() }
    }
}

/// Whose packets are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// Those for this host.
    #[default]
    ThisHost,
    /// Those for any host, as a mirror port has them; also the ones that come inside VXLAN, GRE (ERSPAN included) or
    /// IP in IP over IPv4.
    AnyHost,
}

impl Accept {
    fn wrap(self, capture: Box<dyn Capture>) -> Box<dyn Capture> {
        match self {
            Self::ThisHost => capture,
            Self::AnyHost => Box::new(mirrored::Unwrapped(capture)),
        }
    }
}

/// Whether a device is told to hand over frames that are for other hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promiscuity {
    /// It is left as it is.
    #[default]
    AsItIs,
    /// It is, for as long as the capture is open. Of the interfaces that are named only.
    Promiscuous,
}

/// How to capture.
#[derive(Clone, Debug)]
pub struct CaptureConfig {
    /// Names of interfaces; none for all of them, those of the future and loopback included.
    pub interfaces: Vec<String>,
    /// What to take.
    pub rules: Vec<CaptureRule>,
    /// Never taken: the targets, so that replayed packets that come by do not loop.
    pub exclude: Vec<SocketAddr>,
    /// Which versions of IP.
    pub families: Families,
    /// Whose packets.
    pub accept: Accept,
    /// Whether devices hand over frames that are for other hosts.
    pub promiscuity: Promiscuity,
    /// What packets must satisfy besides, in the syntax of pcap-filter(7); it sees them from their IP header on.
    pub expression: Option<String>,
    /// Octets of each packet at most, from its IP header on.
    pub snap: u32,
    /// The kernel's receive buffer for each socket, in octets.
    pub receive_buffer: usize,
    /// The memory of [`RingCapture`], in octets, which its sockets share.
    pub ring: usize,
}

impl CaptureConfig {
    /// The receive buffer of [`CaptureConfig::default`]: 64 MiB.
    pub const RECEIVE_BUFFER: usize = 64 << 20;

    /// The ring of [`CaptureConfig::default`]: 6 MiB, which holds 12 288 packets: a stall of this program of some tenths of a second, or
    /// more.
    pub const RING: usize = 6 << 20;
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            rules: Vec::new(),
            exclude: Vec::new(),
            families: Families::Ipv4,
            accept: Accept::default(),
            promiscuity: Promiscuity::default(),
            expression: None,
            snap: filter::SNAP,
            receive_buffer: Self::RECEIVE_BUFFER,
            ring: Self::RING,
        }
    }
}

/// Why a capture cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Interfaces that do not exist.
    #[error("cannot capture on {}: no such interface; this host has: {}", .missing.join(", "), .existing.join(", "))]
    NoSuchInterface {
        /// The names asked for.
        missing: Vec<String>,
        /// The names there are.
        existing: Vec<String>,
    },
    /// No rule applies to the families asked for.
    #[error("cannot capture: no rule names an address of the IP version asked for")]
    NothingToCapture,
    /// The expression is wrong.
    #[error(transparent)]
    Expression(#[from] PcapError),
    /// The rules do not fit into a filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The system refused.
    #[error(transparent)]
    System(#[from] SysError),
}

#[cfg(test)]
mod tests;
