//! Linux cooked captures: what libpcap writes in place of the link layer when it captures on all interfaces.

use super::{Direction, Frame, Header, LinkError, ethernet, split};

/// `LINUX_SLL_OUTGOING`.
const OUTGOING: u16 = 4;

/// Packet type, hardware type, address length, address, EtherType.
pub(super) fn frame_v1(octets: &[u8]) -> Result<Frame<'_>, LinkError> {
    let ([kind_high, kind_low, .., high, low], rest) = split::<16>(Header::Cooked, octets)?;
    frame(u16::from_be_bytes([*kind_high, *kind_low]), [*high, *low], rest)
}

/// EtherType, two octets of nothing, interface, hardware type, packet type, address length, address.
pub(super) fn frame_v2(octets: &[u8]) -> Result<Frame<'_>, LinkError> {
    let ([high, low, _, _, _, _, _, _, _, _, kind, ..], rest) = split::<20>(Header::Cooked, octets)?;
    frame(u16::from(*kind), [*high, *low], rest)
}

fn frame(kind: u16, ethertype: [u8; 2], rest: &[u8]) -> Result<Frame<'_>, LinkError> {
    let packet = ethernet::behind_ethertype(u16::from_be_bytes(ethertype), rest)?;
    let direction = if kind == OUTGOING { Direction::Sent } else { Direction::Received };
    Ok(Frame { packet, direction })
}
