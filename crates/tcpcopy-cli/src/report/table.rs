//! The report as lines for a terminal or a log.

use super::format::{count, difference, octets, ratio, time};
use super::row::Row;
use super::summary::{Quantile, Summary};

/// Routes and examples that a terminal gets.
const MOST: usize = 10;

/// The lines.
pub(crate) fn lines(summary: &Summary) -> Vec<String> {
    let mut lines = vec![format!("comparison: {}", summary.verdict.headline)];
    lines.extend(summary.verdict.details.iter().map(|detail| format!("  {detail}")));
    lines.extend(sides(summary));
    lines.extend(times("first octet", &summary.first));
    lines.extend(times("last octet", &summary.last));
    lines.push(format!("not in the target's times: network and tunnel {}", quantiles(&summary.network)));
    lines.push(format!("                           waited in tcpcopy   {}", quantiles(&summary.waited)));
    lines.extend(examples(summary));
    lines
}

fn sides(summary: &Summary) -> Vec<String> {
    let (online, target) = (&summary.online, &summary.target_answers);
    let row = |name: &str, of: [u64; 2]| format!("{name:24}{:>14}{:>14}", count(of[0]), count(of[1]));
    let mut lines = vec![
        format!(
            "{:24}{:>14}{:>14}",
            format!("{} requests", count(summary.requests.compared)),
            "online",
            "target"
        ),
        row("answered", [online.answered, target.answered]),
    ];
    let seldom = [
        ("refused", [online.refused, target.refused]),
        ("reset", [online.reset, target.reset]),
        ("no answer", [online.unanswered, target.unanswered]),
        ("not sent by tcpcopy", [online.not_sent, target.not_sent]),
        ("status 4xx", [online.client_errors, target.client_errors]),
        ("status 5xx", [online.server_errors, target.server_errors]),
    ];
    lines
        .extend(seldom.into_iter().filter(|(_, of)| of.iter().any(|n| *n > 0)).map(|(name, of)| row(name, of)));
    lines.push(format!("{:24}{:>14}{:>14}", "octets", octets(online.octets), octets(target.octets)));
    lines
}

fn times(octet: &str, rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = format!(
        "{:24}{:>14}{:>14}{:>9}{:>14}",
        format!("time to the {octet}"),
        "online",
        "target",
        "ratio",
        "difference"
    );
    let line = |row: &Row| {
        format!(
            "{:24}{:>14}{:>14}{:>9}{:>14}",
            row.quantile,
            time(row.online_ms),
            time(row.target_ms),
            ratio(row.shown_ratio()),
            difference(row.difference_ms)
        )
    };
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}

fn quantiles(quantiles: &[Quantile]) -> String {
    let wanted = quantiles.iter().filter(|quantile| ["p50", "p99", "max"].contains(&quantile.quantile));
    let shown: Vec<_> = wanted.map(|quantile| format!("{} {}", quantile.quantile, time(quantile.ms))).collect();
    if shown.is_empty() { "unknown".to_owned() } else { shown.join(", ") }
}

fn examples(summary: &Summary) -> Vec<String> {
    let line = |example: &super::summary::Example| {
        let method = example.method.as_deref().unwrap_or("request");
        let path = example.path.as_deref().unwrap_or_default();
        format!("  {} {method} {path}: online {}, target {}", example.at, example.online, example.target)
    };
    let mut lines: Vec<_> = summary.mismatches.iter().take(MOST).map(line).collect();
    let more = summary.mismatches.len().saturating_sub(MOST);
    if more > 0 {
        lines.push(format!("  and {more} more in the report"));
    }
    if !lines.is_empty() {
        lines.insert(0, "answered differently:".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::report::testing::{compared, nothing};

    #[test]
    fn the_table_shows_both_sides() {
        let lines = super::lines(&compared());
        let has =
            |text: &str| assert!(lines.iter().any(|line| line == text), "no '{text}' in\n{}", lines.join("\n"));
        has("comparison: The target answers differently, and slower.");
        has("100 requests                    online        target");
        has("answered                           100            99");
        has("p50                            10.0 ms       40.0 ms    4.00×      +30.0 ms");
        assert!(lines.iter().any(|line| line.ends_with("GET /users/7: online 200, target 500")));
        assert!(lines.iter().any(|line| line.ends_with("and 1 more in the report")));
    }

    #[test]
    fn without_requests_it_says_so() {
        assert_eq!(super::lines(&nothing())[0], "comparison: No request could be compared.");
    }
}
