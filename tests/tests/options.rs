//! What the options of tcpcopy that shape sessions do.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tc_tests::binaries::Binaries;
use tc_tests::cases::{Case, LARGE_UPLOADS, MANY_CLIENTS, SMALL_UPLOADS};
use tc_tests::lab::Process;
use tc_tests::network::{CLEAN, Network};
use tc_tests::outcome::Outcome;
use tc_tests::pair::Arguments;
use tc_tests::proc_net::Sockets;
use tc_tests::records::{Record, numbers_of, unix_ms};
use tc_tests::scenarios::await_file;
use tc_tests::stage::{APP_PORT, Replay, Role, Stage, finish_load};

fn arrives_perfectly(case: &Case) {
    let outcome = case.run(&Binaries::from_environment());
    outcome.assert_perfect(case.requests * case.copies);
}

fn stage_with(target: &[&str], tcpcopy: &[&str]) -> Stage {
    let mut stage = Stage::with_apps(Binaries::from_environment(), &[], target);
    stage.start_pair(Arguments { tcpcopy, intercept: &[] });
    stage
}

/// A load whose connections hold on after some requests.
struct HeldLoad {
    load: Process,
    hold: PathBuf,
}

impl HeldLoad {
    /// Starts the load and waits until all of its connections hold.
    fn start(stage: &mut Stage, arguments: &str, hold_after: usize) -> Self {
        let hold = stage.lab.directory().join("hold");
        let hold_name = hold.display();
        let load = stage.start_load(&format!("{arguments} --hold-after {hold_after} --hold-file {hold_name}"));
        await_file(&stage.lab.directory().join("hold.reached"));
        Self { load, hold }
    }

    /// Lets the connections go on to their end.
    fn release(self) {
        std::fs::write(&self.hold, "").unwrap();
        finish_load(self.load);
    }
}

/// How many requests of each connection are missing at the target.
fn missing_by_connection(outcome: &Outcome) -> BTreeMap<usize, usize> {
    let mut missing = BTreeMap::new();
    for (connection, _) in outcome.verdict.missing.iter().filter_map(|id| numbers_of(id)) {
        *missing.entry(connection).or_default() += 1;
    }
    missing
}

#[test]
fn three_copies_of_each_request_arrive() {
    arrives_perfectly(&Case { tcpcopy: &["-n", "3"], copies: 3, ..MANY_CLIENTS });
}

#[test]
fn three_copies_of_each_upload_arrive() {
    arrives_perfectly(&Case { tcpcopy: &["-n", "3"], copies: 3, ..SMALL_UPLOADS });
}

#[test]
fn three_copies_of_each_request_arrive_from_one_address() {
    arrives_perfectly(&Case { tcpcopy: &["-n", "3", "-c", "10.198.1.60"], copies: 3, ..MANY_CLIENTS });
}

#[test]
fn three_copies_of_each_request_arrive_from_one_address_by_several_threads() {
    arrives_perfectly(&Case {
        tcpcopy: &["-n", "3", "-c", "10.198.1.60", "--threads", "3"],
        copies: 3,
        ..MANY_CLIENTS
    });
}

#[test]
fn three_copies_of_each_request_arrive_on_a_bad_network() {
    let network = Network { loss: 0.05, tunnel_loss: 0.05, ..CLEAN };
    arrives_perfectly(&Case { tcpcopy: &["-n", "3"], copies: 3, network, ..MANY_CLIENTS });
}

#[test]
fn a_share_of_the_connections_is_replayed_and_these_are_whole() {
    let mut stage = stage_with(&[], &["-r", "30"]);
    stage.load("--from 10.198.1.1-10.198.1.50 --connections 1000 --requests 3 --pause-ms 100");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(3)), |_| true);
    outcome.assert_part(3000);
    let missing = missing_by_connection(&outcome);
    assert!(missing.values().all(|&requests| requests == 3), "connections are replayed in part: {outcome}");
    let replayed = 1000 - missing.len();
    assert!((240..=360).contains(&replayed), "{replayed} of 1000 connections are replayed, not about 300");
}

