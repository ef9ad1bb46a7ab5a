//! Captured packets, from their octets to the session that takes them.

use super::Replayer;
use super::entry::{Connection, Entry};
use crate::Mapping;
use crate::config::{Join, Origin, Ramp};
use crate::counters::CapturedCounters;
use crate::session::{Context, Session};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Instant;
use tc_proto::{Flags, PacketRef, ParseError, Transport};

pub(super) const UDP: u8 = Transport::Udp.protocol();

/// A captured packet that is to be replayed, and for whom.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    now: Instant,
    /// When the packet was captured.
    at: Instant,
    connection: Connection,
    /// Which mapping takes it.
    mapping: usize,
    packet: &'a PacketRef<'a>,
}

/// What `-x` says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Packets to it go to the target of this mapping.
    Mapped(usize),
    /// It is a target itself: packets to it were replayed.
    Replayed,
    /// Nothing.
    Unmapped,
}

impl Replayer {
    /// Takes a captured packet, beginning at its IP header.
    pub fn handle_client_packet(&mut self, now: Instant, octets: &[u8]) {
        self.handle_client_packet_of(now, now, octets);
    }

    /// Takes a packet that was captured `at` some moment, beginning at its IP header. Nothing but the comparison of
    /// answers asks for that moment.
    pub fn handle_client_packet_of(&mut self, now: Instant, at: Instant, octets: &[u8]) {
        self.counters.captured.packets += 1;
        match PacketRef::parse(octets) {
            Ok(packet) => self.handle_packet(now, at, &packet),
            Err(ParseError::Fragment) => self.handle_fragment(now, at, octets),
            Err(ParseError::NotTcp(UDP)) => self.handle_datagram(now, octets),
            Err(error) => self.counters.captured.count_unparsed(error),
        }
    }

    /// Takes a whole packet.
    pub(super) fn handle_packet(&mut self, now: Instant, at: Instant, packet: &PacketRef<'_>) {
        let Some(mapping) = self.mapping_of(packet.segment().destination) else { return };
        if !self.is_sampled(now, packet.segment().source) {
            self.counters.captured.not_sampled += 1;
            return;
        }
        let (client, online) = (packet.segment().source, packet.segment().destination);
        for copy in 0..self.config.admission.copies {
            let connection = Connection { client, online, copy };
            let counted = self.counters.captured;
            self.take(Arrival { now, at, connection, mapping, packet });
            // Each packet counts once, however often it is replayed.
            if copy > 0 {
                self.counters.captured = counted;
            }
        }
    }

    /// Which mapping takes packets to this address and port of the online host; a packet that goes nowhere is counted.
    fn mapping_of(&mut self, destination: SocketAddr) -> Option<usize> {
        match self.place_of(Transport::Tcp, destination) {
            Place::Mapped(mapping) => return Some(mapping),
            Place::Replayed => self.counters.captured.replayed += 1,
            Place::Unmapped => self.counters.captured.unmapped += 1,
        }
        None
    }

    /// What `-x` says of packets to this address and port.
    pub(super) fn place_of(&self, transport: Transport, destination: SocketAddr) -> Place {
        let leads = |mapping: &Mapping| self.clients.leads(destination.ip(), mapping.target.ip());
        let takes = |mapping: &Mapping| mapping.takes(transport, destination) && leads(mapping);
        let mapping = self.mappings.iter().position(takes);
        let named = self.config.origin == Origin::File
            && mapping.is_some_and(|mapping| self.mappings[mapping].online.is_some());
        let is_target = |mapping: &Mapping| mapping.transport == transport && mapping.target == destination;
        if !named && self.mappings.iter().any(is_target) {
            return Place::Replayed;
        }
        mapping.map_or(Place::Unmapped, Place::Mapped)
    }

