//! Cases in which something happens while the load runs.

mod hostile;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

pub use hostile::{
    ATTACKED_REQUESTS, Attack, half_hellos, impossible_lengths, route_flood, slow_reader, tunnel_flood,
};

use crate::binaries::Binaries;
use crate::lab::{Lab, Rule};
use crate::mariadb;
use crate::nginx;
use crate::noise::{TunnelNoise, malformed_segments, send_segments};
use crate::outcome::Outcome;
use crate::pair::{Arguments, TUNNEL_PORT};
use crate::proc_net::Sockets;
use crate::records::{Record, unix_ms};
use crate::redis;
use crate::stage::{APP_PORT, Replay, Role, Stage, finish_load};

/// tcpcopy outlives an intercept.
const LONELY: Arguments<'static> = Arguments { tcpcopy: &["-L"], intercept: &[] };
/// A load that goes on for two seconds or so.
const BACKGROUND: &str = "--tag before --from 10.198.1.1 --connections 50 --requests 40 --pause-ms 50";
/// A load after something happened.
const AFTERWARDS: &str = "--tag after --from 10.198.1.2 --connections 200 --requests 10";
/// How many requests the load afterwards sends.
pub const AFTERWARDS_REQUESTS: usize = 2000;
/// How many requests [`joins_idle_connections`] counts: on each connection one less than follow the start.
pub const JOINED_REQUESTS: usize = 100 * 9;
/// How many requests [`malformed_segments_arrive`] and [`tunnel_noise`] send.
pub const NOISE_REQUESTS: usize = 10_000;
/// How many requests [`nginx_and_wrk`] sends.
pub const WRK_REQUESTS: usize = 20_000;
/// The client that gets the target's answers in [`passlist`].
pub const PASSED: &str = "10.198.1.7";

const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

fn is_afterwards(record: &Record) -> bool {
    record.id.starts_with("after-")
}

/// tcpcopy starts while 100 connections are open and idle; what counts is what follows the first request after that.
#[must_use]
pub fn joins_idle_connections(binaries: &Binaries) -> Outcome {
    const BEFORE: usize = 5;
    let mut stage = Stage::new(binaries.clone());
    let hold = stage.lab.directory().join("hold");
    let hold_name = hold.display();
    let load = stage.start_load(&format!(
        "--from 10.198.1.1 --connections 100 --requests 15 --hold-after {BEFORE} --hold-file {hold_name}"
    ));
    await_file(&stage.lab.directory().join("hold.reached"));
    stage.start_pair(Arguments::default());
    std::fs::write(&hold, "").expect("the lab's directory can be written to");
    finish_load(load);
    stage.outcome(|record| record.numbers().is_some_and(|(_, request)| request > BEFORE))
}

/// tcpcopy starts while 100 connections are busy; what counts is what follows the first request after that.
#[must_use]
pub fn joins_busy_connections(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    let load = stage.start_load("--from 10.198.1.1 --connections 100 --requests 60 --pause-ms 50");
    std::thread::sleep(Duration::from_secs(1));
    stage.start_pair(Arguments::default());
    let started = unix_ms();
    finish_load(load);
    let is_later = later_than_first_since(started, &stage);
    stage.outcome(is_later)
}

/// What follows the first request of each connection since `started`.
fn later_than_first_since(started: u128, stage: &Stage) -> impl Fn(&Record) -> bool + use<> {
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for record in stage.records(Role::Online) {
        if let Some((connection, request)) = record.numbers().filter(|_| record.at_ms > started) {
            let first = first.entry(connection).or_insert(request);
            *first = request.min(*first);
        }
    }
    move |record| {
        let numbers = record.numbers();
        numbers
            .is_some_and(|(connection, request)| first.get(&connection).is_some_and(|first| request > *first))
    }
}

