//! What the way to the target and back takes.

use std::time::Duration;

/// Handshakes that are remembered.
const REMEMBERED: usize = 63;

/// The latest handshakes with the target. A SYN is answered by the kernel, so the time to its header is that of network,
/// queue and tunnel alone: the share of each answer's time that is not the target's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes {
    latest: Vec<Duration>,
    next: usize,
    median: Duration,
}

impl Handshakes {
    pub(super) fn record(&mut self, time: Duration) {
        if self.latest.len() < REMEMBERED {
            self.latest.push(time);
        } else if let Some(oldest) = self.latest.get_mut(self.next) {
            *oldest = time;
        }
        self.next = (self.next + 1) % REMEMBERED;
        let mut sorted = self.latest.clone();
        sorted.sort_unstable();
        self.median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    }

    /// Their median; zero without any.
    pub(super) const fn median(&self) -> Duration {
        self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_latest() {
        let mut handshakes = Handshakes::default();
        assert_eq!(handshakes.median(), Duration::ZERO);
        for number in 1..=200 {
            handshakes.record(Duration::from_millis(number));
        }
        assert_eq!(handshakes.median(), Duration::from_millis(169));
    }
}
