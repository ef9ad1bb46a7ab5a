//! Arguments of the comparison.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the help, where brackets mean what may be left out"
)]

use crate::report::{Condition, Format};
use std::path::PathBuf;
use std::str::FromStr;
use tc_sys::program::CommonArgs;

/// Arguments of the comparison.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Comparing answers")]
pub(crate) struct CompareArgs {
    /// Compare the target's answers with those that the clients got
    ///
    /// The online server's answers are captured as well, or taken out of the files. At the end and at SIGUSR1 the log shows who answered how fast
    /// and how right. A request then waits until the target has said as much as the client had heard.
    #[arg(long)]
    pub(crate) compare: bool,

    /// Write the comparison to this file, at the end and at SIGUSR1
    ///
    /// A page when the name ends in .html, numbers when it ends in .json. May be given several times. Compares.
    #[arg(long, value_name = "FILE", value_parser = report_file)]
    pub(crate) report: Vec<PathBuf>,

    /// Show paths of requests in reports
    ///
    /// Without their queries. The default: routes are told apart by numbers, as paths may say who did what.
    #[arg(long)]
    pub(crate) report_paths: bool,

    /// End with exit status 3 if this holds at the end
    ///
    /// NAME OPERATOR VALUE, as in 'p99_ratio > 1.2', 'p50_difference > 5ms', 'missing > 0', 'status_mismatch > 0.1%'. May be
    /// given several times. Names: missing, refused, reset, unanswered, not_sent, status_mismatch, length_mismatch,
    /// client_errors, server_errors (of the target), compared; p50, p75, p90, p95, p99, p999, max with _ratio, _online,
    /// _target, _difference, of the first octet, or with last_ before it, of the last. Holds as well when nothing was
    /// compared. Compares.
    #[expect(clippy::doc_markdown, reason = "the comment is the help, which is printed as it stands")]
    #[arg(long, value_name = "CONDITION", value_parser = Condition::from_str)]
    pub(crate) fail_if: Vec<Condition>,
}

impl CompareArgs {
    /// Whether answers are compared.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.compare || !self.report.is_empty() || !self.fail_if.is_empty()
    }

    pub(super) fn check(&self, common: &CommonArgs) -> Result<(), String> {
        if self.report_paths && !self.is_wanted() {
            return Err("--report-paths needs a report; add --report FILE.html".to_owned());
        }
        if common.is_daemon() && !self.fail_if.is_empty() {
            return Err("--fail-if decides the exit status, which nobody sees with -d; leave one of them out"
                .to_owned());
        }
        Ok(())
    }
}

fn report_file(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match Format::of(&path) {
        Some(_) => Ok(path),
        None => Err("give a name that ends in .html or .json".to_owned()),
    }
}
