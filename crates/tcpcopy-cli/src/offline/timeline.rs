//! When a captured packet is replayed.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    /// So many thousandths of the speed of the capture.
    Thousandths(NonZeroU32),
    /// As the target can.
    Unlimited,
}

impl Speed {
    /// That of the capture.
    pub(crate) const ORIGINAL: Self = Self::Thousandths(NonZeroU32::new(1000).expect("not zero"));
}

/// Gives the times of a capture as moments whose distances are those of the capture, whatever the speed of the replay. The
/// first is that of its replay.
#[derive(Debug, Default)]
pub(super) struct FileClock {
    first: Option<(Duration, Instant)>,
}

impl FileClock {
    /// The moment of what was captured at this time. A time beyond all sense counts as that of the first.
    pub(super) fn moment(&mut self, now: Instant, at: Duration) -> Instant {
        let (first, moment) = *self.first.get_or_insert((at, now));
        let later = at.checked_sub(first).and_then(|later| moment.checked_add(later));
        later.or_else(|| moment.checked_sub(first.checked_sub(at)?)).unwrap_or(moment)
    }
}

/// Turns the times of a capture into ours. A time that runs back counts as the one before.
#[derive(Debug)]
pub(super) struct Timeline {
    speed: Speed,
    longest_gap: Option<Duration>,
    /// When the first packet was replayed.
    start: Option<Instant>,
    /// The time of the packet before.
    last: Option<Duration>,
    /// Between the first packet and that before, gaps cut.
    elapsed: Duration,
}

impl Timeline {
    pub(super) const fn new(speed: Speed, longest_gap: Option<Duration>) -> Self {
        Self { speed, longest_gap, start: None, last: None, elapsed: Duration::ZERO }
    }

    /// The next packet is the first again.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.speed, self.longest_gap);
    }

    /// When the next packet is due, which was captured at this time. The first is due now.
    pub(super) fn due(&mut self, now: Instant, at: Duration) -> Instant {
        let gap = self.last.map_or(Duration::ZERO, |last| at.saturating_sub(last));
        self.last = Some(at);
        self.elapsed += self.longest_gap.map_or(gap, |longest| gap.min(longest));
        *self.start.get_or_insert(now) + self.scaled(self.elapsed)
    }

    fn scaled(&self, elapsed: Duration) -> Duration {
        match self.speed {
            Speed::Unlimited => Duration::ZERO,
            Speed::Thousandths(thousandths) => {
                let nanoseconds = elapsed.as_nanos() * 1000 / u128::from(thousandths.get());
                Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const ZERO: Duration = Duration::ZERO;

    #[test]
    fn moments_keep_the_distances_of_the_files() {
        let (before, mut clock) = (Instant::now(), FileClock::default());
        let (start, hour) = (before + 3 * MS, Duration::from_hours(1));
        assert_eq!(clock.moment(start, hour + 3 * MS), start);
        assert_eq!(clock.moment(start + MS, hour + 10 * MS), start + 7 * MS);
        assert_eq!(clock.moment(start + 2 * MS, hour), before);
        assert_eq!(clock.moment(start, Duration::MAX), start);
    }

    fn at_speed(thousandths: u32) -> Speed {
        Speed::Thousandths(NonZeroU32::new(thousandths).unwrap())
    }

    fn replayed(speed: Speed, longest_gap: Option<Duration>, captured: &[u32]) -> Vec<Duration> {
        let start = Instant::now();
        let mut timeline = Timeline::new(speed, longest_gap);
        let at = |ms: u32| Duration::from_secs(1_700_000_000) + ms * MS;
        captured.iter().map(|&ms| timeline.due(start, at(ms)) - start).collect()
    }

    #[test]
    fn packets_keep_their_distance() {
        assert_eq!(replayed(at_speed(1000), None, &[5, 7, 107]), [ZERO, 2 * MS, 102 * MS]);
    }

    #[test]
    fn a_factor_divides_distances() {
        assert_eq!(replayed(at_speed(10_000), None, &[0, 50, 100]), [ZERO, 5 * MS, 10 * MS]);
        assert_eq!(replayed(at_speed(500), None, &[0, 50, 100]), [ZERO, 100 * MS, 200 * MS]);
    }

    #[test]
    fn without_a_limit_everything_is_due_at_once() {
        assert_eq!(replayed(Speed::Unlimited, None, &[0, 5000]), [ZERO, ZERO]);
    }

    #[test]
    fn long_gaps_are_cut_before_the_factor_counts() {
        assert_eq!(replayed(at_speed(2000), Some(100 * MS), &[0, 50, 5050]), [ZERO, 25 * MS, 75 * MS]);
    }

    #[test]
    fn a_time_that_runs_back_counts_as_the_one_before() {
        assert_eq!(replayed(at_speed(1000), None, &[1000, 900, 950]), [ZERO, ZERO, 50 * MS]);
    }

    #[test]
    fn nothing_drifts_over_a_million_packets() {
        let captured: Vec<u32> = (0..1_000_000).collect();
        let last = *replayed(at_speed(7000), None, &captured).last().unwrap();
        assert_eq!(last, 999_999 * MS / 7);
    }
}
