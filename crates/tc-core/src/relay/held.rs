//! Headers that overtook their route.

use super::{Counters, RelayConfig};
use crate::deadlines::Deadlines;
use crate::index::Index;
use slab::Slab;
use std::time::{Duration, Instant};
use tc_proto::tunnel::Response;
use tc_proto::{Flags, Flow};

/// Headers of one flow, in the order of their arrival.
#[derive(Debug)]
pub(super) struct HeldFlow {
    flow: Flow,
    /// As version 2 of the tunnel writes them: it leaves nothing out.
    messages: Vec<u8>,
    /// When each was seen.
    seen: Vec<Instant>,
}

impl HeldFlow {
    /// The headers, with what was kept of their payload, and when each was seen.
    pub(super) fn responses(&self) -> impl Iterator<Item = (Instant, Response<'_>)> {
        let mut rest = self.messages.as_slice();
        self.seen.iter().map_while(move |seen| {
            let (response, len) = Response::read(rest)?;
            rest = rest.get(len..).unwrap_or_default();
            Some((*seen, response))
        })
    }
}

/// All held headers, bounded in number.
#[derive(Debug)]
pub(super) struct HeldHeaders {
    by_flow: Index<Flow>,
    flows: Slab<HeldFlow>,
    deadlines: Deadlines<()>,
    len: usize,
    max: usize,
    max_per_flow: usize,
    hold_handshake: Duration,
    hold_other: Duration,
}

impl HeldHeaders {
    pub(super) fn new(config: &RelayConfig) -> Self {
        Self {
            by_flow: Index::default(),
            flows: Slab::new(),
            deadlines: Deadlines::new(),
            len: 0,
            max: config.max_held,
            max_per_flow: config.max_held_per_flow,
            hold_handshake: config.hold_handshake,
            hold_other: config.hold_other,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next().map(|(deadline, ())| deadline)
    }

    /// Keeps the header of a packet whose flow has no route, as far as there is room.
    /// With it go at most `payload` octets of its payload.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        response: &Response<'_>,
        payload: u16,
        counters: &mut Counters,
    ) {
        let (flow, flags) = (response.flow(), response.segment().flags);
        if flags.contains(Flags::SYN) {
            // The target opened the connection anew: what is held of the one before would only mislead.
            counters.held_superseded += self.discard(&flow);
        }
        if self.flow_len(&flow) >= self.max_per_flow || self.max == 0 {
            counters.held_refused += 1;
            return;
        }
        counters.held += 1;
        if self.len >= self.max {
            counters.held_displaced += self.discard_oldest();
        }
        let key = self.entry(now, flow);
        let held = &mut self.flows[key];
        response.write(payload, &mut held.messages);
        held.seen.push(now);
        self.len += 1;
        if flags.intersects(Flags::SYN | Flags::RST) {
            self.deadlines.set(key, now + self.hold_handshake, ());
        }
    }

    /// Takes what is held of a flow whose route has come.
    pub(super) fn take(&mut self, flow: &Flow) -> Option<HeldFlow> {
        let key = self.of_flow(flow)?;
        self.by_flow.remove(flow, key);
        let held = self.flows.try_remove(key)?;
        self.deadlines.stop(key);
        self.len -= held.seen.len();
        Some(held)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            counters.held_expired += self.discard_oldest();
        }
    }

    fn of_flow(&self, flow: &Flow) -> Option<usize> {
        self.by_flow.find(flow, |key| flow_at(&self.flows, key))
    }

    fn flow_len(&self, flow: &Flow) -> usize {
        self.of_flow(flow).and_then(|key| self.flows.get(key)).map_or(0, |held| held.seen.len())
    }

    fn entry(&mut self, now: Instant, flow: Flow) -> usize {
        if let Some(key) = self.of_flow(&flow) {
            return key;
        }
        let key = self.flows.insert(HeldFlow { flow, messages: Vec::new(), seen: Vec::new() });
        self.deadlines.set(key, now + self.hold_other, ());
        self.by_flow.insert(&flow, key, |key| flow_at(&self.flows, key));
        key
    }

    fn discard(&mut self, flow: &Flow) -> u64 {
        self.take(flow).map_or(0, |held| held.seen.len() as u64)
    }

    /// Discards the flow whose time is up first, and says how many headers went.
    fn discard_oldest(&mut self) -> u64 {
        let Some((_, key)) = self.deadlines.pop() else { return 0 };
        let flow = self.flows[key].flow;
        self.discard(&flow)
    }
}

fn flow_at(flows: &Slab<HeldFlow>, key: usize) -> Option<Flow> {
    flows.get(key).map(|held| held.flow)
}
