//! The event loop: everything between the relay and the kernel.
//!
//! Each turn reads the clock once, then serves the sources in an order that lets a route be known before the responses
//! it is for: tunnels, queue, then what the relay wants to be written. Each source gets a bounded share of a turn.

use crate::error::Error;
use crate::figures::figures;
use crate::source::{Served, Source};
use crate::statistics::Statistics;
use crate::tracer::Tracer;
use crate::tunnels::Tunnels;
use crate::watch::Watch;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use tc_core::relay::{Relay, RelayConfig};
use tc_sys::SysError;
use tc_sys::error::reason;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Detail, Flow, MetricsServer, RateLimit, Readiness};
use tracing::{trace, warn};

const SOURCE: Token = Token(0);
const LISTENER: Token = Token(1);
const SIGNALS: Token = Token(2);
const METRICS: Token = Token(3);
const FIRST_TUNNEL: u64 = 16;

const MAX_EVENTS: usize = 256;
/// Octets of a packet before its payload: more than any but the oddest has.
const HEADERS: u16 = 128;

/// The running program.
pub(crate) struct Driver {
    poll: Poll,
    listener: TcpListener,
    listener_readiness: Readiness,
    /// Octets of each response's payload that the source was asked to give.
    payload: u16,
    metrics: Option<MetricsServer>,
    metrics_readiness: Readiness,
    relay: Relay,
    signals: SignalFd,
    signals_readiness: Readiness,
    source: Box<dyn Source>,
    source_lines: RateLimit,
    source_readiness: Readiness,
    statistics: Statistics,
    tracer: Tracer,
    tunnels: Tunnels,
    watch: Watch,
}

