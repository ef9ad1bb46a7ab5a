//! The two programs under test, running.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::binaries::Binaries;
use crate::lab::{Host, Lab, Process};
use crate::proc_net::Sockets;
use crate::usage::Usage;

/// The port of the tunnel.
pub const TUNNEL_PORT: u16 = 36524;
/// The netfilter queue.
pub const QUEUE: u16 = 0;

const READY_LIMIT: Duration = Duration::from_secs(10);
/// The original tries again every 12 s.
const RECONNECT_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// What the programs are started with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arguments<'a> {
    /// Arguments of tcpcopy besides `-x`, `-s` and `-l`.
    pub tcpcopy: &'a [&'a str],
    /// Arguments of intercept besides `-l`.
    pub intercept: &'a [&'a str],
}

/// An intercept on the target or the assistant host and a tcpcopy on the online host, joined by their tunnel.
pub struct Pair {
    /// The process on the online host.
    pub tcpcopy: Process,
    /// The process on the target host.
    pub intercept: Process,
    others: Vec<Process>,
    lost: Usage,
}

impl Pair {
    /// Starts both and waits until the tunnel stands and packets are captured.
    ///
    /// # Panics
    ///
    /// They are not ready in time.
    #[must_use]
    pub fn start(lab: &Lab, binaries: &Binaries, port: u16, arguments: Arguments<'_>) -> Self {
        Self::start_mapped(lab, binaries, &map_of(lab, port), arguments)
    }

    /// The same, with `map` as `-x`.
    ///
    /// # Panics
    ///
    /// They are not ready in time.
    #[must_use]
    pub fn start_mapped(lab: &Lab, binaries: &Binaries, map: &str, arguments: Arguments<'_>) -> Self {
        let intercept = start_intercept(lab, binaries, arguments);
        let tcpcopy = start_tcpcopy(lab, binaries, "tcpcopy", map, arguments.tcpcopy);
        let mut pair = Self { tcpcopy, intercept, others: Vec::new(), lost: Usage::default() };
        await_capture(&mut pair.tcpcopy, lab, 0);
        pair.await_tunnel(lab, READY_LIMIT);
        pair
    }

    /// The same, with tcpcopy on the client host, which gets a copy of the traffic from somewhere.
    ///
    /// # Panics
    ///
    /// They are not ready in time.
    #[must_use]
    pub fn start_on_client(lab: &Lab, binaries: &Binaries, map: &str, arguments: Arguments<'_>) -> Self {
        let intercept = start_intercept(lab, binaries, arguments);
        let sockets = Sockets::of(&lab.client);
        let before = sockets.captures();
        let mut tcpcopy = start_tcpcopy_on(&lab.client, lab, binaries, "tcpcopy", map, arguments.tcpcopy);
        await_process(&mut tcpcopy, "captures and is joined to intercept", READY_LIMIT, || {
            sockets.captures() > before && sockets.established_to(TUNNEL_PORT) > 0
        });
        Self { tcpcopy, intercept, others: Vec::new(), lost: Usage::default() }
    }

    /// Starts another tcpcopy on the online host and waits until it captures and has a tunnel.
    ///
    /// # Panics
    ///
    /// It is not ready in time.
    pub fn add_tcpcopy(&mut self, lab: &Lab, binaries: &Binaries, port: u16, arguments: &[&str]) {
        let sockets = Sockets::of(&lab.online);
        let (captures, tunnels) = (sockets.captures(), sockets.established_to(TUNNEL_PORT));
        let name = format!("tcpcopy-{}", self.others.len() + 2);
        let mut process = start_tcpcopy(lab, binaries, &name, &map_of(lab, port), arguments);
        await_capture(&mut process, lab, captures);
        await_process(&mut process, "is joined to intercept", READY_LIMIT, || {
            sockets.established_to(TUNNEL_PORT) > tunnels
        });
        self.others.push(process);
    }

    /// Starts another tcpcopy in the place of the first, which has ended, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// It is not ready in time.
    pub fn restart_tcpcopy(&mut self, lab: &Lab, binaries: &Binaries, port: u16, arguments: &[&str]) {
        let captures = Sockets::of(&lab.online).captures();
        self.tcpcopy = start_tcpcopy(lab, binaries, "tcpcopy", &map_of(lab, port), arguments);
        await_capture(&mut self.tcpcopy, lab, captures);
        self.await_tunnel(lab, READY_LIMIT);
    }

    /// Waits until the log of tcpcopy has so many lines with these words.
    ///
    /// # Panics
    ///
    /// It does not in time.
    pub fn await_told(&mut self, lab: &Lab, words: &str, lines: usize) {
        let log = log_path(lab.directory(), "tcpcopy");
        let told = || std::fs::read_to_string(&log).unwrap_or_default().matches(words).count() >= lines;
        await_process(&mut self.tcpcopy, &format!("says '{words}'"), RECONNECT_LIMIT, told);
    }

