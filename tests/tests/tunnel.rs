//! Who may have a tunnel, and what strangers can do to it.

use std::time::{Duration, Instant};
use tc_tests::binaries::Binaries;
use tc_tests::lab::{Lab, Process, TARGET};
use tc_tests::over_both_versions;
use tc_tests::pair::Arguments;
use tc_tests::scenarios::{self, Attack};
use tc_tests::secret::{KEY, OTHER_KEY, key_file};
use tc_tests::stage::Stage;

const LIMIT: Duration = Duration::from_secs(20);
/// intercept needs a few MiB; its route table of 65 536 places is most of that.
const MEMORY_KIB: u64 = 64 << 10;
const LOAD: &str = "--from 10.198.1.1 --connections 50 --requests 10";
/// Strangers who are refused cost next to nothing.
const MORE_KIB: u64 = 4 << 10;
/// What a million routes take.
const ROUTES_KIB: u64 = 400 << 10;
/// What may wait for one tunnel, and the room that it takes.
const PENDING_KIB: u64 = 96 << 10;

over_both_versions! {
    fn ten_thousand_connections_of_random_octets_hurt_nobody(binaries) {
        let attack = scenarios::tunnel_flood(binaries);
        attack.assert_harmless(MORE_KIB);
        assert!(attack.outcome.intercept.peak_kib < MEMORY_KIB, "{} KiB", attack.outcome.intercept.peak_kib);
        assert_counted(&attack, "tunnels refused");
    }

    fn a_tunnel_that_reads_nothing_is_cut_and_counted_and_nobody_waits_for_it(binaries) {
        let attack = scenarios::slow_reader(binaries);
        attack.assert_harmless(PENDING_KIB);
        assert_counted(&attack, "tunnels slow");
        assert!(attack.log().contains(" cut: it is too slow: "), "{}", attack.log());
    }
}

#[test]
fn half_hellos_and_wrong_proofs_keep_nobody_out_who_knows_the_key() {
    let attack = scenarios::half_hellos(&Binaries::from_environment());
    attack.assert_harmless(MORE_KIB);
    assert_counted(&attack, "tunnels displaced");
    assert_counted(&attack, "tunnels with wrong key");
}

#[test]
fn messages_of_impossible_lengths_are_refused_and_unknown_ones_are_not_kept() {
    let attack = scenarios::impossible_lengths(&Binaries::from_environment());
    attack.assert_harmless(MORE_KIB);
    assert_counted(&attack, "tunnels refused");
    assert!(attack.log().contains("with an impossible body of 65535 octets"), "{}", attack.log());
}

#[test]
fn more_routes_than_there_may_be_displace_none_that_is_in_use() {
    let attack = scenarios::route_flood(&Binaries::from_environment());
    attack.assert_harmless(ROUTES_KIB);
    assert_counted(&attack, "routes evicted");
}

/// The final statistics have this counter.
fn assert_counted(attack: &Attack, counter: &str) {
    let log = attack.log();
    assert!(log.contains(&format!(" {counter}:")), "no {counter:?} in {log}");
}

#[test]
fn tcpcopy_from_an_allowed_address_with_the_right_key_works() {
    let mut stage = Stage::new(Binaries::from_environment());
    let key = key_file(&stage.lab, "key", KEY, 0o600).display().to_string();
    stage.start_pair(Arguments {
        tcpcopy: &["--key-file", &key],
        intercept: &["--key-file", &key, "--allow", "10.198.2.254,fd00::/8"],
    });
    stage.load(LOAD);
    stage.outcome(|_| true).assert_perfect(500);
}

#[test]
fn the_routes_of_sessions_that_ended_are_removed() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments::default());
    stage.load("--from 10.198.1.1 --connections 50");
    // tcpcopy remembers a session for 2 s, takes its route back with the next announcement, and intercept keeps that for 10 s.
    stage.load("--tag after --from 10.198.1.2 --connections 9 --concurrency 1 --requests 2 --pause-ms 2000");
    let outcome = stage.outcome(|_| true);
    outcome.assert_perfect(50 + 18);
    let log = std::fs::read_to_string(outcome.stage.lab.directory().join("intercept.log")).unwrap_or_default();
    let removed =
        log.rsplit_once("routes removed:").and_then(|(_, rest)| rest.split(',').next()?.parse::<u32>().ok());
    assert!(removed.is_some_and(|removed| removed >= 50), "{log}");
}

