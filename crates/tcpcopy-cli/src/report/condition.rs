//! `--fail-if`: when a comparison counts as failed.

use super::format;
use super::row::Row;
use super::summary::{QUANTILES, Summary};
use std::fmt;
use std::str::FromStr;

const EXAMPLE: &str =
    "write NAME OPERATOR VALUE, as in 'p99_ratio > 1.2', 'missing > 0' or 'status_mismatch > 0.1%'";
const NAMES: &str = "missing, refused, reset, unanswered, not_sent, status_mismatch, length_mismatch, client_errors, \
                     server_errors, compared, p50_ratio, p50_online, p50_target, p50_difference (also p75, p90, p95, \
                     p99, p999, max, and last_ before them)";

/// A condition under which the program fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    metric: Metric,
    operator: Operator,
    value: Value,
    text: String,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Count(Count),
    Time { octet: Octet, quantile: &'static str, of: Of },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Compared,
    Missing,
    Refused,
    Reset,
    Unanswered,
    NotSent,
    StatusMismatch,
    LengthMismatch,
    ClientErrors,
    ServerErrors,
}

const COUNTS: [(&str, Count); 10] = [
    ("compared", Count::Compared),
    ("missing", Count::Missing),
    ("refused", Count::Refused),
    ("reset", Count::Reset),
    ("unanswered", Count::Unanswered),
    ("not_sent", Count::NotSent),
    ("status_mismatch", Count::StatusMismatch),
    ("length_mismatch", Count::LengthMismatch),
    ("client_errors", Count::ClientErrors),
    ("server_errors", Count::ServerErrors),
];

/// The octet of the answer up to which time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Octet {
    First,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Ratio,
    Online,
    Target,
    Difference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// Longer ones first: `>=` begins with `>`.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Plain(f64),
    Percent(f64),
    Milliseconds(f64),
}

impl Condition {
    /// Why the program fails by this condition, if it does. Without numbers to judge, it does.
    pub(crate) fn broken_by(&self, summary: &Summary) -> Option<String> {
        let Some((found, shown)) = self.metric.look(summary, self.value) else {
            return Some(format!("{self}: there is nothing to judge it by"));
        };
        let (Value::Plain(limit) | Value::Percent(limit) | Value::Milliseconds(limit)) = self.value;
        self.operator.holds(found, limit).then(|| format!("{self}: it is {shown}"))
    }
}

impl Metric {
    /// The number in the unit of the condition's value, and how it is shown.
    #[expect(clippy::cast_precision_loss, reason = "a threshold needs no more than 52 bits")]
    fn look(self, summary: &Summary, value: Value) -> Option<(f64, String)> {
        if summary.requests.compared == 0 && self != Self::Count(Count::Compared) {
            return None;
        }
        match self {
            Self::Count(count) => {
                let (number, whole) = count.look(summary);
                match value {
                    Value::Percent(_) => {
                        let percent = number as f64 * 100.0 / whole.max(1) as f64;
                        Some((percent, format::percent(number, whole)))
                    }
                    Value::Plain(_) | Value::Milliseconds(_) => Some((number as f64, number.to_string())),
                }
            }
            Self::Time { octet, quantile, of } => {
                let row = match octet {
                    Octet::First => summary.first_at(quantile)?,
                    Octet::Last => summary.last_at(quantile)?,
                };
                of.look(row)
            }
        }
    }
}

impl Count {
    /// The number, and what it is a part of.
    fn look(self, summary: &Summary) -> (u64, u64) {
        let (requests, target) = (&summary.requests, &summary.target_answers);
        let number = match self {
            Self::Compared => requests.compared,
            Self::Missing => requests.missing,
            Self::Refused => target.refused,
            Self::Reset => target.reset,
            Self::Unanswered => target.unanswered,
            Self::NotSent => target.not_sent,
            Self::StatusMismatch => return (requests.status_mismatches, requests.statuses_compared),
            Self::LengthMismatch => requests.length_mismatches,
            Self::ClientErrors => target.client_errors,
            Self::ServerErrors => target.server_errors,
        };
        (number, requests.compared)
    }
}

impl Of {
    fn look(self, row: &Row) -> Option<(f64, String)> {
        let time = |time| Some((time, format::time(time)));
        match self {
            Self::Ratio => row.ratio.map(|ratio| (ratio, format::ratio(Some(ratio)))),
            Self::Online => time(row.online_ms),
            Self::Target => time(row.target_ms),
            Self::Difference => Some((row.difference_ms, format::difference(row.difference_ms))),
        }
    }
}

