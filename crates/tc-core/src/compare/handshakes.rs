//! What the way to the target and back takes.

use std::time::Duration;

/// Handshakes that are remembered.
const REMEMBERED: usize = 63;

/// The latest times that the target's kernel took to acknowledge something by itself: a SYN, or a request that its
/// application has not answered yet. That is the time of network, queue and tunnel: the share of each answer's time that is
/// not the target's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes {
    /// In the order in which they were measured, but for where the oldest is.
    latest: Vec<Duration>,
    oldest: usize,
    /// The same, the shortest first.
    sorted: Vec<Duration>,
}

impl Handshakes {
    pub(super) fn record(&mut self, time: Duration) {
        if self.latest.len() < REMEMBERED {
            self.latest.push(time);
        } else if let Some(oldest) = self.latest.get_mut(self.oldest) {
            let forgotten = std::mem::replace(oldest, time);
            self.oldest = (self.oldest + 1) % REMEMBERED;
            if let Ok(index) = self.sorted.binary_search(&forgotten) {
                self.sorted.remove(index);
            }
        }
        self.sorted.insert(self.sorted.partition_point(|other| *other < time), time);
    }

    /// All that are remembered were measured by a clock that was so many microseconds behind.
    pub(super) fn shift(&mut self, micros: i64) {
        let by = Duration::from_micros(micros.unsigned_abs());
        // The order stays, whatever becomes zero.
        for time in self.latest.iter_mut().chain(&mut self.sorted) {
            *time = if micros < 0 { time.saturating_sub(by) } else { time.saturating_add(by) };
        }
    }

    /// Their lower quartile, zero without any: connections come in bursts, in which each waits for the others, and
    /// requests do not.
    pub(super) fn usual(&self) -> Duration {
        self.sorted.get(self.sorted.len() / 4).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clock_was_wrong_by_is_corrected_afterwards() {
        let mut handshakes = Handshakes::default();
        handshakes.record(Duration::from_millis(5));
        handshakes.shift(-3000);
        assert_eq!(handshakes.usual(), Duration::from_millis(2));
        handshakes.shift(500);
        assert_eq!(handshakes.usual(), Duration::from_micros(2500));
        handshakes.shift(i64::MIN);
        assert_eq!(handshakes.usual(), Duration::ZERO);
    }

    #[test]
    fn the_usual_time_is_the_lower_quartile_of_the_latest() {
        let mut handshakes = Handshakes::default();
        assert_eq!(handshakes.usual(), Duration::ZERO);
        // The latest 63 are 38 to 100, in another order.
        for turn in 0..200 {
            let number = if turn < 137 { turn } else { 38 + (turn - 137) * 10 % 63 };
            handshakes.record(Duration::from_millis(number));
        }
        assert_eq!(handshakes.usual(), Duration::from_millis(38 + 15));
    }
}
