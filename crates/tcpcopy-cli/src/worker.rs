//! A worker: the event loop of one thread, with everything between its replayer and the kernel.
//!
//! Each turn reads the clock once, takes a bounded share from each source, and drains what follows: routes first, so
//! that intercept knows a flow before its SYN leaves, then packets.

use crate::answers::Answers;
use crate::error::Error;
use crate::outlet::{Outlet, Rest};
use crate::snapshot::{SessionGauges, Snapshot};
use crate::tunnels::Tunnels;
use crate::workers::{Extent, Order, Orders};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use tc_core::Replayer;
use tc_core::compare::Comparison;
use tc_sys::SysError;
use tc_sys::capture::{Alertness, Capture, CaptureStatistics, Pacer};
use tc_sys::error::reason;
use tc_sys::program::{RateLimit, Readiness};
use tracing::{debug, trace, warn};

const ORDERS: Token = Token(0);
const CAPTURE: Token = Token(1);
/// The first token of the tunnels.
pub(crate) const FIRST_TUNNEL: usize = 16;

const MAX_EVENTS: usize = 256;
/// Captured packets that are taken before the other sources have their turn. Taking them is cheap, and what the kernel
/// has no more room for is lost.
const MAX_PACKETS: usize = 2048;
/// The most that a captured packet is late. Requests keep their order and their distances but for this.
const LONGEST_NAP: Duration = Duration::from_millis(8);
/// A wait is never longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// One thread's part of the program.
pub(crate) struct Worker {
    poll: Poll,
    capture: Box<dyn Capture>,
    /// The online server's answers, where they are compared.
    answers: Option<Answers>,
    capture_readiness: Readiness,
    /// Whether mio waits for the capture.
    alertness: Alertness,
    pacer: Pacer,
    outlet: Outlet,
    /// Whether there may be more to send.
    unsent: bool,
    /// Captured packets and headers that were counted by the last turn.
    taken: u64,
    /// Whether the last turn took any.
    productive: bool,
    replayer: Replayer,
    tunnels: Tunnels,
    /// When to read the tunnels, whether anything waits for it or not.
    next_read: Instant,
    orders: Orders,
    lines: RateLimit,
    captured: CaptureStatistics,
}

impl Worker {
    /// Takes what was opened into one loop.
    pub(crate) fn new(
        capture: Box<dyn Capture>,
        answers: Option<Answers>,
        outlet: Outlet,
        mut tunnels: Tunnels,
        mut replayer: Replayer,
    ) -> Result<Self, Error> {
        let poll = Poll::new().map_err(failed_to_wait)?;
        let registry = poll.registry();
        let now = Instant::now();
        let orders = Orders::new(registry, ORDERS).map_err(failed_to_wait)?;
        watch(&*capture, Alertness::Awake, registry).map_err(failed_to_wait)?;
        tunnels.register(now, registry, &mut replayer);
        Ok(Self {
            poll,
            capture,
            answers,
            capture_readiness: Readiness::Ready,
            alertness: Alertness::Awake,
            pacer: Pacer::new(now, LONGEST_NAP),
            outlet,
            unsent: false,
            taken: 0,
            productive: false,
            replayer,
            tunnels,
            next_read: now,
            orders,
            lines: RateLimit::new(now),
            captured: CaptureStatistics::default(),
        })
    }

    /// Through which the worker gets its orders.
    pub(crate) fn orders(&mut self) -> &mut Orders {
        &mut self.orders
    }

