//! Whatever is wrapped is found again, and no octets panic.

use super::tests::packet;
use super::{Frame, LinkType};
use proptest::prelude::*;

/// What a packet is put into.
#[derive(Clone, Copy, Debug)]
enum Wrapping {
    Vxlan,
    Gre,
    Erspan,
    IpInIp,
}

/// An Ethernet frame with so many VLAN tags.
fn ethernet(tags: usize, octets: &[u8]) -> Vec<u8> {
    [&[0x52; 12], [0x81, 0, 0, 7].repeat(tags).as_slice(), &ethertype(octets), octets].concat()
}

fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] }
}

fn wrapped(wrapping: Wrapping, tags: usize, octets: &[u8]) -> Vec<u8> {
    let inner_protocol = if octets[0] >> 4 == 6 { 41 } else { 4 };
    let frame = ethernet(tags, octets);
    let (protocol, payload) = match wrapping {
        Wrapping::Vxlan => (17, [&[0, 9, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0], &*frame].concat()),
        Wrapping::Gre => (47, [&[0x20, 0], &ethertype(octets)[..], &[1, 2, 3, 4], octets].concat()),
        Wrapping::Erspan => {
            (47, [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0x10, 0, 0, 1, 0, 0, 0, 0][..], &frame].concat())
        }
        Wrapping::IpInIp => (inner_protocol, octets.to_vec()),
    };
    let mut header = packet("10.9.0.1:1", "10.9.0.2:2")[..20].to_vec();
    header[9] = protocol;
    [header, payload].concat()
}

fn any_wrapping() -> impl Strategy<Value = Wrapping> {
    prop_oneof![Just(Wrapping::Vxlan), Just(Wrapping::Gre), Just(Wrapping::Erspan), Just(Wrapping::IpInIp)]
}

proptest! {
    #[test]
    fn whatever_is_wrapped_is_found_again(
        wrappings in proptest::collection::vec((any_wrapping(), 0_usize..3), 0..5),
        tags in 0_usize..4,
        ipv6: bool,
    ) {
        let inner = if ipv6 { packet("[::5]:1", "[::6]:80") } else { packet("10.0.0.5:1", "10.0.0.6:80") };
        let mut octets = inner.clone();
        for (wrapping, tags) in wrappings {
            octets = wrapped(wrapping, tags, &octets);
        }
        let octets = ethernet(tags, &octets);
        prop_assert_eq!(Frame::parse(LinkType::Ethernet, &octets).map(|frame| frame.packet), Ok(&*inner));
        for len in 0..octets.len() {
            if let Ok(frame) = Frame::parse(LinkType::Ethernet, &octets[..len]) {
                prop_assert!(octets[..len].ends_with(frame.packet));
            }
        }
    }

    #[test]
    fn no_octets_panic(mut octets in proptest::collection::vec(any::<u8>(), 0..200), protocol: u8) {
        for link_type in LinkType::ALL {
            if let Ok(frame) = Frame::parse(link_type, &octets) {
                prop_assert!(octets.ends_with(frame.packet));
            }
        }
        if let [first, .., ] = &mut *octets {
            *first = 0x45;
        }
        if let Some(at) = octets.get_mut(9) {
            *at = if protocol & 1 == 0 { 47 } else { 17 };
        }
        if let Ok(frame) = Frame::parse(LinkType::RawIp, &octets) {
            prop_assert!(octets.ends_with(frame.packet));
        }
    }
}
