//! Borrowed packets, validated once.

use crate::{Flags, IpFields, Segment, SeqNum, TcpOptions, Window};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::TcpPacket;
use std::net::{IpAddr, SocketAddr};

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const TCP_HEADER_LEN: usize = 20;
/// More extension headers than this are not walked: no honest packet has them.
const MAX_EXTENSION_HEADERS: usize = 8;

/// A layer of a packet, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// IPv4 header (RFC 791).
    Ipv4,
    /// IPv6 header or one of its extension headers (RFC 8200).
    Ipv6,
    /// TCP header (RFC 9293).
    Tcp,
    /// What follows the TCP header.
    Payload,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4 header",
            Self::Ipv6 => "IPv6 header",
            Self::Tcp => "TCP header",
            Self::Payload => "TCP payload",
        })
    }
}

/// Why octets are not a TCP packet that can be replayed.
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
    /// A fragment: its segment is not whole.
    #[error("fragment of an IP packet")]
    Fragment,
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

/// What the IP layer says of its payload.
struct IpPayload<'a> {
    header: &'a [u8],
    /// Octets that follow, as far as they were captured.
    octets: &'a [u8],
    /// Octets that follow, by the length field.
    len: usize,
    source: IpAddr,
    destination: IpAddr,
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
        let ip = match octets.first().map(|first| first >> 4) {
            Some(4) => parse_ipv4(octets)?,
            Some(6) => parse_ipv6(octets)?,
            Some(version) => return Err(ParseError::Version(version)),
            None => return Err(truncated(Layer::Ipv4, IPV4_HEADER_LEN, 0)),
        };
        Self::parse_tcp(&ip)
    }

    fn parse_tcp(ip: &IpPayload<'a>) -> Result<Self, ParseError> {
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

const fn truncated(layer: Layer, needed: usize, got: usize) -> ParseError {
    ParseError::Truncated { layer, needed, got }
}

/// The length that counts: a field of 0 means that segmentation was offloaded and the packet outgrew the field.
const fn effective_len(field: usize, captured: usize) -> usize {
    if field == 0 { captured } else { field }
}

fn parse_ipv4(octets: &[u8]) -> Result<IpPayload<'_>, ParseError> {
    let too_short = truncated(Layer::Ipv4, IPV4_HEADER_LEN, octets.len());
    let view = Ipv4Packet::new(octets).ok_or(too_short)?;
    let header_len = usize::from(view.get_header_length()) * 4;
    let total_len = effective_len(usize::from(view.get_total_length()), octets.len());
    if header_len < IPV4_HEADER_LEN || header_len > total_len {
        return Err(ParseError::HeaderLength { layer: Layer::Ipv4, got: header_len });
    }
    let (header, rest) =
        octets.split_at_checked(header_len).ok_or(truncated(Layer::Ipv4, header_len, octets.len()))?;
    // Bit 0 of the three is "more fragments" (RFC 791, section 3.1).
    if view.get_flags() & 1 != 0 || view.get_fragment_offset() != 0 {
        return Err(ParseError::Fragment);
    }
    let protocol = view.get_next_level_protocol();
    if protocol != IpNextHeaderProtocols::Tcp {
        return Err(ParseError::NotTcp(protocol.0));
    }
    let len = total_len - header_len;
    Ok(IpPayload {
        header,
        octets: rest.get(..len).unwrap_or(rest),
        len,
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        ip: IpFields { ttl: view.get_ttl(), traffic_class: view.get_dscp() << 2 | view.get_ecn() },
    })
}

fn parse_ipv6(octets: &[u8]) -> Result<IpPayload<'_>, ParseError> {
    let too_short = truncated(Layer::Ipv6, IPV6_HEADER_LEN, octets.len());
    let view = Ipv6Packet::new(octets).ok_or(too_short)?;
    let field = usize::from(view.get_payload_length());
    let after_fixed = effective_len(field, octets.len() - IPV6_HEADER_LEN);
    let extensions = walk_extension_headers(octets, view.get_next_header())?;
    let (header, rest) = octets.split_at_checked(IPV6_HEADER_LEN + extensions).ok_or(truncated(
        Layer::Ipv6,
        IPV6_HEADER_LEN + extensions,
        octets.len(),
    ))?;
    let len = after_fixed
        .checked_sub(extensions)
        .ok_or(ParseError::HeaderLength { layer: Layer::Ipv6, got: extensions })?;
    Ok(IpPayload {
        header,
        octets: rest.get(..len).unwrap_or(rest),
        len,
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        ip: IpFields { ttl: view.get_hop_limit(), traffic_class: view.get_traffic_class() },
    })
}

/// The octets of the extension headers (RFC 8200, section 4) between the fixed header and TCP.
fn walk_extension_headers(octets: &[u8], mut next: IpNextHeaderProtocol) -> Result<usize, ParseError> {
    let mut len = 0;
    for _ in 0..MAX_EXTENSION_HEADERS {
        let at = IPV6_HEADER_LEN + len;
        let cut = truncated(Layer::Ipv6, at + 8, octets.len());
        match next {
            IpNextHeaderProtocols::Tcp => return Ok(len),
            IpNextHeaderProtocols::Hopopt
            | IpNextHeaderProtocols::Ipv6Route
            | IpNextHeaderProtocols::Ipv6Opts => {
                let [following, units] = *octets.get(at..at + 2).ok_or(cut)? else { return Err(cut) };
                next = IpNextHeaderProtocol(following);
                len += 8 + usize::from(units) * 8;
            }
            IpNextHeaderProtocols::Ipv6Frag => {
                let [following, _, high, low, ..] = *octets.get(at..at + 8).ok_or(cut)? else {
                    return Err(cut);
                };
                // An atomic fragment (RFC 6946) is a whole packet: offset 0, no more fragments.
                if u16::from_be_bytes([high, low]) & !0b110 != 0 {
                    return Err(ParseError::Fragment);
                }
                next = IpNextHeaderProtocol(following);
                len += 8;
            }
            other => return Err(ParseError::NotTcp(other.0)),
        }
    }
    Err(ParseError::NotTcp(next.0))
}

#[cfg(test)]
mod tests;