#[test]
fn the_share_of_connections_grows_with_time() {
    let mut stage = stage_with(&[], &["-g"]);
    let started = unix_ms();
    stage
        .load("--from 10.198.1.1-10.198.1.50 --connections 3000 --concurrency 150 --requests 2 --pause-ms 500");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(2)), |_| true);
    outcome.assert_part(6000);
    let missing: BTreeSet<_> = outcome.verdict.missing.iter().map(String::as_str).collect();
    let online = outcome.stage.records(Role::Online);
    let permille = |from: u128, to: u128| {
        let then = |record: &&Record| (started + from..started + to).contains(&record.at_ms);
        let ids: Vec<_> = online.iter().filter(then).map(|record| record.id.as_str()).collect();
        let replayed = ids.iter().filter(|&&id| !missing.contains(id)).count();
        replayed * 1000 / ids.len().max(1)
    };
    let (early, late) = (permille(0, 3000), permille(6000, 9000));
    assert!((1..=50).contains(&early), "{early} of 1000 in the first three seconds, not 10 to 30; {outcome}");
    assert!((50..=140).contains(&late), "{late} of 1000 after six seconds, not 70 to 90; {outcome}");
}

#[test]
fn connections_that_were_open_can_be_left_out() {
    let mut stage = Stage::new(Binaries::from_environment());
    let load = HeldLoad::start(&mut stage, "--tag before --from 10.198.1.1 --connections 100 --requests 15", 5);
    stage.start_pair(Arguments { tcpcopy: &["-O"], intercept: &[] });
    load.release();
    stage.load("--tag after --from 10.198.1.1 --connections 100 --requests 5");
    let outcome = stage.outcome(|record| record.id.starts_with("after"));
    let others =
        outcome.stage.records(Role::Target).iter().filter(|record| record.id.starts_with("before")).count();
    assert_eq!(others, 0, "requests of connections that were open");
    outcome.assert_perfect(500);
}

/// How long the last request arrives at a target that answers slowly after it arrived at the online host.
fn lag_of(tcpcopy: &[&str]) -> u128 {
    let mut stage = stage_with(&["--delay-ms", "600"], tcpcopy);
    stage.load("--from 10.198.1.1 --connections 20 --requests 4 --pause-ms 20");
    let outcome = stage.outcome(|_| true);
    outcome.assert_perfect(80);
    let last = |role| outcome.stage.records(role).iter().map(|record| record.at_ms).max().unwrap_or(0);
    last(Role::Target) - last(Role::Online)
}

#[test]
fn requests_wait_for_answers_unless_told_otherwise() {
    let (waiting, not_waiting) = (lag_of(&[]), lag_of(&["-W"]));
    assert!(
        waiting > 1500,
        "the last request comes {waiting} ms late, although three answers take 600 ms each"
    );
    assert!(not_waiting < 600, "without waiting for answers, the last request comes {not_waiting} ms late");
}

#[test]
fn a_session_that_waits_too_long_ends() {
    let mut stage = stage_with(&["--delay-ms", "3000"], &["-t", "1", "-k", "100"]);
    stage.load("--from 10.198.1.1 --connections 20 --requests 2");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(4)), |_| true);
    outcome.assert_part(40);
    assert_eq!(
        outcome.verdict.target, 20,
        "the first requests arrive, the second ones are given up: {outcome}"
    );
    assert_eq!((outcome.stage.counted("idle"), outcome.stage.counted("given up")), (20, 20));
}

/// Connections that are silent for four seconds; those that the target has then, and all that follows.
fn silence(tcpcopy: &[&str]) -> (usize, Outcome) {
    let mut stage = stage_with(&[], tcpcopy);
    let load = HeldLoad::start(&mut stage, "--from 10.198.1.1 --connections 20 --requests 6", 2);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(Sockets::of(&stage.lab.online).established_from(APP_PORT), 20);
    let open = Sockets::of(&stage.lab.target).established_from(APP_PORT);
    load.release();
    (open, stage.outcome(|_| true))
}

#[test]
fn a_session_that_is_silent_for_too_long_ends_and_is_joined_again() {
    let (open, outcome) = silence(&["-t", "1", "-k", "2"]);
    assert_eq!((open, outcome.stage.counted("idle")), (0, 20), "sessions end after two seconds");
    outcome.assert_perfect(120);
}

