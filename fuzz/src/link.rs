//! Octets → frame → packet: no octets panic, and a packet is the end of its frame.

use tc_proto::link::{Frame, LinkType};

/// Reads the octets behind the first, which says of which link type they are, as a frame.
pub fn run(octets: &[u8]) {
    let [kind, octets @ ..] = octets else { return };
    let link_type = LinkType::ALL[usize::from(*kind) % LinkType::ALL.len()];
    if let Ok(frame) = Frame::parse(link_type, octets) {
        assert!(octets.ends_with(frame.packet));
        let again = Frame::parse(LinkType::RawIp, frame.packet).expect("a packet that was found");
        assert_eq!(again.packet, frame.packet, "an encapsulation was left");
    }
}
