//! The event loop of offline replay.

mod phases;

use super::OfflineConfig;
use super::feed::Feed;
use super::progress::{Progress, Standing};
use super::reader::{Recording, Request};
use super::summary::Summary;
use crate::config::Config;
use crate::error::Error;
use crate::figures::figures;
use crate::outlet::Outlet;
use crate::report::{Ending, Reporter};
use crate::snapshot::{SessionGauges, Snapshot};
use crate::statistics::Statistics;
use crate::tunnels::Tunnels;
use crate::workers::Extent;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use tc_core::{Mapping, ReplayConfig, Replayer};
use tc_proto::PortShare;
use tc_sys::SysError;
use tc_sys::capture::CaptureStatistics;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Detail, Flow, MetricsServer, Readiness};
use tc_sys::timer::Timer;
use tracing::{error, info, warn};

const SIGNALS: Token = Token(0);
const TIMER: Token = Token(1);
const READER: Token = Token(2);
const METRICS: Token = Token(3);
/// The first token of the tunnels.
const FIRST_TUNNEL: usize = 16;

const MAX_EVENTS: usize = 256;
/// Packets of the files that are taken before the other sources have their turn.
const MAX_PACKETS: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Behind the end of the files nothing fills a hole.
const HOLE_LIMIT_AT_END: Duration = Duration::from_millis(100);
/// How long sessions may take to end when the files are over.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

/// Where the replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until a tunnel is up.
    Waiting,
    /// Packets come out of the files.
    Replaying,
    /// The files are over, the last answers may be on their way. Since then nothing was heard of the target.
    Answering(Instant),
    /// All connections end, at the latest then.
    Closing(Instant),
    Over,
}

/// The running program.
pub(crate) struct OfflineDriver {
    poll: Poll,
    timer: Timer,
    signals: SignalFd,
    tunnels: Tunnels,
    outlet: Outlet,
    replayer: Replayer,
    replay: ReplayConfig,
    config: OfflineConfig,
    mappings: Vec<Mapping>,
    recording: Recording,
    feed: Option<Feed>,
    phase: Phase,
    /// When the phase asks for something, if nothing else happens before.
    again: Option<Instant>,
    /// Passes that are complete.
    passes: u32,
    /// Segments of answers when they were last looked at.
    answers: u64,
    statistics: Statistics,
    metrics: Option<MetricsServer>,
    metrics_readiness: Readiness,
    progress: Progress,
    summary: Summary,
    /// What becomes of the comparison, where answers are compared.
    report: Option<Reporter>,
    ending: Ending,
}

impl OfflineDriver {
    /// Opens everything.
    pub(crate) fn open(config: &Config, offline: &OfflineConfig) -> Result<Self, Error> {
        let recording = Recording::open(&offline.inputs, offline.passes)?;
        let report = config.report.as_ref().map(Reporter::open).transpose()?;
        let now = Instant::now();
        let injector = config.open_injector()?;
        let signals = SignalFd::open()?;
        let mut tunnels = Tunnels::open(config, &config.terms()?, PortShare::WHOLE, now, FIRST_TUNNEL)?;
        let timer = Timer::open()?;
        let poll = Poll::new().map_err(failed_to_wait)?;
        for (descriptor, token) in [(signals.as_raw_fd(), SIGNALS), (timer.as_raw_fd(), TIMER)] {
            let registry = poll.registry();
            registry.register(&mut SourceFd(&descriptor), token, Interest::READABLE).map_err(failed_to_wait)?;
        }
        let mut replayer = Replayer::new(config.replay, config.mappings.clone(), config.clients.clone());
        tunnels.register(now, poll.registry(), &mut replayer);
        Ok(Self {
            poll,
            timer,
            signals,
            tunnels,
            outlet: Outlet::new(injector, config.accuracy(), now),
            replayer,
            replay: config.replay,
            config: offline.clone(),
            mappings: config.mappings.clone(),
            progress: Progress::new(recording.octets, offline.passes, now),
            recording,
            feed: None,
            phase: Phase::Waiting,
            again: None,
            passes: 0,
            answers: 0,
            statistics: Statistics::new(now),
            metrics: None,
            metrics_readiness: Readiness::Drained,
            summary: Summary::default(),
            report,
            ending: Ending::AsWanted,
        })
    }

    /// Works until everything is replayed, or until a signal that `on_signal` answers with [`Flow::Stop`].
    pub(crate) fn run_until_over(
        &mut self,
        mut on_signal: impl FnMut(Signal) -> Flow,
        metrics: Option<MetricsServer>,
    ) -> Result<(), Error> {
        self.watch_metrics(metrics)?;
        let waker = Waker::new(self.poll.registry(), READER).map_err(failed_to_wait)?;
        // Whoever does not wake is woken by the next timer.
        let wake = move || drop(waker.wake());
        let request = Request {
            mappings: self.mappings.clone(),
            passes: self.config.passes,
            answers: self.report.is_some(),
        };
        let receiver = self.recording.deliver(request, wake)?;
        let mut now = Instant::now();
        self.feed = Some(Feed::new(receiver, &self.config, self.replay.max_octets, now));
        let mut events = Events::with_capacity(MAX_EVENTS);
        while self.phase != Phase::Over {
            self.wait(&mut events, now)?;
            now = Instant::now();
            while let Some(signal) = self.signals.next_signal().map_err(failed_to_wait)? {
                match on_signal(signal) {
                    Flow::Continue => {}
                    Flow::Report => {
                        self.report(now, Detail::All);
                        self.compare(now, Extent::SoFar);
                    }
                    Flow::Stop => {
                        self.progress.finish();
                        self.report(now, Detail::Occurred);
                        self.compare(now, Extent::Whole);
                        info!("stopped before the end of the files");
                        return Ok(());
                    }
                }
            }
            self.turn(now);
        }
        self.progress.finish();
        self.report(now, Detail::Occurred);
        self.summary.tell(&self.mappings, self.replayer.counters());
        self.compare(now, Extent::Whole);
        let verdict = self.summary.verdict(self.replayer.counters(), self.replay.pace);
        // The condition is what was asked for: it decides the exit status, whatever else was lost.
        match verdict {
            Err(incomplete) if self.ending == Ending::ConditionHolds => error!("{incomplete}"),
            verdict => verdict?,
        }
        Ok(())
    }

