//! What a comparison is told as: a page, a file of numbers, and lines.

mod condition;
mod format;
mod page;
mod plots;
mod row;
mod stages;
mod summary;
mod table;
#[cfg(test)]
mod testing;
mod verdict;

pub(crate) use condition::Condition;

use crate::snapshot::Snapshot;
use crate::workers::Extent;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use summary::{Run, Summary};
use tc_core::compare::Comparison;
use tc_sys::SysError;
use tc_sys::error::reason;
use tracing::{error, info, warn};

/// The exit code when a condition of `--fail-if` holds.
const FAILED_BY_CONDITION: u8 = 3;

/// What the conditions make of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// None holds.
    AsWanted,
    /// One holds that makes the program fail.
    ConditionHolds,
}

impl Ending {
    /// What the program ends with.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::AsWanted => ExitCode::SUCCESS,
            Self::ConditionHolds => ExitCode::from(FAILED_BY_CONDITION),
        }
    }
}

/// What kind of file a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Page,
    Numbers,
}

impl Format {
    /// By the end of the name.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str) {
            Some("html" | "htm") => Some(Self::Page),
            Some("json") => Some(Self::Numbers),
            _ => None,
        }
    }
}

/// A file that gets the report.
#[derive(Debug)]
struct ReportFile {
    path: PathBuf,
    format: Format,
    file: File,
}

/// How a comparison is reported.
#[derive(Clone, Debug)]
pub(crate) struct ReportConfig {
    /// The files, by the end of their names a page or numbers.
    pub(crate) files: Vec<PathBuf>,
    /// What makes the program fail.
    pub(crate) conditions: Vec<Condition>,
    /// What `-x` said.
    pub(crate) target: String,
    /// When the comparison began: its origin, on the clock of people.
    pub(crate) started: SystemTime,
}

/// What becomes of the comparison.
#[derive(Debug)]
pub(crate) struct Reporter {
    files: Vec<ReportFile>,
    conditions: Vec<Condition>,
    target: String,
    started: SystemTime,
}

impl Reporter {
    /// Opens the files, before anything else is done: who cannot write them learns it now.
    pub(crate) fn open(config: &ReportConfig) -> Result<Self, SysError> {
        let files = config.files.iter().map(|path| ReportFile::open(path)).collect::<Result<_, _>>()?;
        let ReportConfig { conditions, target, started, .. } = config.clone();
        Ok(Self { files, conditions, target, started })
    }

    /// Tells the log and the files, and what conditions make of it at the end.
    pub(crate) fn tell(&mut self, comparison: &Comparison, snapshot: &Snapshot, extent: Extent) -> Ending {
        let run = Run { target: self.target.clone(), started: self.started, ended: SystemTime::now() };
        let summary = Summary::new(&run, comparison, snapshot);
        for line in table::lines(&summary) {
            info!("{line}");
        }
        for file in &mut self.files {
            file.tell(&summary);
        }
        match extent {
            Extent::SoFar => Ending::AsWanted,
            Extent::Whole => self.judge(&summary),
        }
    }

    fn judge(&self, summary: &Summary) -> Ending {
        let broken = self.conditions.iter().filter_map(|condition| condition.broken_by(summary));
        match broken.inspect(|line| error!("failed by --fail-if: {line}")).count() {
            0 => Ending::AsWanted,
            _ => Ending::ConditionHolds,
        }
    }
}

impl ReportFile {
    fn open(path: &Path) -> Result<Self, SysError> {
        let format = Format::of(path).unwrap_or(Format::Numbers);
        let file = File::options().write(true).create(true).truncate(true).open(path);
        let file =
            file.map_err(|cause| SysError::new("write the report", path.display().to_string(), cause))?;
        Ok(Self { path: path.to_owned(), format, file })
    }

    /// A report that cannot be written ends nothing.
    fn tell(&mut self, summary: &Summary) {
        match self.write(summary) {
            Ok(()) => info!("report written to {}", self.path.display()),
            Err(error) => warn!("cannot write the report to {}: {}", self.path.display(), reason(&error)),
        }
    }

    fn write(&mut self, summary: &Summary) -> io::Result<()> {
        let text = match self.format {
            Format::Page => page::page(summary),
            Format::Numbers => serde_json::to_string_pretty(summary)?,
        };
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())?;
        self.file.flush()
    }
}
