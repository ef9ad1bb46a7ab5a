//! tcpcopy: replays the packets of live clients to a test host.

mod args;
mod config;
mod driver;
mod error;
mod limiter;
mod program;
mod readiness;
mod statistics;
mod tunnel;
mod tunnels;

use args::{Args, Refusal};
use std::io::Write;
use std::process::ExitCode;

const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    match Args::read(std::env::args_os()) {
        Ok(args) => program::run(&args.into()),
        Err(Refusal::Asked(text)) => {
            // Nobody is left to tell when standard output is closed.
            let _ = text.print();
            ExitCode::SUCCESS
        }
        Err(Refusal::Usage(line)) => {
            let _ = writeln!(std::io::stderr(), "tcpcopy: {line}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}
