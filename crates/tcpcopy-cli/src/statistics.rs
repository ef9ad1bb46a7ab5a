//! What the program tells of its work from time to time.

use crate::figures::figures;
use crate::snapshot::Snapshot;
use std::time::Instant;
use tc_sys::program::{Detail, Reporter};
use tracing::warn;

/// Writes the statistics every 30 s and at the end.
#[derive(Debug)]
pub(crate) struct Statistics {
    reporter: Reporter,
    /// Packets that the capture had lost at the report before.
    lost: u64,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { reporter: Reporter::new(now), lost: 0 }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.reporter.deadline()
    }

    /// Whether it is time to report; the next time is set.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        self.reporter.take_due(now)
    }

    /// Writes the lines.
    pub(crate) fn report(&mut self, now: Instant, all: &Snapshot, detail: Detail) {
        self.reporter.report(now, figures(all), detail);
        let more = all.capture.dropped.saturating_sub(self.lost);
        self.lost = all.capture.dropped;
        if more > 0 {
            warn!("the capture lost {more} packets: this program was too slow for them, {} in all", self.lost);
        }
    }
}
