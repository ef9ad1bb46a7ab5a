use super::{DatagramRef, DatagramSpec};
use crate::{IpFields, Layer, PacketRef, ParseError};
use proptest::prelude::*;

fn spec<'a>(source: &str, destination: &str, payload: &'a [u8]) -> DatagramSpec<'a> {
    DatagramSpec {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        ip: IpFields { ttl: 63, traffic_class: 0x2e },
        identification: 0x0001_0007,
        payload,
    }
}

fn ipv4(payload: &[u8]) -> DatagramSpec<'_> {
    spec("10.0.0.1:4000", "10.0.0.2:53", payload)
}

fn ipv6(payload: &[u8]) -> DatagramSpec<'_> {
    spec("[2001:db8::1]:4000", "[2001:db8::2]:53", payload)
}

fn packets(spec: &DatagramSpec<'_>, mtu: usize) -> Vec<Vec<u8>> {
    let (mut octets, mut lens) = (Vec::new(), Vec::new());
    spec.emit(mtu, &mut octets, |len| lens.push(len));
    let mut rest = octets.as_slice();
    let cut = |len| {
        let (packet, after) = rest.split_at(len);
        rest = after;
        packet.to_vec()
    };
    let packets = lens.into_iter().map(cut).collect();
    assert!(rest.is_empty());
    packets
}

/// The datagram that a host would put together, from its UDP header on.
fn reassembled(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let (header_len, field) = match packet[0] >> 4 {
            4 => (20, u16::from_be_bytes([packet[6], packet[7]]) << 3 | u16::from(packet[6] & 0x20 != 0)),
            _ => (48, u16::from_be_bytes([packet[42], packet[43]])),
        };
        assert_eq!(usize::from(field & !7), datagram.len(), "fragments follow each other");
        assert_eq!(field & 1 == 1, number + 1 < packets.len(), "all but the last say that more follow");
        datagram.extend_from_slice(&packet[header_len..]);
    }
    datagram
}

#[test]
fn what_was_made_is_read() {
    for spec in [ipv4(b"query"), ipv6(b"query")] {
        let packets = packets(&spec, 1500);
        let datagram = DatagramRef::parse(&packets[0]).unwrap();
        assert_eq!((datagram.source(), datagram.destination()), (spec.source, spec.destination));
        assert_eq!((datagram.ip(), datagram.payload()), (spec.ip, spec.payload));
        assert_eq!(datagram.udp_header().len() + datagram.payload_len(), 13);
    }
}

#[test]
fn the_checksum_is_that_of_a_known_datagram() {
    // Computed by hand: pseudo-header, ports 4000 and 53, length 8.
    let packets = packets(&ipv4(b""), 1500);
    let sum: u32 = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 8 + 4000 + 53 + 8;
    let checksum = u16::from_be_bytes([packets[0][26], packets[0][27]]);
    assert_eq!(u32::from(checksum), !sum & 0xffff);
}

#[test]
fn a_checksum_of_zero_is_written_as_all_ones() {
    // The payload makes up for the difference.
    let empty = packets(&ipv4(&[0, 0]), 1500);
    let payload = [empty[0][26], empty[0][27]];
    let made = packets(&ipv4(&payload), 1500);
    assert_eq!(made[0][26..28], [0xff, 0xff]);
}

#[test]
fn a_datagram_of_the_mtu_is_not_fragmented_and_the_next_larger_is() {
    let payload = [7; 1473];
    assert_eq!(packets(&ipv4(&payload[..1472]), 1500).len(), 1);
    assert_eq!(packets(&ipv4(&payload), 1500).len(), 2);
    assert_eq!(packets(&ipv6(&payload[..1452]), 1500).len(), 1);
    assert_eq!(packets(&ipv6(&payload[..1453]), 1500).len(), 2);
}

#[test]
fn a_fragment_is_no_datagram() {
    for spec in [ipv4(&[7; 3000]), ipv6(&[7; 3000])] {
        for packet in packets(&spec, 1500) {
            assert_eq!(DatagramRef::parse(&packet).unwrap_err(), ParseError::Fragment);
        }
    }
}

#[test]
fn segments_and_datagrams_are_told_apart() {
    let packets = packets(&ipv4(b"query"), 1500);
    assert_eq!(PacketRef::parse(&packets[0]).unwrap_err(), ParseError::NotTcp(17));
    let mut other = packets[0].clone();
    other[9] = 6;
    assert_eq!(DatagramRef::parse(&other).unwrap_err(), ParseError::NotUdp(6));
}

#[test]
fn a_length_that_cannot_be_is_named() {
    let mut octets = packets(&ipv4(b"query"), 1500).remove(0);
    for length in [7_u8, 14] {
        octets[25] = length;
        let wrong = ParseError::HeaderLength { layer: Layer::Udp, got: length.into() };
        assert_eq!(DatagramRef::parse(&octets).unwrap_err(), wrong);
    }
    octets[25] = 11;
    assert_eq!(DatagramRef::parse(&octets).unwrap().payload(), b"que");
}

#[test]
fn each_truncation_is_an_error_and_never_a_panic() {
    for spec in [ipv4(b"query"), ipv6(b"query")] {
        let packet = packets(&spec, 1500).remove(0);
        for len in 0..packet.len() {
            assert!(DatagramRef::parse(&packet[..len]).is_err(), "{len} octets");
        }
    }
}

proptest! {
    #[test]
    fn fragments_make_up_the_datagram(len in 0_usize..9000, mtu in 576_usize..2000) {
        let payload: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        for spec in [ipv4(&payload), ipv6(&payload)] {
            let packets = packets(&spec, mtu);
            prop_assert!(packets.iter().all(|packet| packet.len() <= mtu));
            if let [whole] = packets.as_slice() {
                prop_assert_eq!(DatagramRef::parse(whole).unwrap().payload(), payload.as_slice());
            } else {
                prop_assert_eq!(&reassembled(&packets)[8..], payload.as_slice());
            }
        }
    }
}
