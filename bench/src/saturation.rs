//! As many requests as the machine can serve: wrk with one thread and 20 connections, against nginx.

use crate::loads::start;
use crate::pairs::NamedPair;
use crate::sample::{Sample, Used};
use std::process::Command;
use std::time::{Duration, Instant};
use tc_tests::lab::{Lab, ONLINE};
use tc_tests::stage::{APP_PORT, Role, Stage};

const SECONDS: u64 = 5;
/// How long wrk may take beyond its time.
const LIMIT: Duration = Duration::from_secs(30);
/// A replay that stands still for so long is over; retransmission with backoff needs seconds.
const QUIET: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(250);

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// It serves for the next ones.
    Kept,
    /// It is closed.
    Closed,
}

/// Runs the load through a pair.
pub(crate) fn run(connections: Connections, pair: &NamedPair) -> Sample {
    let mut stage = Stage::bare(pair.binaries.clone());
    stage.start_nginx(Role::Online);
    stage.start_nginx(Role::Target);
    start(&mut stage, pair);
    let start = Used::by(&mut stage);
    saturate(&stage, connections);
    let (online, target) = settled(&stage);
    let end = Used::by(&mut stage);
    stage.pair().stop();
    start.until(end, online, online.saturating_sub(target))
}

fn saturate(stage: &Stage, connections: Connections) {
    let mut command = wrk(&stage.lab, SECONDS);
    if connections == Connections::Closed {
        command.args(["-H", "Connection: close"]);
    }
    let mut wrk = stage.lab.client.spawn("wrk", &mut command);
    let ended = wrk.wait(Duration::from_secs(SECONDS) + LIMIT).is_some_and(|status| status.success());
    assert!(ended, "wrk does its work: {}", wrk.errors());
}

/// wrk on the client host, with one thread and 20 connections.
pub(crate) fn wrk(lab: &Lab, seconds: u64) -> Command {
    let mut command = lab.client.command("wrk");
    command.args(["-t1", "-c20", "-d", &format!("{seconds}s"), &format!("http://{ONLINE}:{APP_PORT}/")]);
    command
}

/// The requests that nginx has logged on both hosts, once there are no more to come.
fn settled(stage: &Stage) -> (usize, usize) {
    let counts = || [Role::Online, Role::Target].map(|role| stage.records(role).len());
    let (mut last, mut changed) = (counts(), Instant::now());
    while last[0] != last[1] && changed.elapsed() < QUIET {
        std::thread::sleep(POLL);
        let now = counts();
        if now != last {
            (last, changed) = (now, Instant::now());
        }
    }
    (last[0], last[1])
}
