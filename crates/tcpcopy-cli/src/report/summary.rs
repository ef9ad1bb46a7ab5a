//! What a report says, in numbers: the one source of the page, the file and the table.

use super::row::{Row, SHORTEST_RATIO, rows};
use super::verdict::Verdict;
use crate::snapshot::Snapshot;
use serde::Serialize;
use std::time::{Duration, SystemTime};
use tc_core::compare::{Comparison, Failure, Latency, Mismatch, SideTotals, Speed};

/// The quantiles of a report, with the names that conditions use.
pub(crate) const QUANTILES: [(&str, f64); 7] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
/// Bars of the distribution for each factor of ten.
const BARS_PER_DECADE: u32 = 8;

/// What ran.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) target: String,
    pub(crate) started: SystemTime,
    pub(crate) ended: SystemTime,
}

/// What a report says.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) version: &'static str,
    pub(crate) target: String,
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) seconds: f64,
    pub(crate) verdict: Verdict,
    pub(crate) requests: Requests,
    pub(crate) online: Side,
    pub(crate) target_answers: Side,
    /// To the first octet of the answer.
    pub(crate) first: Vec<Row>,
    /// To the last octet of the answer.
    pub(crate) last: Vec<Row>,
    /// The way to the target and back, which is not in its times.
    pub(crate) network: Vec<Quantile>,
    /// How long whole requests waited in tcpcopy, which is not in the target's times.
    pub(crate) waited: Vec<Quantile>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) timeline: Vec<Moment>,
    pub(crate) distribution: Vec<Bar>,
    pub(crate) curve: Vec<Point>,
    pub(crate) routes: Vec<Route>,
    pub(crate) mismatches: Vec<Example>,
}

/// How many requests there were, and how many are not as they should be.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Requests {
    pub(crate) compared: u64,
    pub(crate) http: u64,
    pub(crate) missing: u64,
    pub(crate) statuses_compared: u64,
    pub(crate) status_mismatches: u64,
    pub(crate) length_mismatches: u64,
    pub(crate) timed: u64,
    pub(crate) resent: u64,
    pub(crate) in_flight: u64,
    pub(crate) untracked: u64,
}

/// How one server dealt with all requests.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Side {
    pub(crate) answered: u64,
    pub(crate) client_errors: u64,
    pub(crate) server_errors: u64,
    pub(crate) refused: u64,
    pub(crate) reset: u64,
    pub(crate) unanswered: u64,
    pub(crate) not_sent: u64,
    pub(crate) octets: u64,
}

/// A quantile of one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantile {
    pub(crate) quantile: &'static str,
    pub(crate) ms: f64,
}

/// What is left of the requests, or lost, at one place of the way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) what: &'static str,
    pub(crate) count: u64,
    pub(crate) kind: StageKind,
}

/// What a stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StageKind {
    /// Requests that came so far.
    Reached,
    /// Something lost: should be 0.
    Lost,
}

/// What happened in a part of the time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Moment {
    /// When it begins, in seconds after the start.
    pub(crate) at: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) missing: u64,
    pub(crate) online_p50_ms: Option<f64>,
    pub(crate) target_p50_ms: Option<f64>,
    pub(crate) online_p99_ms: Option<f64>,
    pub(crate) target_p99_ms: Option<f64>,
}

/// How many times to the first octet lie in a part of the range.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) up_to_ms: f64,
    pub(crate) online: u64,
    pub(crate) target: u64,
}

/// What a part of all requests, 0 to 1, did not exceed to the first octet.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) part: f64,
    pub(crate) online_ms: f64,
    pub(crate) target_ms: f64,
}

/// The requests of one route.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) requests: u64,
    pub(crate) status_mismatches: u64,
    pub(crate) missing: u64,
    pub(crate) online_p50_ms: Option<f64>,
    pub(crate) target_p50_ms: Option<f64>,
    pub(crate) online_p99_ms: Option<f64>,
    pub(crate) target_p99_ms: Option<f64>,
}

/// A request that the target answered differently, or not at all.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Example {
    pub(crate) at: String,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) online: String,
    pub(crate) target: String,
}

