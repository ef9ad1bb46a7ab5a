//! tcpcopy: replays the packets of live clients to a test host.

mod answers;
mod args;
mod check;
mod config;
mod driver;
mod error;
mod figures;
mod greeting;
mod offline;
mod outlet;
mod peer_clock;
mod program;
mod report;
mod snapshot;
mod statistics;
mod tools;
mod top;
mod tunnel;
mod tunnels;
mod worker;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    tc_sys::program::main::<args::Args, program::Tcpcopy, tools::Tool>()
}