    /// Whether the client's connection belongs to those that are replayed.
    pub(super) fn is_sampled(&mut self, now: Instant, client: SocketAddr) -> bool {
        let wanted = u64::from(self.config.admission.percentage);
        let reached = match self.config.admission.ramp {
            Ramp::None => wanted,
            Ramp::OneEachSecond => {
                let started = *self.started.get_or_insert(now);
                wanted.min(1 + now.saturating_duration_since(started).as_secs())
            }
        };
        reached >= 100 || hash(&client) % 100 < reached
    }

    fn take(&mut self, arrival: Arrival<'_>) {
        let flags = arrival.packet.segment().flags;
        if !flags.contains(Flags::SYN) {
            self.on_client_segment(arrival);
        } else if flags.intersects(Flags::ACK | Flags::RST | Flags::FIN) {
            self.counters.captured.out_of_window += 1;
        } else {
            self.on_client_syn(arrival);
        }
    }

    fn on_client_syn(&mut self, arrival: Arrival<'_>) {
        if let Some(index) = self.entries.of_connection(&arrival.connection) {
            let known = self.entries.get(index).and_then(|entry| entry.session.iss());
            if known == Some(arrival.packet.segment().seq) {
                self.counters.captured.syn_retransmissions += 1;
                return;
            }
            self.detach(arrival.now, index);
        }
        let Some(index) = self.begin(arrival, Session::from_syn) else { return };
        self.settle(arrival.now, index);
        if self.entries.contains(index) {
            self.counters.captured.syns += 1;
        } else {
            self.counters.captured.refused += 1;
        }
    }

    fn on_client_segment(&mut self, arrival: Arrival<'_>) {
        if let Some(index) = self.entries.of_connection(&arrival.connection) {
            self.offer(arrival, index);
        } else if arrival.packet.payload().is_empty() {
            let ends = arrival.packet.segment().flags.intersects(Flags::FIN | Flags::RST);
            self.counters.captured.ends += u64::from(ends);
            self.counters.captured.acks += u64::from(!ends);
        } else if self.config.admission.join == Join::Never {
            self.counters.captured.not_joined += 1;
        } else if let Some(index) = self.begin(arrival, Session::from_open_connection) {
            self.offer(arrival, index);
        }
    }

    /// Begins a session, if there is room for it.
    fn begin(
        &mut self,
        arrival: Arrival<'_>,
        make: impl FnOnce(&Context<'_>, &PacketRef<'_>) -> Session,
    ) -> Option<usize> {
        if !self.has_room() || !self.clients.serves(self.mappings[arrival.mapping].target) {
            self.counters.captured.refused += 1;
            return None;
        }
        let cx = Context { now: arrival.now, config: &self.config, counters: &mut self.counters };
        let mut session = make(&cx, arrival.packet);
        if let Some(compare) = self.config.compare
            && self.comparison.is_some()
            && arrival.connection.copy == 0
        {
            session.measure(arrival.now, arrival.at, compare.detail);
        }
        self.born += 1;
        let entry = Entry::new(arrival.connection, arrival.mapping, self.born, session);
        self.lagging[entry.lag as usize] += 1;
        let index = self.entries.insert(entry);
        self.by_age.insert(self.born, index);
        Some(index)
    }

    fn offer(&mut self, arrival: Arrival<'_>, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if !arrival.packet.payload().is_empty() {
            entry.session.take_storage(&mut self.storage);
        }
        let mut cx = Context { now: arrival.now, config: &self.config, counters: &mut self.counters };
        let offered = entry.session.handle_client_packet(&mut cx, arrival.at, arrival.packet);
        self.counters.captured.count(offered);
        self.settle(arrival.now, index);
    }
}

impl CapturedCounters {
    pub(super) fn count_unparsed(&mut self, error: ParseError) {
        if error == ParseError::Fragment {
            self.fragments += 1;
        } else {
            self.malformed += 1;
        }
    }
}

/// The same in each run: a connection stays in or out.
fn hash(client: &SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}
