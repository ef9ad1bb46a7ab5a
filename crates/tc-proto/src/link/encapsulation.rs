//! Packets in packets: how switches and clouds send mirrored traffic to the host that looks at it.

use super::{Header, LinkError, ethernet, skip, split};

pub(crate) const IPPROTO_IPIP: u8 = 4;
const IPPROTO_UDP: u8 = 17;
pub(crate) const IPPROTO_IPV6: u8 = 41;
pub(crate) const IPPROTO_GRE: u8 = 47;
/// Hop-by-hop options, routing and destination options: extension headers of the same shape (RFC 8200, section 4).
const IPV6_OPTIONS: [u8; 3] = [0, 43, 60];

/// The port of RFC 7348, which the traffic mirroring of clouds uses too, and the one that Linux had before.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
/// The I flag: there is a network identifier.
const VXLAN_IDENTIFIED: u8 = 0x08;

const GRE_CHECKSUM_OR_ROUTING: u8 = 0xc0;
const GRE_KEY: u8 = 0x20;
const GRE_SEQUENCE: u8 = 0x10;
const GRE_VERSION: u8 = 0x07;
/// An Ethernet frame in GRE (RFC 1701's "transparent Ethernet bridging").
const TRANSPARENT_ETHERNET: u16 = 0x6558;
/// ERSPAN types I and II. The former has no header of its own, and no sequence number in that of GRE.
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
/// A header of type III has eight octets more when this bit of its last octet is set.
const ERSPAN_SUBHEADER: u8 = 0x01;
/// The frame type of type III: bits 14 to 10 of its last two octets. 2 is an IP packet without Ethernet.
const ERSPAN_FRAME_TYPE: u8 = 0x7c;
const ERSPAN_IP: u8 = 2 << 2;

/// What an encapsulation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// An Ethernet frame.
    Frame(&'a [u8]),
    /// An IP packet.
    Packet(&'a [u8]),
}

/// What is encapsulated in an IP packet, if it is an encapsulation. A packet that is no whole IP packet is not.
pub(super) fn content(packet: &[u8]) -> Result<Option<Content<'_>>, LinkError> {
    match payload(packet) {
        Some((IPPROTO_IPIP | IPPROTO_IPV6, inner)) => Ok(Some(Content::Packet(inner))),
        Some((IPPROTO_GRE, gre)) => in_gre(gre),
        Some((IPPROTO_UDP, [_, _, high, low, _, _, _, _, vxlan @ ..]))
            if VXLAN_PORTS.contains(&u16::from_be_bytes([*high, *low])) =>
        {
            in_vxlan(vxlan)
        }
        Some(_) | None => Ok(None),
    }
}

/// The protocol and the octets behind the IP header of a packet that is not a fragment.
fn payload(packet: &[u8]) -> Option<(u8, &[u8])> {
    match packet {
        [first, _, _, _, _, _, fragment, offset, _, protocol, ..] if first >> 4 == 4 => {
            // All but "don't fragment" and the reserved bit (RFC 791, section 3.1).
            let whole = fragment << 2 == 0 && *offset == 0;
            let header = usize::from(first & 0xf) * 4;
            packet.get(header..).filter(|_| whole && header >= 20).map(|rest| (*protocol, rest))
        }
        [first, ..] if first >> 4 == 6 => {
            let (mut next, mut rest) = (*packet.get(6)?, packet.get(40..)?);
            while IPV6_OPTIONS.contains(&next) {
                let [following, units, ..] = *rest else { return None };
                (next, rest) = (following, rest.get(8 + usize::from(units) * 8..)?);
            }
            Some((next, rest))
        }
        _ => None,
    }
}

fn in_vxlan(octets: &[u8]) -> Result<Option<Content<'_>>, LinkError> {
    let ([flags, ..], frame) = split::<8>(Header::Vxlan, octets)?;
    Ok((flags & VXLAN_IDENTIFIED != 0).then_some(Content::Frame(frame)))
}

fn in_gre(octets: &[u8]) -> Result<Option<Content<'_>>, LinkError> {
    let ([flags, version, high, low], rest) = split::<4>(Header::Gre, octets)?;
    if version & GRE_VERSION != 0 {
        return Ok(None);
    }
    let fields = [GRE_CHECKSUM_OR_ROUTING, GRE_KEY, GRE_SEQUENCE];
    let len = fields.iter().filter(|field| flags & **field != 0).count() * 4;
    let inner = skip(Header::Gre, rest, len)?;
    Ok(Some(match u16::from_be_bytes([*high, *low]) {
        ethernet::IPV4 | ethernet::IPV6 => Content::Packet(inner),
        TRANSPARENT_ETHERNET => Content::Frame(inner),
        ERSPAN if flags & GRE_SEQUENCE == 0 => Content::Frame(inner),
        ERSPAN => Content::Frame(skip(Header::Erspan, inner, 8)?),
        ERSPAN_III => in_erspan_iii(inner)?,
        _ => return Ok(None),
    }))
}

fn in_erspan_iii(octets: &[u8]) -> Result<Content<'_>, LinkError> {
    let ([.., kind, last], rest) = split::<12>(Header::Erspan, octets)?;
    let subheader = if last & ERSPAN_SUBHEADER == 0 { 0 } else { 8 };
    let inner = skip(Header::Erspan, rest, subheader)?;
    Ok(if kind & ERSPAN_FRAME_TYPE == ERSPAN_IP { Content::Packet(inner) } else { Content::Frame(inner) })
}