impl Driver {
    /// Takes what was opened into one loop.
    pub(crate) fn new(
        source: Box<dyn Source>,
        mut listener: TcpListener,
        signals: SignalFd,
        relay: RelayConfig,
    ) -> Result<Self, Error> {
        let poll = Poll::new().map_err(failed_to_wait)?;
        let registry = poll.registry();
        let now = Instant::now();
        let watch = Watch::new(now, source.raw_fds(), SOURCE, registry).map_err(failed_to_wait)?;
        let registered = registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .and_then(|()| registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNALS, Interest::READABLE));
        registered.map_err(failed_to_wait)?;
        Ok(Self {
            poll,
            listener,
            listener_readiness: Readiness::Ready,
            payload: 0,
            metrics: None,
            metrics_readiness: Readiness::Drained,
            relay: Relay::new(relay),
            signals,
            signals_readiness: Readiness::Ready,
            source,
            source_lines: RateLimit::new(now),
            source_readiness: Readiness::Ready,
            statistics: Statistics::new(now),
            tracer: Tracer::new(),
            tunnels: Tunnels::new(now, FIRST_TUNNEL),
            watch,
        })
    }

    /// Works until a signal that `on_signal` answers with [`Flow::Stop`].
    pub(crate) fn run_until_stopped(
        &mut self,
        mut on_signal: impl FnMut(Signal) -> Flow,
        metrics: Option<MetricsServer>,
    ) -> Result<(), Error> {
        if let Some(metrics) = &metrics {
            let registry = self.poll.registry();
            registry
                .register(&mut SourceFd(&metrics.as_raw_fd()), METRICS, Interest::READABLE)
                .map_err(failed_to_wait)?;
        }
        self.metrics = metrics;
        self.source.start().map_err(|cause| SysError::new("start", "the threads of the queues", cause))?;
        let mut events = Events::with_capacity(MAX_EVENTS);
        let mut now = Instant::now();
        loop {
            self.wait(&mut events, now)?;
            now = Instant::now();
            if self.signals_readiness.is_due(now) && self.handle_signals(now, &mut on_signal)? == Flow::Stop {
                return Ok(());
            }
            self.turn(now);
        }
    }

    fn handle_signals(
        &mut self,
        now: Instant,
        on_signal: &mut impl FnMut(Signal) -> Flow,
    ) -> Result<Flow, Error> {
        while let Some(signal) = self.signals.next_signal().map_err(failed_to_wait)? {
            let flow = on_signal(signal);
            let detail = if flow == Flow::Report { Detail::All } else { Detail::Occurred };
            if flow != Flow::Continue {
                self.statistics.report(now, &self.relay, &mut *self.source, detail);
            }
            if flow == Flow::Stop {
                return Ok(flow);
            }
        }
        self.signals_readiness = Readiness::Drained;
        Ok(Flow::Continue)
    }

    fn turn(&mut self, now: Instant) {
        self.relay.handle_timeout(now);
        if self.listener_readiness.is_due(now) {
            self.listener_readiness =
                self.tunnels.accept(now, &self.listener, self.poll.registry(), &mut self.relay);
        }
        self.tunnels.read(now, &mut self.relay);
        self.give_payload(now);
        let times = self.relay.times_wanted();
        self.source.attend(times);
        self.watch.attend(times);
        if self.source_readiness.is_due(now) {
            self.source_readiness = self.serve_source(now);
        }
        self.tunnels.handle_events(now, &mut self.relay);
        for (tunnel, flow) in self.tunnels.take_traces() {
            self.tracer.add(tunnel, flow);
        }
        self.tracer.handle_timeout(now, &mut self.relay);
        self.tunnels.write(now, &mut self.relay);
        self.statistics.handle_timeout(now, &self.relay, &mut *self.source);
        if self.metrics_readiness.is_due(now)
            && let Some(metrics) = &mut self.metrics
        {
            self.metrics_readiness = metrics.serve(now, || figures(&self.relay, &mut *self.source));
        }
    }

    /// Lets the source give as much of each response as the tunnels want.
    fn give_payload(&mut self, now: Instant) {
        let wanted = self.relay.payload_wanted();
        if wanted <= self.payload {
            return;
        }
        self.payload = wanted;
        if let Err(error) = self.source.give(HEADERS + wanted)
            && let Some(left_out) = self.source_lines.admit(now)
        {
            warn!("cannot give tcpcopy the payload of answers: {}{left_out}", reason(&error));
        }
    }

    fn wait(&mut self, events: &mut Events, now: Instant) -> Result<(), Error> {
        match self.poll.poll(events, Some(self.patience(now))) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(failed_to_wait(error).into()),
        }
        for event in &*events {
            match event.token() {
                SOURCE => {
                    self.source_readiness = Readiness::Ready;
                    self.watch.wake();
                }
                LISTENER => self.listener_readiness = Readiness::Ready,
                METRICS => self.metrics_readiness = Readiness::Ready,
                SIGNALS => self.signals_readiness = Readiness::Ready,
                _ => self.tunnels.handle_readiness(event),
            }
        }
        Ok(())
    }

    /// How long to wait for mio at most.
    fn patience(&self, now: Instant) -> Duration {
        let deadlines = [
            Some(self.statistics.deadline()),
            self.metrics_readiness.deadline(now),
            self.relay.poll_timeout().map(|(deadline, _)| deadline),
            self.listener_readiness.deadline(now),
            self.source_readiness.deadline(now),
            self.tracer.deadline(now),
            self.tunnels.has_work().then_some(now),
        ];
        deadlines.into_iter().flatten().min().unwrap_or(now).saturating_duration_since(now)
    }

    /// Takes responses from their source.
    fn serve_source(&mut self, now: Instant) -> Readiness {
        match self.source.serve(self.watch.seen(now), &mut self.relay) {
            Served::More(taken) => {
                trace!("{taken} responses, and more");
                self.watch.left_more(now, taken)
            }
            Served::Drained(taken) => {
                trace!("{taken} responses");
                self.watch.drained(now, taken, self.poll.registry())
            }
            Served::Failed(what, error) => {
                if let Some(left_out) = self.source_lines.admit(now) {
                    warn!("cannot {what}: {}{left_out}", reason(&error));
                }
                Readiness::failed(now)
            }
        }
    }
}

fn failed_to_wait(cause: io::Error) -> SysError {
    SysError::new("wait for", "the queue, the listener and signals", cause)
}
