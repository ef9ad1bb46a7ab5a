//! A program under test in the background, as an administrator runs it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::Host;

const LIMIT: Duration = Duration::from_secs(5);

/// A program that was started with `-d`; its log and PID file are `NAME.log` and `NAME.pid`.
pub struct Daemon {
    pid: Pid,
    directory: PathBuf,
    name: String,
}

impl Daemon {
    /// Starts a program, to which `-d`, `-P` and `-l` are added, and waits until it is ready.
    #[must_use]
    pub fn start(host: &Host, mut command: Command, directory: &Path, name: &str) -> Self {
        let file = |ending: &str| directory.join(format!("{name}.{ending}"));
        command.arg("-d").arg("-P").arg(file("pid")).arg("-l").arg(file("log"));
        let mut process = host.spawn(&format!("{name}-start"), &mut command);
        let status = process.wait(LIMIT);
        assert!(status.is_some_and(|status| status.success()), "{status:?} {}", process.errors());
        let pid = std::fs::read_to_string(file("pid")).expect("a PID file");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
        Self { pid, directory: directory.to_owned(), name: name.to_owned() }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        u32::try_from(self.pid.as_raw_nonzero().get()).expect("it is positive")
    }

    /// Where it writes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it runs");
    }

    /// Moves its log away and waits until it has opened another.
    pub fn rotate(&self, number: usize) {
        let log = self.log();
        std::fs::rename(&log, log.with_extension(format!("log.{number}"))).expect("the log can be moved");
        self.signal(Signal::HUP);
        await_that("the log is opened again", || log.exists());
    }

    /// Ends it by SIGTERM; its PID file is gone then.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
        let path = format!("/proc/{}", self.pid.as_raw_nonzero());
        await_that("the daemon ends", || !Path::new(&path).exists());
        assert!(!self.directory.join(format!("{}.pid", self.name)).exists(), "the PID file is gone");
    }
}

/// Waits until something holds.
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
