//! The retransmission timeout (RFC 6298).

use crate::micros::Micros;
use std::time::Duration;

/// Before the first sample (RFC 6298, 2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);
/// RFC 6298 (2.4) asks for a second; like Linux we take less, for a path that is a local network and a tunnel.
const MIN_RTO: Duration = Duration::from_millis(200);
/// RFC 6298 (2.5) asks for 60 seconds at least; a replay that is to go on soon after a failure takes less.
const MAX_RTO: Duration = Duration::from_secs(5);

/// When the SYN was lost (RFC 6298, 5.7).
const RTO_AFTER_LOST_SYN: Duration = Duration::from_secs(3);

/// Smoothed round-trip time and the timeout that follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RttEstimator {
    /// SRTT and RTTVAR.
    smoothed: Option<(Micros, Micros)>,
    rto: Micros,
}

impl RttEstimator {
    /// An estimator before its first sample, with a round-trip time to assume until then.
    pub(crate) fn new(assumed: Option<Duration>) -> Self {
        let rto = assumed.map_or(INITIAL_RTO, |rtt| (rtt * 3).clamp(MIN_RTO, MAX_RTO));
        Self { smoothed: None, rto: rto.into() }
    }

    /// Takes a round-trip time that is not ambiguous (RFC 6298, 2.2 and 2.3).
    pub(crate) fn sample(&mut self, rtt: Duration) {
        let (srtt, rttvar) = match self.smoothed {
            None => (rtt, rtt / 2),
            Some((srtt, rttvar)) => {
                let (srtt, rttvar) = (Duration::from(srtt), Duration::from(rttvar));
                ((srtt * 7 + rtt) / 8, (rttvar * 3 + srtt.abs_diff(rtt)) / 4)
            }
        };
        self.smoothed = Some((srtt.into(), rttvar.into()));
        self.rto = (srtt + rttvar * 4).clamp(MIN_RTO, MAX_RTO).into();
    }

    /// Doubles the timeout after it has passed (RFC 6298, 5.5).
    pub(crate) fn back_off(&mut self) {
        self.rto = (self.rto() * 2).min(MAX_RTO).into();
    }

    /// The SYN was sent again and gave no sample: data begins with three seconds (RFC 6298, 5.7).
    pub(crate) fn begin_after_lost_syn(&mut self) {
        if self.smoothed.is_none() {
            self.rto = self.rto().clamp(RTO_AFTER_LOST_SYN, MAX_RTO).into();
        }
    }

    /// The timeout.
    pub(crate) fn rto(&self) -> Duration {
        self.rto.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{INITIAL_RTO, MAX_RTO, MIN_RTO, RttEstimator};
    use std::time::Duration;

    #[test]
    fn the_first_sample_gives_three_times_itself() {
        let mut rtt = RttEstimator::new(None);
        assert_eq!(rtt.rto(), INITIAL_RTO);
        rtt.sample(Duration::from_millis(100));
        assert_eq!(rtt.rto(), Duration::from_millis(300));
        rtt.sample(Duration::from_millis(100));
        assert_eq!(rtt.rto(), Duration::from_millis(250));
    }

    #[test]
    fn an_assumed_round_trip_time_counts_until_the_first_sample() {
        let mut rtt = RttEstimator::new(Some(Duration::from_millis(100)));
        assert_eq!(rtt.rto(), Duration::from_millis(300));
        rtt.sample(Duration::from_millis(200));
        assert_eq!(rtt.rto(), Duration::from_millis(600));
    }

    #[test]
    fn the_timeout_stays_within_its_bounds() {
        let mut rtt = RttEstimator::new(None);
        rtt.sample(Duration::from_micros(50));
        assert_eq!(rtt.rto(), MIN_RTO);
        for _ in 0..20 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), MAX_RTO);
        rtt.sample(Duration::from_micros(50));
        assert_eq!(rtt.rto(), MIN_RTO);
    }
}