#[test]
fn a_silent_session_with_nothing_to_send_does_not_end_as_one_that_waits() {
    let (open, outcome) = silence(&["-t", "1", "-k", "60"]);
    assert_eq!((open, outcome.stage.counted("idle")), (20, 0), "sessions live for sixty seconds");
    outcome.assert_perfect(120);
}

#[test]
fn too_little_memory_costs_the_newest_sessions_only() {
    let mut stage = stage_with(&[], &["-m", "1"]);
    stage.load("--tag many --from 10.198.1.1-10.198.1.50 --connections 5000 --requests 3 --pause-ms 400");
    stage.settle(Replay::Quiet(Duration::from_secs(2)), |_| true);
    stage.load("--tag after --from 10.198.1.1-10.198.1.50 --connections 100 --requests 5");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(1)), |_| true);
    outcome.assert_part(15_500);
    let afterwards = outcome.verdict.missing.iter().filter(|id| id.starts_with("after")).count();
    assert_eq!(afterwards, 0, "there is room again for what comes afterwards: {outcome}");
    let whole = 5000 - missing_by_connection(&outcome).len();
    assert!(whole > 100, "{whole} connections are whole: {outcome}");
    let (shed, refused) = (outcome.stage.counted("shed"), outcome.stage.counted("refused"));
    assert!(shed + refused > 1000, "shed: {shed}, refused: {refused}: {outcome}");
}

#[test]
fn too_little_memory_for_uploads_sheds_sessions() {
    let mut stage = stage_with(&["--slow-read", "2000"], &["-m", "1"]);
    stage.load("--tag many --from 10.198.1.1 --connections 30 --post 300000");
    stage.settle(Replay::Quiet(Duration::from_secs(4)), |_| true);
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(1)), |_| true);
    assert!(outcome.verdict.different.is_empty() && outcome.verdict.duplicated.is_empty(), "{outcome}");
    assert!(outcome.stopped_cleanly, "{outcome}");
    assert!(outcome.stage.counted("shed") > 0, "{outcome}");
}

#[test]
fn clients_on_the_loopback_interface_appear_as_told() {
    let mut stage = stage_with(&[], &["-H", "10.198.1.50"]);
    stage.load_at_home("--from 127.0.0.1 --connections 200 --requests 10");
    stage.load_at_home("--tag upload --from 127.0.0.1 --connections 5 --post 1000000");
    let outcome = stage.outcome(|_| true);
    outcome.assert_perfect(2005);
}

#[test]
fn clients_on_the_loopback_interface_are_left_out_without_a_name() {
    let mut stage = stage_with(&[], &[]);
    stage.load_at_home("--tag home --from 127.0.0.1 --connections 20 --requests 2");
    stage.load("--tag after --from 10.198.1.1 --connections 20 --requests 2");
    let outcome = stage.outcome(|record| record.id.starts_with("after"));
    assert_eq!(outcome.stage.records(Role::Target).len(), 40, "nothing else is replayed");
    assert!(outcome.stage.counted("refused") > 0);
    outcome.assert_perfect(40);
}

#[test]
fn uploads_fit_through_a_path_of_a_smaller_mtu() {
    let network = Network { mtu: 1400, ..CLEAN };
    arrives_perfectly(&Case { tcpcopy: &["-M", "1400"], network, ..LARGE_UPLOADS });
}

#[test]
fn client_ports_are_moved_by_the_factor() {
    let mut stage = stage_with(&[], &["-f", "3"]);
    let load = HeldLoad::start(&mut stage, "--from 10.198.1.1 --connections 50 --requests 3", 1);
    stage.settle(Replay::Complete(1), |_| true);
    let peers = |host| Sockets::of(host).peers_of(APP_PORT);
    let moved: BTreeSet<_> = peers(&stage.lab.online).into_iter().map(|port| port + 3 * 63).collect();
    assert_eq!(peers(&stage.lab.target), moved);
    load.release();
    stage.outcome(|_| true).assert_perfect(150);
}
