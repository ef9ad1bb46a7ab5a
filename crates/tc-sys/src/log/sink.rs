//! Where log lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tracing_subscriber::fmt::MakeWriter;

use super::LogTarget;
use crate::SysError;
use crate::privilege::with_reserve;

/// Writes a line by the function that it is given, when the terminal is free for it.
type Aside = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

static ASIDE: OnceLock<Aside> = OnceLock::new();

/// For whoever draws on the terminal of standard error: `aside` clears it, calls what it is given, which writes a line,
/// and draws again. Can be said once.
pub fn set_aside(aside: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) {
    let _ = ASIDE.set(Box::new(aside));
}

/// Standard error or a file; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    file: Option<Arc<LogFile>>,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    open: RwLock<File>,
}

impl Sink {
    pub(super) fn open(target: LogTarget) -> Result<Self, SysError> {
        let LogTarget::File(path) = target else { return Ok(Self { file: None }) };
        let path = std::path::absolute(&path).map_err(|cause| failed(&path, cause))?;
        let open = RwLock::new(open(&path)?);
        Ok(Self { file: Some(Arc::new(LogFile { path, open })) })
    }

    pub(super) fn reopen(&self) -> Result<(), SysError> {
        if let Some(file) = &self.file {
            *file.open.write().unwrap_or_else(PoisonError::into_inner) = with_reserve(|| open(&file.path))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }
}

fn open(path: &Path) -> Result<File, SysError> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path).map_err(|cause| failed(path, cause))
}

fn failed(path: &Path, cause: io::Error) -> SysError {
    SysError::new("open", format!("the log file {}", path.display()), cause)
}

fn write_to_terminal(line: &[u8]) -> io::Result<usize> {
    let Some(aside) = ASIDE.get() else { return io::stderr().write(line) };
    let mut written = Ok(line.len());
    aside(&mut || written = io::stderr().write(line));
    written
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// tracing-subscriber writes a whole line with one call, and neither of the two buffers: one write(2) for each line.
impl Write for &Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.file {
            Some(file) => (&*file.open.read().unwrap_or_else(PoisonError::into_inner)).write(line),
            None => write_to_terminal(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
