//! What happened when, in constant memory.

use super::{Exchange, Latency};
use std::time::{Duration, Instant};

/// Intervals at most; when time passes beyond them, pairs become one.
const MAX_INTERVALS: usize = 120;

/// What happened in a part of the time.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Requests that the clients sent in it.
    pub requests: u64,
    /// Those of them that the target did not answer although the online server did.
    pub missing: u64,
    /// The online server's times to the first octet.
    pub online: Latency,
    /// The target's own.
    pub target: Latency,
}

impl Interval {
    fn new() -> Self {
        Self { requests: 0, missing: 0, online: Latency::coarse(), target: Latency::coarse() }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.missing += other.missing;
        self.online.add(&other.online);
        self.target.add(&other.target);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// All intervals, each of the same width, from the comparison's origin on.
#[derive(Clone, Debug)]
pub struct Timeline {
    origin: Instant,
    width: Duration,
    intervals: Vec<Interval>,
}

impl Timeline {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, width: Duration::from_millis(100), intervals: Vec::new() }
    }

    /// How long each interval is.
    #[must_use]
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// The intervals, up to the last in which something happened.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// The interval of an exchange, for what is to be noted there.
    pub(super) fn interval_of(&mut self, exchange: &Exchange) -> Option<&mut Interval> {
        let since = exchange.handed.saturating_duration_since(self.origin);
        while since >= self.width * u32::try_from(MAX_INTERVALS).unwrap_or(u32::MAX) {
            self.coarsen();
        }
        let index = usize::try_from(nanos(since) / nanos(self.width)).unwrap_or(usize::MAX);
        while self.intervals.len() <= index {
            self.intervals.push(Interval::new());
        }
        self.intervals.get_mut(index)
    }

    fn coarsen(&mut self) {
        self.width *= 2;
        let before = std::mem::take(&mut self.intervals);
        for (index, interval) in before.into_iter().enumerate() {
            match self.intervals.last_mut() {
                Some(first) if index % 2 == 1 => first.add(&interval),
                Some(_) | None => self.intervals.push(interval),
            }
        }
    }

    /// Takes what happened by another timeline of the same origin.
    pub(super) fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.width < other.width {
            self.coarsen();
        }
        while other.width < self.width {
            other.coarsen();
        }
        for (index, interval) in other.intervals.into_iter().enumerate() {
            match self.intervals.get_mut(index) {
                Some(own) => own.add(&interval),
                None => self.intervals.push(interval),
            }
        }
    }
}
