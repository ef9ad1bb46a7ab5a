//! The PID file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ProcessHolding;
use crate::SysError;
use crate::privilege::with_reserve;
use crate::syscall::process::lock;

/// A file with our process id, locked while we live and removed when dropped.
///
/// The path is made absolute when the file is created, so changing the directory later does no harm.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Creates the file (mode 0644), or takes over one that a dead process left. Call it after
    /// [`daemonize`](super::daemonize), which changes the process id.
    ///
    /// # Errors
    ///
    /// When a living process is named in the file or has it locked, when the file holds anything else than a process
    /// id, when it is a symbolic link, and when it cannot be opened.
    pub fn create(path: &Path) -> Result<Self, SysError> {
        let object = || format!("the PID file {}", path.display());
        let path = std::path::absolute(path).map_err(|cause| SysError::new("create", object(), cause))?;
        loop {
            let file = open(&path).map_err(|cause| SysError::new("create", object(), cause))?;
            if let Some(claimed) = claim(file, &path)? {
                return Ok(Self { path, file: claimed });
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have put another file there; that one is not ours to remove.
        if is_at(&self.file, &self.path) {
            let _ = with_reserve(|| fs::remove_file(&self.path));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

/// Writes our id into the file; `None` when the file was removed meanwhile and has to be opened again.
fn claim(mut file: File, path: &Path) -> Result<Option<File>, SysError> {
    let failed = |cause| SysError::new("write", format!("the PID file {}", path.display()), cause);
    let locked = lock(file.as_fd()).map_err(failed)?;
    let found = Found::read(&mut file);
    match found {
        Found::Process(holder) => return Err(found_running(path, format!("{holder} runs"))),
        _ if !locked => return Err(found_running(path, "another instance has it".to_owned())),
        Found::SomethingElse => return Err(found_something_else(path)),
        Found::NobodyAlive => {}
    }
    if !is_at(&file, path) {
        return Ok(None);
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
    Ok(Some(file))
}

/// What is in a file that was there before.
enum Found {
    /// Nothing, our own id or that of a dead process.
    NobodyAlive,
    /// The id of a living process.
    Process(ProcessHolding),
    /// Not a process id.
    SomethingElse,
}

impl Found {
    fn read(file: &mut File) -> Self {
        let mut content = String::new();
        // More than a number, or not text: not a PID file.
        if file.take(32).read_to_string(&mut content).is_err() {
            return Self::SomethingElse;
        }
        match content.trim().parse() {
            Ok(pid) if pid == std::process::id() => Self::NobodyAlive,
            Ok(pid) => ProcessHolding::of_pid(pid).map_or(Self::NobodyAlive, Self::Process),
            Err(_) if content.trim().is_empty() => Self::NobodyAlive,
            Err(_) => Self::SomethingElse,
        }
    }
}

fn found_running(path: &Path, who: String) -> SysError {
    let cause = io::Error::new(io::ErrorKind::AlreadyExists, who);
    SysError::new("take over", format!("the PID file {}", path.display()), cause)
        .with_hint("stop it, or remove the file if it is stale")
}

fn found_something_else(path: &Path) -> SysError {
    let cause = io::Error::new(io::ErrorKind::InvalidData, "it holds no process id");
    SysError::new("take over", format!("the PID file {}", path.display()), cause).with_hint("name another file")
}

/// Whether the path still leads to the open file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}
