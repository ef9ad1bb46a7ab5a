//! Captured datagrams, and their answers.

use super::Replayer;
use super::intake::Place;
use crate::datagram::{Origin, With};
use std::net::SocketAddr;
use std::time::Instant;
use tc_proto::tunnel::TargetDatagram;
use tc_proto::{DatagramRef, Transport};

impl Replayer {
    /// Takes a captured datagram.
    pub(super) fn handle_datagram(&mut self, now: Instant, octets: &[u8]) {
        self.counters.captured.datagrams += 1;
        match DatagramRef::parse(octets) {
            Ok(datagram) => self.replay_datagram(now, &datagram),
            Err(_) => self.counters.datagrams.malformed += 1,
        }
    }

    fn replay_datagram(&mut self, now: Instant, datagram: &DatagramRef<'_>) {
        let (client, online) = (datagram.source(), datagram.destination());
        let Some(target) = self.datagram_target(online) else { return };
        if !self.is_sampled(now, client) {
            self.counters.datagrams.not_sampled += 1;
            return;
        }
        self.counters.datagrams.captured += 1;
        // Nobody but intercept keeps the answers from the clients: before it was there, nothing is sent.
        if !self.routes.was_up(target) {
            self.counters.datagrams.no_intercept += 1;
            return;
        }
        let mut with =
            With { config: &self.config, clients: &self.clients, counters: &mut self.counters.datagrams };
        for copy in 0..self.config.admission.copies {
            let origin = Origin { client, online, copy };
            self.datagrams.handle_datagram(now, origin, target, datagram, &mut with);
        }
    }

    /// Where datagrams to this address and port of the online host go; one that goes nowhere is counted.
    fn datagram_target(&mut self, destination: SocketAddr) -> Option<SocketAddr> {
        match self.place_of(Transport::Udp, destination) {
            Place::Mapped(mapping) => return Some(self.mappings[mapping].target),
            Place::Replayed => self.counters.datagrams.replayed += 1,
            Place::Unmapped => self.counters.datagrams.unmapped += 1,
        }
        None
    }

    /// Takes what intercept tells of a datagram of the target.
    pub fn handle_target_datagram(&mut self, now: Instant, datagram: &TargetDatagram) {
        self.datagrams.handle_answer(now, datagram, &mut self.counters.datagrams);
    }

    /// Datagrams that were sent and may still be answered.
    #[must_use]
    pub const fn datagrams_waiting(&self) -> u64 {
        let counters = &self.counters.datagrams;
        counters.sent - counters.answered - counters.unanswered
    }

    /// Flows of datagrams that are kept.
    #[must_use]
    pub fn datagram_flows(&self) -> usize {
        self.datagrams.len()
    }
}
