//! Captures into files, and their replay.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{APP_PORT, Replay, Role, Stage};
use crate::binaries::Binaries;
use crate::capture::await_listening;
use crate::lab::{Lab, Process, TARGET};
use crate::pair::{Arguments, log_path, start_intercept};
use crate::records::{self, Verdict};

const LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A capture into a file on the online host.
pub struct Recording {
    tcpdump: Process,
    file: PathBuf,
}

impl Recording {
    /// Starts tcpdump with these arguments, and a filter for the application's port.
    ///
    /// # Panics
    ///
    /// The capture does not start.
    #[must_use]
    pub fn start(lab: &Lab, name: &str, arguments: &[&str]) -> Self {
        let file = lab.directory().join(name);
        let mut command = lab.online.command("tcpdump");
        command.args(["-Z", "root", "-n", "-B", "65536", "-w"]).arg(&file).args(arguments);
        // Only first fragments have ports.
        command.arg(format!("port {APP_PORT} or ip[6:2] & 0x1fff != 0"));
        let mut tcpdump = lab.online.spawn(name, &mut command);
        await_listening(&mut tcpdump, lab, name);
        Self { tcpdump, file }
    }

    /// Ends the capture; its file is complete.
    ///
    /// # Panics
    ///
    /// The kernel could not give all packets to tcpdump.
    #[must_use]
    pub fn stop(mut self) -> PathBuf {
        // What the kernel still holds comes within tcpdump's time-out.
        std::thread::sleep(Duration::from_millis(1200));
        self.tcpdump.interrupt();
        self.tcpdump.wait(STOP_LIMIT);
        let told = self.tcpdump.errors();
        assert!(told.contains("0 packets dropped by kernel"), "{told}");
        self.file
    }
}

/// What became of a file.
#[derive(Debug)]
pub struct Replayed {
    /// The exit code of tcpcopy.
    pub code: Option<i32>,
    /// How long it took.
    pub took: Duration,
    /// What the target application got.
    pub verdict: Verdict,
    /// Packets of the target application that reached clients.
    pub escaped: usize,
    /// What tcpcopy wrote to its log.
    pub log: String,
}

impl Replayed {
    /// Demands that each request arrived, exactly once for each pass, and that tcpcopy knows it.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub fn assert_perfect(&self, requests: usize) {
        assert_eq!(self.verdict.online, requests, "requests of the load; {self}");
        assert!(self.verdict.is_perfect(), "{self}");
        assert_eq!(self.escaped, 0, "answers reached clients: {self}");
        assert_eq!(self.code, Some(0), "{self}");
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exit code {:?} after {:?}\n{}", self.verdict, self.code, self.took, self.log)
    }
}

impl Stage {
    /// Runs an intercept, and a tcpcopy with these arguments besides `-x` and `-s` on a host, to its end.
    ///
    /// # Panics
    ///
    /// intercept does not start.
    pub fn replay_files(&mut self, from: Role, arguments: &[&str], passes: usize) -> Replayed {
        let map = format!("{APP_PORT}-{TARGET}:{APP_PORT}");
        let Run { code, took, log } = replay(&self.lab, &self.binaries, from, &map, arguments);
        self.settle(Replay::Complete(passes), |_| true);
        let escaped = self.capture.receivers().len();
        let (online, target) = (self.records(Role::Online), self.records(Role::Target));
        let verdict = Verdict::of(&records::repeated(&online, passes), &target);
        Replayed { code, took, verdict, escaped, log }
    }
}

/// A tcpcopy that came to its end.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: Option<i32>,
    /// How long it took.
    pub took: Duration,
    /// What it wrote to its log, and what it said.
    pub log: String,
}

/// Runs an intercept, and a tcpcopy with this `-x` and these arguments on a host, to its end.
///
/// # Panics
///
/// intercept does not start.
#[must_use]
pub fn replay(lab: &Lab, binaries: &Binaries, from: Role, map: &str, arguments: &[&str]) -> Run {
    let mut intercept = start_intercept(lab, binaries, Arguments::default());
    let log = log_path(lab.directory(), "tcpcopy");
    let mut command = from.host(lab).command(&binaries.tcpcopy);
    command.args(["-x", map, "-s", &lab.target_address().to_string(), "-l", &log]).args(arguments);
    let started = Instant::now();
    let mut tcpcopy = from.host(lab).spawn("tcpcopy", &mut command);
    let code = tcpcopy.wait(LIMIT).and_then(|status| status.code());
    let took = started.elapsed();
    tcpcopy.kill();
    intercept.stop(STOP_LIMIT);
    let log = std::fs::read_to_string(log).unwrap_or_default() + &tcpcopy.errors();
    Run { code, took, log }
}
