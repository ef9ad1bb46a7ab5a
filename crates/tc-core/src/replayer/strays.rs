//! Connections that are not known any more.

use super::Transmit;
use std::collections::VecDeque;
use tc_proto::{Flags, PacketSpec, TargetHeader};

/// So many may wait to be reset; what comes beyond that is forgotten.
const MAX_STRAYS: usize = 1024;

/// Headers of connections that are not known any more, which are to be reset (RFC 9293, section 3.10.7.1).
#[derive(Debug, Default)]
pub(super) struct Strays {
    headers: VecDeque<TargetHeader>,
}

impl Strays {
    /// Notes a header, unless it asks for no answer.
    pub(super) fn push(&mut self, header: &TargetHeader) {
        let flags = header.0.flags;
        let answered = flags.contains(Flags::ACK) && !flags.contains(Flags::RST);
        if answered && self.headers.len() < MAX_STRAYS {
            self.headers.push_back(*header);
        }
    }

    /// Appends the next reset to `buf`.
    pub(super) fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.headers.pop_front().map(|header| emit_reset(&header, buf))
    }
}

/// `<SEQ=SEG.ACK><CTL=RST>`, back to where the header came from.
fn emit_reset(header: &TargetHeader, buf: &mut Vec<u8>) -> Transmit {
    let flow = header.flow();
    let spec =
        PacketSpec { seq: header.0.ack, flags: Flags::RST, ..PacketSpec::between(flow.client, flow.target) };
    Transmit { destination: flow.target.ip(), len: spec.emit(buf) }
}