    /// Works until it is told to stop.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(MAX_EVENTS);
        let mut now = Instant::now();
        loop {
            let ordered = self.wait(&mut events, now)?;
            now = Instant::now();
            self.turn(now);
            self.pace(now);
            while let Some(order) = ordered.then(|| self.orders.next()).flatten() {
                match order {
                    // Nobody waits for it any more if it cannot be sent.
                    Order::Report(to) => drop(to.send(self.snapshot(now))),
                    Order::Compare(to, extent) => drop(to.send(self.comparison(now, extent))),
                    Order::Stop => return Ok(()),
                }
            }
        }
    }

    /// Decides how to wait from now on by what came in this turn.
    fn pace(&mut self, now: Instant) {
        let counters = self.replayer.counters();
        let taken = counters.captured.packets + counters.target.headers;
        let fresh = taken - std::mem::replace(&mut self.taken, taken);
        self.productive = fresh > 0;
        let alertness = self.pacer.record(now, usize::try_from(fresh).unwrap_or(usize::MAX));
        // What fails is tried again at the next turn; until then, all goes on as before.
        if alertness != self.alertness && watch(&*self.capture, alertness, self.poll.registry()).is_ok() {
            self.alertness = alertness;
            self.capture_readiness = Readiness::Ready;
        }
    }

    fn turn(&mut self, now: Instant) {
        self.replayer.handle_timeout(now);
        self.tunnels.handle_timeout(now, self.poll.registry(), &mut self.replayer);
        if self.headers_due(now) <= now {
            self.read_tunnels(now);
        }
        let ends = self.replayer.counters().captured.ends;
        if self.capture_readiness.is_due(now) {
            self.capture_readiness = self.take_captured(now);
        }
        if self.replayer.counters().captured.ends > ends {
            // An end goes when the target is silent, which is not known while its word is unread.
            self.read_tunnels(now);
        }
        // What ended while packets were sent goes with the next announcements: nothing waits for it.
        while let Some(flow) = self.replayer.poll_ended_route() {
            self.tunnels.withdraw(&flow);
        }
        while let Some(flow) = self.replayer.poll_route() {
            debug!("session {flow}");
            self.tunnels.announce(&flow);
        }
        self.tunnels.write(now, &mut self.replayer);
        self.unsent = self.outlet.transmit_part(now, &mut self.replayer) == Rest::Some;
    }

    /// Waits until something is to be done; whether there may be orders.
    fn wait(&mut self, events: &mut Events, now: Instant) -> Result<bool, Error> {
        let mut patience = self.patience(now);
        if let Some(nap) = self.nap().filter(|_| !patience.is_zero()) {
            // Timers may be late by a nap as well: one each few packets would be an alarm each few packets.
            std::thread::sleep(nap);
            patience = Duration::ZERO;
        }
        match self.poll.poll(events, Some(patience)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(failed_to_wait(error).into()),
        }
        let mut ordered = false;
        for event in &*events {
            match event.token() {
                CAPTURE => self.capture_readiness = Readiness::Ready,
                ORDERS => ordered = true,
                _ => self.tunnels.handle_readiness(event),
            }
        }
        Ok(ordered)
    }

    /// Whether the headers themselves say nothing of when they were seen, and it is asked for.
    fn measures_by_reading(&self) -> bool {
        self.answers.is_some() && !self.tunnels.tell_times()
    }

    /// When to read the tunnels. Each read costs an acknowledgment, so under load there is none for headers of answers
    /// that nobody waits for: they are late by the longest nap at most, as captured packets are.
    fn headers_due(&self, now: Instant) -> Instant {
        let awaited =
            self.replayer.awaits_target() || self.tunnels.is_amid_answer(now) || self.measures_by_reading();
        // The next look would be too late.
        let due = self.next_read < now + self.pacer.nap();
        if self.alertness == Alertness::Awake || awaited || due { now } else { self.next_read }
    }

    fn read_tunnels(&mut self, now: Instant) {
        self.tunnels.read(now, &mut self.replayer);
        self.next_read = now + LONGEST_NAP;
    }

    /// How long to look at nothing at all.
    fn nap(&self) -> Option<Duration> {
        if self.measures_by_reading() || self.replayer.is_behind() {
            return None;
        }
        let napping = self.alertness == Alertness::Napping;
        if self.replayer.is_throttled() {
            // Acknowledgments come one for each few segments; whoever finds none waits for the next.
            return (napping || self.productive).then_some(Pacer::SHORTEST);
        }
        napping.then(|| self.pacer.nap())
    }

    /// How long to wait for mio at most.
    fn patience(&self, now: Instant) -> Duration {
        let deadlines = [
            self.replayer.poll_timeout().map(|(deadline, _)| deadline),
            self.capture_readiness.deadline(now),
            self.tunnels.deadline(),
            self.tunnels.is_unread().then(|| self.headers_due(now)),
            (self.unsent || self.tunnels.has_output()).then_some(now),
        ];
        let wait =
            deadlines.into_iter().flatten().min().map(|deadline| deadline.saturating_duration_since(now));
        wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }

    fn take_captured(&mut self, now: Instant) -> Readiness {
        if let Some(answers) = &mut self.answers {
            answers.begin(now);
        }
        for _ in 0..MAX_PACKETS {
            match self.take_one(now) {
                Ok(Some(())) => {}
                Ok(None) => return self.captured_all(now),
                Err(error) => {
                    if let Some(left_out) = self.lines.admit(now) {
                        warn!("cannot read captured packets: {}{left_out}", reason(&error));
                    }
                    return Readiness::failed(now);
                }
            }
        }
        Readiness::Ready
    }

    /// Takes the next captured packet, if there is one.
    fn take_one(&mut self, now: Instant) -> io::Result<Option<()>> {
        let Some(answers) = &mut self.answers else {
            let packet = self.capture.next_packet()?;
            return Ok(packet.map(|octets| {
                trace!("captured a packet of {} octets", octets.len());
                self.replayer.handle_client_packet(now, octets);
            }));
        };
        let packet = self.capture.next_stamped()?;
        if let Some(packet) = packet {
            trace!("captured a packet of {} octets", packet.octets.len());
            let at = answers.take_before(packet.stamp, &mut self.replayer);
            self.replayer.handle_client_packet_of(now, at, packet.octets);
            return Ok(Some(()));
        }
        answers.take_rest(&mut self.replayer);
        Ok(None)
    }

    /// When to look again, after a look that found no more packets.
    fn captured_all(&self, now: Instant) -> Readiness {
        match self.alertness {
            Alertness::Awake => Readiness::Drained,
            Alertness::Napping => Readiness::RetryAt(now + self.pacer.nap()),
        }
    }

    fn snapshot(&mut self, now: Instant) -> Snapshot {
        match self.capture.statistics() {
            Ok(statistics) => self.captured = statistics,
            Err(error) => {
                if let Some(left_out) = self.lines.admit(now) {
                    warn!("cannot read the capture's statistics: {}{left_out}", reason(&error));
                }
            }
        }
        Snapshot {
            counters: *self.replayer.counters(),
            sessions: SessionGauges::of(&self.replayer),
            capture: self.captured,
            tunnels: self.tunnels.counts(),
            send_errors: self.outlet.errors,
            answers: self.answers.as_mut().map(Answers::statistics).unwrap_or_default(),
        }
    }

    /// What was compared, if anything is.
    fn comparison(&mut self, now: Instant, extent: Extent) -> Option<Box<Comparison>> {
        match extent {
            Extent::SoFar => self.replayer.comparison().cloned().map(Box::new),
            Extent::Whole => {
                self.take_captured(now);
                self.tunnels.read(now, &mut self.replayer);
                self.replayer.end_comparison(now)
            }
        }
    }
}

/// Makes mio wait for the capture, or not. If a packet waits already, mio tells at once.
fn watch(capture: &dyn Capture, alertness: Alertness, registry: &Registry) -> io::Result<()> {
    capture.raw_fds().iter().try_for_each(|descriptor| match alertness {
        Alertness::Awake => registry.register(&mut SourceFd(descriptor), CAPTURE, Interest::READABLE),
        Alertness::Napping => registry.deregister(&mut SourceFd(descriptor)),
    })
}

fn failed_to_wait(cause: io::Error) -> SysError {
    SysError::new("wait for", "captured packets and tunnels", cause)
}
