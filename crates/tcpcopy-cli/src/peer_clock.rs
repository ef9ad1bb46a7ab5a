//! intercept's clock, on ours.

use std::time::{Duration, Instant};

/// How long the past is in which the fastest answer is looked for, once or twice. Clocks drift apart.
const WINDOW: Duration = Duration::from_secs(4);

/// Gives the times that an intercept tells as moments of ours: those at which we would have read the answers, had each been as
/// fast as the fastest lately. Two clocks that both run differ by a constant, and an answer that takes longer than others
/// only seems to change it.
#[derive(Debug, Default)]
pub(crate) struct PeerClock {
    /// When this began, ours.
    origin: Option<Instant>,
    /// The least that our clock was ahead of intercept's, in microseconds: in this window, in the one before, and in both.
    least: Option<i128>,
    before: Option<i128>,
    ahead: Option<i128>,
    /// When the window began.
    began: Option<Instant>,
}

/// A time of an intercept, on our clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// When we would have read it.
    pub(crate) at: Instant,
    /// By how many microseconds later than before the same time would count.
    pub(crate) moved: i64,
}

impl PeerClock {
    /// intercept tells a time, which was read from the tunnel now.
    pub(crate) fn tell(&mut self, micros: u64, now: Instant) -> Told {
        let origin = *self.origin.get_or_insert(now);
        let began = *self.began.get_or_insert(now);
        if now.saturating_duration_since(began) >= WINDOW {
            (self.before, self.least, self.began) = (self.least, None, Some(now));
        }
        let elapsed = now.saturating_duration_since(origin).as_micros();
        let ahead = i128::try_from(elapsed).unwrap_or(i128::MAX) - i128::from(micros);
        let least = self.least.map_or(ahead, |least| least.min(ahead));
        self.least = Some(least);
        let fastest = self.before.map_or(least, |before| before.min(least));
        let moved = self.ahead.replace(fastest).map_or(0, |before| fastest - before);
        // It took longer than the fastest by so much.
        let late = Duration::from_micros(u64::try_from(ahead - fastest).unwrap_or(0));
        Told { at: now.checked_sub(late).unwrap_or(now), moved: i64::try_from(moved).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_read_late_counts_from_when_it_was_seen() {
        let (start, mut clock) = (Instant::now(), PeerClock::default());
        // Their clock is at 7 s when ours begins; each answer takes 1 ms, and some are read late.
        for (seen, read) in [(0, 1), (10, 11), (20, 29), (30, 31), (40, 90)] {
            let told = clock.tell(7_000_000 + seen * 1000, start + read * MS);
            let expected = start + (u32::try_from(seen).unwrap() + 1) * MS;
            assert_eq!(told, Told { at: expected, moved: 0 }, "{seen}");
        }
    }

    #[test]
    fn it_is_told_when_all_before_was_late() {
        let (start, mut clock) = (Instant::now(), PeerClock::default());
        assert_eq!(clock.tell(0, start + 5 * MS).moved, 0);
        assert_eq!(clock.tell(10_000, start + 11 * MS), Told { at: start + 11 * MS, moved: -4000 });
        assert_eq!(clock.tell(20_000, start + 29 * MS), Told { at: start + 21 * MS, moved: 0 });
    }

    #[test]
    fn a_clock_that_drifts_is_followed() {
        let (start, mut clock) = (Instant::now(), PeerClock::default());
        // Theirs is slower by a thousandth: what is told seems to come later and later.
        for second in 0..60_u32 {
            let now = start + second * 1000 * MS;
            let told = clock.tell(u64::from(second) * 999_000, now);
            assert!(now.duration_since(told.at) <= 8 * MS, "{told:?}");
        }
    }

    #[test]
    fn times_without_sense_are_survived() {
        let (start, mut clock) = (Instant::now(), PeerClock::default());
        for micros in [u64::MAX, 0, u64::MAX, 5] {
            clock.tell(micros, start);
        }
    }
}
