//! UDP: each datagram goes to the target as it comes, and what comes back is counted.
//!
//! There is nothing to wait for and nothing to send again, so a *flow* of datagrams, one client port to one target, keeps
//! numbers only: how many datagrams wait for an answer, those of the last [`PERIOD`] and those from before. An answer
//! belongs to the oldest datagram that waits.

mod outbox;

use crate::config::ReplayConfig;
use crate::counters::DatagramCounters;
use crate::index::Index;
use crate::{ClientPool, Transmit};
use outbox::Outbox;
use slab::Slab;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tc_proto::tunnel::TargetDatagram;
use tc_proto::{DatagramRef, DatagramSpec, Flow};

/// A datagram without an answer counts as unanswered after one to two of these.
pub(crate) const PERIOD: Duration = Duration::from_secs(5);
/// A flow is forgotten after so many periods without a datagram in either direction.
const IDLE_PERIODS: u8 = 6;
/// Memory that a flow takes, with its places in the tables.
const FLOW_OCTETS: usize = size_of::<Exchange>() + 320;
/// The part of all memory that flows may take.
const MEMORY_SHARE: usize = 4;

/// A client's port and what it talks to, as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) client: SocketAddr,
    pub(crate) online: SocketAddr,
    /// Which of its replays: 0 is the first.
    pub(crate) copy: u16,
}

/// A flow of datagrams to the target.
#[derive(Debug)]
struct Exchange {
    origin: Origin,
    flow: Flow,
    /// Datagrams of this period that wait for an answer.
    young: u64,
    /// Those from before it.
    old: u64,
    /// When the oldest that waits was sent, if none waited before it.
    since: Option<Instant>,
    /// Periods since the last datagram.
    quiet: u8,
}

/// All flows of datagrams. It neither fails nor panics, whatever it gets.
#[derive(Debug)]
pub(crate) struct Datagrams {
    exchanges: Slab<Exchange>,
    by_origin: Index<Origin>,
    by_flow: Index<Flow>,
    /// The end of each flow's period, the earliest first. Each flow stands here once.
    periods: VecDeque<(Instant, usize)>,
    max_flows: usize,
    outbox: Outbox,
    identification: u32,
}

impl Datagrams {
    pub(crate) fn new(config: &ReplayConfig) -> Self {
        let room = config.max_octets / MEMORY_SHARE / FLOW_OCTETS;
        Self {
            exchanges: Slab::new(),
            by_origin: Index::default(),
            by_flow: Index::default(),
            periods: VecDeque::new(),
            max_flows: room.clamp(1, config.max_sessions.max(1)),
            outbox: Outbox::default(),
            identification: 0,
        }
    }

    /// Flows that are kept.
    pub(crate) fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Octets of memory that the flows take at most.
    pub(crate) const fn max_octets(&self) -> usize {
        self.max_flows * FLOW_OCTETS
    }

    /// Octets of memory that the flows take.
    pub(crate) fn octets(&self) -> usize {
        self.exchanges.len() * FLOW_OCTETS
    }

