//! Commands of a program beside its work, named by its first argument.

use super::arguments::Refusal;
use super::{WRONG_USAGE, config_file, tell};
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// The commands of a program: `tcpcopy check …`.
pub trait Tools: Parser {
    /// Runs a command to its exit code.
    ///
    /// # Errors
    ///
    /// One line that names what is wrong with the command line, and the remedy.
    fn run(self) -> Result<ExitCode, String>;
}

/// Runs the command that the first argument names, if it names one.
pub(super) fn run<T: Tools>(program: &str, command_line: &[OsString]) -> Option<ExitCode> {
    let first = command_line.get(1)?.to_str()?;
    let mut tools = T::command();
    tools.build();
    let tool = tools.find_subcommand(first)?;
    let command_line = match config_file::expand(tool, command_line.to_vec(), 2) {
        Ok(command_line) => command_line,
        Err(line) => return Some(tell(program, &line, WRONG_USAGE)),
    };
    Some(match T::try_parse_from(command_line) {
        Ok(tool) => tool.run().unwrap_or_else(|line| tell(program, &line, WRONG_USAGE)),
        Err(error) => match Refusal::of::<T>(&error, &format!("{program} {first}")) {
            None => {
                // Nobody is left to tell when standard output is closed.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            Some(line) => tell(program, &line, WRONG_USAGE),
        },
    })
}
