//! Borrowed packets, validated once.

use crate::{Flags, IpFields, Segment, SeqNum, TcpOptions, Transport, Window};
use ip::{IpPacket, truncated};
use pnet::packet::tcp::TcpPacket;
use std::net::SocketAddr;

pub(crate) mod ip;

const TCP_HEADER_LEN: usize = 20;

/// A layer of a packet, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// IPv4 header (RFC 791).
    Ipv4,
    /// IPv6 header or one of its extension headers (RFC 8200).
    Ipv6,
    /// TCP header (RFC 9293).
    Tcp,
    /// UDP header (RFC 768).
    Udp,
    /// What follows the TCP or UDP header.
    Payload,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4 header",
            Self::Ipv6 => "IPv6 header",
            Self::Tcp => "TCP header",
            Self::Udp => "UDP header",
            Self::Payload => "payload",
        })
    }
}

/// Why octets are not a packet that can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// Fewer octets than the layer says or needs.
    #[error("truncated {layer}: {needed} octets needed, {got} there")]
    Truncated {
        /// Where the packet ends too early.
        layer: Layer,
        /// Octets needed.
        needed: usize,
        /// Octets there.
        got: usize,
    },
    /// A header length field below the least that the layer allows.
    #[error("impossible {layer} length: {got} octets")]
    HeaderLength {
        /// The layer whose length field is wrong.
        layer: Layer,
        /// The length that it gives, in octets.
        got: usize,
    },
    /// Neither IPv4 nor IPv6.
    #[error("unknown IP version {0}")]
    Version(u8),
    /// Another protocol than TCP.
    #[error("protocol {0} is not TCP")]
    NotTcp(u8),
    /// Another protocol than UDP.
    #[error("protocol {0} is not UDP")]
    NotUdp(u8),
    /// A fragment: its segment or datagram is not whole.
    #[error("fragment of an IP packet")]
    Fragment,
    /// A fragment that cannot be part of a packet.
    #[error("impossible fragment: {len} octets at {offset}")]
    FragmentLength {
        /// Where it belongs.
        offset: usize,
        /// Its octets.
        len: usize,
    },
}

/// One IP packet with a TCP segment in it: octets that were validated once, and what they say.
///
/// No accessor panics. Checksums are not verified: those of captured packets are often unfinished, because the
/// network card would have computed them.
#[derive(Clone, Copy, Debug)]
pub struct PacketRef<'a> {
    ip_header: &'a [u8],
    tcp_header: &'a [u8],
    payload: &'a [u8],
    segment: Segment,
    ip: IpFields,
}

impl<'a> PacketRef<'a> {
    /// Validates a whole packet, beginning at its IP header. Octets behind the packet (link-layer padding) are
    /// ignored.
    ///
    /// # Errors
    ///
    /// What the packet is instead of a whole, unfragmented TCP segment over IPv4 or IPv6.
    pub fn parse(octets: &'a [u8]) -> Result<Self, ParseError> {
        let packet = Self::parse_headers(octets)?;
        if packet.payload.len() < packet.segment.payload_len {
            return Err(ParseError::Truncated {
                layer: Layer::Payload,
                needed: packet.segment.payload_len,
                got: packet.payload.len(),
            });
        }
        Ok(packet)
    }

    /// Validates the headers of a packet whose payload may be cut off, as the netfilter queue hands it over.
    /// [`Segment::payload_len`] is then that of the whole packet, while [`payload`](Self::payload) has what is
    /// there.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), but for a cut payload.
    pub fn parse_headers(octets: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_cut(octets, octets.len())
    }

    /// The same for a packet that had `len` octets before it was cut. It counts where the IP header does not tell,
    /// because the packet has more octets than the field can say (BIG TCP).
    ///
    /// # Errors
    ///
    /// As [`parse_headers`](Self::parse_headers).
    pub fn parse_cut(octets: &'a [u8], len: usize) -> Result<Self, ParseError> {
        Self::of_ip(&IpPacket::parse_cut(octets, len)?)
    }

    fn of_ip(ip: &IpPacket<'a>) -> Result<Self, ParseError> {
        if ip.protocol != Transport::Tcp.protocol() {
            return Err(ParseError::NotTcp(ip.protocol));
        }
        let too_short = truncated(Layer::Tcp, TCP_HEADER_LEN, ip.octets.len());
        let tcp = TcpPacket::new(ip.octets).ok_or(too_short)?;
        let header_len = usize::from(tcp.get_data_offset()) * 4;
        if header_len < TCP_HEADER_LEN || header_len > ip.len {
            return Err(ParseError::HeaderLength { layer: Layer::Tcp, got: header_len });
        }
        let (tcp_header, payload) =
            ip.octets.split_at_checked(header_len).ok_or(truncated(Layer::Tcp, header_len, ip.octets.len()))?;
        let options = tcp_header.get(TCP_HEADER_LEN..).unwrap_or_default();
        let segment = Segment {
            source: SocketAddr::new(ip.source, tcp.get_source()),
            destination: SocketAddr::new(ip.destination, tcp.get_destination()),
            seq: SeqNum::new(tcp.get_sequence()),
            ack: SeqNum::new(tcp.get_acknowledgement()),
            flags: Flags::from_bits(tcp.get_flags()),
            window: Window::new(tcp.get_window()),
            urgent: tcp.get_urgent_ptr(),
            options: TcpOptions::parse(options),
            payload_len: ip.len - header_len,
        };
        let payload = payload.get(..segment.payload_len).unwrap_or(payload);
        Ok(Self { ip_header: ip.header, tcp_header, payload, segment, ip: ip.ip })
    }

    /// What the headers say.
    #[must_use]
    pub const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The fields of the IP header that a replayed packet keeps.
    #[must_use]
    pub const fn ip(&self) -> IpFields {
        self.ip
    }

    /// The IP header, with its options or extension headers.
    #[must_use]
    pub const fn ip_header(&self) -> &'a [u8] {
        self.ip_header
    }

    /// The TCP header with its options.
    #[must_use]
    pub const fn tcp_header(&self) -> &'a [u8] {
        self.tcp_header
    }

    /// The payload, as far as it was captured.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

#[cfg(test)]
mod tests;