/// tcpcopy is killed and started again under load; what counts is what follows the first request of each connection
/// after that, and connections opened afterwards.
///
/// # Panics
///
/// Connections of the target stay open after those of the clients have been closed.
#[must_use]
pub fn tcpcopy_restarted(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments::default());
    let load = stage.start_load("--from 10.198.1.1 --connections 100 --requests 60 --pause-ms 50");
    std::thread::sleep(Duration::from_secs(1));
    stage.pair().tcpcopy.kill();
    std::thread::sleep(Duration::from_millis(300));
    stage.restart_tcpcopy(&[]);
    let started = unix_ms();
    finish_load(load);
    let is_later = later_than_first_since(started, &stage);
    stage.load(AFTERWARDS);
    let counts = move |record: &Record| is_afterwards(record) || (is_during(record) && is_later(record));
    stage.settle(Replay::Complete(1), &counts);
    let open = Sockets::of(&stage.lab.target).established_from(APP_PORT);
    assert_eq!(open, 0, "connections of the target are open although their clients have closed");
    stage.outcome(counts)
}

fn is_during(record: &Record) -> bool {
    record.id.starts_with("load-")
}

/// One of two tcpcopy that replay the same clients is killed; what counts are connections opened afterwards, which the
/// other one replays.
#[must_use]
pub fn one_of_two_killed(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments { tcpcopy: &["-f", "1"], intercept: &[] });
    stage.add_tcpcopy(&["-f", "2"]);
    let load = stage.start_load(BACKGROUND);
    std::thread::sleep(Duration::from_millis(500));
    stage.pair().kill_other();
    finish_load(load);
    stage.load(AFTERWARDS);
    stage.outcome(is_afterwards)
}

/// intercept is killed and started again under load; what counts are connections opened afterwards.
#[must_use]
pub fn intercept_killed(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(LONELY);
    let load = stage.start_load(BACKGROUND);
    std::thread::sleep(Duration::from_millis(500));
    stage.replace_intercept(LONELY, |_| std::thread::sleep(Duration::from_secs(1)));
    finish_load(load);
    stage.load(AFTERWARDS);
    stage.outcome(is_afterwards)
}

/// The target application is restarted under load; what counts are connections opened afterwards.
#[must_use]
pub fn target_restarted(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments::default());
    let load = stage.start_load(BACKGROUND);
    std::thread::sleep(Duration::from_millis(500));
    stage.stop_app(Role::Target);
    std::thread::sleep(Duration::from_millis(500));
    stage.start_app(Role::Target, &[]);
    finish_load(load);
    stage.load(AFTERWARDS);
    stage.outcome(is_afterwards)
}

/// The tunnel's port is blocked for 10 s under load; what counts are connections opened afterwards.
#[must_use]
pub fn tunnel_blocked(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(LONELY);
    let load = stage.start_load(
        "--tag before --from 10.198.1.1-10.198.1.50 --connections 500 --requests 22 --pause-ms 500",
    );
    std::thread::sleep(Duration::from_millis(500));
    let block = Rule::block(TUNNEL_PORT);
    block.add(&stage.lab.target);
    std::thread::sleep(Duration::from_secs(10));
    block.remove(&stage.lab.target);
    stage.load(AFTERWARDS);
    finish_load(load);
    stage.outcome(is_afterwards)
}

/// Strangers say nonsense to the tunnel's port while a load runs.
#[must_use]
pub fn tunnel_noise(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(LONELY);
    let tunnel = SocketAddr::new(stage.lab.target_address(), TUNNEL_PORT);
    let mut load = stage.start_load("--from 10.198.1.1 --connections 100 --requests 100 --pause-ms 20");
    let mut noise = TunnelNoise::default();
    while load.is_running() {
        noise.make(&stage.lab.client, tunnel);
        std::thread::sleep(Duration::from_millis(100));
    }
    finish_load(load);
    let outcome = stage.outcome(|_| true);
    drop(noise);
    outcome
}

