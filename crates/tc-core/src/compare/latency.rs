//! Distributions of times, in constant memory.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told apart from longer ones.
const LONGEST: Duration = Duration::from_hours(1);

/// A distribution of times with a resolution of 1 µs, or of 0.1 % for longer ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency(Histogram<u32>);

impl Default for Latency {
    fn default() -> Self {
        Self::with_digits(3)
    }
}

impl Latency {
    /// One that takes less memory and has a resolution of 1 % for longer times.
    #[must_use]
    pub fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        // Grows with what is recorded, up to the longest time.
        let histogram = Histogram::new(digits).or_else(|_| Histogram::new(1));
        #[expect(clippy::expect_used, reason = "1 to 3 digits are always possible")]
        Self(histogram.expect("a possible precision"))
    }

    /// Takes a time.
    pub fn record(&mut self, time: Duration) {
        // It grows as needed, and a time is never longer than the longest.
        let _ = self.0.record(micros(time));
    }

    /// Takes the times of another.
    pub fn add(&mut self, other: &Self) {
        // Both resize by themselves and neither holds more than the longest time.
        let _ = self.0.add(&other.0);
    }

    /// How many times were taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this part of all times, 0 to 1, does not exceed; none without times.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(part)))
    }

    /// The mean; none without times.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_secs_f64(self.0.mean() / 1e6))
    }

    /// How many times lie in each of some parts of the range, one after the other, up to `ends`.
    #[must_use]
    pub fn counts_up_to(&self, ends: &[Duration]) -> Vec<u64> {
        let mut counts = vec![0; ends.len()];
        for bucket in self.0.iter_recorded() {
            let time = Duration::from_micros(bucket.value_iterated_to());
            let part = ends.partition_point(|end| *end < time);
            if let Some(count) = counts.get_mut(part) {
                *count += bucket.count_since_last_iteration();
            }
        }
        counts
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.min(LONGEST).as_micros()).unwrap_or(u64::MAX)
}

/// A distribution of differences: how much longer one thing took than another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    longer: Latency,
    shorter: Latency,
}

impl Difference {
    /// Takes a pair of times.
    pub fn record(&mut self, time: Duration, reference: Duration) {
        if time >= reference {
            self.longer.record(time.saturating_sub(reference));
        } else {
            self.shorter.record(reference.saturating_sub(time));
        }
    }

    /// Takes the differences of another.
    pub fn add(&mut self, other: &Self) {
        self.longer.add(&other.longer);
        self.shorter.add(&other.shorter);
    }

    /// The difference in seconds that this part of all, 0 to 1, does not exceed; none without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a quantile needs no more than 52 bits")]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let (shorter, longer) = (self.shorter.count() as f64, self.longer.count() as f64);
        let rank = (part * (shorter + longer)).ceil().max(1.0);
        if rank <= shorter {
            let from_the_top = (shorter - rank + 1.0) / shorter;
            self.shorter.quantile(from_the_top).map(|time| -time.as_secs_f64())
        } else {
            self.longer.quantile((rank - shorter) / longer).map(|time| time.as_secs_f64())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn quantiles_are_exact_to_a_thousandth() {
        let mut latency = Latency::default();
        for number in 1..=1000 {
            latency.record(number * MS);
        }
        for (part, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latency.quantile(part).unwrap().as_secs_f64() * 1e3;
            assert!((found / expected - 1.0).abs() < 0.002, "{part}: {found}");
        }
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn a_time_beyond_the_longest_counts_as_the_longest() {
        let mut latency = Latency::coarse();
        latency.record(Duration::MAX);
        assert_eq!(latency.count(), 1);
        assert!(latency.quantile(1.0).unwrap() >= LONGEST);
    }

    #[test]
    fn added_distributions_are_the_distribution_of_all() {
        let (mut one, mut other, mut all) = (Latency::default(), Latency::default(), Latency::default());
        for number in 1..100 {
            let half = if number % 2 == 0 { &mut one } else { &mut other };
            half.record(number * number * MS);
            all.record(number * number * MS);
        }
        one.add(&other);
        for part in [0.1, 0.5, 0.9, 0.99] {
            assert_eq!(one.quantile(part), all.quantile(part));
        }
    }

    #[test]
    fn differences_have_a_sign() {
        let mut difference = Difference::default();
        for number in 1..=100 {
            difference.record(number * MS, 31 * MS);
        }
        let at = |part| (difference.quantile(part).unwrap() * 1e3).round();
        assert_eq!((at(0.01), at(0.1), at(0.31), at(0.5), at(1.0)), (-30.0, -21.0, 0.0, 19.0, 69.0));
    }

    #[test]
    fn times_are_counted_by_parts_of_the_range() {
        let mut latency = Latency::default();
        for number in 1..=10 {
            latency.record(number * 10 * MS);
        }
        assert_eq!(latency.counts_up_to(&[35 * MS, 65 * MS, 1000 * MS]), [3, 3, 4]);
    }
}
