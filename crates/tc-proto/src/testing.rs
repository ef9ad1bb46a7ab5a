//! What the tests of several modules share.

use crate::{Flags, PacketSpec, SeqNum, Window};

/// A TCP packet with this payload.
pub(crate) fn packet(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let spec = PacketSpec {
        identification: 7,
        seq: SeqNum::new(100),
        ack: SeqNum::new(200),
        flags: Flags::ACK,
        window: Window::new(1000),
        payload: [payload, b""],
        ..PacketSpec::between(source.parse().unwrap(), destination.parse().unwrap())
    };
    spec.octets()
}
