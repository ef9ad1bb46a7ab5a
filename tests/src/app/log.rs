//! The record file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::http::Request;
use crate::records::{Kind, Record};

/// Collects records and writes them now and then.
pub(super) struct RecordLog {
    file: BufWriter<File>,
    oldest: Option<Instant>,
}

impl RecordLog {
    /// An empty file at `path`.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(256 * 1024, File::create(path)?), oldest: None })
    }

    /// Adds a record of `request`.
    pub(super) fn add(&mut self, kind: Kind, request: Request, now: Instant) -> io::Result<()> {
        self.oldest.get_or_insert(now);
        writeln!(self.file, "{}", Record::now(kind, request))
    }

    /// Writes what was collected, if some of it is older than `age`.
    pub(super) fn flush_after(&mut self, age: Duration, now: Instant) -> io::Result<()> {
        match self.oldest {
            Some(oldest) if now.saturating_duration_since(oldest) >= age => self.flush(),
            _ => Ok(()),
        }
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.oldest = None;
        self.file.flush()
    }
}
