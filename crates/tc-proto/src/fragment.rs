//! Fragments of IP packets (RFC 791, section 2.3; RFC 8200, section 4.5), whatever protocol they carry.

use crate::link::{IPPROTO_GRE, IPPROTO_IPIP, IPPROTO_IPV6};
use crate::packet::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, MAX_EXTENSION_HEADERS, effective_len, truncated};
use crate::packet::{Layer, ParseError};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{Ipv4Packet, MutableIpv4Packet, checksum};
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use std::net::IpAddr;

/// The length fields hold no more.
const MAX_LEN: usize = 65_535;
const FRAGMENT_HEADER_LEN: usize = 8;

/// Which fragments belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketId {
    /// Where they come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// Their common number.
    pub identification: u32,
    /// The protocol, which counts for IPv4 only (RFC 8200, section 4.5: source, destination and number).
    pub protocol: Option<u8>,
}

/// One fragment: borrowed octets, validated once.
#[derive(Clone, Copy, Debug)]
pub struct FragmentRef<'a> {
    /// The packet to which it belongs.
    pub id: PacketId,
    /// The protocol of the packet; for IPv6 what follows the fragment header, perhaps another extension header.
    pub protocol: u8,
    /// Where its octets belong.
    pub offset: usize,
    /// Whether others follow.
    pub more: bool,
    /// Its octets.
    pub payload: &'a [u8],
    header: &'a [u8],
    /// Where the header names what follows it.
    next_header: usize,
}

impl<'a> FragmentRef<'a> {
    /// Validates a captured packet, beginning at its IP header. `None`: it is whole.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it was cut, its header is impossible, or it would outgrow a packet.
    pub fn parse(octets: &'a [u8]) -> Result<Option<Self>, ParseError> {
        let (layer, fragment) = match octets.first().map(|first| first >> 4) {
            Some(4) => (Layer::Ipv4, parse_ipv4(octets)?),
            Some(6) => (Layer::Ipv6, parse_ipv6(octets)?),
            Some(version) => return Err(ParseError::Version(version)),
            None => return Err(truncated(Layer::Ipv4, IPV4_HEADER_LEN, 0)),
        };
        let Some(fragment) = fragment else { return Ok(None) };
        let fixed = if layer == Layer::Ipv6 { IPV6_HEADER_LEN } else { 0 };
        let whole = fragment.header.len() - fixed + fragment.end();
        // All but the last have a multiple of eight octets, and none is empty.
        let odd = fragment.more && !fragment.payload.len().is_multiple_of(8);
        if fragment.payload.is_empty() || odd || whole > MAX_LEN {
            return Err(ParseError::FragmentLength { offset: fragment.offset, len: fragment.payload.len() });
        }
        Ok(Some(fragment))
    }

    /// Whether its packet carries another one, as mirrors send them (IP in IP, GRE): its addresses are those of mirrors.
    #[must_use]
    pub const fn encapsulates(&self) -> bool {
        matches!(self.protocol, IPPROTO_IPIP | IPPROTO_IPV6 | IPPROTO_GRE)
    }

    /// Where its octets end.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset + self.payload.len()
    }

    /// The header of the whole packet, which counts when this is the first fragment; its length is not filled in.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut header = self.header.to_vec();
        if let Some(next) = header.get_mut(self.next_header) {
            *next = self.protocol;
        }
        if let Some(mut ipv4) = MutableIpv4Packet::new(&mut header).filter(|ip| ip.get_version() == 4) {
            ipv4.set_flags(0);
            ipv4.set_fragment_offset(0);
        }
        header
    }
}

/// The whole packet: a first fragment's [`header`](FragmentRef::header), then the octets of all in order.
#[must_use]
pub fn assemble<'a>(header: &[u8], parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut packet = header.to_vec();
    parts.for_each(|part| packet.extend_from_slice(part));
    let field = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
    let len = packet.len();
    if header.first().is_some_and(|first| first >> 4 == 6) {
        if let Some(mut ipv6) = MutableIpv6Packet::new(&mut packet) {
            ipv6.set_payload_length(field(len - IPV6_HEADER_LEN));
        }
    } else if let Some(mut ipv4) = MutableIpv4Packet::new(&mut packet) {
        ipv4.set_total_length(field(len));
        let sum = checksum(&ipv4.to_immutable());
        ipv4.set_checksum(sum);
    }
    packet
}

