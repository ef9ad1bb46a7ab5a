//! intercept: returns the headers of a test host's answers to tcpcopy.

mod args;
mod check;
mod config;
mod connection;
mod driver;
mod error;
mod figures;
mod listener;
mod program;
mod source;
mod statistics;
mod tools;
mod tracer;
mod tunnels;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    tc_sys::program::main::<args::Args, driver::Driver, tools::Tool>()
}
