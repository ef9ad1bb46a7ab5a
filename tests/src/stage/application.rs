//! An application of a stage, and what it tells about its requests.

use std::path::PathBuf;
use std::time::Duration;

use super::Role;
use crate::lab::Process;
use crate::records::Record;

const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Where an application's records come from.
pub(super) enum Source {
    /// From a file that the application writes.
    File(PathBuf, fn(&std::path::Path) -> Vec<Record>),
    /// From the application itself, as long as it runs.
    State(Box<dyn Fn() -> Vec<Record>>),
    /// From the application when it ran.
    Kept(Vec<Record>),
}

/// A running application, or one that ran.
pub(super) struct Application {
    pub(super) role: Role,
    pub(super) source: Source,
    pub(super) process: Process,
}

impl Application {
    /// What it has to tell.
    pub(super) fn records(&self) -> Vec<Record> {
        match &self.source {
            Source::File(path, read) => read(path),
            Source::State(ask) => ask(),
            Source::Kept(records) => records.clone(),
        }
    }

    /// Ends it by SIGTERM; its records stay.
    pub(super) fn stop(&mut self) {
        if let Source::State(ask) = &self.source {
            self.source = Source::Kept(ask());
        }
        self.process.stop(STOP_LIMIT);
    }
}
