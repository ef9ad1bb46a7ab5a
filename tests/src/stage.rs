//! A lab with an application on both hosts, the programs under test, and the comparison of what arrived.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::binaries::{Binaries, helper};
use crate::capture::Capture;
use crate::lab::{Host, Lab, ONLINE, Process, Rule};
use crate::load::Summary;
use crate::nginx;
use crate::outcome::Outcome;
use crate::pair::{Arguments, Pair, QUEUE, await_process};
use crate::proc_net::Sockets;
use crate::records::{self, Record, Verdict};

/// The port of the application, online and at the target.
pub const APP_PORT: u16 = 8080;

const READY_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long the replay may take after the load.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);
/// How long it may stand still. Retransmission with backoff needs seconds.
const QUIET_LIMIT: Duration = Duration::from_secs(12);
/// How long to look for requests too many.
const AFTERMATH: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_millis(50);

/// Everything that a case needs.
pub struct Stage {
    /// The programs under test, once they are started.
    pub pair: Option<Pair>,
    apps: Vec<App>,
    capture: Capture,
    loads: usize,
    binaries: Binaries,
    /// The hosts.
    pub lab: Lab,
}

/// The host that an application runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that clients talk to.
    Online,
    /// The one that the traffic is replayed to.
    Target,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Target => "target",
        }
    }

    fn host(self, lab: &Lab) -> &Host {
        match self {
            Self::Online => &lab.online,
            Self::Target => &lab.target,
        }
    }
}

struct App {
    role: Role,
    record: PathBuf,
    read: fn(&Path) -> Vec<Record>,
    process: Process,
}

impl Stage {
    /// Builds the lab, starts the applications and the capture, and sends the target's answers to the queue.
    #[must_use]
    pub fn new(binaries: Binaries) -> Self {
        Self::with_apps(binaries, &[], &[])
    }

    /// The same, with arguments for the applications, online and at the target.
    #[must_use]
    pub fn with_apps(binaries: Binaries, online: &[&str], target: &[&str]) -> Self {
        let mut stage = Self::bare(binaries);
        stage.start_app(Role::Online, online);
        stage.start_app(Role::Target, target);
        stage
    }

    /// The same, without applications.
    #[must_use]
    pub fn bare(binaries: Binaries) -> Self {
        let lab = Lab::new();
        Rule::queue_answers(APP_PORT, QUEUE).add(&lab.target);
        Self { pair: None, apps: Vec::new(), capture: Capture::start(&lab, APP_PORT), loads: 0, binaries, lab }
    }

