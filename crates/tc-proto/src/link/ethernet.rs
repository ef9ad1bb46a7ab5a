//! Ethernet and what else names its content by an EtherType.

use super::{Header, LinkError, skip, split};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
/// Tags of IEEE 802.1Q and 802.1ad, and of switches before the latter.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// Labels in front of a packet (RFC 3032), unicast and multicast.
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// A label entry is the last one when this bit of its third octet is set.
const BOTTOM_OF_STACK: u8 = 0x01;
/// A session of PPP over Ethernet (RFC 2516), and the protocols of PPP that are IP.
const PPPOE_SESSION: u16 = 0x8864;
const PPP_IP: [u16; 2] = [0x0021, 0x0057];
/// Smaller values are lengths of IEEE 802.3, followed by a header of IEEE 802.2.
const FIRST_ETHERTYPE: u16 = 0x0600;
/// SNAP without an organisation: an EtherType follows.
const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];

/// The packet in an Ethernet frame.
pub(super) fn packet(octets: &[u8]) -> Result<&[u8], LinkError> {
    let ([.., high, low], rest) = split::<14>(Header::Ethernet, octets)?;
    behind_ethertype(u16::from_be_bytes([*high, *low]), rest)
}

/// The packet in a frame of Cisco HDLC.
pub(super) fn hdlc_packet(octets: &[u8]) -> Result<&[u8], LinkError> {
    let ([_, _, high, low], rest) = split::<4>(Header::Hdlc, octets)?;
    behind_ethertype(u16::from_be_bytes([*high, *low]), rest)
}

/// The packet behind an EtherType, and behind the VLAN tags, MPLS labels or `PPPoE` header that it may announce.
pub(super) fn behind_ethertype(ethertype: u16, octets: &[u8]) -> Result<&[u8], LinkError> {
    let (mut ethertype, mut octets) = (ethertype, octets);
    loop {
        match ethertype {
            IPV4 | IPV6 => return Ok(octets),
            _ if VLAN.contains(&ethertype) => {
                let ([_, _, high, low], rest) = split::<4>(Header::Ethernet, octets)?;
                (ethertype, octets) = (u16::from_be_bytes([*high, *low]), rest);
            }
            _ if MPLS.contains(&ethertype) => return behind_labels(ethertype, octets),
            PPPOE_SESSION => return behind_pppoe(octets),
            ..FIRST_ETHERTYPE => return behind_llc(octets),
            FIRST_ETHERTYPE.. => return Err(LinkError::NotIp(ethertype)),
        }
    }
}

/// What is labelled is not said: only an IP packet looks like one.
fn behind_labels(ethertype: u16, octets: &[u8]) -> Result<&[u8], LinkError> {
    let mut rest = octets;
    loop {
        let ([_, _, last, _], behind) = split::<4>(Header::Ethernet, rest)?;
        rest = behind;
        if last & BOTTOM_OF_STACK != 0 {
            break;
        }
    }
    let looks_like_ip = rest.first().is_some_and(|first| matches!(first >> 4, 4 | 6));
    if looks_like_ip { Ok(rest) } else { Err(LinkError::NotIp(ethertype)) }
}

fn behind_pppoe(octets: &[u8]) -> Result<&[u8], LinkError> {
    let ([.., high, low], rest) = split::<8>(Header::Ethernet, octets)?;
    let is_ip = PPP_IP.contains(&u16::from_be_bytes([*high, *low]));
    if is_ip { Ok(rest) } else { Err(LinkError::NotIp(PPPOE_SESSION)) }
}

fn behind_llc(octets: &[u8]) -> Result<&[u8], LinkError> {
    if !octets.starts_with(&SNAP) {
        return Err(LinkError::Llc);
    }
    let ([high, low], rest) = split::<2>(Header::Ethernet, skip(Header::Ethernet, octets, SNAP.len())?)?;
    match u16::from_be_bytes([*high, *low]) {
        IPV4 | IPV6 => Ok(rest),
        other => Err(LinkError::NotIp(other)),
    }
}
