//! Answers of the online server, and what is compared with the target's.

use super::Replayer;
use super::entry::{Connection, Entry};
use crate::compare::Comparison;
use std::time::Instant;
use tc_proto::PacketRef;

impl Replayer {
    /// Takes a packet of the online server to one of its clients, beginning at its IP header, which was captured `at`
    /// some moment. It may be cut behind its headers.
    pub fn handle_online_packet(&mut self, at: Instant, octets: &[u8]) {
        let Ok(packet) = PacketRef::parse_headers(octets) else { return };
        let (online, client) = (packet.segment().source, packet.segment().destination);
        let Some(index) = self.entries.of_connection(&Connection { client, online, copy: 0 }) else { return };
        if let Some(entry) = self.entries.get_mut(index) {
            entry.session.handle_online_packet(at, &packet);
        }
    }

    /// What is seen at the same moment of intercept's clock counts so many microseconds later than before: that clock is known
    /// better now.
    pub fn handle_clock_moved(&mut self, micros: i64) {
        if let Some(comparison) = self.comparison.as_mut().filter(|_| micros != 0) {
            comparison.move_clock(micros);
        }
    }

    /// What was compared so far, of requests that are over.
    pub fn comparison(&mut self) -> Option<&Comparison> {
        let comparison = self.comparison.as_deref_mut()?;
        comparison.settle();
        Some(comparison)
    }

    /// Ends the comparison: what goes on is taken as it stands.
    pub fn end_comparison(&mut self, now: Instant) -> Option<Box<Comparison>> {
        let mut comparison = self.comparison.take()?;
        for (_, entry) in self.entries.iter_mut() {
            if let Some(meter) = entry.session.meter_mut() {
                meter.end_at(now);
                comparison.take(meter);
            }
        }
        comparison.settle();
        Some(comparison)
    }

    /// Takes what a session has to tell.
    pub(super) fn take_compared(&mut self, index: usize) {
        let (Some(comparison), Some(entry)) = (&mut self.comparison, self.entries.get_mut(index)) else {
            return;
        };
        if let Some(meter) = entry.session.meter_mut()
            && meter.has_news()
        {
            comparison.take(meter);
        }
    }

    /// Takes the rest of a session that is over.
    pub(super) fn end_compared(&mut self, entry: &mut Entry) {
        if let (Some(comparison), Some(meter)) = (&mut self.comparison, entry.session.meter_mut()) {
            meter.end_all();
            comparison.take(meter);
        }
    }
}
