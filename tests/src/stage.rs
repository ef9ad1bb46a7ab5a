//! A lab with an application on both hosts, the programs under test, and the comparison of what arrived.

mod application;
mod recorded;
mod replay;

use std::net::SocketAddr;
use std::time::Duration;

pub use recorded::{Recording, Replayed, Run, replay};
pub use replay::Replay;

use application::{Application, Source};

use crate::binaries::{Binaries, helper};
use crate::capture::{Capture, Trace};
use crate::lab::{Host, IpVersion, Lab, Process, Rule};
use crate::load::Summary;
use crate::mariadb;
use crate::network::Network;
use crate::nginx;
use crate::outcome::Outcome;
use crate::pair::{Arguments, Pair, QUEUE, await_process};
use crate::proc_net::Sockets;
use crate::records::{self, Record, Verdict};
use crate::redis;

/// The port of the application, online and at the target.
pub const APP_PORT: u16 = 8080;

const READY_LIMIT: Duration = Duration::from_secs(10);

/// Everything that a case needs.
pub struct Stage {
    /// The programs under test, once they are started.
    pub pair: Option<Pair>,
    apps: Vec<Application>,
    path: Option<Process>,
    capture: Capture,
    _trace: Option<Trace>,
    loads: usize,
    /// Where the programs under test are.
    pub binaries: Binaries,
    /// The hosts.
    pub lab: Lab,
}

/// How the target's answers get to intercept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Through the netfilter queue [`QUEUE`].
    Queue,
    /// Through several queues, the first and the last.
    Queues(u16, u16),
    /// Copied by the netfilter log, with these clients let pass.
    Log(&'static str),
    /// Routed to an assistant host.
    Assistant,
}

