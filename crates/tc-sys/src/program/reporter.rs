//! When figures are written, and how.

use super::figures::{Detail, Figures};
use crate::log;
use std::time::{Duration, Instant};
use tracing::info;

const INTERVAL: Duration = Duration::from_secs(30);

/// Writes figures to the log every 30 s, when asked, and at the end.
#[derive(Debug)]
pub struct Reporter {
    next: Instant,
    before: (Instant, Figures),
}

impl Reporter {
    /// The first time is in 30 s.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, before: (now, Figures::default()) }
    }

    /// When it is time.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.next
    }

    /// Whether it is time; the next time is set.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + INTERVAL;
        }
        due
    }

    /// Writes the figures, and how fast they have grown since they were written last.
    pub fn report(&mut self, now: Instant, figures: Figures, detail: Detail) {
        let (then, before) = &self.before;
        let rates = figures.rates(before, now.saturating_duration_since(*then));
        if log::is_json() {
            info!(statistics = %figures.json(), "{rates}");
        } else {
            figures.texts(detail).for_each(|line| info!("{line}"));
            info!("{rates}");
        }
        self.before = (now, figures);
    }
}
