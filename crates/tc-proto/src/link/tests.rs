use super::{Direction, Frame, Header, LinkError, LinkType};
use crate::PacketRef;

/// A TCP packet with five octets.
pub(super) fn packet(source: &str, destination: &str) -> Vec<u8> {
    crate::testing::packet(source, destination, b"hello")
}

fn ipv4() -> Vec<u8> {
    packet("10.0.0.1:4000", "10.0.0.2:80")
}

fn ipv6() -> Vec<u8> {
    packet("[2001:db8::1]:4000", "[2001:db8::2]:80")
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Addresses of Ethernet, and what follows them.
fn ethernet(rest: &[&[u8]]) -> Vec<u8> {
    joined(&[&[0x52; 12], &rest.concat()])
}

/// An IPv4 packet of another protocol.
fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = ipv4()[..20].to_vec();
    octets[9] = protocol;
    let len = u16::try_from(20 + payload.len()).unwrap();
    octets[2..4].copy_from_slice(&len.to_be_bytes());
    octets.extend_from_slice(payload);
    octets
}

fn vxlan(frame: &[u8]) -> Vec<u8> {
    outer(17, &joined(&[&[0xc0, 0, 0x12, 0xb5, 0, 0, 0, 0], &[8, 0, 0, 0, 0, 0, 7, 0], frame]))
}

fn ethernet_ipv4() -> Vec<u8> {
    ethernet(&[&[8, 0], &ipv4()])
}

#[track_caller]
fn found(link_type: LinkType, octets: &[u8], packet: &[u8]) {
    assert_eq!(Frame::parse(link_type, octets).map(|frame| frame.packet), Ok(packet));
}

#[track_caller]
fn refused(link_type: LinkType, octets: &[u8], error: LinkError) {
    assert_eq!(Frame::parse(link_type, octets), Err(error));
}

#[test]
fn the_numbers_of_capture_files_are_known() {
    let numbers = |wanted| (0..1000).filter(move |&number| LinkType::from_number(number) == Some(wanted));
    let known = LinkType::ALL.map(|link_type| numbers(link_type).collect::<Vec<u32>>());
    assert_eq!(
        known,
        [vec![1], vec![104], vec![113], vec![276], vec![108], vec![0], vec![12, 14, 101, 228, 229]]
    );
}

#[test]
fn ethernet_holds_both_versions_of_ip() {
    found(LinkType::Ethernet, &ethernet_ipv4(), &ipv4());
    found(LinkType::Ethernet, &ethernet(&[&[0x86, 0xdd], &ipv6()]), &ipv6());
}

#[test]
fn padding_stays_for_the_packet_to_be_ignored() {
    let frame = ethernet(&[&[8, 0], &ipv4(), &[0; 6]]);
    let packet = Frame::parse(LinkType::Ethernet, &frame).unwrap().packet;
    assert_eq!(PacketRef::parse(packet).unwrap().payload(), b"hello");
}

#[test]
fn vlan_tags_are_passed_over_however_many_there_are() {
    for tags in [
        &[0x81, 0, 0, 7][..],
        &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8],
        &[0x91, 0, 0, 7, 0x92, 0, 0, 8, 0x81, 0, 0, 9],
    ] {
        found(LinkType::Ethernet, &ethernet(&[tags, &[8, 0], &ipv4()]), &ipv4());
    }
}

#[test]
fn snap_headers_are_passed_over() {
    let frame = |ethertype: &[u8]| ethernet(&[&[0, 60], &[0xaa, 0xaa, 3, 0, 0, 0], ethertype, &ipv4()]);
    found(LinkType::Ethernet, &frame(&[8, 0]), &ipv4());
    refused(LinkType::Ethernet, &frame(&[8, 6]), LinkError::NotIp(0x0806));
    refused(LinkType::Ethernet, &ethernet(&[&[0, 38], &[0x42, 0x42, 3], &[0; 35]]), LinkError::Llc);
}

#[test]
fn cooked_captures_tell_the_direction() {
    for (kind, direction) in [(0, Direction::Received), (3, Direction::Received), (4, Direction::Sent)] {
        let header = [0, kind, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0];
        let octets = joined(&[&header, &ipv4()]);
        let frame = Frame::parse(LinkType::LinuxSll, &octets).unwrap();
        assert_eq!(frame, Frame { packet: &ipv4(), direction });
        let header = [0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, kind, 6, 1, 2, 3, 4, 5, 6, 0, 0];
        let octets = joined(&[&header, &ipv6()]);
        let frame = Frame::parse(LinkType::LinuxSll2, &octets).unwrap();
        assert_eq!(frame, Frame { packet: &ipv6(), direction });
    }
}