/// Segments that are none reach the online host while a load runs.
#[must_use]
pub fn malformed_segments_arrive(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments::default());
    let online = stage.lab.online_address();
    let segments = malformed_segments(APP_PORT);
    let mut load = stage.start_load("--from 10.198.1.1 --connections 100 --requests 100 --pause-ms 20");
    while load.is_running() {
        send_segments(&stage.lab.client, online, &segments);
        std::thread::sleep(POLL);
    }
    finish_load(load);
    stage.outcome(|_| true)
}

/// A client on the passlist talks to the target directly while others are replayed; another one tries in vain.
///
/// # Panics
///
/// The listed client gets no answer, or the other one does.
#[must_use]
pub fn passlist(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments { tcpcopy: &[], intercept: &["-x", PASSED] });
    let load = stage.start_load("--tag after --from 10.198.1.8-10.198.1.27 --connections 200 --requests 10");
    let listed = ask_target(&stage, PASSED, "20");
    let other = ask_target(&stage, "10.198.1.30", "2");
    finish_load(load);
    let answered = String::from_utf8_lossy(&listed.stdout).contains("Server: target");
    assert!(answered, "the target answers a client on the passlist: {listed:?}");
    assert!(!other.status.success(), "the target answers nobody else: {other:?}");
    stage.outcome(is_afterwards)
}

fn ask_target(stage: &Stage, from: &str, seconds: &str) -> Output {
    let url = format!("http://{}/bytes/20000", SocketAddr::new(stage.lab.target_address(), APP_PORT));
    let from = stage.lab.target_version.translate(from);
    let mut command = stage.lab.client.command("curl");
    command.args(["-s", "-i", "--max-time", seconds, "--output", "-"]);
    let output = command.args(["--interface", &from, &url]).output();
    output.expect("curl can be run")
}

/// Redis on both hosts, written to by pipelined commands; what counts are the keys and values in the end.
#[must_use]
pub fn redis_pipelined(binaries: &Binaries) -> Outcome {
    redis_state(binaries, redis::pipelined_load)
}

/// The same, by a client that never waits for an answer.
#[must_use]
pub fn redis_mass_insert(binaries: &Binaries) -> Outcome {
    redis_state(binaries, redis::mass_insert)
}

/// The same, by redis-benchmark.
#[must_use]
pub fn redis_benchmark(binaries: &Binaries) -> Outcome {
    redis_state(binaries, redis::benchmark)
}

fn redis_state(binaries: &Binaries, load: fn(&Lab, u16)) -> Outcome {
    let mut stage = Stage::bare(binaries.clone());
    stage.start_redis(Role::Online);
    stage.start_redis(Role::Target);
    stage.start_pair(Arguments::default());
    load(&stage.lab, APP_PORT);
    stage.outcome(|_| true)
}

/// MariaDB on both hosts, written to by its own clients; what counts are the rows in the end.
#[must_use]
pub fn mariadb_rows(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::bare(binaries.clone());
    stage.start_mariadb(Role::Online);
    stage.start_mariadb(Role::Target);
    stage.start_pair(Arguments::default());
    mariadb::load(&stage.lab, APP_PORT);
    stage.outcome(|_| true)
}

/// nginx on both hosts, requests by wrk, counted by the access logs.
///
/// # Panics
///
/// wrk does not end.
#[must_use]
pub fn nginx_and_wrk(binaries: &Binaries) -> Outcome {
    let mut stage = Stage::bare(binaries.clone());
    stage.start_nginx(Role::Online);
    stage.start_nginx(Role::Target);
    stage.start_pair(Arguments::default());
    let mut command = nginx::wrk(&stage.lab, APP_PORT, 50, WRK_REQUESTS, 4);
    let mut wrk = stage.lab.client.spawn("wrk", &mut command);
    let ended = wrk.wait(LIMIT).is_some_and(|status| status.success());
    assert!(ended, "wrk does its work: {}", wrk.errors());
    stage.outcome(|_| true)
}

/// Waits for a file that another process makes.
pub fn await_file(path: &Path) {
    let deadline = Instant::now() + LIMIT;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        std::thread::sleep(POLL);
    }
}
