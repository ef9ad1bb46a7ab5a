//! What came out, as text and as JSON.

use crate::sample::Sample;
use crate::statistics::Spread;
use serde::Serialize;
use std::fmt::Write;

/// All samples.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The first is the reference.
    pairs: Vec<String>,
    results: Vec<Outcome>,
}

/// What one pair made of one load, round by round; a round that could not be finished has nothing.
#[derive(Debug, Serialize)]
struct Outcome {
    load: &'static str,
    pair: String,
    rounds: Vec<Option<Sample>>,
}

/// The numbers of one line of the table.
#[derive(Debug, Serialize)]
struct Line<'a> {
    load: &'static str,
    pair: &'a str,
    finished: usize,
    requests: usize,
    missing: usize,
    tcpcopy_us: Option<Spread>,
    /// To the reference, round by round.
    tcpcopy_ratio: Option<Spread>,
    intercept_us: Option<Spread>,
    intercept_ratio: Option<Spread>,
    tcpcopy_mib: Option<Spread>,
    intercept_mib: Option<Spread>,
    p99_us: Option<Spread>,
}

impl Report {
    pub(crate) fn new(pairs: Vec<String>) -> Self {
        Self { pairs, results: Vec::new() }
    }

    pub(crate) fn pairs(&self) -> &[String] {
        &self.pairs
    }

    /// The loads in their order.
    pub(crate) fn loads(&self) -> Vec<&'static str> {
        let mut loads: Vec<_> = self.results.iter().map(|outcome| outcome.load).collect();
        loads.dedup();
        loads
    }

    pub(crate) fn add(&mut self, load: &'static str, pair: &str, sample: Option<Sample>) {
        let known = self.results.iter_mut().find(|outcome| outcome.load == load && outcome.pair == pair);
        match known {
            Some(outcome) => outcome.rounds.push(sample),
            None => self.results.push(Outcome { load, pair: pair.to_owned(), rounds: vec![sample] }),
        }
    }

    fn rounds(&self, load: &str, pair: &str) -> &[Option<Sample>] {
        let found = self.results.iter().find(|outcome| outcome.load == load && outcome.pair == pair);
        found.map_or(&[], |outcome| &outcome.rounds)
    }

    /// The processor time of tcpcopy.
    pub(crate) fn tcpcopy_us(&self, load: &str, pair: &str) -> Option<Spread> {
        Spread::of(self.rounds(load, pair).iter().flatten().map(|sample| sample.tcpcopy_us))
    }

    fn line<'a>(&self, load: &'static str, pair: &'a str) -> Line<'a> {
        let rounds = self.rounds(load, pair);
        let reference = self.pairs.first().map_or(&[][..], |first| self.rounds(load, first));
        let of = |value: fn(&Sample) -> f64| Spread::of(rounds.iter().flatten().map(value));
        let ratio = |value: fn(&Sample) -> f64| {
            let both = rounds
                .iter()
                .zip(reference)
                .filter_map(|(ours, theirs)| Some((ours.as_ref()?, theirs.as_ref()?)));
            Spread::of(both.map(|(ours, theirs)| value(ours) / value(theirs)).filter(|ratio| ratio.is_finite()))
        };
        Line {
            load,
            pair,
            finished: rounds.iter().flatten().count(),
            requests: rounds.iter().flatten().map(|sample| sample.requests).sum(),
            missing: rounds.iter().flatten().map(|sample| sample.missing).sum(),
            tcpcopy_us: of(|sample| sample.tcpcopy_us),
            tcpcopy_ratio: ratio(|sample| sample.tcpcopy_us),
            intercept_us: of(|sample| sample.intercept_us),
            intercept_ratio: ratio(|sample| sample.intercept_us),
            tcpcopy_mib: of(|sample| sample.tcpcopy_mib),
            intercept_mib: of(|sample| sample.intercept_mib),
            p99_us: Spread::of(rounds.iter().flatten().filter_map(|sample| sample.p99_us)),
        }
    }

    /// The table of one load. Requests and what is missing are sums over all rounds, the rest medians.
    pub(crate) fn text_of(&self, load: &'static str) -> String {
        let mut text = format!(
            "{load:26} {:>9} {:>8} {:>8}  {:>22}  {:>18}  {:>10} {:>10} {:>8} {:>8} {:>9}\n",
            "requests",
            "missing",
            "%",
            "tcpcopy us/request",
            "ratio",
            "intercept",
            "ratio",
            "MiB",
            "MiB",
            "p99 us"
        );
        for pair in &self.pairs {
            let line = self.line(load, pair);
            let percent = percentage(line.missing, line.requests);
            let _ = writeln!(
                text,
                "{:26} {:>9} {:>8} {percent:>8}  {:>22}  {:>18}  {:>10} {:>10} {:>8} {:>8} {:>9}",
                line.pair,
                line.requests,
                line.missing,
                wide(line.tcpcopy_us, 1),
                wide(line.tcpcopy_ratio, 2),
                narrow(line.intercept_us, 1),
                narrow(line.intercept_ratio, 2),
                narrow(line.tcpcopy_mib, 1),
                narrow(line.intercept_mib, 1),
                narrow(line.p99_us, 0),
            );
        }
        text
    }

    /// All samples and all lines.
    pub(crate) fn json(&self) -> String {
        let lines: Vec<_> = self
            .loads()
            .into_iter()
            .flat_map(|load| self.pairs.iter().map(move |pair| self.line(load, pair)))
            .collect();
        let document = serde_json::json!({ "pairs": self.pairs, "summary": lines, "samples": self.results });
        serde_json::to_string_pretty(&document).expect("numbers and words are JSON")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn percentage(part: usize, whole: usize) -> String {
    format!("{:.3}", part as f64 * 100.0 / whole.max(1) as f64)
}

fn wide(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(String::new, |Spread { median, least, largest }| {
        format!("{median:.digits$} ({least:.digits$}-{largest:.digits$})")
    })
}

fn narrow(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(String::new, |spread| format!("{:.digits$}", spread.median))
}
