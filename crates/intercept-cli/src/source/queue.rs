//! One netfilter queue, read by the event loop itself.

use super::{Served, Source};
use std::io;
use std::ops::AddAssign;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;
use tc_core::relay::{Relay, Verdict};
use tc_sys::program::Figure;
use tc_sys::queue::{self, Batch, Queue, QueueError, QueueMonitor, QueueStatistics, Supply};

/// Batches that are taken before the other sources have their turn.
const MAX_BATCHES: usize = 8;

/// A queue and what was read from it.
pub(crate) struct QueueSource {
    queue: Queue,
    batch: Batch,
    errors: QueueErrors,
    reporter: QueueReporter,
}

impl QueueSource {
    pub(crate) fn new(queue: Queue) -> Result<Self, QueueError> {
        let reporter = QueueReporter::new(std::slice::from_ref(&queue))?;
        Ok(Self { queue, batch: Batch::new(), errors: QueueErrors::default(), reporter })
    }
}

impl Source for QueueSource {
    fn raw_fds(&self) -> Vec<RawFd> {
        vec![self.queue.as_raw_fd()]
    }

    fn serve(&mut self, seen: Instant, relay: &mut Relay) -> Served {
        let mut taken = 0;
        for _ in 0..MAX_BATCHES {
            let supply = match self.queue.recv(&mut self.batch) {
                Ok(supply) => supply,
                Err(error) => {
                    self.errors.receive += 1;
                    return Served::Failed("read from the queue", error);
                }
            };
            taken += self.batch.len();
            let decided = self.queue.decide(&self.batch, |packet| {
                translate(relay.handle_response(seen, packet.payload, packet.original_len))
            });
            if let Err(error) = decided {
                self.errors.verdict += 1;
                return Served::Failed("decide responses", error);
            }
            if supply == Supply::Drained {
                return Served::Drained(taken);
            }
        }
        Served::More(taken)
    }

    fn give(&mut self, octets: u16) -> io::Result<()> {
        self.reporter.give(octets)
    }

    fn warnings(&mut self) -> Vec<String> {
        self.reporter.warnings()
    }

    fn figures(&mut self) -> Vec<Figure> {
        self.reporter.figures(self.errors)
    }
}

/// The relay's verdict as the queue takes it.
pub(super) fn translate(verdict: Verdict) -> queue::Verdict {
    match verdict {
        Verdict::Accept => queue::Verdict::Accept,
        Verdict::Drop => queue::Verdict::Drop,
    }
}

/// What went wrong with a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueErrors {
    /// Readings that failed.
    pub(super) receive: u64,
    /// Batches whose verdicts could not be given.
    pub(super) verdict: u64,
}

impl AddAssign for QueueErrors {
    fn add_assign(&mut self, more: Self) {
        self.receive += more.receive;
        self.verdict += more.verdict;
    }
}

/// Tells what the kernel counts for queues, and warns of losses.
#[derive(Debug)]
pub(super) struct QueueReporter {
    /// Each with the responses that the kernel had lost at the report before.
    monitors: Vec<(QueueMonitor, u64)>,
    /// Whether it was told that the counters cannot be read.
    told_unreadable: bool,
}

impl QueueReporter {
    pub(super) fn new(queues: &[Queue]) -> Result<Self, QueueError> {
        let monitor = |queue: &Queue| {
            let other = |cause: io::Error| QueueError::Other { number: queue.number(), cause };
            Ok((queue.monitor().map_err(other)?, 0))
        };
        let monitors = queues.iter().map(monitor).collect::<Result<_, _>>()?;
        Ok(Self { monitors, told_unreadable: false })
    }

    pub(super) fn give(&self, octets: u16) -> io::Result<()> {
        self.monitors.iter().try_for_each(|(monitor, _)| monitor.raise_copy_range(octets))
    }

    pub(super) fn warnings(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (monitor, told) in &mut self.monitors {
            match monitor.statistics() {
                Ok(kernel) => warnings.extend(warning_of_loss(monitor.number(), &kernel, told)),
                Err(_) if self.told_unreadable => {}
                Err(error) => {
                    self.told_unreadable = true;
                    warnings.push(format!("{error}; losses of the queue are not seen"));
                }
            }
        }
        warnings
    }

    /// The sum of all queues.
    pub(super) fn figures(&self, errors: QueueErrors) -> Vec<Figure> {
        let mut total = Some(QueueStatistics::default());
        for (monitor, _) in &self.monitors {
            match (&mut total, monitor.statistics()) {
                (Some(total), Ok(statistics)) => *total += statistics,
                // Part of a sum would be taken for the whole.
                (_, Err(_)) | (None, _) => total = None,
            }
        }
        figures(total.as_ref(), errors)
    }
}

/// What was lost since the last time, at which `told` had been.
fn warning_of_loss(queue: u16, kernel: &QueueStatistics, told: &mut u64) -> Option<String> {
    let lost = kernel.kernel_dropped + kernel.user_dropped;
    let more = lost.saturating_sub(std::mem::replace(told, lost));
    (more > 0).then(|| {
        format!(
            "queue {queue} lost {more} responses, {lost} in all: it was full (-q makes it longer) {}, or its socket was {}",
            kernel.kernel_dropped, kernel.user_dropped
        )
    })
}

/// What the kernel counted is left out where it cannot be read: zeros would be a lie.
fn figures(kernel: Option<&QueueStatistics>, errors: QueueErrors) -> Vec<Figure> {
    const LOST: &str = "intercept_queue_lost_total";
    const HELP: &str = "Responses that the kernel lost, by where: the queue was full, or its socket.";
    let QueueErrors { receive, verdict } = errors;
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    let error = |word, label, value| {
        count("intercept_queue_errors_total", "Failed calls on queues.", word, value).labelled("call", label)
    };
    let mut figures = Vec::new();
    if let Some(QueueStatistics { length, kernel_dropped, user_dropped, sequence, overruns, gone, .. }) = kernel
    {
        let waiting = usize::try_from(*length).unwrap_or(usize::MAX);
        figures.extend([
            count(
                "intercept_queued_total",
                "Responses that went through the queues.",
                "queue total",
                *sequence,
            ),
            Figure::gauge("intercept_queue_length", "Responses that wait in the queues.", "waiting", waiting),
            count(LOST, HELP, "kernel dropped", *kernel_dropped).labelled("where", "queue"),
            count(LOST, HELP, "user dropped", *user_dropped).labelled("where", "socket"),
            count(
                "intercept_queue_overruns_total",
                "Messages that a full socket refused.",
                "overruns",
                *overruns,
            ),
            count("intercept_queue_gone_total", "Verdicts that found no packet.", "gone", *gone),
        ]);
    }
    figures.extend([error("recv errors", "receive", receive), error("verdict errors", "verdict", verdict)]);
    figures
}
