//! What a program counts, with names, help and labels, in one list: the lines of the log, `--metrics` and JSON are three
//! ways to print it.

use serde_json::{Map, Value};
use std::fmt::{self, Write};
use std::time::Duration;

/// One number of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    label: Option<(&'static str, String)>,
    value: u64,
    word: String,
    shown: Shown,
    rate: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// When a figure is part of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Always,
    IfAny,
}

impl Figure {
    /// A number that only grows. It is in its line if it is not zero.
    pub fn counter(name: &'static str, help: &'static str, word: impl Into<String>, value: u64) -> Self {
        let (kind, word, shown) = (Kind::Counter, word.into(), Shown::IfAny);
        Self { name, help, kind, label: None, value, word, shown, rate: None }
    }

    /// A number of something that there is now. It is always in its line.
    pub fn gauge(name: &'static str, help: &'static str, word: impl Into<String>, value: usize) -> Self {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        Self { kind: Kind::Gauge, shown: Shown::Always, ..Self::counter(name, help, word, value) }
    }

    /// One of several of the same name.
    #[must_use]
    pub fn labelled(self, label: &'static str, value: impl Into<String>) -> Self {
        Self { label: Some((label, value.into())), ..self }
    }

    /// In its line even if it is zero.
    #[must_use]
    pub fn always(self) -> Self {
        Self { shown: Shown::Always, ..self }
    }

    /// How much it grows in a second is told too, by this name.
    #[must_use]
    pub fn rated(self, word: &'static str) -> Self {
        Self { rate: Some(word), ..self }
    }

    fn key(&self) -> String {
        match &self.label {
            None => self.name.to_owned(),
            Some((label, value)) => format!("{}{{{label}=\"{value}\"}}", self.name),
        }
    }
}

/// Which figures a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Those that matter always, and of the others those that occurred.
    Occurred,
    /// All.
    All,
}

/// Figures that belong together: a line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    title: &'static str,
    figures: Vec<Figure>,
}

impl Line {
    /// A line that begins with a title, or with none (`""`).
    #[must_use]
    pub fn new(title: &'static str, figures: Vec<Figure>) -> Self {
        Self { title, figures }
    }

    /// `title word:value, word:value`; nothing if there is nothing to show.
    #[must_use]
    pub fn text(&self, detail: Detail) -> Option<String> {
        let shown =
            |figure: &&Figure| detail == Detail::All || figure.shown == Shown::Always || figure.value > 0;
        let words = self.figures.iter().filter(shown);
        let words: Vec<_> = words.map(|figure| format!("{}:{}", figure.word, figure.value)).collect();
        (!words.is_empty()).then(|| format!("{}{}", self.title, words.join(", ")))
    }
}

/// All figures of a program at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    lines: Vec<Line>,
}

impl Figures {
    /// All lines, in their order.
    #[must_use]
    pub fn new(lines: Vec<Line>) -> Self {
        Self { lines }
    }

    /// The lines for the log.
    pub fn texts(&self, detail: Detail) -> impl Iterator<Item = String> + '_ {
        self.lines.iter().filter_map(move |line| line.text(detail))
    }

    fn all(&self) -> impl Iterator<Item = &Figure> {
        self.lines.iter().flat_map(|line| &line.figures)
    }

    /// How much some of the figures have grown in a second since `before`, a line for the log.
    #[must_use]
    pub fn rates(&self, before: &Self, elapsed: Duration) -> String {
        let old =
            |figure: &Figure| before.all().find(|one| one.key() == figure.key()).map_or(0, |one| one.value);
        let rated = self.all().filter_map(|figure| figure.rate.map(|word| (word, figure)));
        let words: Vec<_> = rated
            .map(|(word, figure)| {
                let grown = figure.value.saturating_sub(old(figure));
                let tenths = u128::from(grown) * 10_000 / elapsed.as_millis().max(1);
                format!("{word}/s:{}.{}", tenths / 10, tenths % 10)
            })
            .collect();
        format!("rates {}", words.join(", "))
    }

    /// One object: names, with their labels, and numbers.
    #[must_use]
    pub fn json(&self) -> Value {
        let entries = self.all().map(|figure| (figure.key(), Value::from(figure.value)));
        Value::Object(entries.collect::<Map<_, _>>())
    }
}

/// The text format of Prometheus, version 0.0.4.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = Vec::new();
        for first in self.all() {
            if names.contains(&first.name) {
                continue;
            }
            names.push(first.name);
            let kind = match first.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            writeln!(f, "# HELP {} {}\n# TYPE {} {kind}", first.name, first.help, first.name)?;
            for figure in self.all().filter(|figure| figure.name == first.name) {
                writeln!(f, "{} {}", figure.key(), figure.value)?;
            }
        }
        f.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sent: u64) -> Figures {
        let close = |reason: &str, value| {
            Figure::counter("x_closed_total", "Closed.", reason, value).labelled("reason", reason)
        };
        Figures::new(vec![
            Line::new("", vec![Figure::gauge("x_sessions", "Sessions.", "active", 3), close("fin", 0)]),
            Line::new(
                "requests ",
                vec![Figure::counter("x_sent_total", "Sent.", "sent", sent).always().rated("sent")],
            ),
            Line::new("seldom ", vec![close("rst", 0)]),
        ])
    }

    #[test]
    fn a_line_has_what_matters_and_what_occurred_and_on_demand_all() {
        let short: Vec<_> = figures(7).texts(Detail::Occurred).collect();
        assert_eq!(short, ["active:3", "requests sent:7"]);
        let all: Vec<_> = figures(7).texts(Detail::All).collect();
        assert_eq!(all, ["active:3, fin:0", "requests sent:7", "seldom rst:0"]);
    }

    #[test]
    fn prometheus_gets_each_name_once_with_its_help() {
        let expected = "\
# HELP x_sessions Sessions.
# TYPE x_sessions gauge
x_sessions 3
# HELP x_closed_total Closed.
# TYPE x_closed_total counter
x_closed_total{reason=\"fin\"} 0
x_closed_total{reason=\"rst\"} 0
# HELP x_sent_total Sent.
# TYPE x_sent_total counter
x_sent_total 7

";
        assert_eq!(figures(7).to_string(), expected);
    }

    #[test]
    fn rates_are_differences_over_time() {
        let rates = figures(40).rates(&figures(10), Duration::from_secs(20));
        assert_eq!(rates, "rates sent/s:1.5");
        assert_eq!(figures(7).json()["x_sent_total"], 7);
    }
}
