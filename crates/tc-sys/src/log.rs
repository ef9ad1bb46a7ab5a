//! The log of both programs, in the shape of the original:
//! `2016/10/11 14:07:51 +106 [notice] tcpcopy version:2.0.0`.

use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::SubscriberBuilder;

use crate::SysError;

mod format;
mod sink;

use format::OriginalFormat;
use sink::Sink;

pub use sink::set_aside;

/// Where the lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// A file: created with mode 0640, opened for appending, one write(2) for each line.
    File(PathBuf),
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Where to.
    pub target: LogTarget,
    /// What is left out: everything below this level. `INFO` prints as notice, `DEBUG` as info, `TRACE` as debug.
    pub max_level: LevelFilter,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { target: LogTarget::Stderr, max_level: LevelFilter::INFO }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] SysError),
    /// This process has a log already.
    #[error("cannot start the log: this process has one already")]
    AlreadyStarted,
}

/// A started log.
#[derive(Clone, Debug)]
pub struct Log {
    sink: Sink,
}

impl Log {
    /// Opens the file of the log again, for a log that was moved away (logrotate). On failure the old one stays.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn reopen(&self) -> Result<(), LogError> {
        Ok(self.sink.reopen()?)
    }

    /// The file that is written to, absolute; `None` for standard error.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.sink.path()
    }
}

/// Starts the log of the process. Call it after [`daemonize`](crate::process::daemonize), as relative paths are
/// resolved here.
///
/// # Errors
///
/// When the file cannot be opened, naming it and the reason; when there is a log already.
pub fn init(config: LogConfig) -> Result<Log, LogError> {
    let sink = Sink::open(config.target)?;
    tracing::subscriber::set_global_default(subscriber(sink.clone(), config.max_level).finish())
        .map_err(|_| LogError::AlreadyStarted)?;
    Ok(Log { sink })
}

type Builder =
    SubscriberBuilder<tracing_subscriber::fmt::format::DefaultFields, OriginalFormat, LevelFilter, Sink>;

fn subscriber(sink: Sink, max_level: LevelFilter) -> Builder {
    tracing_subscriber::fmt().event_format(OriginalFormat).with_max_level(max_level).with_writer(sink)
}

#[cfg(test)]
mod tests;
