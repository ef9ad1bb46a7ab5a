//! A path that loses, delays, doubles and reorders.

use super::rng::Rng;
use std::time::Duration;

/// What a path does to packets, in a thousand of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    pub(crate) loss: u32,
    pub(crate) twice: u32,
    pub(crate) reordered: u32,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

/// A path at work.
#[derive(Debug)]
pub(crate) struct Link {
    path: Path,
    rng: Rng,
    last: Duration,
}

impl Link {
    pub(crate) fn new(path: Path, rng: Rng) -> Self {
        Self { path, rng, last: Duration::ZERO }
    }

    /// When a packet arrives that is sent now: once, twice, or never.
    pub(crate) fn carry(&mut self, now: Duration) -> Vec<Duration> {
        if self.rng.chance(self.path.loss) {
            return Vec::new();
        }
        let mut arrivals = vec![self.arrival(now)];
        if self.rng.chance(self.path.twice) {
            arrivals.push(self.arrival(now) + self.rng.millis(0..50));
        }
        arrivals
    }

    fn arrival(&mut self, now: Duration) -> Duration {
        let jitter = u64::try_from(self.path.jitter.as_micros()).unwrap();
        let at = now + self.path.delay + self.rng.micros(0..jitter + 1);
        if self.rng.chance(self.path.reordered) {
            return at + self.rng.millis(0..30);
        }
        self.last = self.last.max(at);
        self.last
    }
}