    /// Ends intercept with SIGKILL.
    pub fn kill_intercept(&mut self) {
        self.lost = Usage::of(self.intercept.id());
        self.intercept.kill();
    }

    /// Starts another intercept and waits until tcpcopy has found it.
    ///
    /// # Panics
    ///
    /// They are not joined in time.
    pub fn restart_intercept(&mut self, lab: &Lab, binaries: &Binaries, arguments: Arguments<'_>) {
        self.intercept = start_intercept(lab, binaries, arguments);
        self.await_tunnel(lab, RECONNECT_LIMIT);
    }

    /// Ends the latest tcpcopy beside the first with SIGKILL.
    pub fn kill_other(&mut self) {
        if let Some(mut other) = self.others.pop() {
            other.kill();
        }
    }

    /// Whether all run.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        let others = self.others.iter_mut().all(Process::is_running);
        self.tcpcopy.is_running() && self.intercept.is_running() && others
    }

    /// What both have used so far: tcpcopy and intercept.
    #[must_use]
    pub fn usage(&self) -> (Usage, Usage) {
        let intercept = self.lost + Usage::of(self.intercept.id());
        (Usage::of(self.tcpcopy.id()), intercept)
    }

    /// Ends all by SIGTERM, intercept last; whether all ended by themselves with exit code 0.
    pub fn stop(&mut self) -> bool {
        let mut clean = true;
        for process in self.others.iter_mut().chain([&mut self.tcpcopy, &mut self.intercept]) {
            clean &= process.stop(STOP_LIMIT).is_some_and(|status| status.success());
        }
        clean
    }

    fn await_tunnel(&mut self, lab: &Lab, limit: Duration) {
        let (online, target) = (Sockets::of(&lab.online), Sockets::of(lab.intercept_host().0));
        await_process(&mut self.tcpcopy, "is joined to intercept", limit, || {
            online.established_to(TUNNEL_PORT) > 0 && target.established_from(TUNNEL_PORT) > 0
        });
    }
}

pub(crate) fn start_intercept(lab: &Lab, binaries: &Binaries, arguments: Arguments<'_>) -> Process {
    let (host, _) = lab.intercept_host();
    let mut command = host.command(&binaries.intercept);
    command.args(["-l", &log_path(lab.directory(), "intercept")]);
    let translated = arguments.intercept.iter().map(|argument| lab.target_version.translate(argument));
    let mut process = host.spawn("intercept", command.args(translated));
    let sockets = Sockets::of(host);
    let needs_queue = !arguments.intercept.iter().any(|argument| ["-i", "--source"].contains(argument));
    await_process(&mut process, "listens and has its queue", READY_LIMIT, || {
        sockets.listens(TUNNEL_PORT) && (!needs_queue || sockets.queue_is_bound(QUEUE))
    });
    process
}

/// The `-x` of this port.
fn map_of(lab: &Lab, port: u16) -> String {
    format!("{port}-{}", SocketAddr::new(lab.target_address(), port))
}

fn start_tcpcopy(lab: &Lab, binaries: &Binaries, name: &str, map: &str, arguments: &[&str]) -> Process {
    start_tcpcopy_on(&lab.online, lab, binaries, name, map, arguments)
}

fn start_tcpcopy_on(
    host: &Host,
    lab: &Lab,
    binaries: &Binaries,
    name: &str,
    map: &str,
    arguments: &[&str],
) -> Process {
    let mut command = host.command(&binaries.tcpcopy);
    command.args(["-x", map, "-s", &lab.intercept_host().1.to_string()]);
    command.args(["-l", &log_path(lab.directory(), name)]);
    host.spawn(name, command.args(arguments.iter().map(|argument| lab.target_version.translate(argument))))
}

/// Waits until more than `before` sockets of the online host capture.
fn await_capture(process: &mut Process, lab: &Lab, before: usize) {
    let sockets = Sockets::of(&lab.online);
    await_process(process, "captures", READY_LIMIT, || sockets.captures() > before);
}

pub(crate) fn log_path(directory: &Path, name: &str) -> String {
    let path = directory.join(format!("{name}.log"));
    path.to_string_lossy().into_owned()
}

/// Waits until something holds.
///
/// # Panics
///
/// It does not within `limit`, or the process ends.
pub(crate) fn await_process(process: &mut Process, what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(process.is_running(), "a process ended before it {what}");
        assert!(Instant::now() < deadline, "no process that {what} within {limit:?}");
        std::thread::sleep(POLL);
    }
}
