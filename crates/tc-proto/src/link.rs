//! From frames to the IP packets in them: link layers as capture files and packet sockets have them, VLAN tags, and the
//! encapsulations of mirrored traffic (VXLAN, GRE, ERSPAN, IP in IP).

mod cooked;
mod encapsulation;
mod ethernet;
mod loopback;

use encapsulation::Content;
pub(crate) use encapsulation::{IPPROTO_GRE, IPPROTO_IPIP, IPPROTO_IPV6};
use std::fmt;

/// What stands before the IP header in the frames of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet, with VLAN tags, MPLS labels or `PPPoE`, or without.
    Ethernet,
    /// Cisco HDLC.
    Hdlc,
    /// Linux cooked capture, version 1.
    LinuxSll,
    /// Linux cooked capture, version 2: what `tcpdump -i any` writes.
    LinuxSll2,
    /// An address family in network byte order, as OpenBSD's loopback has it.
    Loop,
    /// An address family in the byte order of the host that captured, as BSD's loopback has it.
    Null,
    /// Nothing.
    RawIp,
}

impl LinkType {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ethernet, Self::Hdlc, Self::LinuxSll, Self::LinuxSll2, Self::Loop, Self::Null, Self::RawIp];

    /// The link type of a number in a capture file (the `LINKTYPE_` values of tcpdump.org), if we know it.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            // The first two are DLT_RAW of various systems, which leaked into files; then RAW, IPV4 and IPV6.
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            104 => Self::Hdlc,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "Ethernet",
            Self::Hdlc => "Cisco HDLC",
            Self::LinuxSll => "Linux cooked v1",
            Self::LinuxSll2 => "Linux cooked v2",
            Self::Loop | Self::Null => "loopback",
            Self::RawIp => "raw IP",
        })
    }
}

/// Which way a packet went at the host that captured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The host received it.
    Received,
    /// The host sent it.
    Sent,
    /// Nothing says so.
    #[default]
    Unknown,
}

/// What a header belongs to, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// Ethernet, with its VLAN tags, MPLS labels and `PPPoE` header.
    Ethernet,
    /// The header of a Linux cooked capture.
    Cooked,
    /// The address family of a loopback capture.
    Loopback,
    /// Cisco HDLC.
    Hdlc,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// GRE (RFC 2784 and 2890).
    Gre,
    /// ERSPAN.
    Erspan,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "Ethernet",
            Self::Cooked => "cooked",
            Self::Loopback => "loopback",
            Self::Hdlc => "HDLC",
            Self::Vxlan => "VXLAN",
            Self::Gre => "GRE",
            Self::Erspan => "ERSPAN",
        })
    }
}

/// Why there is no IP packet in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LinkError {
    /// The frame ends within a header.
    #[error("truncated {header} header: {needed} octets needed, {got} there")]
    Truncated {
        /// The header.
        header: Header,
        /// Octets needed.
        needed: usize,
        /// Octets there.
        got: usize,
    },
    /// Another network protocol, by its EtherType.
    #[error("EtherType {0:#06x} is not IP")]
    NotIp(u16),
    /// A frame of IEEE 802.2 without an EtherType: spanning tree and the like.
    #[error("an LLC frame is not IP")]
    Llc,
    /// An address family that is not of IP.
    #[error("address family {0} is not IP")]
    Family(u32),
}

/// A frame of which the IP packet was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The innermost packet, from its IP header to the end of the frame, padding included.
    pub packet: &'a [u8],
    /// Which way the packet went. Of an encapsulated packet nobody knows.
    pub direction: Direction,
}

impl<'a> Frame<'a> {
    /// Finds the innermost IP packet. What looks like an encapsulation but is none is a packet in itself; so is a fragment
    /// of one, whose content is not whole.
    ///
    /// # Errors
    ///
    /// What the frame is instead.
    pub fn parse(link_type: LinkType, octets: &'a [u8]) -> Result<Self, LinkError> {
        let mut frame = match link_type {
            LinkType::Ethernet => Self::of(ethernet::packet(octets)?),
            LinkType::Hdlc => Self::of(ethernet::hdlc_packet(octets)?),
            LinkType::LinuxSll => cooked::frame_v1(octets)?,
            LinkType::LinuxSll2 => cooked::frame_v2(octets)?,
            LinkType::Loop | LinkType::Null => Self::of(loopback::packet(octets)?),
            LinkType::RawIp => Self::of(octets),
        };
        while let Some(content) = encapsulation::content(frame.packet)? {
            frame = Self::of(match content {
                Content::Frame(octets) => ethernet::packet(octets)?,
                Content::Packet(octets) => octets,
            });
        }
        Ok(frame)
    }

    const fn of(packet: &'a [u8]) -> Self {
        Self { packet, direction: Direction::Unknown }
    }
}

/// A header of so many octets, and what follows it.
fn split<const LEN: usize>(header: Header, octets: &[u8]) -> Result<(&[u8; LEN], &[u8]), LinkError> {
    octets.split_first_chunk().ok_or(LinkError::Truncated { header, needed: LEN, got: octets.len() })
}

/// What follows a header of so many octets.
fn skip(header: Header, octets: &[u8], len: usize) -> Result<&[u8], LinkError> {
    octets.get(len..).ok_or(LinkError::Truncated { header, needed: len, got: octets.len() })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
