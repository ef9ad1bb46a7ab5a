//! What the numbers mean, in words.

use super::format::{count, percent, time};
use super::row::{Pace, Row};
use super::summary::Summary;
use serde::Serialize;

/// How the target does beside the online server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grade {
    /// Nothing could be compared.
    #[default]
    Unknown,
    /// As right and as fast, or faster.
    Good,
    /// As right, but slower.
    Slower,
    /// Answers are missing or differ.
    Different,
}

/// What the numbers mean.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) grade: Grade,
    pub(crate) headline: String,
    pub(crate) details: Vec<String>,
}

impl Verdict {
    pub(super) fn of(summary: &Summary) -> Self {
        if summary.requests.compared == 0 {
            return Self {
                grade: Grade::Unknown,
                headline: "No request could be compared.".to_owned(),
                details: caveats(summary),
            };
        }
        let wrong = [missing(summary), statuses(summary)];
        let (pace, lines) = speed(summary);
        let different = wrong.iter().any(Option::is_some);
        let (grade, headline) = match (different, pace) {
            (true, Some(Pace::Slower)) => (Grade::Different, "The target answers differently, and slower."),
            (true, Some(Pace::Same | Pace::Untold | Pace::Faster) | None) => {
                (Grade::Different, "The target answers differently.")
            }
            (false, Some(Pace::Slower)) => (Grade::Slower, "The target answers right, but slower."),
            (false, Some(Pace::Same)) => {
                (Grade::Good, "The target is as right and as fast as the online server.")
            }
            (false, Some(Pace::Untold)) => {
                (Grade::Good, "The target is as right as the online server, and as fast as far as can be told.")
            }
            (false, Some(Pace::Faster)) => {
                (Grade::Good, "The target is as right as the online server, and faster.")
            }
            (false, None) => (Grade::Good, "The target answers as the online server does."),
        };
        let details = wrong.into_iter().flatten().chain(lines).chain(caveats(summary)).collect();
        Self { grade, headline: headline.to_owned(), details }
    }
}

fn missing(summary: &Summary) -> Option<String> {
    let missing = summary.requests.missing;
    let side = &summary.target_answers;
    let parts = [
        ("refused", side.refused),
        ("reset", side.reset),
        ("without an answer", side.unanswered),
        ("not sent by tcpcopy", side.not_sent),
    ];
    let parts: Vec<_> = parts.iter().filter(|(_, number)| *number > 0).collect();
    let parts: Vec<_> = parts.iter().map(|(name, number)| format!("{} {name}", count(*number))).collect();
    (missing > 0).then(|| {
        format!(
            "{} of {} requests have an answer online and none from the target ({}): {}.",
            count(missing),
            count(summary.requests.compared),
            percent(missing, summary.requests.compared),
            parts.join(", ")
        )
    })
}

fn statuses(summary: &Summary) -> Option<String> {
    let wrong = summary.requests.status_mismatches;
    let worst = summary.routes.iter().max_by_key(|route| route.status_mismatches);
    let worst = worst.map(|route| format!(", most of them of {}", route.name)).unwrap_or_default();
    (wrong > 0).then(|| {
        format!(
            "{} of {} statuses differ ({}){worst}.",
            count(wrong),
            count(summary.requests.statuses_compared),
            percent(wrong, summary.requests.statuses_compared)
        )
    })
}

/// What the median and the slowest hundredth say together, and in words.
fn speed(summary: &Summary) -> (Option<Pace>, Vec<String>) {
    let (Some(median), Some(tail)) = (summary.first_at("p50"), summary.first_at("p99")) else {
        return (None, Vec::new());
    };
    let paces = [median.pace(), tail.pace()];
    let pace = [Pace::Slower, Pace::Faster, Pace::Untold].into_iter().find(|pace| paces.contains(pace));
    (Some(pace.unwrap_or(Pace::Same)), vec![line(tail), line(median)])
}

fn line(row: &Row) -> String {
    let difference = row.difference_of_times_ms();
    let (size, spread) = (time(difference.abs()), time(row.spread_ms));
    let times = format!("{} against {} to the first octet", time(row.target_ms), time(row.online_ms));
    let which = if difference >= 0.0 { "slower" } else { "faster" };
    match (row.pace(), row.shown_ratio()) {
        (Pace::Untold, _) => format!(
            "Target {} is {times}: {size} {which}, which says nothing: the way and the replay may add {spread}.",
            row.quantile
        ),
        (_, Some(ratio)) => format!("Target {} is {ratio:.2}× online: {times}, {size} {which}.", row.quantile),
        (_, None) => format!("Target {} is {times}, {size} {which}.", row.quantile),
    }
}

/// What makes the other sentences less certain.
fn caveats(summary: &Summary) -> Vec<String> {
    let requests = &summary.requests;
    let mut caveats = Vec::new();
    if requests.resent * 100 > requests.compared {
        caveats.push(format!(
            "{} requests had to be sent again and have no part in the times: look at the network to the target.",
            count(requests.resent)
        ));
    }
    if requests.http > 0 && requests.statuses_compared == 0 {
        caveats.push("Statuses were not compared: intercept returned no payload.".to_owned());
    }
    if requests.untracked > 0 {
        caveats.push(format!("{} requests could not be followed.", count(requests.untracked)));
    }
    let lost = summary.stages.iter().filter(|stage| stage.what.starts_with("packets of"));
    let lost: u64 = lost.map(|stage| stage.count).sum();
    if lost > 0 {
        caveats.push(format!("The captures lost {} packets: some numbers are too low.", count(lost)));
    }
    caveats
}

#[cfg(test)]
mod tests {
    use super::Grade;
    use crate::report::testing::answered;
    use std::time::Duration;

    const fn us(number: u64) -> Duration {
        Duration::from_micros(number)
    }

    #[test]
    fn a_difference_is_spoken_of_only_where_the_way_varies_by_less() {
        let steady = [us(100), us(100), us(100), us(100)];
        let restless = [us(100), us(4600), us(4600), us(4600)];
        let cases = [
            ([us(800), us(3800)], steady, Grade::Slower, "Target p99 is 4.75× online: 3.80 ms against 800 µs"),
            ([us(800), us(3800)], restless, Grade::Good, "3.00 ms slower, which says nothing: the way"),
            ([us(800), us(0)], steady, Grade::Good, "800 µs faster, which says nothing: the way"),
            (
                [us(30_000), us(0)],
                steady,
                Grade::Good,
                "Target p99 is 0 ms against 30.0 ms to the first octet, 30.0 ms",
            ),
            (
                [us(30_000), us(31_000)],
                restless,
                Grade::Good,
                "Target p50 is 1.03× online: 31.0 ms against 30.0 ms",
            ),
        ];
        for (times, way, grade, words) in cases {
            let verdict = answered(times, &way).verdict;
            assert_eq!(verdict.grade, grade, "{verdict:?}");
            assert!(verdict.details.iter().any(|line| line.contains(words)), "no '{words}' in {verdict:?}");
            assert!(!verdict.details.concat().contains("0.00×"), "{verdict:?}");
        }
    }
}
