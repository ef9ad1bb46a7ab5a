//! IP packets put together from their fragments (RFC 791, section 3.2; RFC 815; RFC 8200, section 4.5), whatever
//! protocol they carry.
//!
//! Overlapping fragments are an attack or a mistake: nothing of their packet is used (RFC 5722), of IPv4 neither. Only
//! a fragment that came twice is forgiven.

mod partial;

use crate::counters::ReassemblyCounters;
use crate::table::Table;
use partial::{Added, Partial};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tc_proto::fragment::{FragmentRef, PacketId};

/// What a [`Reassembler`] may keep. Beyond that the oldest packets are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyLimits {
    /// Packets of which something is missing.
    pub packets: usize,
    /// Octets of memory.
    pub octets: usize,
    /// How long a packet is waited for after its first fragment.
    pub lifetime: Duration,
}

impl Default for ReassemblyLimits {
    /// The limits of Linux for a whole host.
    fn default() -> Self {
        Self { packets: 4096, octets: 4 << 20, lifetime: Duration::from_secs(30) }
    }
}

/// Packets of which some fragments were captured.
#[derive(Debug, Default)]
pub struct Reassembler {
    limits: ReassemblyLimits,
    packets: Table<PacketId, Partial>,
    /// By the number of their birth.
    by_age: BTreeMap<u64, PacketId>,
    born: u64,
    octets: usize,
}

impl Reassembler {
    /// A reassembler that has nothing yet.
    #[must_use]
    pub fn new(limits: ReassemblyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Octets of memory that are kept.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Fragments that are kept.
    #[must_use]
    pub fn fragments(&self) -> u64 {
        self.packets.values().map(Partial::fragments).sum()
    }

    /// Takes a fragment. The last one that was missing gives the whole packet.
    pub fn handle_fragment(
        &mut self,
        now: Instant,
        fragment: &FragmentRef<'_>,
        counters: &mut ReassemblyCounters,
    ) -> Option<Vec<u8>> {
        self.handle_timeout(now, counters);
        counters.fragments += 1;
        self.begin(now, fragment.id, counters);
        let partial = self.packets.get_mut(&fragment.id)?;
        let before = partial.octets();
        let kept = partial.fragments();
        match partial.add(fragment) {
            Added::Waits => {}
            Added::Complete(packet) => {
                counters.reassembled += 1;
                counters.used += kept + 1;
                self.remove(&fragment.id, before);
                return Some(packet);
            }
            Added::Duplicate => counters.duplicates += 1,
            Added::Overlap => counters.overlapping += kept + 1,
        }
        self.octets = self.octets + partial.octets() - before;
        while self.octets > self.limits.octets {
            self.give_up_oldest(&mut counters.evicted);
        }
        None
    }

    /// Gives up packets that were waited for too long.
    pub fn handle_timeout(&mut self, now: Instant, counters: &mut ReassemblyCounters) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.give_up_oldest(&mut counters.expired);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (_, id) = self.by_age.first_key_value()?;
        self.packets.get(id).map(|oldest| oldest.expires)
    }

    /// Makes room for a packet of which nothing was seen yet.
    fn begin(&mut self, now: Instant, id: PacketId, counters: &mut ReassemblyCounters) {
        if self.packets.contains_key(&id) {
            return;
        }
        while self.packets.len() >= self.limits.packets.max(1) {
            self.give_up_oldest(&mut counters.evicted);
        }
        self.born += 1;
        let partial = Partial::new(self.born, now + self.limits.lifetime);
        self.octets += partial.octets();
        self.packets.insert(id, partial);
        self.by_age.insert(self.born, id);
    }

    fn give_up_oldest(&mut self, count: &mut u64) {
        let Some((_, id)) = self.by_age.pop_first() else { return };
        let Some(partial) = self.packets.remove(&id) else { return };
        self.octets -= partial.octets();
        *count += partial.fragments();
    }

    /// Removes a packet for which so many octets are accounted.
    fn remove(&mut self, id: &PacketId, accounted: usize) {
        let Some(partial) = self.packets.remove(id) else { return };
        self.by_age.remove(&partial.born);
        self.octets -= accounted;
    }
}

#[cfg(test)]
mod tests;