impl Operator {
    #[expect(clippy::float_cmp, reason = "who asks for the very same number gets that")]
    fn holds(self, found: f64, limit: f64) -> bool {
        match self {
            Self::Less => found < limit,
            Self::LessOrEqual => found <= limit,
            Self::Greater => found > limit,
            Self::GreaterOrEqual => found >= limit,
            Self::Equal => found == limit,
            Self::NotEqual => found != limit,
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = OPERATORS.iter().find_map(|(sign, operator)| Some((text.split_once(sign)?, operator)));
        let Some(((name, value), operator)) = found else {
            return Err(format!("it has no operator; {EXAMPLE}"));
        };
        let metric = Metric::from_str(name.trim())?;
        let value = Value::from_str(value.trim())?;
        if !value.fits(metric) {
            return Err(format!("'{}' is compared with {}; {EXAMPLE}", name.trim(), metric.units()));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self { metric, operator: *operator, value, text })
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if let Some((_, count)) = COUNTS.iter().find(|(known, _)| *known == name) {
            return Ok(Self::Count(*count));
        }
        Self::time(name).ok_or_else(|| format!("'{name}' is no name; the names are {NAMES}"))
    }
}

impl Metric {
    fn time(name: &str) -> Option<Self> {
        let (octet, rest) = match name.strip_prefix("last_") {
            Some(rest) => (Octet::Last, rest),
            None => (Octet::First, name),
        };
        let (quantile, of) = rest.split_once('_')?;
        let (quantile, _) = QUANTILES.into_iter().find(|(known, _)| *known == quantile)?;
        let of = match of {
            "ratio" => Of::Ratio,
            "online" => Of::Online,
            "target" => Of::Target,
            "difference" => Of::Difference,
            _ => return None,
        };
        Some(Self::Time { octet, quantile, of })
    }

    const fn units(self) -> &'static str {
        match self {
            Self::Count(_) => "a number or a percentage",
            Self::Time { of: Of::Ratio, .. } => "a number",
            Self::Time { .. } => "a time in ms or s",
        }
    }
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|character: char| !character.is_ascii_digit() && !".-".contains(character));
        let (number, unit) = text.split_at(split.unwrap_or(text.len()));
        let number: f64 = number.parse().map_err(|_| format!("'{text}' is no value; {EXAMPLE}"))?;
        match unit.trim() {
            "" | "x" => Ok(Self::Plain(number)),
            "%" => Ok(Self::Percent(number)),
            "us" | "µs" => Ok(Self::Milliseconds(number / 1e3)),
            "ms" => Ok(Self::Milliseconds(number)),
            "s" => Ok(Self::Milliseconds(number * 1e3)),
            unit => Err(format!("'{unit}' is no unit; give %, us, ms or s, or none")),
        }
    }
}

impl Value {
    const fn fits(self, metric: Metric) -> bool {
        match metric {
            Metric::Count(_) => matches!(self, Self::Plain(_) | Self::Percent(_)),
            Metric::Time { of: Of::Ratio, .. } => matches!(self, Self::Plain(_)),
            Metric::Time { .. } => matches!(self, Self::Milliseconds(_)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{compared, nothing};

    fn broken(condition: &str) -> Option<String> {
        condition.parse::<Condition>().unwrap().broken_by(&compared())
    }

    #[test]
    fn a_condition_that_holds_says_what_it_found() {
        let cases = [
            ("p50_ratio > 1.2", "p50_ratio > 1.2: it is 4.00×"),
            ("p50_difference>=29ms", "p50_difference>=29ms: it is +30.0 ms"),
            ("last_p99_target > 0.01s", "last_p99_target > 0.01s: it is 40.0 ms"),
            ("missing > 0", "missing > 0: it is 1"),
            ("status_mismatch >  0.1%", "status_mismatch > 0.1%: it is 10.1 %"),
            ("compared != 7", "compared != 7: it is 100"),
        ];
        for (condition, line) in cases {
            assert_eq!(broken(condition).as_deref(), Some(line));
        }
    }

    #[test]
    fn a_condition_that_does_not_hold_says_nothing() {
        for condition in ["p50_ratio > 4.1", "missing > 1", "missing > 1%", "p99_online > 11 ms", "reset != 0"]
        {
            assert_eq!(broken(condition), None, "{condition}");
        }
    }

    #[test]
    fn nothing_to_judge_by_is_a_failure() {
        let condition: Condition = "p99_ratio > 2".parse().unwrap();
        assert_eq!(
            condition.broken_by(&nothing()).as_deref(),
            Some("p99_ratio > 2: there is nothing to judge it by")
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_remedy() {
        let cases = [
            ("p99_ratio", "it has no operator"),
            ("speed > 1", "'speed' is no name; the names are missing"),
            ("p98_ratio > 1", "'p98_ratio' is no name"),
            ("missing > many", "'many' is no value"),
            ("missing > 3 apples", "'apples' is no unit"),
            ("missing > 3 ms", "'missing' is compared with a number or a percentage"),
            ("p99_target > 3", "'p99_target' is compared with a time in ms or s"),
        ];
        for (text, said) in cases {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
