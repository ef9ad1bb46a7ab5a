//! What `tcpcopy` does beside replaying, named by its first argument.

use crate::args::Args;
use crate::check::CheckArgs;
use crate::top::TopArgs;
use clap::Parser;
use std::process::ExitCode;
use tc_sys::program::{GenerateArgs, Tools};

/// The commands.
#[derive(Debug, Parser)]
#[command(name = "tcpcopy", bin_name = "tcpcopy", disable_help_subcommand = true, max_term_width = 100)]
pub(crate) enum Tool {
    Check(Box<CheckArgs>),
    Top(TopArgs),
    Generate(GenerateArgs),
}

impl Tools for Tool {
    fn run(self) -> Result<ExitCode, String> {
        match self {
            Self::Check(check) => check.run(),
            Self::Top(top) => top.run(),
            Self::Generate(generate) => generate.run::<Args, Self>(),
        }
    }
}
