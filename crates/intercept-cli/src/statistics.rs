//! What the program tells of its work from time to time.

use crate::figures::figures;
use crate::source::Source;
use std::time::Instant;
use tc_core::relay::Relay;
use tc_sys::program::{Detail, Reporter};
use tracing::warn;

/// Writes the statistics every 30 s, when asked, and at the end.
#[derive(Debug)]
pub(crate) struct Statistics {
    reporter: Reporter,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { reporter: Reporter::new(now) }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.reporter.deadline()
    }

    /// Reports if it is time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, relay: &Relay, source: &mut dyn Source) {
        if self.reporter.take_due(now) {
            self.report(now, relay, source, Detail::Occurred);
        }
    }

    /// Writes the lines.
    pub(crate) fn report(&mut self, now: Instant, relay: &Relay, source: &mut dyn Source, detail: Detail) {
        self.reporter.report(now, figures(relay, source), detail);
        for warning in source.warnings() {
            warn!("{warning}");
        }
    }
}