    /// Starts `tc-app` on a host and waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_app(&mut self, role: Role, arguments: &[&str]) {
        let label = format!("app-{}-{}", role.name(), self.apps.len());
        let record = self.lab.directory().join(format!("{label}.records"));
        let host = role.host(&self.lab);
        let mut command = host.command(helper("tc-app"));
        command
            .args(["--listen", &format!("0.0.0.0:{APP_PORT}"), "--name", role.name()])
            .arg("--record")
            .arg(&record);
        let process = host.spawn(&label, command.args(arguments));
        self.add_app(role, record, records::load, process);
    }

    /// Starts nginx on a host and waits until it listens; its access log is the record.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_nginx(&mut self, role: Role) {
        let label = format!("nginx-{}-{}", role.name(), self.apps.len());
        let record = self.lab.directory().join(format!("{label}.access"));
        let process = nginx::start(role.host(&self.lab), self.lab.directory(), &label, APP_PORT);
        self.add_app(role, record, nginx::records, process);
    }

    fn add_app(&mut self, role: Role, record: PathBuf, read: fn(&Path) -> Vec<Record>, mut process: Process) {
        let sockets = Sockets::of(role.host(&self.lab));
        await_process(&mut process, "listens as application", READY_LIMIT, || sockets.listens(APP_PORT));
        self.apps.push(App { role, record, read, process });
    }

    /// Ends the application on a host by SIGTERM; its records stay.
    pub fn stop_app(&mut self, role: Role) {
        for app in self.apps.iter_mut().filter(|app| app.role == role) {
            app.process.stop(STOP_LIMIT);
        }
    }

    /// Starts intercept and tcpcopy.
    pub fn start_pair(&mut self, arguments: Arguments<'_>) {
        self.pair = Some(Pair::start(&self.lab, &self.binaries, APP_PORT, arguments));
    }

    /// The programs under test.
    ///
    /// # Panics
    ///
    /// They have not been started.
    pub fn pair(&mut self) -> &mut Pair {
        self.pair.as_mut().expect("the programs have been started")
    }

    /// Ends intercept with SIGKILL and starts another one, with `between` done while there is none.
    pub fn replace_intercept(&mut self, arguments: Arguments<'_>, between: impl FnOnce(&mut Self)) {
        self.pair().kill_intercept();
        between(self);
        let mut pair = self.pair.take().expect("the programs have been started");
        pair.restart_intercept(&self.lab, &self.binaries, arguments);
        self.pair = Some(pair);
    }

    /// Starts a load with these arguments of `tc-load`, split at blanks.
    #[must_use]
    pub fn start_load(&mut self, arguments: &str) -> Process {
        self.loads += 1;
        let mut command = self.lab.client.command(helper("tc-load"));
        command
            .args(["--server", "online", "--to"])
            .arg(format!("{ONLINE}:{APP_PORT}"))
            .args(arguments.split_whitespace());
        self.lab.client.spawn(&format!("load-{}", self.loads), &mut command)
    }

    /// Runs a load to its end.
    ///
    /// # Panics
    ///
    /// An answer is missing or wrong: the online service was disturbed.
    pub fn load(&mut self, arguments: &str) -> Summary {
        let load = self.start_load(arguments);
        finish_load(load)
    }

    /// What the applications on a host wrote down.
    #[must_use]
    pub fn records(&self, role: Role) -> Vec<Record> {
        self.apps.iter().filter(|app| app.role == role).flat_map(|app| (app.read)(&app.record)).collect()
    }

    /// Waits until the target has as many of the requests that `counts` as the online host, or stands still.
    pub fn settle(&self, counts: impl Fn(&Record) -> bool) {
        let count = |role| self.records(role).iter().filter(|record| counts(record)).count();
        // The last records may have to be written yet.
        std::thread::sleep(AFTERMATH);
        let start = Instant::now();
        let mut moved = start;
        let mut seen = 0;
        while start.elapsed() < SETTLE_LIMIT && moved.elapsed() < QUIET_LIMIT {
            let now = count(Role::Target);
            if now >= count(Role::Online) {
                break;
            }
            if now != seen {
                (seen, moved) = (now, Instant::now());
            }
            std::thread::sleep(POLL);
        }
        std::thread::sleep(AFTERMATH);
    }

    /// Waits for the replay, ends the programs, and compares the requests that `counts`.
    #[must_use]
    pub fn outcome(mut self, counts: impl Fn(&Record) -> bool) -> Outcome {
        self.settle(&counts);
        let (tcpcopy, intercept) = self.pair().usage();
        let escaped = self.capture.receivers();
        let hosts = [&self.lab.online, &self.lab.target];
        let dropped = hosts.map(|host| Sockets::of(host).dropped()).iter().sum();
        let survived = self.pair().is_running();
        let stopped_cleanly = self.pair().stop() && survived;
        for role in [Role::Target, Role::Online] {
            self.stop_app(role);
        }
        let (mut online, mut target) = (self.records(Role::Online), self.records(Role::Target));
        let served = online.len();
        online.retain(&counts);
        target.retain(&counts);
        Outcome {
            verdict: Verdict::of(&online, &target),
            served,
            escaped,
            tcpcopy,
            intercept,
            stopped_cleanly,
            dropped,
            stage: self,
        }
    }
}

/// Waits for the end of a load.
///
/// # Panics
///
/// An answer is missing or wrong: the online service was disturbed.
pub fn finish_load(mut load: Process) -> Summary {
    load.wait(Duration::from_mins(3));
    let summary = load.output().lines().find_map(Summary::parse);
    match summary {
        Some(summary) if summary.is_clean() => summary,
        other => panic!("the clients were disturbed: {other:?}\n{}", load.errors()),
    }
}
