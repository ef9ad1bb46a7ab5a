//! What the numbers mean, in words.

use super::format::{count, percent, time};
use super::summary::{Row, Summary};
use serde::Serialize;

/// Ratios within this of 1 are the same speed.
const SAME: f64 = 0.05;
/// Differences below this are nothing that this method can tell: under load, programs on the way read at intervals.
pub(super) const UNNOTICED_MS: f64 = 2.0;

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
        let speed = speed(summary);
        let different = wrong.iter().any(Option::is_some);
        let (grade, headline) = match (different, speed.pace) {
            (true, Pace::Slower) => (Grade::Different, "The target answers differently, and slower."),
            (true, Pace::Same | Pace::Faster | Pace::Unknown) => {
                (Grade::Different, "The target answers differently.")
            }
            (false, Pace::Slower) => (Grade::Slower, "The target answers right, but slower."),
            (false, Pace::Same) => (Grade::Good, "The target is as right and as fast as the online server."),
            (false, Pace::Faster) => (Grade::Good, "The target is as right as the online server, and faster."),
            (false, Pace::Unknown) => (Grade::Good, "The target answers as the online server does."),
        };
        let details = wrong.into_iter().flatten().chain(speed.lines).chain(caveats(summary)).collect();
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Unknown,
    Faster,
    Same,
    Slower,
}

struct SpeedVerdict {
    pace: Pace,
    lines: Vec<String>,
}

fn speed(summary: &Summary) -> SpeedVerdict {
    let (Some(median), Some(tail)) = (summary.first_at("p50"), summary.first_at("p99")) else {
        return SpeedVerdict { pace: Pace::Unknown, lines: Vec::new() };
    };
    let paces = [pace(median), pace(tail)];
    let pace = if paces.contains(&Pace::Slower) {
        Pace::Slower
    } else if paces.contains(&Pace::Faster) {
        Pace::Faster
    } else {
        Pace::Same
    };
    SpeedVerdict { pace, lines: vec![line(tail), line(median)] }
}

fn pace(row: &Row) -> Pace {
    let difference = row.target_ms - row.online_ms;
    let Some(ratio) = row.ratio else { return Pace::Unknown };
    if difference.abs() < UNNOTICED_MS || (ratio - 1.0).abs() <= SAME {
        Pace::Same
    } else if difference > 0.0 {
        Pace::Slower
    } else {
        Pace::Faster
    }
}

fn line(row: &Row) -> String {
    let ratio = row.ratio.map_or_else(|| "not comparable with".to_owned(), |ratio| format!("{ratio:.2}×"));
    let difference = row.target_ms - row.online_ms;
    let which = if difference >= 0.0 { "slower" } else { "faster" };
    format!(
        "Target {} is {ratio} online: {} against {} to the first octet, {} {which}.",
        row.quantile,
        time(row.target_ms),
        time(row.online_ms),
        time(difference.abs())
    )
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
