//! Runs cases with the programs named by `TCPCOPY_BIN` and `INTERCEPT_BIN`, and prints what became of the requests.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use clap::Parser;
use tc_tests::binaries::Binaries;
use tc_tests::outcome::Outcome;
use tc_tests::trials::Trial;
use tc_tests::usage::Usage;

const HEAD: [&str; 14] = [
    "case",
    "online",
    "target",
    "missing",
    "twice",
    "other",
    "escaped",
    "dropped",
    "tcpcopy",
    "intercept",
    "tcpcopy",
    "intercept",
    "time",
    "end",
];
const UNITS: [&str; 14] = [
    "", "requests", "requests", "requests", "requests", "requests", "packets", "packets", "us/req", "us/req",
    "MiB", "MiB", "s", "",
];

/// Runs cases with the programs named by `TCPCOPY_BIN` and `INTERCEPT_BIN`, and prints what became of the requests.
#[derive(Parser)]
#[command(name = "tc-measure")]
struct Options {
    /// Only cases whose name contains one of these words; all by default.
    words: Vec<String>,
    /// How often each case is run.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Print the names only.
    #[arg(long)]
    list: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let wanted = |trial: &Trial| {
        let mut words = options.words.iter();
        options.words.is_empty() || words.any(|word| trial.name().contains(word.as_str()))
    };
    let trials: Vec<_> = Trial::all().filter(wanted).collect();
    let mut out = io::stdout();
    if options.list {
        return trials.iter().try_for_each(|trial| writeln!(out, "{}", trial.name()));
    }
    let binaries = Binaries::from_environment();
    writeln!(out, "{}", columns(&HEAD))?;
    writeln!(out, "{}", columns(&UNITS))?;
    for trial in trials {
        for _ in 0..options.rounds {
            let start = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| trial.run(&binaries)));
            writeln!(out, "{}", row(trial.name(), outcome.ok().as_ref(), start.elapsed()))?;
        }
    }
    Ok(())
}

fn row(name: &str, outcome: Option<&Outcome>, time: Duration) -> String {
    let Some(outcome) = outcome else {
        return format!("{name:26} could not be finished");
    };
    let verdict = &outcome.verdict;
    let other = verdict.different.len() + verdict.foreign.len() + verdict.partial.len();
    columns(&[
        name,
        &verdict.online.to_string(),
        &verdict.target.to_string(),
        &verdict.missing.len().to_string(),
        &verdict.duplicated.len().to_string(),
        &other.to_string(),
        &outcome.escaped.len().to_string(),
        &outcome.dropped.to_string(),
        &cpu_each(outcome.tcpcopy, outcome.served),
        &cpu_each(outcome.intercept, outcome.served),
        &mib(outcome.tcpcopy),
        &mib(outcome.intercept),
        &format!("{:.1}", time.as_secs_f64()),
        if outcome.stopped_cleanly { "clean" } else { "NOT CLEAN" },
    ])
}

/// One line of the table.
fn columns(cells: &[&str; 14]) -> String {
    let rest = cells[1..].iter().map(|cell| format!(" {cell:>9}"));
    format!("{:26}{}", cells[0], rest.collect::<String>())
}

#[expect(clippy::cast_precision_loss, reason = "a table needs no more than three digits")]
fn cpu_each(usage: Usage, requests: usize) -> String {
    format!("{:.1}", usage.cpu.as_secs_f64() * 1e6 / requests.max(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a table needs no more than three digits")]
fn mib(usage: Usage) -> String {
    format!("{:.1}", usage.peak_kib as f64 / 1024.0)
}
