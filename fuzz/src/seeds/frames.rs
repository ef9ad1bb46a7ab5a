//! Frames of each link type, with each encapsulation.

use super::packets::{data, data6};
use tc_proto::link::LinkType;

/// A frame of a link type; the first octet says which.
fn of(link_type: LinkType, parts: &[&[u8]]) -> Vec<u8> {
    let place = LinkType::ALL.iter().position(|known| *known == link_type).expect("a link type");
    let kind = u8::try_from(place).expect("few link types");
    [&[kind], parts.concat().as_slice()].concat()
}

fn ethernet(parts: &[&[u8]]) -> Vec<u8> {
    [&[0x52; 12], parts.concat().as_slice()].concat()
}

/// An IP packet of another protocol.
fn outer(protocol: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut header = data()[..20].to_vec();
    header[9] = protocol;
    [header, parts.concat()].concat()
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let frame = ethernet(&[&[8, 0], &data()]);
    let raw = |octets: Vec<u8>| of(LinkType::RawIp, &[&octets]);
    let vxlan = outer(17, &[&[0, 9, 0x12, 0xb5, 0, 0, 0, 0], &[8, 0, 0, 0, 0, 0, 7, 0], &frame]);
    vec![
        ("ethernet", of(LinkType::Ethernet, &[&frame])),
        ("qinq", of(LinkType::Ethernet, &[&ethernet(&[&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0], &data()])])),
        (
            "snap",
            of(LinkType::Ethernet, &[&ethernet(&[&[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd], &data6()])]),
        ),
        ("hdlc", of(LinkType::Hdlc, &[&[0x0f, 0, 8, 0], &data()])),
        ("cooked", of(LinkType::LinuxSll, &[&[0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0], &data()])),
        (
            "cooked_2",
            of(
                LinkType::LinuxSll2,
                &[&[0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &data6()],
            ),
        ),
        ("null", of(LinkType::Null, &[&[2, 0, 0, 0], &data()])),
        ("loop", of(LinkType::Loop, &[&[0, 0, 0, 24], &data6()])),
        ("raw", raw(data())),
        ("vxlan_in_vlan", of(LinkType::Ethernet, &[&ethernet(&[&[0x81, 0, 0, 7, 8, 0], &vxlan])])),
        ("gre", raw(outer(47, &[&[0xb0, 0, 8, 0], &[0; 12], &data()]))),
        ("gre_with_ethernet", raw(outer(47, &[&[0x20, 0, 0x65, 0x58], &[0; 4], &frame]))),
        ("erspan_1", raw(outer(47, &[&[0, 0, 0x88, 0xbe], &frame]))),
        ("erspan_2", raw(outer(47, &[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0x10, 0, 0, 1, 0, 0, 0, 0], &frame]))),
        (
            "erspan_3",
            raw(outer(
                47,
                &[&[0x10, 0, 0x22, 0xeb], &[0; 4], &[0x20, 0], &[0; 8], &[0x80, 1], &[0; 8], &frame],
            )),
        ),
        ("ip_in_ip", raw(outer(4, &[&data()]))),
        ("ipv6_in_ip", raw(outer(41, &[&data6()]))),
    ]
}
