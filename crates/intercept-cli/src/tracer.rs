//! How far a probe comes on this host, for `tcpcopy check`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tc_core::relay::{Relay, TunnelId};
use tc_proto::Flow;
use tc_proto::tunnel::Sighting;
use tc_sys::capture::ArrivalWatch;
use tc_sys::{host, process};

/// How long a flow is looked for. A SYN that came before its trace is sent again by then.
const DURATION: Duration = Duration::from_millis(1500);
/// Traces that may wait for the one before; more are left out.
const MAX_WAITING: usize = 16;

/// Traces one flow after the other.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// Nothing if the program was started without the privilege for it.
    arrivals: Option<ArrivalWatch>,
    waiting: VecDeque<(TunnelId, Flow)>,
    current: Option<Trace>,
}

/// What is being traced.
#[derive(Debug)]
struct Trace {
    tunnel: TunnelId,
    flow: Flow,
    until: Instant,
    /// Packets that the reverse path filter had refused at the beginning.
    refused: Option<u64>,
    /// Whether arrivals are looked for.
    watched: bool,
}

impl Tracer {
    /// A tracer that is idle. To be made while all privileges are there.
    pub(crate) fn new() -> Self {
        Self { arrivals: ArrivalWatch::open().ok(), waiting: VecDeque::new(), current: None }
    }

    /// Traces this flow for a tunnel, unless its target is another host, of which nothing is known here.
    pub(crate) fn add(&mut self, tunnel: TunnelId, flow: Flow) {
        let here = process::local_addresses().contains(&flow.target.ip());
        if here && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((tunnel, flow));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let current = self.current.as_ref().map(|trace| trace.until);
        current.or_else(|| self.waiting.front().map(|_| now))
    }

    /// Ends a trace, and begins the next one.
    pub(crate) fn handle_timeout(&mut self, now: Instant, relay: &mut Relay) {
        if self.current.as_ref().is_some_and(|trace| trace.until > now) {
            return;
        }
        if let Some(trace) = self.current.take() {
            relay.handle_sighting(trace.tunnel, &self.end(&trace));
        }
        self.current = self.waiting.pop_front().map(|(tunnel, flow)| self.begin(now, tunnel, flow));
    }

    fn begin(&self, now: Instant, tunnel: TunnelId, flow: Flow) -> Trace {
        let watched = self.arrivals.as_ref().is_some_and(|arrivals| arrivals.begin(&flow).is_ok());
        Trace { tunnel, flow, until: now + DURATION, refused: refused(), watched }
    }

    fn end(&self, trace: &Trace) -> Sighting {
        let arrived = self.arrivals.as_ref().and_then(|arrivals| arrivals.end().ok());
        Sighting {
            flow: trace.flow,
            arrived: arrived.filter(|_| trace.watched).map(|packets| packets > 0),
            connected: host::has_connection(&trace.flow),
            reverse_path: trace.refused < refused(),
        }
    }
}

fn refused() -> Option<u64> {
    host::tcp_counter("IPReversePathFilter")
}
