//! What an edge-triggered source still owes.

use std::time::{Duration, Instant};

/// How long a source that failed is left alone.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// mio tells once that a source has something; the driver remembers it until the source is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing is there until mio says so.
    Drained,
    /// Something may be there.
    Ready,
    /// It failed, and is asked again then.
    RetryAt(Instant),
}

impl Readiness {
    /// A source that has just failed.
    #[must_use]
    pub fn failed(now: Instant) -> Self {
        Self::RetryAt(now + RETRY_AFTER)
    }

    /// Whether to ask the source now.
    #[must_use]
    pub fn is_due(self, now: Instant) -> bool {
        self.deadline(now).is_some_and(|deadline| deadline <= now)
    }

    /// When to ask the source, if mio does not say so before.
    #[must_use]
    pub const fn deadline(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Drained => None,
            Self::Ready => Some(now),
            Self::RetryAt(deadline) => Some(deadline),
        }
    }
}
