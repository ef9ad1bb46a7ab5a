//! What was captured, to compare with what is sent.

use std::net::IpAddr;
use tc_proto::{Flags, PacketRef, SeqNum};

/// The octet that a client has at a sequence number, unless it lies.
pub(super) fn octet(client: IpAddr, seq: SeqNum) -> u8 {
    let host = match client {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    };
    let mixed = (seq.value() ^ u32::from(host) << 8).wrapping_mul(0x9e37_79b1);
    mixed.to_be_bytes()[0] & 0xfe
}

/// Payload of one captured packet.
#[derive(Debug)]
struct Span {
    /// The client's address, by its number.
    host: u32,
    seq: SeqNum,
    octets: Box<[u8]>,
}

/// All captured payload.
#[derive(Debug, Default)]
pub(super) struct Captured {
    hosts: Vec<IpAddr>,
    spans: Vec<Span>,
}

impl Captured {
    /// Notes a packet, if it is one.
    pub(super) fn note(&mut self, octets: &[u8]) {
        let Ok(packet) = PacketRef::parse(octets) else { return };
        if packet.payload().is_empty() {
            return;
        }
        let segment = packet.segment();
        let address = segment.source.ip();
        let known = self.hosts.iter().position(|host| *host == address);
        let host = known.unwrap_or_else(|| {
            self.hosts.push(address);
            self.hosts.len() - 1
        });
        self.spans.push(Span {
            host: u32::try_from(host % 32).unwrap_or_default(),
            seq: segment.seq + usize::from(segment.flags.contains(Flags::SYN)),
            octets: packet.payload().into(),
        });
    }

    /// The hosts that sent these octets at these sequence numbers, a bit for each; out of those in `among`.
    pub(super) fn owners(&self, among: u32, seq: SeqNum, payload: &[u8]) -> u32 {
        let hosts = (0..32).filter(|host| among >> host & 1 != 0);
        hosts.filter(|host| self.is_owner(*host, seq, payload)).map(|host| 1 << host).sum()
    }

    fn is_owner(&self, host: u32, seq: SeqNum, payload: &[u8]) -> bool {
        let mut captured = vec![false; payload.len()];
        for span in self.spans.iter().filter(|span| span.host == host) {
            let skipped = seq.octets_since(span.seq);
            let offset = span.seq.octets_since(seq);
            let pairs = payload.iter().zip(&mut captured).skip(offset);
            for ((sent, captured), seen) in pairs.zip(span.octets.iter().skip(skipped)) {
                *captured |= sent == seen;
            }
        }
        captured.into_iter().all(|captured| captured)
    }
}
