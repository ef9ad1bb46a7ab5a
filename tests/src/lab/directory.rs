//! The directory that the processes of a lab write to.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tell;

/// The directories of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A directory; removed when dropped, unless a test fails just then.
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(number: u32) -> Self {
        let name = format!("tc-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut live = live();
        std::fs::create_dir(&path).expect("a directory for the lab can be made");
        live.push(path.clone());
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let mut live = live();
        live.retain(|path| *path != self.path);
        if std::thread::panicking() {
            tell(&format!("what the processes wrote stays in {}", self.path.display()));
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tell(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// Removes the directories of this process, which is about to end. While the result lives, no other can be made.
pub(super) fn remove_live() -> impl Sized {
    let live = live();
    for path in live.iter() {
        // There is nobody to tell.
        let _ = std::fs::remove_dir_all(path);
    }
    live
}

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
