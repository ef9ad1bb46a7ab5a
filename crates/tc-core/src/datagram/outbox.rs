//! Packets that wait to be taken.

use crate::Transmit;
use std::collections::VecDeque;
use tc_proto::DatagramSpec;

/// So many octets may wait; the next datagram is lost, as it would be on a wire.
const MAX_OCTETS: usize = 64 << 20;

/// Packets, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    octets: Vec<u8>,
    packets: VecDeque<Transmit>,
    taken: usize,
}

impl Outbox {
    /// Makes the packets of a datagram and says how many, or `None` if there is no room for them.
    pub(super) fn push(&mut self, datagram: &DatagramSpec<'_>, mtu: usize) -> Option<u64> {
        if self.octets.len() > MAX_OCTETS {
            return None;
        }
        let (destination, before) = (datagram.destination.ip(), self.packets.len());
        datagram.emit(mtu, &mut self.octets, |len| self.packets.push_back(Transmit { destination, len }));
        Some((self.packets.len() - before) as u64)
    }

    /// Appends the next packet to `buf`.
    pub(super) fn pop(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.packets.pop_front()?;
        let end = self.taken + transmit.len;
        buf.extend_from_slice(self.octets.get(self.taken..end).unwrap_or_default());
        self.taken = end;
        if self.packets.is_empty() {
            self.octets.clear();
            self.taken = 0;
        }
        Some(transmit)
    }
}
