use super::{FragmentRef, assemble};
use crate::testing::packet;
use crate::{PacketRef, ParseError};
use proptest::prelude::*;

fn ipv4(payload: &[u8]) -> Vec<u8> {
    packet("10.0.0.1:4000", "10.0.0.2:80", payload)
}

fn ipv6(payload: &[u8]) -> Vec<u8> {
    packet("[2001:db8::1]:4000", "[2001:db8::2]:80", payload)
}

/// One fragment of a packet without options or extension headers.
fn cut(packet: &[u8], offset: usize, len: usize) -> Vec<u8> {
    let ip_len = if packet[0] >> 4 == 6 { 40 } else { 20 };
    let more = u16::from(ip_len + offset + len < packet.len());
    let at = u16::try_from(offset).unwrap();
    let mut fragment = packet[..ip_len].to_vec();
    if ip_len == 40 {
        let [high, low] = (at | more).to_be_bytes();
        fragment.extend([6, 0, high, low, 0, 0, 0, 7]);
        fragment[6] = 44;
        fragment[4..6].copy_from_slice(&u16::try_from(8 + len).unwrap().to_be_bytes());
    } else {
        fragment[2..4].copy_from_slice(&u16::try_from(20 + len).unwrap().to_be_bytes());
        fragment[6..8].copy_from_slice(&((at / 8) | (more << 13)).to_be_bytes());
    }
    fragment.extend_from_slice(&packet[ip_len + offset..ip_len + offset + len]);
    fragment
}

fn parsed(octets: &[u8]) -> FragmentRef<'_> {
    FragmentRef::parse(octets).unwrap().unwrap()
}

#[test]
fn a_whole_packet_is_no_fragment() {
    for packet in [ipv4(b"hello"), ipv6(b"hello")] {
        assert!(FragmentRef::parse(&packet).unwrap().is_none());
    }
    let mut atomic = cut(&ipv6(b"hello"), 0, 25);
    atomic[43] = 0;
    assert!(FragmentRef::parse(&atomic).unwrap().is_none());
}

#[test]
fn fragments_put_together_are_the_packet_with_right_lengths() {
    for packet in [ipv4(&[7; 100]), ipv6(&[7; 100])] {
        let parts = [cut(&packet, 0, 24), cut(&packet, 24, 64), cut(&packet, 88, 32)];
        let fragments = parts.each_ref().map(|part| parsed(part));
        assert_eq!(fragments.map(|part| part.more), [true, true, false]);
        assert_eq!(fragments.map(|part| part.offset), [0, 24, 88]);
        assert!(fragments.iter().all(|part| part.id == fragments[0].id && part.protocol == 6));
        let whole = assemble(&fragments[0].header(), fragments.iter().map(|part| part.payload));
        let again = PacketRef::parse(&whole).unwrap();
        assert_eq!((again.payload(), whole.len()), (&[7; 100][..], packet.len()));
        assert_eq!(*again.segment(), *PacketRef::parse(&packet).unwrap().segment());
    }
}

#[test]
fn what_stands_before_the_fragment_header_stays_and_what_follows_it_is_named_there() {
    let packet = ipv6(&[7; 30]);
    let mut first = cut(&packet, 0, 24);
    first[6] = 60;
    first.splice(40..40, [44, 0, 1, 4, 0, 0, 0, 0]);
    first[5] += 8;
    let fragment = parsed(&first);
    let whole = assemble(&fragment.header(), [&packet[40..]].into_iter());
    assert_eq!(PacketRef::parse(&whole).unwrap().payload(), [7; 30]);
}

#[test]
fn impossible_fragments_are_refused() {
    let odd = |octets: &[u8]| matches!(FragmentRef::parse(octets), Err(ParseError::FragmentLength { .. }));
    for packet in [ipv4(&[7; 100]), ipv6(&[7; 100])] {
        assert!(odd(&cut(&packet, 0, 23)), "not a multiple of eight");
        assert!(odd(&cut(&packet, 8, 0)), "empty");
        let mut far = cut(&packet, 8, 112);
        let field = if packet[0] >> 4 == 6 { 42 } else { 6 };
        far[field..field + 2].copy_from_slice(&(if field == 42 { 0xfff8_u16 } else { 0x1fff }).to_be_bytes());
        assert!(odd(&far), "beyond the largest packet");
        let cut_off = cut(&packet, 8, 64);
        for len in 0..cut_off.len() {
            assert!(FragmentRef::parse(&cut_off[..len]).is_err(), "{len} octets");
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_fragment_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in [0x45, 0x60] {
            let mut octets = octets.clone();
            if let Some(first) = octets.first_mut() {
                *first = version;
            }
            if let Ok(Some(fragment)) = FragmentRef::parse(&octets) {
                prop_assert!(fragment.end() <= 65_535);
                let _ = assemble(&fragment.header(), [fragment.payload].into_iter());
            }
        }
    }
}