    /// Sends a captured datagram to the target, under an address of `clients`.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        origin: Origin,
        target: SocketAddr,
        datagram: &DatagramRef<'_>,
        with: &mut With<'_>,
    ) {
        let Some(key) = self.key_of(now, origin, target, with) else {
            with.counters.no_address += 1;
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.quiet = 0;
        self.identification = next_identification(self.identification);
        let spec = DatagramSpec {
            source: exchange.flow.client,
            destination: exchange.flow.target,
            ip: datagram.ip(),
            identification: self.identification,
            payload: datagram.payload(),
        };
        if let Some(packets) = self.outbox.push(&spec, with.config.mtu) {
            if exchange.young + exchange.old == 0 {
                exchange.since = Some(now);
            }
            exchange.young += 1;
            with.counters.sent += 1;
            with.counters.packets += packets;
            with.counters.octets += datagram.payload_len() as u64;
        } else {
            with.counters.overflows += 1;
        }
    }

    /// Takes what is told of a datagram that the target sent.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        answer: &TargetDatagram,
        counters: &mut DatagramCounters,
    ) {
        counters.headers += 1;
        counters.target_octets += answer.payload_len as u64;
        let key = self.of_flow(&answer.flow);
        let Some(exchange) = key.and_then(|key| self.exchanges.get_mut(key)) else {
            counters.unknown += 1;
            return;
        };
        exchange.quiet = 0;
        let waiting = if exchange.old > 0 { &mut exchange.old } else { &mut exchange.young };
        if *waiting > 0 {
            *waiting -= 1;
            counters.answered += 1;
        }
        if let Some(sent) = exchange.since.take() {
            counters.measured += 1;
            counters.latency += now.saturating_duration_since(sent);
        }
    }

    /// Ends the periods that are over.
    pub(crate) fn handle_timeout(&mut self, now: Instant, counters: &mut DatagramCounters) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            let Some((_, key)) = self.periods.pop_front() else { return };
            let Some(exchange) = self.exchanges.get_mut(key) else { continue };
            if exchange.old > 0 {
                exchange.since = None;
            }
            counters.unanswered += exchange.old;
            exchange.old = std::mem::take(&mut exchange.young);
            exchange.quiet += 1;
            if exchange.quiet > IDLE_PERIODS {
                self.remove(key, counters);
            } else {
                self.periods.push_back((now + PERIOD, key));
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.periods.front().map(|(deadline, _)| *deadline)
    }

    /// Appends the next packet to `buf`, if there is one.
    pub(crate) fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.outbox.pop(buf)
    }

    fn of_flow(&self, flow: &Flow) -> Option<usize> {
        self.by_flow.find(flow, |key| flow_at(&self.exchanges, key))
    }

    fn key_of(
        &mut self,
        now: Instant,
        origin: Origin,
        target: SocketAddr,
        with: &mut With<'_>,
    ) -> Option<usize> {
        let known = self.by_origin.find(&origin, |key| origin_at(&self.exchanges, key));
        if known.is_some() {
            return known;
        }
        let client = with.config.admission.appearance(origin.client, origin.copy);
        let flow =
            with.clients.allocate(client, target, with.config.ports, |flow| self.of_flow(flow).is_some())?;
        // The kernel takes packets between the loopback interface and others for forged ones.
        if flow.client.ip().is_loopback() != target.ip().is_loopback() {
            return None;
        }
        while self.exchanges.len() >= self.max_flows {
            let (_, oldest) = self.periods.pop_front()?;
            with.counters.evicted += 1;
            self.remove(oldest, with.counters);
        }
        let key = self.exchanges.insert(Exchange { origin, flow, young: 0, old: 0, since: None, quiet: 0 });
        self.by_origin.insert(&origin, key, |key| origin_at(&self.exchanges, key));
        self.by_flow.insert(&flow, key, |key| flow_at(&self.exchanges, key));
        self.periods.push_back((now + PERIOD, key));
        with.counters.flows += 1;
        Some(key)
    }

    /// Forgets a flow that stands in `periods` no more. What still waits is unanswered.
    fn remove(&mut self, key: usize, counters: &mut DatagramCounters) {
        let Some(exchange) = self.exchanges.try_remove(key) else { return };
        counters.unanswered += exchange.old + exchange.young;
        self.by_origin.remove(&exchange.origin, key);
        self.by_flow.remove(&exchange.flow, key);
    }
}

fn origin_at(exchanges: &Slab<Exchange>, key: usize) -> Option<Origin> {
    exchanges.get(key).map(|exchange| exchange.origin)
}

fn flow_at(exchanges: &Slab<Exchange>, key: usize) -> Option<Flow> {
    exchanges.get(key).map(|exchange| exchange.flow)
}

/// What a datagram is sent with.
#[derive(Debug)]
pub(crate) struct With<'a> {
    pub(crate) config: &'a ReplayConfig,
    pub(crate) clients: &'a ClientPool,
    pub(crate) counters: &'a mut DatagramCounters,
}

/// The low 16 bits, all that IPv4 has, are never zero: the kernel would put a number of its own there, another one for
/// each fragment.
const fn next_identification(before: u32) -> u32 {
    let next = before.wrapping_add(1);
    if next.trailing_zeros() >= u16::BITS { next + 1 } else { next }
}

#[cfg(test)]
mod tests;
