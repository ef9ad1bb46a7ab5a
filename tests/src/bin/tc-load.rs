//! Clients that send numbered requests and check every answer.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tc_tests::load;

fn main() -> io::Result<ExitCode> {
    let summary = load::run(load::Options::parse())?;
    writeln!(io::stdout(), "{summary}")?;
    Ok(ExitCode::from(u8::from(!summary.is_clean())))
}
