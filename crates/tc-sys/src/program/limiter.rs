//! A bound on log lines that somebody else can cause.

use std::fmt;
use std::time::{Duration, Instant};

/// Lines that are written at once.
const BURST: u32 = 32;
/// After a burst, one line in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets a burst of lines through, then a trickle, and counts what it holds back.
#[derive(Debug)]
pub struct RateLimit {
    tokens: u32,
    refilled: Instant,
    left_out: u64,
}

/// What a line that is written says of those before it that were not; nothing if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} such lines left out before)"),
        }
    }
}

impl RateLimit {
    /// A limit that lets a whole burst through at first.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { tokens: BURST, refilled: now, left_out: 0 }
    }

    /// Whether a line may be written now, and what it has to add.
    pub fn admit(&mut self, now: Instant) -> Option<LeftOut> {
        let intervals = now.saturating_duration_since(self.refilled).as_secs() / INTERVAL.as_secs();
        if intervals > 0 {
            self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(intervals).unwrap_or(BURST)));
            self.refilled = now;
        }
        let Some(left) = self.tokens.checked_sub(1) else {
            self.left_out += 1;
            return None;
        };
        self.tokens = left;
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_becomes_a_trickle_that_says_what_it_left_out() {
        let start = Instant::now();
        let mut limit = RateLimit::new(start);
        let written = (0..1000).filter(|_| limit.admit(start).is_some()).count();
        assert_eq!(written, 32);
        let later = start + INTERVAL;
        assert_eq!(limit.admit(later).unwrap().to_string(), " (968 such lines left out before)");
        assert_eq!(limit.admit(later), None);
        let much_later = start + 100 * INTERVAL;
        assert_eq!(limit.admit(much_later), Some(LeftOut(1)));
        assert_eq!((0..1000).filter(|_| limit.admit(much_later).is_some()).count(), 31);
    }
}
