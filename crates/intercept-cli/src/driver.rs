//! The event loop: everything between the relay and the kernel.
//!
//! Each turn reads the clock once, then serves the sources in an order that lets a route be known before the responses
//! it is for: tunnels, queue, then what the relay wants to be written. Each source gets a bounded share of a turn.

use crate::error::Error;
use crate::statistics::Statistics;
use crate::tunnels::Tunnels;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use tc_core::relay::{Relay, RelayConfig, Verdict};
use tc_sys::SysError;
use tc_sys::error::reason;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, RateLimit, Readiness};
use tc_sys::queue::{self, Queue};
use tracing::warn;

const QUEUE: Token = Token(0);
const LISTENER: Token = Token(1);
const SIGNALS: Token = Token(2);
const FIRST_TUNNEL: u64 = 16;

const MAX_EVENTS: usize = 256;
/// Responses that are taken from the queue before the other sources have their turn.
const MAX_RESPONSES: usize = 512;

/// The running program.
pub(crate) struct Driver {
    poll: Poll,
    listener: TcpListener,
    listener_readiness: Readiness,
    queue: Queue,
    queue_readiness: Readiness,
    queue_lines: RateLimit,
    relay: Relay,
    signals: SignalFd,
    statistics: Statistics,
    tunnels: Tunnels,
}

impl Driver {
    /// Takes what was opened into one loop.
    pub(crate) fn new(
        queue: Queue,
        mut listener: TcpListener,
        signals: SignalFd,
        relay: RelayConfig,
    ) -> Result<Self, Error> {
        let poll = Poll::new().map_err(failed_to_wait)?;
        let registry = poll.registry();
        let registered = registry
            .register(&mut SourceFd(&queue.as_raw_fd()), QUEUE, Interest::READABLE)
            .and_then(|()| registry.register(&mut listener, LISTENER, Interest::READABLE))
            .and_then(|()| registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNALS, Interest::READABLE));
        registered.map_err(failed_to_wait)?;
        let now = Instant::now();
        Ok(Self {
            poll,
            listener,
            listener_readiness: Readiness::Ready,
            queue,
            queue_readiness: Readiness::Ready,
            queue_lines: RateLimit::new(now),
            relay: Relay::new(relay),
            signals,
            statistics: Statistics::new(now),
            tunnels: Tunnels::new(now, FIRST_TUNNEL),
        })
    }

    /// Works until a signal that `on_signal` answers with [`Flow::Stop`].
    pub(crate) fn run_until_stopped(&mut self, mut on_signal: impl FnMut(Signal) -> Flow) -> Result<(), Error> {
        let mut events = Events::with_capacity(MAX_EVENTS);
        let mut now = Instant::now();
        loop {
            self.wait(&mut events, now)?;
            now = Instant::now();
            while let Some(signal) = self.signals.next_signal().map_err(failed_to_wait)? {
                let flow = on_signal(signal);
                if flow != Flow::Continue {
                    self.statistics.report(&self.relay, &self.queue);
                }
                if flow == Flow::Stop {
                    return Ok(());
                }
            }
            self.turn(now);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.relay.handle_timeout(now);
        if self.listener_readiness.is_due(now) {
            self.listener_readiness =
                self.tunnels.accept(now, &self.listener, self.poll.registry(), &mut self.relay);
        }
        self.tunnels.read(now, &mut self.relay);
        if self.queue_readiness.is_due(now) {
            self.queue_readiness = self.decide(now);
        }
        self.tunnels.handle_events(now, &mut self.relay);
        self.tunnels.write(now, &mut self.relay);
        self.statistics.handle_timeout(now, &self.relay, &self.queue);
    }

    fn wait(&mut self, events: &mut Events, now: Instant) -> Result<(), Error> {
        match self.poll.poll(events, Some(self.patience(now))) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(failed_to_wait(error).into()),
        }
        for event in &*events {
            match event.token() {
                QUEUE => self.queue_readiness = Readiness::Ready,
                LISTENER => self.listener_readiness = Readiness::Ready,
                // Read at each turn.
                SIGNALS => {}
                _ => self.tunnels.handle_readiness(event),
            }
        }
        Ok(())
    }

    /// How long to wait for mio at most.
    fn patience(&self, now: Instant) -> Duration {
        let deadlines = [
            Some(self.statistics.deadline()),
            self.relay.poll_timeout().map(|(deadline, _)| deadline),
            self.listener_readiness.deadline(now),
            self.queue_readiness.deadline(now),
            self.tunnels.has_work().then_some(now),
        ];
        deadlines.into_iter().flatten().min().unwrap_or(now).saturating_duration_since(now)
    }

    /// Takes responses from the queue and gives each its verdict.
    fn decide(&mut self, now: Instant) -> Readiness {
        for _ in 0..MAX_RESPONSES {
            let packet = match self.queue.recv() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Readiness::Drained,
                Err(error) => {
                    self.statistics.errors.receive += 1;
                    self.warn_of_queue(now, format_args!("cannot read from the queue: {}", reason(&error)));
                    return Readiness::failed(now);
                }
            };
            let verdict = match self.relay.handle_response(now, packet.payload()) {
                Verdict::Accept => queue::Verdict::Accept,
                Verdict::Drop => queue::Verdict::Drop,
            };
            if let Err(error) = self.queue.verdict(packet, verdict) {
                self.statistics.errors.verdict += 1;
                self.warn_of_queue(now, format_args!("cannot decide a response: {}", reason(&error)));
            }
        }
        Readiness::Ready
    }

    fn warn_of_queue(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        if let Some(left_out) = self.queue_lines.admit(now) {
            warn!("{line}{left_out}");
        }
    }
}

fn failed_to_wait(cause: io::Error) -> SysError {
    SysError::new("wait for", "the queue, the listener and signals", cause)
}