impl Summary {
    /// What a comparison and the counters say.
    pub(crate) fn new(run: &Run, comparison: &Comparison, snapshot: &Snapshot) -> Self {
        let lasted = run.ended.duration_since(run.started).unwrap_or_default();
        let first = comparison.first();
        let mut summary = Self {
            version: env!("CARGO_PKG_VERSION"),
            target: run.target.clone(),
            started: humantime::format_rfc3339_seconds(run.started).to_string(),
            ended: humantime::format_rfc3339_seconds(run.ended).to_string(),
            seconds: lasted.as_secs_f64(),
            verdict: Verdict::default(),
            requests: Requests::of(comparison, &first),
            online: comparison.online.into(),
            target_answers: comparison.target.into(),
            first: rows(&first, &comparison.way),
            last: rows(&comparison.last(), &comparison.way),
            network: quantiles(&comparison.way),
            waited: quantiles(&comparison.waited),
            stages: super::stages::stages(comparison, snapshot),
            timeline: timeline(comparison),
            distribution: distribution(&first),
            curve: curve(&first),
            routes: routes(comparison),
            mismatches: examples(run, comparison),
        };
        summary.verdict = Verdict::of(&summary);
        summary
    }

    /// A row of the times to the first octet.
    pub(crate) fn first_at(&self, quantile: &str) -> Option<&Row> {
        self.first.iter().find(|row| row.quantile == quantile)
    }

    /// A row of the times to the last octet.
    pub(crate) fn last_at(&self, quantile: &str) -> Option<&Row> {
        self.last.iter().find(|row| row.quantile == quantile)
    }
}

impl Requests {
    fn of(comparison: &Comparison, first: &Speed) -> Self {
        Self {
            compared: comparison.requests,
            http: comparison.http,
            missing: comparison.missing,
            statuses_compared: comparison.statuses,
            status_mismatches: comparison.status_mismatches,
            length_mismatches: comparison.length_mismatches,
            timed: first.online.count(),
            resent: comparison.resent,
            in_flight: comparison.in_flight,
            untracked: comparison.untracked,
        }
    }
}

impl From<SideTotals> for Side {
    fn from(totals: SideTotals) -> Self {
        let SideTotals { answered, client_errors, server_errors, refused, reset, unanswered, not_sent, octets } =
            totals;
        Self { answered, client_errors, server_errors, refused, reset, unanswered, not_sent, octets }
    }
}

pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn quantiles(latency: &Latency) -> Vec<Quantile> {
    let quantile = |(quantile, part)| Some(Quantile { quantile, ms: ms(latency.quantile(part)?) });
    QUANTILES.into_iter().filter_map(quantile).collect()
}

fn timeline(comparison: &Comparison) -> Vec<Moment> {
    let width = comparison.timeline.width();
    let at = |latency: &Latency, part| latency.quantile(part).map(ms);
    let moment = |(index, interval): (usize, &tc_core::compare::Interval)| Moment {
        at: width.as_secs_f64() * f64::from(u32::try_from(index).unwrap_or(u32::MAX)),
        seconds: width.as_secs_f64(),
        requests: interval.requests,
        missing: interval.missing,
        online_p50_ms: at(&interval.online, 0.5),
        target_p50_ms: at(&interval.target, 0.5),
        online_p99_ms: at(&interval.online, 0.99),
        target_p99_ms: at(&interval.target, 0.99),
    };
    comparison.timeline.intervals().iter().enumerate().map(moment).collect()
}

/// Bars whose ends grow by a constant factor, to beyond the longest time. The first has all shorter ones too: of the target's
/// times the way is taken off, which may leave nothing, and half of the online server's shortest is short enough to show.
fn distribution(speed: &Speed) -> Vec<Bar> {
    let shortest = speed.online.quantile(0.0).zip(speed.target.quantile(0.01));
    let shortest = shortest.map(|(online, target)| target.clamp(online / 2, online));
    let longest = [&speed.online, &speed.target].into_iter().filter_map(|side| side.quantile(1.0)).max();
    let (Some(shortest), Some(longest)) = (shortest, longest) else { return Vec::new() };
    let factor = 10_f64.powf(1.0 / f64::from(BARS_PER_DECADE));
    let steps = (shortest.as_secs_f64().max(1e-6).log10() * f64::from(BARS_PER_DECADE)).floor();
    let mut ends = vec![Duration::from_secs_f64(factor.powf(steps))];
    while let Some(last) = ends.last().copied()
        && last < longest
    {
        ends.push(last.mul_f64(factor));
    }
    let counts = speed.online.counts_up_to(&ends).into_iter().zip(speed.target.counts_up_to(&ends));
    ends.iter().zip(counts).map(|(end, (online, target))| Bar { up_to_ms: ms(*end), online, target }).collect()
}

