//! Values and bytes of tcpcopy: what a packet says, and what the two programs say to each other.
//!
//! The crate has no clock, keeps no state between calls but a partly received message, and does no input or
//! output. From the inside out:
//!
//! - [`SeqNum`], [`Flags`], [`Window`], [`WindowScale`], [`TcpOptions`]: the numbers of TCP as types.
//! - [`Segment`]: the facts of one segment, without its octets. [`TargetHeader`]: the same of a response of the
//!   target, as intercept returns it.
//! - [`PacketRef`]: borrowed octets of one IP packet, validated once. [`PacketSpec`]: the way back, from facts to
//!   octets with correct checksums. [`DatagramRef`] and [`DatagramSpec`]: the same for UDP.
//! - [`checksum`]: the checksum of all of them.
//! - [`fragment`]: fragments of IP packets.
//! - [`link`]: from the frames of a capture to the IP packets in them.
//! - [`tunnel`]: the messages on TCP port 36524.
//! - [`PortShare`]: which of several workers a client belongs to.
#![forbid(unsafe_code)]

pub mod checksum;
mod datagram;
mod emit;
mod flags;
mod flow;
pub mod fragment;
mod header;
pub mod link;
mod options;
mod packet;
mod segment;
mod seq;
mod share;
#[cfg(test)]
mod testing;
mod transport;
pub mod tunnel;
mod window;

pub use datagram::{DatagramRef, DatagramSpec};
pub use emit::{IpFields, PacketSpec};
pub use flags::Flags;
pub use flow::Flow;
pub use header::TargetHeader;
pub use options::{SackBlock, SackBlocks, TcpOptions, Timestamps};
pub use packet::{Layer, PacketRef, ParseError};
pub use pnet::util::MacAddr;
pub use segment::Segment;
pub use seq::SeqNum;
pub use share::PortShare;
pub use transport::Transport;
pub use window::{Window, WindowScale};

/// The TCP port on which intercept listens unless told otherwise.
pub const DEFAULT_TUNNEL_PORT: u16 = 36_524;
