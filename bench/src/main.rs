//! `compare`: runs the same traffic through pairs of programs, in turn, and tells what each pair lost and what it cost.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for measuring stops, with a message, at the first thing that is not as it should be"
)]

mod latency;
mod loads;
mod pairs;
mod plot;
mod sample;
mod saturation;
mod statistics;
mod table;

use clap::Parser;
use loads::Load;
use pairs::NamedPair;
use sample::Sample;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Report;

const AFTER_HELP: &str = "\
Example:
  compare --pair original=c/tcpcopy,c/intercept --pair ours=target/release/tcpcopy,target/release/intercept
  compare --pair plain=new/tcpcopy,new/intercept --pair 'pnet=new/tcpcopy --capture pnet,new/intercept'

Needs root, for the network namespaces that it makes and removes; the helpers tc-app and tc-load beside it; nginx and wrk.";

/// Runs the same traffic through pairs of programs and compares what each pair lost and what it cost
///
/// The pairs take turns within each round. Processor time is what the scheduler counted for a program from the start of
/// the load to the end of its replay.
#[derive(Debug, Parser)]
#[command(name = "compare", after_help = AFTER_HELP, max_term_width = 100)]
struct Args {
    /// A pair of programs: name=tcpcopy,intercept; each a path and, behind blanks, arguments. The first is the reference
    #[arg(long = "pair", value_name = "PAIR", required_unless_present = "list")]
    pairs: Vec<NamedPair>,
    /// How often each pair gets each load
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: usize,
    /// Only loads whose name contains one of these words
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Print the names of the loads
    #[arg(long)]
    list: bool,
    /// Write all samples and their statistics to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the processor time for each request into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let wanted =
        |load: &&Load| args.words.is_empty() || args.words.iter().any(|word| load.name.contains(word.as_str()));
    let loads: Vec<_> = loads::ALL.iter().filter(wanted).collect();
    if args.list {
        for load in loads {
            println!("{}", load.name);
        }
        return ExitCode::SUCCESS;
    }
    if loads.is_empty() || args.rounds == 0 {
        eprintln!("compare: nothing to run; see --list for the loads, and give --rounds 1 at least");
        return ExitCode::from(2);
    }
    let mut report = Report::new(args.pairs.iter().map(|pair| pair.name.clone()).collect());
    for load in loads {
        for round in 1..=args.rounds {
            for pair in &args.pairs {
                let sample = run(load, pair);
                eprintln!("{} {round}/{} {}: {}", load.name, args.rounds, pair.name, describe(sample.as_ref()));
                report.add(load.name, &pair.name, sample);
            }
        }
        println!("{}", report.text_of(load.name));
    }
    write_files(&args, &report)
}

/// Nothing if the load could not be run to its end.
fn run(load: &Load, pair: &NamedPair) -> Option<Sample> {
    catch_unwind(AssertUnwindSafe(|| load.run(pair))).ok()
}

fn describe(sample: Option<&Sample>) -> String {
    sample.map_or_else(|| "could not be finished".to_owned(), ToString::to_string)
}

fn write_files(args: &Args, report: &Report) -> ExitCode {
    let written = [
        args.json
            .as_ref()
            .map(|path| std::fs::write(path, report.json()).map_err(|error| (path, error.to_string()))),
        args.svg.as_ref().map(|path| plot::draw(report, path).map_err(|error| (path, error))),
    ];
    let mut code = ExitCode::SUCCESS;
    for (path, error) in written.into_iter().flatten().filter_map(Result::err) {
        eprintln!("compare: cannot write {}: {error}", path.display());
        code = ExitCode::FAILURE;
    }
    code
}
