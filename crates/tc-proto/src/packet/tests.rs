use super::{Layer, PacketRef, ParseError};
use crate::{Flags, IpFields, PacketSpec, SeqNum, TcpOptions, Window};
use proptest::prelude::*;

fn spec(source: &str, destination: &str) -> PacketSpec<'static> {
    PacketSpec {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        ip: IpFields::default(),
        identification: 1,
        seq: SeqNum::new(100),
        ack: SeqNum::new(200),
        flags: Flags::ACK,
        window: Window::new(1000),
        urgent: 0,
        options: TcpOptions::default(),
        payload: [b"hello", b""],
    }
}

fn ipv4_packet() -> Vec<u8> {
    let mut octets = Vec::new();
    spec("10.0.0.1:4000", "10.0.0.2:80").emit(&mut octets);
    octets
}

fn ipv6_packet() -> Vec<u8> {
    let mut octets = Vec::new();
    spec("[2001:db8::1]:4000", "[2001:db8::2]:80").emit(&mut octets);
    octets
}

/// Puts an extension header between the fixed header and TCP.
fn with_extension(mut octets: Vec<u8>, kind: u8, extension: [u8; 8]) -> Vec<u8> {
    octets[6] = kind;
    let len = u16::from_be_bytes([octets[4], octets[5]]) + 8;
    octets[4..6].copy_from_slice(&len.to_be_bytes());
    octets.splice(40..40, extension);
    octets
}

#[test]
fn link_layer_padding_is_ignored() {
    let mut octets = ipv4_packet();
    octets.extend_from_slice(&[0; 20]);
    assert_eq!(PacketRef::parse(&octets).unwrap().payload(), b"hello");
}

#[test]
fn each_truncation_is_an_error_and_never_a_panic() {
    for octets in [ipv4_packet(), ipv6_packet()] {
        for len in 0..octets.len() {
            assert!(PacketRef::parse(&octets[..len]).is_err(), "{len} octets");
        }
    }
}

#[test]
fn a_cut_payload_is_an_error_for_a_whole_packet_only() {
    let octets = ipv4_packet();
    let cut = &octets[..42];
    let error = ParseError::Truncated { layer: Layer::Payload, needed: 5, got: 2 };
    assert_eq!(PacketRef::parse(cut).unwrap_err(), error);
    let headers = PacketRef::parse_headers(cut).unwrap();
    assert_eq!((headers.payload(), headers.segment().payload_len), (&b"he"[..], 5));
}

#[test]
fn a_total_length_of_zero_means_all_that_was_captured() {
    let mut octets = ipv4_packet();
    octets[2..4].fill(0);
    assert_eq!(PacketRef::parse(&octets).unwrap().payload(), b"hello");
}

#[test]
fn a_packet_that_outgrew_its_length_field_has_the_length_of_its_jumbo_option_or_the_one_that_is_told() {
    let mut octets = with_extension(ipv6_packet(), 0, [6, 0, 0xc2, 4, 0, 3, 0, 0]);
    octets[4..6].fill(0);
    let len =
        |octets: &[u8], told| PacketRef::parse_cut(octets, told).map(|packet| packet.segment().payload_len);
    assert_eq!(len(&octets, 0), Ok(0x3_0000 - 8 - 20));
    assert_eq!(PacketRef::parse_cut(&octets, 0).unwrap().payload(), b"hello");
    for (at, other) in [(42, 0xc3), (43, 5)] {
        let mut octets = octets.clone();
        octets[at] = other;
        assert_eq!(len(&octets, 100_000), Ok(100_000 - 40 - 8 - 20), "another option");
        assert!(len(&octets, 0).is_err());
    }
    let (mut four, mut six) = (ipv4_packet(), ipv6_packet());
    four[2..4].fill(0);
    six[4..6].fill(0);
    assert_eq!((len(&four, 100_000), len(&six, 100_000)), (Ok(100_000 - 40), Ok(100_000 - 60)));
    assert_eq!(
        len(&six, 0),
        Err(ParseError::Truncated { layer: Layer::Tcp, needed: 20, got: 0 }),
        "nobody tells"
    );
    assert_eq!(len(&four, 0), Err(ParseError::HeaderLength { layer: Layer::Ipv4, got: 20 }));
}

#[test]
fn ipv4_options_are_passed_over() {
    let mut octets = ipv4_packet();
    octets[0] = 0x46;
    octets[3] += 4;
    octets.splice(20..20, [1, 1, 1, 1]);
    let packet = PacketRef::parse(&octets).unwrap();
    assert_eq!((packet.payload(), packet.ip_header().len()), (&b"hello"[..], 24));
}

#[test]
fn fragments_are_refused() {
    let mut more = ipv4_packet();
    more[6] = 0x20;
    assert_eq!(PacketRef::parse(&more).unwrap_err(), ParseError::Fragment);
    let mut later = ipv4_packet();
    later[7] = 1;
    assert_eq!(PacketRef::parse(&later).unwrap_err(), ParseError::Fragment);
    let v6 = with_extension(ipv6_packet(), 44, [6, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!(PacketRef::parse(&v6).unwrap_err(), ParseError::Fragment);
}

#[test]
fn an_atomic_ipv6_fragment_is_a_whole_packet() {
    let octets = with_extension(ipv6_packet(), 44, [6, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(PacketRef::parse(&octets).unwrap().payload(), b"hello");
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let octets = with_extension(ipv6_packet(), 0, [60, 0, 1, 4, 0, 0, 0, 0]);
    let mut octets = with_extension(octets, 0, [60, 0, 1, 4, 0, 0, 0, 0]);
    octets[48] = 6;
    assert_eq!(PacketRef::parse(&octets).unwrap().payload(), b"hello");
}

#[test]
fn other_versions_and_protocols_are_named() {
    let mut octets = ipv4_packet();
    octets[9] = 17;
    assert_eq!(PacketRef::parse(&octets).unwrap_err(), ParseError::NotTcp(17));
    octets[0] = 0x55;
    assert_eq!(PacketRef::parse(&octets).unwrap_err(), ParseError::Version(5));
}

#[test]
fn impossible_header_lengths_are_refused() {
    let mut short_ip = ipv4_packet();
    short_ip[0] = 0x44;
    let error = ParseError::HeaderLength { layer: Layer::Ipv4, got: 16 };
    assert_eq!(PacketRef::parse(&short_ip).unwrap_err(), error);
    for nibble in [4, 15] {
        let mut bad_tcp = ipv4_packet();
        bad_tcp[32] = nibble << 4;
        let error = ParseError::HeaderLength { layer: Layer::Tcp, got: usize::from(nibble) * 4 };
        assert_eq!(PacketRef::parse(&bad_tcp).unwrap_err(), error);
    }
}

proptest! {
    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), version in 4_u8..=6) {
        let mut octets = octets;
        if let Some(first) = octets.first_mut() {
            *first = version << 4 | *first & 0xf;
        }
        if let Ok(packet) = PacketRef::parse_headers(&octets) {
            assert!(packet.payload().len() <= packet.segment().payload_len);
        }
    }
}