    /// How the program ends when nothing was lost, or a condition holds.
    pub(crate) const fn ending(&self) -> Ending {
        self.ending
    }

    fn turn(&mut self, now: Instant) {
        self.replayer.handle_timeout(now);
        self.tunnels.handle_timeout(now, self.poll.registry(), &mut self.replayer);
        self.tunnels.read(now, &mut self.replayer);
        self.advance(now);
        while let Some(flow) = self.replayer.poll_ended_route() {
            self.tunnels.withdraw(&flow);
        }
        while let Some(flow) = self.replayer.poll_route() {
            self.tunnels.announce(&flow);
        }
        self.tunnels.write(now, &mut self.replayer);
        self.outlet.transmit(now, &mut self.replayer);
        if self.statistics.take_due(now) {
            self.report(now, Detail::Occurred);
        }
        self.serve_metrics(now);
        if self.progress.is_due(now) {
            self.tell_progress(now);
        }
    }

    fn wait(&mut self, events: &mut Events, now: Instant) -> Result<(), Error> {
        let wait = self.patience(now);
        // mio alone would round up to the next millisecond.
        let (block, ring) = if wait.is_zero() { (wait, None) } else { (LONGEST_WAIT, Some(wait)) };
        if let Some(ring) = ring {
            self.timer.set(ring)?;
        }
        match self.poll.poll(events, Some(block)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(failed_to_wait(error).into()),
        }
        for event in &*events {
            match event.token() {
                // Looked at in each turn.
                SIGNALS | TIMER | READER => {}
                METRICS => self.metrics_readiness = Readiness::Ready,
                _ => self.tunnels.handle_readiness(event),
            }
        }
        Ok(())
    }

    /// How long to wait at most.
    fn patience(&self, now: Instant) -> Duration {
        let deadlines = [
            Some(self.statistics.deadline()),
            Some(self.progress.deadline()),
            self.metrics_readiness.deadline(now),
            self.replayer.poll_timeout().map(|(deadline, _)| deadline),
            self.tunnels.deadline(),
            (self.tunnels.is_unread() || self.tunnels.has_output()).then_some(now),
            self.again,
        ];
        let wait =
            deadlines.into_iter().flatten().min().map(|deadline| deadline.saturating_duration_since(now));
        wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
    }

    fn tell_progress(&mut self, now: Instant) {
        let counters = self.replayer.counters();
        let requests = &counters.requests;
        let standing = Standing {
            read: self.recording.octets_read(),
            at: self.position(),
            packets: counters.captured.packets,
            sessions: self.replayer.sessions(),
            missing: requests.given_up
                + requests.unanswered
                + counters.captured.refused
                + counters.datagrams.unanswered,
        };
        self.progress.tell(now, &standing);
    }

    fn watch_metrics(&mut self, metrics: Option<MetricsServer>) -> Result<(), Error> {
        if let Some(metrics) = &metrics {
            let (descriptor, registry) = (metrics.as_raw_fd(), self.poll.registry());
            registry
                .register(&mut SourceFd(&descriptor), METRICS, Interest::READABLE)
                .map_err(failed_to_wait)?;
        }
        self.metrics = metrics;
        Ok(())
    }

    fn serve_metrics(&mut self, now: Instant) {
        if !self.metrics_readiness.is_due(now) {
            return;
        }
        if let Some(mut metrics) = self.metrics.take() {
            self.metrics_readiness = metrics.serve(now, || figures(&self.snapshot()));
            self.metrics = Some(metrics);
        }
    }

    fn report(&mut self, now: Instant, detail: Detail) {
        let snapshot = self.snapshot();
        self.statistics.report(now, &snapshot, detail);
    }

    /// Tells what was compared, if anything is.
    fn compare(&mut self, now: Instant, extent: Extent) {
        let comparison = match extent {
            Extent::SoFar => self.replayer.comparison().cloned().map(Box::new),
            Extent::Whole => self.replayer.end_comparison(now),
        };
        let snapshot = self.snapshot();
        if let (Some(report), Some(comparison)) = (&mut self.report, comparison) {
            if extent == Extent::Whole && self.summary.tally.server == 0 {
                warn!(
                    "the files have no packet of the online server: capture both directions to compare answers"
                );
            }
            self.ending = report.tell(&comparison, &snapshot, extent);
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: *self.replayer.counters(),
            sessions: SessionGauges::of(&self.replayer),
            capture: CaptureStatistics::default(),
            tunnels: self.tunnels.counts(),
            send_errors: self.outlet.errors,
            answers: CaptureStatistics::default(),
        }
    }
}

fn failed_to_wait(cause: io::Error) -> SysError {
    SysError::new("wait for", "files and tunnels", cause)
}