/// Points from the median on, closer and closer to all requests, as far as there are enough of them.
fn curve(speed: &Speed) -> Vec<Point> {
    const STEPS_PER_DECADE: u32 = 6;
    let decades = speed.online.count().max(1).ilog10();
    let point = |step: u32| {
        let part = 1.0 - 10_f64.powf(-f64::from(step) / f64::from(STEPS_PER_DECADE));
        let (online, target) = (speed.online.quantile(part)?, speed.target.quantile(part)?);
        Some(Point { part, online_ms: ms(online), target_ms: ms(target) })
    };
    (0..=decades * STEPS_PER_DECADE).filter_map(point).collect()
}

/// The worst first: what is wrong, then what is slow.
fn routes(comparison: &Comparison) -> Vec<Route> {
    let at = |latency: &Latency, part| latency.quantile(part).map(ms);
    let route = |(name, route): (&str, &tc_core::compare::Route)| Route {
        name: name.to_owned(),
        requests: route.requests,
        status_mismatches: route.status_mismatches,
        missing: route.missing,
        online_p50_ms: at(&route.online, 0.5),
        target_p50_ms: at(&route.target, 0.5),
        online_p99_ms: at(&route.online, 0.99),
        target_p99_ms: at(&route.target, 0.99),
    };
    let mut routes: Vec<_> = comparison.routes.iter().map(route).collect();
    routes.sort_by(|a, b| b.badness().total_cmp(&a.badness()));
    routes
}

impl Route {
    /// How many times slower the target is at p99, unless its time is too short to be told from the way.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (online, target) = (self.online_p99_ms?, self.target_p99_ms?);
        (online > 0.0).then(|| target / online).filter(|ratio| *ratio >= SHORTEST_RATIO)
    }

    #[expect(clippy::cast_precision_loss, reason = "an order needs no more than 52 bits")]
    fn badness(&self) -> f64 {
        let wrong = (self.status_mismatches + self.missing) as f64;
        wrong * 1e6 + self.ratio().unwrap_or(0.0)
    }
}

fn examples(run: &Run, comparison: &Comparison) -> Vec<Example> {
    let example = |mismatch: &Mismatch| Example {
        at: humantime::format_rfc3339_millis(
            run.started + mismatch.at.saturating_duration_since(comparison.origin()),
        )
        .to_string(),
        method: mismatch.line.as_ref().map(|line| line.method().to_owned()),
        path: mismatch.line.as_ref().and_then(|line| line.path()).map(str::to_owned),
        online: outcome(mismatch.online.map(|answer| answer.status)),
        target: outcome(mismatch.target.map(|answer| answer.status)),
    };
    comparison.examples.iter().map(example).collect()
}

fn outcome(result: Result<Option<u16>, Failure>) -> String {
    match result {
        Ok(Some(status)) => status.to_string(),
        Ok(None) => "answered".to_owned(),
        Err(Failure::Refused) => "refused".to_owned(),
        Err(Failure::Reset) => "reset".to_owned(),
        Err(Failure::Unanswered) => "no answer".to_owned(),
        Err(Failure::NotSent) => "not sent".to_owned(),
        Err(Failure::InFlight) => "in flight".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_way_left_nothing_of_does_not_stretch_the_distribution() {
        let mut speed = Speed::default();
        for number in 0..100 {
            speed.online.record(Duration::from_millis(10));
            speed.target.record(Duration::from_millis(if number < 5 { 0 } else { 12 }));
        }
        let bars = distribution(&speed);
        let [first, .., last] = &bars[..] else { panic!("{bars:?}") };
        assert!((4.0..7.0).contains(&first.up_to_ms) && last.up_to_ms >= 12.0, "{bars:?}");
        assert_eq!((first.target, first.online), (5, 0));
        assert_eq!(bars.iter().map(|bar| bar.online + bar.target).sum::<u64>(), 200);
    }
}
