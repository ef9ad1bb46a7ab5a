//! The log of both programs, in the shape of the original:
//! `2016/10/11 14:07:51 +106 [notice] tcpcopy version:2.0.0`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use crate::SysError;

mod format;
mod json;
mod sink;

use format::OriginalFormat;
use json::JsonFormat;
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

/// The shape of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// That of the original.
    #[default]
    Original,
    /// A JSON object for each line.
    Json,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Where to.
    pub target: LogTarget,
    /// The shape of the lines.
    pub format: LogFormat,
    /// What is left out: everything below this level. `INFO` prints as notice, `DEBUG` as info, `TRACE` as debug.
    pub max_level: LevelFilter,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { target: LogTarget::Stderr, format: LogFormat::Original, max_level: LevelFilter::INFO }
    }
}

/// The levels by the names that lines have.
const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("notice", LevelFilter::INFO),
    ("info", LevelFilter::DEBUG),
    ("debug", LevelFilter::TRACE),
];

/// The level of this name.
///
/// # Errors
///
/// A phrase that says which there are.
pub(crate) fn level(name: &str) -> Result<LevelFilter, String> {
    let found = LEVELS.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, level)| level).ok_or_else(|| "give error, warn, notice, info or debug".to_owned())
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
    level: LevelHandle,
}

type LevelHandle = reload::Handle<LevelFilter, Registry>;

/// Whether the log of this process is JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether the log of this process has a JSON object in each line.
#[must_use]
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
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

    /// Logs more from now on: from notice to info, from info to debug, and from all others to notice; the name of the new
    /// level.
    #[must_use]
    pub fn change_level(&self) -> &'static str {
        let next = match self.level.clone_current() {
            Some(LevelFilter::INFO) => LevelFilter::DEBUG,
            Some(LevelFilter::DEBUG) => LevelFilter::TRACE,
            _ => LevelFilter::INFO,
        };
        // The filter lives as long as the process.
        let _ = self.level.reload(next);
        LEVELS.into_iter().find(|(_, level)| *level == next).map_or("", |(name, _)| name)
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
    let (subscriber, level) = subscriber(sink.clone(), config.max_level, config.format);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadyStarted)?;
    JSON.store(config.format == LogFormat::Json, Ordering::Relaxed);
    Ok(Log { sink, level })
}

fn subscriber(
    sink: Sink,
    max_level: LevelFilter,
    format: LogFormat,
) -> (impl Subscriber + Send + Sync, LevelHandle) {
    let (filter, handle) = reload::Layer::new(max_level);
    let lines = tracing_subscriber::fmt::layer().event_format(format).with_writer(sink);
    (tracing_subscriber::registry().with(filter).with(lines), handle)
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Self::Original => OriginalFormat.format_event(context, writer, event),
            Self::Json => JsonFormat.format_event(context, writer, event),
        }
    }
}

#[cfg(test)]
mod tests;