#[test]
fn cooked_captures_have_vlan_tags_behind_their_header() {
    let header = [0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x81, 0];
    found(LinkType::LinuxSll, &joined(&[&header, &[0, 7, 8, 0], &ipv4()]), &ipv4());
}

#[test]
fn loopback_captures_have_a_family_in_either_byte_order() {
    for link_type in [LinkType::Null, LinkType::Loop] {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            found(link_type, &joined(&[&family, &ipv4()]), &ipv4());
        }
        for family in [10, 24, 28, 30] {
            found(link_type, &joined(&[&[family, 0, 0, 0], &ipv6()]), &ipv6());
            found(link_type, &joined(&[&[0, 0, 0, family], &ipv6()]), &ipv6());
        }
    }
    refused(LinkType::Null, &joined(&[&[0, 0, 0, 7], &ipv4()]), LinkError::Family(7));
}

#[test]
fn raw_ip_is_there_at_once() {
    found(LinkType::RawIp, &ipv4(), &ipv4());
    found(LinkType::RawIp, &ipv6(), &ipv6());
}

#[test]
fn hdlc_names_its_content_as_ethernet_does() {
    found(LinkType::Hdlc, &joined(&[&[0x0f, 0, 8, 0], &ipv4()]), &ipv4());
    refused(LinkType::Hdlc, &[0x8f, 0, 0x80, 0x35, 0, 0], LinkError::NotIp(0x8035));
}

#[test]
fn vxlan_is_unpacked() {
    let mirrored = vxlan(&ethernet_ipv4());
    found(LinkType::Ethernet, &ethernet(&[&[8, 0], &mirrored]), &ipv4());
    found(LinkType::RawIp, &vxlan(&ethernet(&[&[8, 0], &mirrored])), &ipv4());
    let mut of_linux = mirrored;
    of_linux[22..24].copy_from_slice(&8472_u16.to_be_bytes());
    found(LinkType::RawIp, &of_linux, &ipv4());
}

#[test]
fn other_udp_to_the_port_of_vxlan_is_a_packet_in_itself() {
    let mut octets = vxlan(&ethernet_ipv4());
    octets[28] = 0;
    found(LinkType::RawIp, &octets, &octets);
}

#[test]
fn gre_is_unpacked_with_all_its_fields() {
    for (flags, len) in [(0x00, 0), (0x20, 4), (0x30, 8), (0xb0, 12)] {
        let gre = |protocol: &[u8], rest: &[u8]| {
            outer(47, &joined(&[&[flags, 0], protocol, &[0xee; 12][..len], rest]))
        };
        found(LinkType::RawIp, &gre(&[8, 0], &ipv4()), &ipv4());
        found(LinkType::RawIp, &gre(&[0x86, 0xdd], &ipv6()), &ipv6());
        found(LinkType::RawIp, &gre(&[0x65, 0x58], &ethernet_ipv4()), &ipv4());
    }
}

#[test]
fn other_kinds_of_gre_are_packets_in_themselves() {
    for gre in [[0x30, 0x81, 0x88, 0x0b], [0, 0, 0, 0]] {
        let octets = outer(47, &joined(&[&gre, &[0; 20]]));
        found(LinkType::RawIp, &octets, &octets);
    }
}

#[test]
fn erspan_is_unpacked_in_its_three_types() {
    let frame = ethernet_ipv4();
    found(LinkType::RawIp, &outer(47, &joined(&[&[0, 0, 0x88, 0xbe], &frame])), &ipv4());
    let second = joined(&[&[0x10, 0, 0x88, 0xbe], &[0, 0, 0, 1], &[0x10, 0, 0, 1, 0, 0, 0, 0], &frame]);
    found(LinkType::RawIp, &outer(47, &second), &ipv4());
    let third = |kind, subheader: &[u8], inner: &[u8]| {
        let last = u8::from(!subheader.is_empty());
        let header = [0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0, kind, last];
        outer(47, &joined(&[&[0x10, 0, 0x22, 0xeb], &[0, 0, 0, 1], &header, subheader, inner]))
    };
    found(LinkType::RawIp, &third(0x80, &[], &frame), &ipv4());
    found(LinkType::RawIp, &third(0x80, &[0xee; 8], &frame), &ipv4());
    found(LinkType::RawIp, &third(0x08, &[], &ipv4()), &ipv4());
}

#[test]
fn ip_in_ip_is_unpacked() {
    found(LinkType::RawIp, &outer(4, &ipv4()), &ipv4());
    found(LinkType::RawIp, &outer(41, &ipv6()), &ipv6());
}

#[test]
fn options_before_an_encapsulation_are_passed_over() {
    let mut with_options = outer(4, &joined(&[&[1, 1, 1, 0], &ipv4()]));
    with_options[0] = 0x46;
    found(LinkType::RawIp, &with_options, &ipv4());
    let mut over_ipv6 = ipv6()[..40].to_vec();
    over_ipv6[6] = 60;
    over_ipv6.extend([47, 0, 4, 1, 4, 1, 1, 0]);
    over_ipv6.extend([0, 0, 8, 0]);
    over_ipv6.extend(ipv4());
    found(LinkType::RawIp, &over_ipv6, &ipv4());
}

