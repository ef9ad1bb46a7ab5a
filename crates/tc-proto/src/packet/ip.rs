//! The IP layer of a packet.

use super::{Layer, ParseError};
use crate::IpFields;
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use std::net::IpAddr;

pub(crate) const IPV4_HEADER_LEN: usize = 20;
pub(crate) const IPV6_HEADER_LEN: usize = 40;
/// More extension headers than this are not walked: no honest packet has them.
pub(crate) const MAX_EXTENSION_HEADERS: usize = 8;

/// What the IP layer says of its payload.
pub(crate) struct IpPacket<'a> {
    pub(crate) header: &'a [u8],
    /// Octets that follow, as far as they were captured.
    pub(crate) octets: &'a [u8],
    /// Octets that follow, by the length field.
    pub(crate) len: usize,
    /// What the octets are.
    pub(crate) protocol: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ip: IpFields,
}

impl<'a> IpPacket<'a> {
    /// Validates the IP header of an unfragmented packet.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_cut(octets, octets.len())
    }

    /// The same for a packet that had `len` octets before it was cut.
    pub(crate) fn parse_cut(octets: &'a [u8], len: usize) -> Result<Self, ParseError> {
        match octets.first().map(|first| first >> 4) {
            Some(4) => parse_ipv4(octets, len),
            Some(6) => parse_ipv6(octets, len),
            Some(version) => Err(ParseError::Version(version)),
            None => Err(truncated(Layer::Ipv4, IPV4_HEADER_LEN, 0)),
        }
    }
}

pub(crate) const fn truncated(layer: Layer, needed: usize, got: usize) -> ParseError {
    ParseError::Truncated { layer, needed, got }
}

/// The length that counts: a field of 0 means that segmentation was offloaded and the packet outgrew the field.
pub(crate) const fn effective_len(field: usize, original: usize) -> usize {
    if field == 0 { original } else { field }
}

fn parse_ipv4(octets: &[u8], len: usize) -> Result<IpPacket<'_>, ParseError> {
    let too_short = truncated(Layer::Ipv4, IPV4_HEADER_LEN, octets.len());
    let view = Ipv4Packet::new(octets).ok_or(too_short)?;
    let header_len = usize::from(view.get_header_length()) * 4;
    let total_len = effective_len(usize::from(view.get_total_length()), len);
    if header_len < IPV4_HEADER_LEN || header_len > total_len {
        return Err(ParseError::HeaderLength { layer: Layer::Ipv4, got: header_len });
    }
    let (header, rest) =
        octets.split_at_checked(header_len).ok_or(truncated(Layer::Ipv4, header_len, octets.len()))?;
    // Bit 0 of the three is "more fragments" (RFC 791, section 3.1).
    if view.get_flags() & 1 != 0 || view.get_fragment_offset() != 0 {
        return Err(ParseError::Fragment);
    }
    let len = total_len - header_len;
    Ok(IpPacket {
        header,
        octets: rest.get(..len).unwrap_or(rest),
        len,
        protocol: view.get_next_level_protocol().0,
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        ip: IpFields { ttl: view.get_ttl(), traffic_class: view.get_dscp() << 2 | view.get_ecn() },
    })
}

fn parse_ipv6(octets: &[u8], len: usize) -> Result<IpPacket<'_>, ParseError> {
    let too_short = truncated(Layer::Ipv6, IPV6_HEADER_LEN, octets.len());
    let view = Ipv6Packet::new(octets).ok_or(too_short)?;
    let after_fixed = match usize::from(view.get_payload_length()) {
        0 => jumbo_len(octets, view.get_next_header()).unwrap_or(len.saturating_sub(IPV6_HEADER_LEN)),
        field => field,
    };
    let (extensions, protocol) = walk_extension_headers(octets, view.get_next_header())?;
    let (header, rest) = octets.split_at_checked(IPV6_HEADER_LEN + extensions).ok_or(truncated(
        Layer::Ipv6,
        IPV6_HEADER_LEN + extensions,
        octets.len(),
    ))?;
    let len = after_fixed
        .checked_sub(extensions)
        .ok_or(ParseError::HeaderLength { layer: Layer::Ipv6, got: extensions })?;
    Ok(IpPacket {
        header,
        octets: rest.get(..len).unwrap_or(rest),
        len,
        protocol,
        source: view.get_source().into(),
        destination: view.get_destination().into(),
        ip: IpFields { ttl: view.get_hop_limit(), traffic_class: view.get_traffic_class() },
    })
}

/// What follows the fixed header, by the jumbo payload option (RFC 2675, section 2), which the kernel gives packets that
/// outgrew the field (BIG TCP).
fn jumbo_len(octets: &[u8], next: IpNextHeaderProtocol) -> Option<usize> {
    const JUMBO_PAYLOAD: u8 = 0xc2;
    let [_, _, kind, 4, len @ ..] = octets.get(IPV6_HEADER_LEN..)?.first_chunk::<8>()? else { return None };
    let told = next == IpNextHeaderProtocols::Hopopt && *kind == JUMBO_PAYLOAD;
    told.then(|| usize::try_from(u32::from_be_bytes(*len)).ok()).flatten()
}

/// The octets of the extension headers (RFC 8200, section 4) behind the fixed header, and the protocol behind them.
fn walk_extension_headers(octets: &[u8], mut next: IpNextHeaderProtocol) -> Result<(usize, u8), ParseError> {
    let mut len = 0;
    for _ in 0..MAX_EXTENSION_HEADERS {
        let at = IPV6_HEADER_LEN + len;
        let cut = truncated(Layer::Ipv6, at + 8, octets.len());
        match next {
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
            IpNextHeaderProtocol(protocol) => return Ok((len, protocol)),
        }
    }
    Ok((len, next.0))
}