/// The first `len` octets, behind `start`.
fn payload(octets: &[u8], layer: Layer, start: usize, end: usize) -> Result<&[u8], ParseError> {
    octets.get(start..end).ok_or(truncated(layer, end, octets.len()))
}

fn parse_ipv4(octets: &[u8]) -> Result<Option<FragmentRef<'_>>, ParseError> {
    let view = Ipv4Packet::new(octets).ok_or(truncated(Layer::Ipv4, IPV4_HEADER_LEN, octets.len()))?;
    let header_len = usize::from(view.get_header_length()) * 4;
    let end = effective_len(usize::from(view.get_total_length()), octets.len());
    if header_len < IPV4_HEADER_LEN || header_len > end {
        return Err(ParseError::HeaderLength { layer: Layer::Ipv4, got: header_len });
    }
    let more = view.get_flags() & 1 != 0;
    let offset = usize::from(view.get_fragment_offset()) * 8;
    if !more && offset == 0 {
        return Ok(None);
    }
    let protocol = view.get_next_level_protocol().0;
    let id = PacketId {
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        identification: view.get_identification().into(),
        protocol: Some(protocol),
    };
    let payload = payload(octets, Layer::Ipv4, header_len, end)?;
    let header = octets.get(..header_len).unwrap_or_default();
    Ok(Some(FragmentRef { id, protocol, offset, more, payload, header, next_header: 9 }))
}

fn parse_ipv6(octets: &[u8]) -> Result<Option<FragmentRef<'_>>, ParseError> {
    let view = Ipv6Packet::new(octets).ok_or(truncated(Layer::Ipv6, IPV6_HEADER_LEN, octets.len()))?;
    let (mut next, mut next_header, mut at) = (view.get_next_header(), 6, IPV6_HEADER_LEN);
    for _ in 0..MAX_EXTENSION_HEADERS {
        match next {
            IpNextHeaderProtocols::Hopopt
            | IpNextHeaderProtocols::Ipv6Route
            | IpNextHeaderProtocols::Ipv6Opts => {
                let Some(&[following, units]) = octets.get(at..at + 2) else {
                    return Err(truncated(Layer::Ipv6, at + 8, octets.len()));
                };
                (next, next_header) = (IpNextHeaderProtocol(following), at);
                at += 8 + usize::from(units) * 8;
            }
            IpNextHeaderProtocols::Ipv6Frag => return parse_fragment_header(octets, &view, next_header, at),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn parse_fragment_header<'a>(
    octets: &'a [u8],
    view: &Ipv6Packet<'_>,
    next_header: usize,
    at: usize,
) -> Result<Option<FragmentRef<'a>>, ParseError> {
    let start = at + FRAGMENT_HEADER_LEN;
    let Some(&[protocol, _, high, low, a, b, c, d]) = octets.get(at..start) else {
        return Err(truncated(Layer::Ipv6, start, octets.len()));
    };
    let field = u16::from_be_bytes([high, low]);
    let (offset, more) = (usize::from(field & !0b111), field & 1 != 0);
    // An atomic fragment (RFC 6946) is a whole packet.
    if !more && offset == 0 {
        return Ok(None);
    }
    let id = PacketId {
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        identification: u32::from_be_bytes([a, b, c, d]),
        protocol: None,
    };
    let after_fixed = effective_len(usize::from(view.get_payload_length()), octets.len() - IPV6_HEADER_LEN);
    let payload = payload(octets, Layer::Ipv6, start, IPV6_HEADER_LEN + after_fixed)?;
    let header = octets.get(..at).unwrap_or_default();
    Ok(Some(FragmentRef { id, protocol, offset, more, payload, header, next_header }))
}

#[cfg(test)]
mod tests;
