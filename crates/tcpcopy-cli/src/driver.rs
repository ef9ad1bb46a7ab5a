//! The main thread: signals, statistics, and the workers that do everything else.

use crate::error::Error;
use crate::figures::figures;
use crate::report::{Ending, Reporter};
use crate::statistics::Statistics;
use crate::worker::Worker;
use crate::workers::{Extent, Workers};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tc_sys::SysError;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Detail, Flow, MetricsServer, Readiness};

const SIGNALS: Token = Token(0);
const FAILURES: Token = Token(1);
const METRICS: Token = Token(2);
const MAX_EVENTS: usize = 8;

/// The program, ready to run.
pub(crate) struct Driver {
    poll: Poll,
    bell: Arc<Waker>,
    signals: SignalFd,
    /// Those that have not been started.
    workers: Vec<Worker>,
    /// What becomes of the comparison, where answers are compared.
    report: Option<Reporter>,
    ending: Ending,
}

impl Driver {
    /// The program of these workers. `signals` was opened before any thread was started.
    pub(crate) fn new(
        signals: SignalFd,
        workers: Vec<Worker>,
        report: Option<Reporter>,
    ) -> Result<Self, Error> {
        let poll = Poll::new().map_err(failed_to_wait)?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&signals.as_raw_fd()), SIGNALS, Interest::READABLE)
            .map_err(failed_to_wait)?;
        let bell = Arc::new(Waker::new(registry, FAILURES).map_err(failed_to_wait)?);
        Ok(Self { poll, bell, signals, workers, report, ending: Ending::AsWanted })
    }

    /// Starts the workers, and ends them at a signal that `on_signal` answers with [`Flow::Stop`], or when one fails.
    pub(crate) fn run_until_stopped(
        &mut self,
        on_signal: impl FnMut(Signal) -> Flow,
        mut metrics: Option<MetricsServer>,
    ) -> Result<(), Error> {
        if let Some(metrics) = &metrics {
            let registry = self.poll.registry();
            registry
                .register(&mut SourceFd(&metrics.as_raw_fd()), METRICS, Interest::READABLE)
                .map_err(failed_to_wait)?;
        }
        let mut workers = Workers::start(std::mem::take(&mut self.workers), &self.bell)?;
        let result = self.supervise(&mut workers, on_signal, metrics.as_mut());
        workers.stop();
        result
    }

    fn supervise(
        &mut self,
        workers: &mut Workers,
        mut on_signal: impl FnMut(Signal) -> Flow,
        mut metrics: Option<&mut MetricsServer>,
    ) -> Result<(), Error> {
        let mut events = Events::with_capacity(MAX_EVENTS);
        let mut statistics = Statistics::new(Instant::now());
        let mut readiness = Readiness::Drained;
        loop {
            let now = Instant::now();
            let deadline =
                readiness.deadline(now).map_or(statistics.deadline(), |due| due.min(statistics.deadline()));
            self.wait(&mut events, deadline.saturating_duration_since(now))?;
            let now = Instant::now();
            if let Some(failure) = workers.failure() {
                return Err(failure);
            }
            while let Some(signal) = self.signals.next_signal().map_err(failed_to_wait)? {
                match on_signal(signal) {
                    Flow::Continue => {}
                    Flow::Report => self.report(now, workers, &mut statistics, Extent::SoFar),
                    Flow::Stop => {
                        self.report(now, workers, &mut statistics, Extent::Whole);
                        return Ok(());
                    }
                }
            }
            if let Some(metrics) = &mut metrics {
                readiness = metrics.serve(now, || figures(&workers.snapshot()));
            }
            if statistics.take_due(now) {
                statistics.report(now, &workers.snapshot(), Detail::Occurred);
            }
        }
    }

    fn report(&mut self, now: Instant, workers: &mut Workers, statistics: &mut Statistics, extent: Extent) {
        let snapshot = workers.snapshot();
        let detail = if extent == Extent::Whole { Detail::Occurred } else { Detail::All };
        statistics.report(now, &snapshot, detail);
        if let (Some(report), Some(comparison)) = (&mut self.report, workers.comparison(extent)) {
            self.ending = report.tell(&comparison, &snapshot, extent);
        }
    }

    /// How the program ends.
    pub(crate) const fn ending(&self) -> Ending {
        self.ending
    }

    fn wait(&mut self, events: &mut Events, patience: Duration) -> Result<(), Error> {
        match self.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(failed_to_wait(error).into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn failed_to_wait(cause: io::Error) -> SysError {
    SysError::new("wait for", "signals", cause)
}