#[test]
fn a_fragment_of_an_encapsulation_is_a_packet_in_itself() {
    for (at, value) in [(6, 0x20), (7, 1)] {
        let mut octets = vxlan(&ethernet_ipv4());
        octets[at] = value;
        found(LinkType::RawIp, &octets, &octets);
    }
}

#[test]
fn an_encapsulated_packet_has_no_direction() {
    let header = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0];
    let octets = joined(&[&header, &vxlan(&ethernet_ipv4())]);
    let frame = Frame::parse(LinkType::LinuxSll2, &octets).unwrap();
    assert_eq!(frame, Frame { packet: &ipv4(), direction: Direction::Unknown });
}

#[test]
fn other_protocols_are_named() {
    refused(LinkType::Ethernet, &ethernet(&[&[8, 6], &[0; 28]]), LinkError::NotIp(0x0806));
    let inner = ethernet(&[&[8, 6], &[0; 28]]);
    refused(LinkType::RawIp, &vxlan(&inner), LinkError::NotIp(0x0806));
    assert_eq!(LinkError::NotIp(0x0806).to_string(), "EtherType 0x0806 is not IP");
}

#[test]
fn a_header_that_is_cut_is_named_with_its_length() {
    let truncated = |header, needed, got| LinkError::Truncated { header, needed, got };
    let cases = [
        (LinkType::Ethernet, ethernet_ipv4()[..13].to_vec(), truncated(Header::Ethernet, 14, 13)),
        (LinkType::Ethernet, ethernet(&[&[0x81, 0], &[0, 7, 8]]), truncated(Header::Ethernet, 4, 3)),
        (LinkType::LinuxSll, vec![0; 15], truncated(Header::Cooked, 16, 15)),
        (LinkType::LinuxSll2, vec![0; 19], truncated(Header::Cooked, 20, 19)),
        (LinkType::Null, vec![0; 3], truncated(Header::Loopback, 4, 3)),
        (LinkType::Hdlc, vec![0; 3], truncated(Header::Hdlc, 4, 3)),
        (LinkType::RawIp, vxlan(&[])[..35].to_vec(), truncated(Header::Vxlan, 8, 7)),
        (LinkType::RawIp, outer(47, &[0x30, 0, 8, 0, 1, 2, 3]), truncated(Header::Gre, 8, 3)),
        (LinkType::RawIp, outer(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 5]), truncated(Header::Erspan, 8, 1)),
        (LinkType::RawIp, outer(47, &[0, 0, 0x22, 0xeb, 5]), truncated(Header::Erspan, 12, 1)),
    ];
    for (link_type, octets, error) in cases {
        refused(link_type, &octets, error);
    }
    let error = truncated(Header::Vxlan, 8, 7);
    assert_eq!(error.to_string(), "truncated VXLAN header: 8 octets needed, 7 there");
}

#[test]
fn labels_and_sessions_of_ppp_stand_before_packets_too() {
    let (four, six) = (ipv4(), ipv6());
    let cases: [(&[u8], &[u8]); 5] = [
        (&[0x88, 0x47, 0, 0, 0x11, 64], &four),
        (&[0x88, 0x48, 0, 0, 0x10, 64, 0, 0, 0x21, 64], &six),
        (&[0x81, 0, 0, 7, 0x88, 0x47, 0, 0, 0x11, 64], &four),
        (&[0x88, 0x64, 0x11, 0, 0, 9, 0, 60, 0, 0x21], &four),
        (&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x88, 0x64, 0x11, 0, 0, 9, 0, 60, 0, 0x57], &six),
    ];
    for (header, packet) in cases {
        found(LinkType::Ethernet, &ethernet(&[header, packet]), packet);
    }
    // A pseudowire, discovery of PPP, and a stack without an end.
    refused(
        LinkType::Ethernet,
        &ethernet(&[&[0x88, 0x47, 0, 0, 0x11, 64, 0, 0, 0, 0], &four]),
        LinkError::NotIp(0x8847),
    );
    let lcp = [0x88, 0x64, 0x11, 0, 0, 9, 0, 60, 0xc0, 0x21];
    refused(LinkType::Ethernet, &ethernet(&[&lcp]), LinkError::NotIp(0x8864));
    let endless = ethernet(&[&[0x88, 0x47], &[0; 8]]);
    let truncated = LinkError::Truncated { header: Header::Ethernet, needed: 4, got: 0 };
    refused(LinkType::Ethernet, &endless, truncated);
}