/// What two programs say that do not fit together.
struct Quarrel {
    tcpcopy: Process,
    intercept: Process,
    _lab: Lab,
}

impl Quarrel {
    fn start(lab: Lab, tcpcopy: &[&str], intercept: &[&str]) -> Self {
        let binaries = Binaries::from_environment();
        let mut command = lab.target.command(&binaries.intercept);
        let intercept = lab.target.spawn("intercept", command.args(intercept));
        let mut command = lab.online.command(&binaries.tcpcopy);
        let tcpcopy =
            lab.online.spawn("tcpcopy", command.args(["-L", "-x", &format!("80-{TARGET}:80")]).args(tcpcopy));
        Self { tcpcopy, intercept, _lab: lab }
    }

    /// Waits for a line of each program; that of intercept's final statistics is the third.
    fn assert_said(mut self, tcpcopy: &str, intercept: &str, counted: &str) {
        let deadline = Instant::now() + LIMIT;
        while !(self.tcpcopy.errors().contains(tcpcopy) && self.intercept.errors().contains(intercept)) {
            let said = self.tcpcopy.errors() + &self.intercept.errors();
            assert!(Instant::now() < deadline, "neither {tcpcopy:?} nor {intercept:?} in {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(self.tcpcopy.stop(LIMIT).is_some_and(|status| status.success()));
        assert!(self.intercept.stop(LIMIT).is_some_and(|status| status.success()));
        let statistics = self.intercept.errors();
        assert!(statistics.contains(counted), "no {counted:?} in {statistics}");
        assert!(
            !statistics.contains(KEY) && !self.tcpcopy.errors().contains(KEY),
            "a key is no secret any more"
        );
    }
}

#[test]
fn a_wrong_key_is_refused_told_and_counted() {
    let lab = Lab::new();
    let ours = key_file(&lab, "ours", KEY, 0o600).display().to_string();
    let theirs = key_file(&lab, "theirs", OTHER_KEY, 0o600).display().to_string();
    let quarrel = Quarrel::start(lab, &["--key-file", &ours], &["--key-file", &theirs]);
    quarrel.assert_said(
        "closed by intercept when it saw the proof of our key",
        "it has another key",
        "tunnels with wrong key:",
    );
}

#[test]
fn a_tcpcopy_without_a_key_is_not_served_where_one_is_wanted() {
    let lab = Lab::new();
    let key = key_file(&lab, "key", KEY, 0o600).display().to_string();
    let quarrel = Quarrel::start(lab, &[], &["--key-file", &key]);
    quarrel.assert_said("it wants the proof of a key; give --key-file", "closed: by its peer", "route:0");
}

#[test]
fn an_intercept_without_the_key_is_not_used() {
    let lab = Lab::new();
    let key = key_file(&lab, "key", KEY, 0o600).display().to_string();
    let quarrel = Quarrel::start(lab, &["--key-file", &key], &[]);
    quarrel.assert_said("it has no key; give it the same --key-file", "whoever reaches port 36524", "route:0");
}

#[test]
fn an_address_that_is_not_allowed_is_refused_told_and_counted() {
    let quarrel = Quarrel::start(Lab::new(), &[], &["--allow", "192.0.2.0/24,fd00::/8"]);
    quarrel.assert_said(
        "closed by intercept, whose log",
        "its address is not in --allow",
        "tunnels not allowed:",
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let lab = Lab::new();
    let key = key_file(&lab, "key", KEY, 0o644).display().to_string();
    let binaries = Binaries::from_environment();
    for (host, program, arguments) in [
        (&lab.target, &binaries.intercept, vec!["--key-file", &key]),
        (&lab.online, &binaries.tcpcopy, vec!["-L", "-x", "80-10.198.2.1:80", "--key-file", &key]),
    ] {
        let mut process = host.spawn("refused", host.command(program).args(arguments));
        assert_eq!(process.wait(LIMIT).and_then(|status| status.code()), Some(1));
        let said = process.errors();
        assert!(said.contains("so it is no secret; chmod 600"), "{said}");
    }
}
