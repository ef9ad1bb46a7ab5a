//! A captured packet as the fragments of which it would be put together.

use super::script::Manner;

/// A packet, or its fragments, in the manner in which it was captured.
pub(super) fn of(octets: Vec<u8>, manner: Manner) -> Vec<Vec<u8>> {
    if let Manner::Pieces(len) = manner {
        cut(&octets, len)
    } else if let Manner::Piece(place, len) = manner {
        cut(&octets, len).into_iter().skip(place - 1).take(1).collect()
    } else {
        vec![octets]
    }
}

fn cut(packet: &[u8], len: usize) -> Vec<Vec<u8>> {
    let header_len = if packet[0] >> 4 == 6 { 40 } else { 20 };
    let (header, rest) = packet.split_at(header_len);
    let count = rest.len().div_ceil(len);
    // Its sequence number identifies an IPv6 packet as well as anything.
    let number = [rest[4], rest[5], rest[6], rest[7]];
    let part = |(index, part): (usize, &[u8])| fragment(header, number, (index * len, part), index + 1 < count);
    rest.chunks(len).enumerate().map(part).collect()
}

fn fragment(header: &[u8], number: [u8; 4], (offset, part): (usize, &[u8]), more: bool) -> Vec<u8> {
    let mut fragment = header.to_vec();
    let offset = u16::try_from(offset).unwrap_or(u16::MAX);
    if header.len() == 40 {
        let [high, low] = (offset | u16::from(more)).to_be_bytes();
        fragment.extend([fragment[6], 0, high, low]);
        fragment.extend(number);
        fragment[6] = 44;
        set(&mut fragment, 4, 8 + part.len());
    } else {
        set(&mut fragment, 2, 20 + part.len());
        set(&mut fragment, 6, usize::from(offset / 8) | usize::from(more) << 13);
    }
    fragment.extend_from_slice(part);
    fragment
}

fn set(octets: &mut [u8], field: usize, value: usize) {
    octets[field..field + 2].copy_from_slice(&u16::try_from(value).unwrap_or(0).to_be_bytes());
}