impl Feed {
    fn prepare(self, lab: &mut Lab) {
        let setup = |arguments: &str| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/iptables-setup.sh");
            let arguments = lab.target_version.translate(arguments);
            lab.target.run(&format!("{script} add --ipv6 --port {APP_PORT} {arguments}"));
        };
        match self {
            Self::Queue => Rule::queue_answers(APP_PORT, QUEUE).add(&lab.target),
            Self::Queues(first, last) => setup(&format!("--queue {first}:{last}")),
            Self::Log(clients) => setup(&format!("--nflog --pass {clients}")),
            Self::Assistant => lab.add_assistant(),
        }
    }
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

    fn version(self, lab: &Lab) -> IpVersion {
        match self {
            Self::Online => lab.version,
            Self::Target => lab.target_version,
        }
    }

    fn host(self, lab: &Lab) -> &Host {
        match self {
            Self::Online => &lab.online,
            Self::Target => &lab.target,
        }
    }
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
        Self::bare_fed_by(binaries, Feed::Queue)
    }

    /// The same as [`new`](Self::new), with another way for the answers to get to intercept.
    #[must_use]
    pub fn fed_by(binaries: Binaries, feed: Feed) -> Self {
        let mut stage = Self::bare_fed_by(binaries, feed);
        stage.start_app(Role::Online, &[]);
        stage.start_app(Role::Target, &[]);
        stage
    }

    fn bare_fed_by(binaries: Binaries, feed: Feed) -> Self {
        let mut lab = Lab::over(binaries.version, binaries.target_version);
        feed.prepare(&mut lab);
        Self {
            pair: None,
            apps: Vec::new(),
            path: None,
            capture: Capture::start(&lab, APP_PORT),
            _trace: Trace::start_if_wanted(&lab, APP_PORT),
            loads: 0,
            binaries,
            lab,
        }
    }

    /// What the network between the online and the target host does from now on; can be said once.
    pub fn impose(&mut self, network: &Network) {
        self.path = network.impose(&self.lab);
    }

    /// Starts `tc-app` on a host and waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_app(&mut self, role: Role, arguments: &[&str]) {
        let label = self.label("app", role);
        let record = self.lab.directory().join(format!("{label}.records"));
        let host = role.host(&self.lab);
        let mut command = host.command(helper("tc-app"));
        command
            .args(["--listen", &SocketAddr::new(role.version(&self.lab).unspecified(), APP_PORT).to_string()])
            .args(["--name", role.name()])
            .arg("--record")
            .arg(&record);
        let process = host.spawn(&label, command.args(arguments));
        self.add_app(role, Source::File(record, records::load), process);
    }

    /// Starts nginx on a host and waits until it listens; its access log is the record.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_nginx(&mut self, role: Role) {
        let label = self.label("nginx", role);
        let record = self.lab.directory().join(format!("{label}.access"));
        let process = nginx::start(role.host(&self.lab), self.lab.directory(), &label, APP_PORT);
        self.add_app(role, Source::File(record, nginx::records), process);
    }

    /// Starts Redis on a host and waits until it listens; its keys are the records.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_redis(&mut self, role: Role) {
        let label = self.label("redis", role);
        let (process, socket) = redis::start(role.host(&self.lab), self.lab.directory(), &label, APP_PORT);
        self.add_app(role, Source::State(Box::new(move || redis::records(&socket))), process);
    }

    /// Starts MariaDB on a host, waits until it listens, and makes empty tables; their rows are the records.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    pub fn start_mariadb(&mut self, role: Role) {
        let label = self.label("mariadb", role);
        let (process, socket) = mariadb::start(role.host(&self.lab), self.lab.directory(), &label, APP_PORT);
        let tables = socket.clone();
        self.add_app(role, Source::State(Box::new(move || mariadb::records(&socket))), process);
        mariadb::make_tables(&tables);
    }

    fn label(&self, program: &str, role: Role) -> String {
        format!("{program}-{}-{}", role.name(), self.apps.len())
    }

    fn add_app(&mut self, role: Role, source: Source, mut process: Process) {
        let sockets = Sockets::of(role.host(&self.lab));
        await_process(&mut process, "listens as application", READY_LIMIT, || sockets.listens(APP_PORT));
        self.apps.push(Application { role, source, process });
    }

    /// Ends the application on a host by SIGTERM; its records stay.
    pub fn stop_app(&mut self, role: Role) {
        self.apps.iter_mut().filter(|app| app.role == role).for_each(Application::stop);
    }

    /// Starts intercept and tcpcopy.
    pub fn start_pair(&mut self, arguments: Arguments<'_>) {
        self.pair = Some(Pair::start(&self.lab, &self.binaries, APP_PORT, arguments));
    }

    /// The same, with tcpcopy on the client host and `map` as `-x`.
    pub fn start_pair_on_client(&mut self, map: &str, arguments: Arguments<'_>) {
        self.pair = Some(Pair::start_on_client(&self.lab, &self.binaries, map, arguments));
    }

    /// The same, with `map` as `-x`.
    pub fn start_pair_mapped(&mut self, map: &str, arguments: Arguments<'_>) {
        self.pair = Some(Pair::start_mapped(&self.lab, &self.binaries, map, arguments));
    }

    /// Waits until the log of tcpcopy has so many lines with these words.
    ///
    /// # Panics
    ///
    /// It does not in time.
    pub fn await_told(&mut self, words: &str, lines: usize) {
        let pair = self.pair.as_mut().expect("the programs have been started");
        pair.await_told(&self.lab, words, lines);
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

    /// Starts another tcpcopy beside the first, and waits until it captures and has a tunnel of its own.
    pub fn add_tcpcopy(&mut self, arguments: &[&str]) {
        let mut pair = self.pair.take().expect("the programs have been started");
        pair.add_tcpcopy(&self.lab, &self.binaries, APP_PORT, arguments);
        self.pair = Some(pair);
    }

    /// Starts tcpcopy again after it was ended.
    pub fn restart_tcpcopy(&mut self, arguments: &[&str]) {
        let mut pair = self.pair.take().expect("the programs have been started");
        pair.restart_tcpcopy(&self.lab, &self.binaries, APP_PORT, arguments);
        self.pair = Some(pair);
    }

    /// What tcpcopy has written to its log.
    #[must_use]
    pub fn tcpcopy_log(&self) -> String {
        std::fs::read_to_string(self.lab.directory().join("tcpcopy.log")).unwrap_or_default()
    }

    /// The number that follows `name:` in the latest statistics of tcpcopy; 0 if there is none.
    #[must_use]
    pub fn counted(&self, name: &str) -> u64 {
        let (log, key) = (self.tcpcopy_log(), format!(" {name}:"));
        let rest = log.rsplit_once(&key).map_or("", |(_, rest)| rest);
        rest.split(|letter: char| !letter.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    }

    /// Starts a load of the client host with these arguments of `tc-load`, split at blanks.
    #[must_use]
    pub fn start_load(&mut self, arguments: &str) -> Process {
        let to = SocketAddr::new(self.lab.online_address(), APP_PORT);
        self.loads += 1;
        spawn_load(&self.lab.client, self.loads, to, &self.lab.version.translate(arguments))
    }

    /// Runs a load of the online host itself, over its loopback interface, to its end.
    ///
    /// # Panics
    ///
    /// An answer is missing or wrong: the online service was disturbed.
    pub fn load_at_home(&mut self, arguments: &str) -> Summary {
        self.loads += 1;
        let to = SocketAddr::new(self.lab.version.loopback(), APP_PORT);
        let load = spawn_load(&self.lab.online, self.loads, to, arguments);
        finish_load(load)
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

    /// What the applications on a host have to tell.
    #[must_use]
    pub fn records(&self, role: Role) -> Vec<Record> {
        self.apps.iter().filter(|app| app.role == role).flat_map(Application::records).collect()
    }

    /// Waits until every request that `counts` has arrived, ends the programs, and compares these requests.
    #[must_use]
    pub fn outcome(self, counts: impl Fn(&Record) -> bool) -> Outcome {
        self.outcome_of(Replay::Complete(1), counts)
    }

    /// Waits until the replay is over, ends the programs, and compares the requests that `counts`.
    #[must_use]
    pub fn outcome_of(mut self, replay: Replay, counts: impl Fn(&Record) -> bool) -> Outcome {
        self.settle(replay, &counts);
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
            verdict: Verdict::of(&records::repeated(&online, replay.copies()), &target),
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

fn spawn_load(host: &Host, number: usize, to: SocketAddr, arguments: &str) -> Process {
    let mut command = host.command(helper("tc-load"));
    command.args(["--server", "online", "--to", &to.to_string()]).args(arguments.split_whitespace());
    host.spawn(&format!("load-{number}"), &mut command)
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
