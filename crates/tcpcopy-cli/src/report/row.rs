//! Quantiles of both servers' times, and what their difference says.

use super::summary::{QUANTILES, ms};
use serde::Serialize;
use tc_core::compare::{Latency, Speed};

/// A quantile of both servers' times.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) quantile: &'static str,
    pub(crate) online_ms: f64,
    pub(crate) target_ms: f64,
    pub(crate) ratio: Option<f64>,
    /// What may be of the way's making: how much the way varies up to this quantile, and no less than the method can tell.
    pub(crate) spread_ms: f64,
    /// The same quantile of how much longer the target took, request by request.
    pub(crate) difference_ms: f64,
}

/// Differences below this are nothing that this method can tell: under load, programs on the way read at intervals.
const UNNOTICED_MS: f64 = 2.0;
/// Ratios within this of 1 are the same speed.
const SAME: f64 = 0.05;

/// A ratio that would be shown as 0.00.
pub(super) const SHORTEST_RATIO: f64 = 0.005;

/// What a difference of two times says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Faster,
    /// Or nearly so.
    Same,
    /// The way varies by more.
    Untold,
    Slower,
}

impl Row {
    /// How much longer the target's quantile is.
    pub(crate) fn difference_of_times_ms(&self) -> f64 {
        self.target_ms - self.online_ms
    }

    /// The ratio, unless the target's time is too short to be told from the way.
    pub(crate) fn shown_ratio(&self) -> Option<f64> {
        self.ratio.filter(|ratio| *ratio >= SHORTEST_RATIO)
    }

    /// What the difference says.
    pub(crate) fn pace(&self) -> Pace {
        let difference = self.difference_of_times_ms();
        if difference.abs() <= SAME * self.online_ms {
            Pace::Same
        } else if difference.abs() <= self.spread_ms {
            Pace::Untold
        } else if difference > 0.0 {
            Pace::Slower
        } else {
            Pace::Faster
        }
    }
}

/// The rows of a report.
pub(super) fn rows(speed: &Speed, way: &Latency) -> Vec<Row> {
    // The lower quartile is what is taken off each time.
    let usual = way.quantile(0.25).unwrap_or_default();
    let spread = |part| ms(way.quantile(part).unwrap_or_default().saturating_sub(usual)).max(UNNOTICED_MS);
    let row = |(quantile, part): (&'static str, f64)| {
        let (online, target) = (speed.online.quantile(part)?, speed.target.quantile(part)?);
        let ratio = (!online.is_zero()).then(|| target.as_secs_f64() / online.as_secs_f64());
        let difference_ms = speed.difference.quantile(part)? * 1e3;
        let (online_ms, target_ms, spread_ms) = (ms(online), ms(target), spread(part));
        Some(Row { quantile, online_ms, target_ms, ratio, spread_ms, difference_ms })
    };
    QUANTILES.into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn speed(online: u64, target: u64) -> Speed {
        let mut speed = Speed::default();
        speed.online.record(Duration::from_micros(online));
        speed.target.record(Duration::from_micros(target));
        speed.difference.record(Duration::from_micros(target), Duration::from_micros(online));
        speed
    }

    #[test]
    fn a_difference_counts_where_the_way_varies_by_less() {
        let mut way = Latency::default();
        (1..=100).for_each(|number| way.record(Duration::from_micros(number * 100)));
        // The way varies by 2.5 ms from its lower quartile to its median, by 7.4 ms to its p99.
        let cases = [
            ((800, 3800), [Pace::Slower, Pace::Untold]),
            ((800, 3200), [Pace::Untold, Pace::Untold]),
            ((800, 9000), [Pace::Slower, Pace::Slower]),
            ((9000, 800), [Pace::Faster, Pace::Faster]),
            ((1800, 0), [Pace::Untold, Pace::Untold]),
            ((100_000, 104_900), [Pace::Same, Pace::Same]),
        ];
        for ((online, target), expected) in cases {
            let rows = rows(&speed(online, target), &way);
            let pace = |name| rows.iter().find(|row| row.quantile == name).unwrap().pace();
            assert_eq!(["p50", "p99"].map(pace), expected, "{online} {target}");
        }
        // A way that does not vary is no licence for more than the method can tell.
        assert_eq!(rows(&speed(10, 1900), &Latency::default())[0].pace(), Pace::Untold);
    }
}
