//! UDP datagrams: borrowed and validated once, and the way back.

use crate::checksum::Sum;
use crate::emit::ip::{Ipv4Header, Ipv6Header, Place};
use crate::packet::ip::{IpPacket, truncated};
use crate::{IpFields, Layer, ParseError, Transport};
use pnet::packet::Packet;
use pnet::packet::udp::{MutableUdpPacket, UdpPacket};
use std::net::{IpAddr, SocketAddr};

pub(crate) const UDP_HEADER_LEN: usize = 8;
/// The next header field of an IPv6 header before a fragment header.
const IPV6_FRAGMENT: u8 = 44;

/// One IP packet with a whole UDP datagram in it. Checksums are not verified.
#[derive(Clone, Copy, Debug)]
pub struct DatagramRef<'a> {
    source: SocketAddr,
    destination: SocketAddr,
    ip: IpFields,
    ip_header: &'a [u8],
    udp_header: &'a [u8],
    payload: &'a [u8],
    payload_len: usize,
}

impl<'a> DatagramRef<'a> {
    /// Validates a whole packet, beginning at its IP header. Octets behind the datagram are ignored.
    ///
    /// # Errors
    ///
    /// What the packet is instead of a whole, unfragmented datagram over IPv4 or IPv6.
    pub fn parse(octets: &'a [u8]) -> Result<Self, ParseError> {
        let datagram = Self::parse_headers(octets)?;
        if datagram.payload.len() < datagram.payload_len {
            return Err(truncated(Layer::Payload, datagram.payload_len, datagram.payload.len()));
        }
        Ok(datagram)
    }

    /// Validates the headers of a packet whose payload may be cut off.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), but for a cut payload.
    pub fn parse_headers(octets: &'a [u8]) -> Result<Self, ParseError> {
        let ip = IpPacket::parse(octets)?;
        if ip.protocol != Transport::Udp.protocol() {
            return Err(ParseError::NotUdp(ip.protocol));
        }
        let too_short = truncated(Layer::Udp, UDP_HEADER_LEN, ip.octets.len());
        let (udp_header, payload) = ip.octets.split_at_checked(UDP_HEADER_LEN).ok_or(too_short)?;
        let udp = UdpPacket::new(udp_header).ok_or(too_short)?;
        let len = usize::from(udp.get_length());
        if len < UDP_HEADER_LEN || len > ip.len {
            return Err(ParseError::HeaderLength { layer: Layer::Udp, got: len });
        }
        let payload_len = len - UDP_HEADER_LEN;
        Ok(Self {
            source: SocketAddr::new(ip.source, udp.get_source()),
            destination: SocketAddr::new(ip.destination, udp.get_destination()),
            ip: ip.ip,
            ip_header: ip.header,
            udp_header,
            payload: payload.get(..payload_len).unwrap_or(payload),
            payload_len,
        })
    }

    /// Source address and port.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// Destination address and port.
    #[must_use]
    pub const fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The fields of the IP header that a replayed datagram keeps.
    #[must_use]
    pub const fn ip(&self) -> IpFields {
        self.ip
    }

    /// The IP header, with its options or extension headers.
    #[must_use]
    pub const fn ip_header(&self) -> &'a [u8] {
        self.ip_header
    }

    /// The UDP header.
    #[must_use]
    pub const fn udp_header(&self) -> &'a [u8] {
        self.udp_header
    }

    /// The payload, as far as it was captured.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Octets of payload, by the UDP header.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.payload_len
    }
}

/// A UDP datagram that is to be made, from at most 65 507 octets of payload.
#[derive(Clone, Copy, Debug)]
pub struct DatagramSpec<'a> {
    /// Source address and port, of the same IP version as the destination.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// Fields of the IP header.
    pub ip: IpFields,
    /// What tells the fragments of one datagram from those of others.
    pub identification: u32,
    /// The payload.
    pub payload: &'a [u8],
}

impl DatagramSpec<'_> {
    /// Appends the datagram to `buf`, with all checksums: as one packet, or as fragments when it is larger than `mtu`.
    /// `on_packet` gets the length of each packet.
    pub fn emit(&self, mtu: usize, buf: &mut Vec<u8>, mut on_packet: impl FnMut(usize)) {
        let datagram = self.udp();
        let header_len = if self.source.is_ipv4() { Ipv4Header::LEN } else { Ipv6Header::LEN };
        if header_len + datagram.len() <= mtu {
            return on_packet(self.emit_part(Place::Whole, &datagram, buf));
        }
        let fragment_header = if self.source.is_ipv4() { 0 } else { 8 };
        // All fragments but the last carry a multiple of 8 octets (RFC 791, section 3.2).
        let unit = (mtu.saturating_sub(header_len + fragment_header) & !7).max(8);
        let mut offset = 0;
        for part in datagram.chunks(unit) {
            let is_last = offset + part.len() == datagram.len();
            let place = if is_last { Place::LastFragment(offset) } else { Place::Fragment(offset) };
            on_packet(self.emit_part(place, part, buf));
            offset += part.len();
        }
    }

    /// The datagram, from its UDP header on.
    #[expect(clippy::cast_possible_truncation, reason = "the payload is bounded")]
    fn udp(&self) -> Vec<u8> {
        let mut octets = vec![0; UDP_HEADER_LEN];
        octets.extend_from_slice(self.payload);
        let len = octets.len() as u16;
        let Some(mut udp) = MutableUdpPacket::new(&mut octets) else { return octets };
        udp.set_source(self.source.port());
        udp.set_destination(self.destination.port());
        udp.set_length(len);
        let (source, destination) = (self.source.ip(), self.destination.ip());
        let pseudo = Sum::of_pseudo_header(source, destination, Transport::Udp, usize::from(len));
        let checksum = pseudo.and(Sum::of(udp.packet())).checksum();
        // Zero would mean that there is none (RFC 768).
        udp.set_checksum(if checksum == 0 { u16::MAX } else { checksum });
        octets
    }

    /// Appends one packet and returns its length.
    #[expect(clippy::cast_possible_truncation, reason = "IPv4 has 16 bits for the identification")]
    fn emit_part(&self, place: Place, part: &[u8], buf: &mut Vec<u8>) -> usize {
        let start = buf.len();
        let protocol = Transport::Udp.protocol();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let identification = self.identification as u16;
                let header = Ipv4Header { source, destination, ip: self.ip, protocol, identification, place };
                buf.resize(start + Ipv4Header::LEN, 0);
                header.fill(buf.get_mut(start..).unwrap_or_default(), Ipv4Header::LEN + part.len());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                buf.resize(start + Ipv6Header::LEN, 0);
                let mut next_header = protocol;
                if place != Place::Whole {
                    next_header = IPV6_FRAGMENT;
                    buf.extend_from_slice(&place.ipv6_header(protocol, self.identification));
                }
                let payload_len = buf.len() - start - Ipv6Header::LEN + part.len();
                let header = Ipv6Header { source, destination, ip: self.ip, next_header };
                header.fill(buf.get_mut(start..).unwrap_or_default(), payload_len);
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                debug_assert!(false, "a datagram has one IP version");
            }
        }
        buf.extend_from_slice(part);
        buf.len() - start
    }
}

#[cfg(test)]
mod tests;
