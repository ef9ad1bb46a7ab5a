//! A process on a host of a lab.

use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::tell;

const POLL: Duration = Duration::from_millis(5);
/// How much of a file is shown when a test fails.
const TAIL_LINES: usize = 15;

/// A process that is killed, if it still runs, when dropped.
pub struct Process {
    name: String,
    child: Child,
    directory: PathBuf,
}

impl Process {
    pub(super) fn new(name: &str, child: Child, directory: PathBuf) -> Self {
        Self { name: name.to_owned(), child, directory }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to its standard output.
    #[must_use]
    pub fn output(&self) -> String {
        self.file("out")
    }

    /// What it wrote to its standard error.
    #[must_use]
    pub fn errors(&self) -> String {
        self.file("err")
    }

    fn file(&self, ending: &str) -> String {
        let path = self.directory.join(format!("{}.{ending}", self.name));
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        // A process that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself; whoever waits for it sees that.
            let _ = kill_process(pid, signal);
        }
    }

    /// Its exit status, if it ends within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Sends it SIGTERM and waits for its end; kills it if that takes more than `limit`.
    pub fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.terminate();
        let status = self.wait(limit);
        if status.is_none() {
            self.kill();
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            return;
        }
        for ending in ["out", "err", "log"] {
            let text = self.file(ending);
            let lines: Vec<_> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            if !tail.is_empty() {
                tell(&format!("--- {}.{ending}\n{}", self.name, tail.join("\n")));
            }
        }
    }
}
