//! However the target's answers get to intercept, every request arrives exactly once, and no answer reaches a client.

use tc_tests::binaries::Binaries;
use tc_tests::lab::TARGET;
use tc_tests::outcome::Outcome;
use tc_tests::pair::Arguments;
use tc_tests::stage::{APP_PORT, Feed, Stage, finish_load};

/// Short connections, keep-alive connections and large answers from many clients.
const LOADS: [&str; 3] = [
    "--tag short --from 10.198.1.1-10.198.1.20 --connections 500 --concurrency 50",
    "--tag long --from 10.198.1.21-10.198.1.40 --connections 50 --requests 40",
    "--tag large --from 10.198.1.41 --connections 5 --requests 10 --answer 200000",
];
const REQUESTS: usize = 500 + 2000 + 50;

fn replayed(mut stage: Stage, arguments: Arguments<'_>) -> Outcome {
    stage.start_pair(arguments);
    for load in LOADS {
        stage.load(load);
    }
    stage.outcome(|_| true)
}

fn intercept_log(outcome: &Outcome) -> String {
    std::fs::read_to_string(outcome.stage.lab.directory().join("intercept.log")).unwrap_or_default()
}

#[test]
fn the_target_may_route_its_answers_to_an_assistant_host() {
    let filter = format!("tcp and src host {TARGET} and src port {APP_PORT}");
    let stage = Stage::fed_by(Binaries::from_environment(), Feed::Assistant);
    let arguments =
        Arguments { tcpcopy: &["-c", "10.198.5.7"], intercept: &["-i", "assistant0", "-F", &filter] };
    let outcome = replayed(stage, arguments);
    outcome.assert_perfect(REQUESTS);
    let log = intercept_log(&outcome);
    assert!(log.contains("device:assistant0") && log.contains(", kernel dropped:0, not IP:0"), "{log}");
    assert!(!log.contains("is on: this host passes the answers on"), "{log}");
}

#[test]
fn the_firewall_may_copy_headers_and_keep_the_answers_by_itself() {
    let stage = Stage::fed_by(Binaries::from_environment(), Feed::Log("10.198.1.50"));
    let outcome = replayed(stage, Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] });
    outcome.assert_perfect(REQUESTS);
    let log = intercept_log(&outcome);
    assert!(log.contains("nflog group:0") && log.contains(", lost:0, overruns:0"), "{log}");
}

#[test]
fn the_rules_decide_whose_answers_are_not_kept() {
    let mut stage = Stage::fed_by(Binaries::from_environment(), Feed::Log("10.198.1.50"));
    stage.start_pair(Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] });
    let load = stage.start_load("--tag after --from 10.198.1.1-10.198.1.20 --connections 200 --requests 10");
    let ask = |from: &str| {
        let url = format!("http://{TARGET}:{APP_PORT}/bytes/20000");
        let mut command = stage.lab.client.command("curl");
        command.args(["-s", "-i", "--max-time", "2", "--output", "-", "--interface", from, &url]);
        command.output().expect("curl can be run")
    };
    let (listed, other) = (ask("10.198.1.50"), ask("10.198.1.51"));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("Server: target"), "{listed:?}");
    assert!(!other.status.success(), "{other:?}");
    finish_load(load);
    let outcome = stage.outcome(|record| record.id.starts_with("after-"));
    assert!(outcome.escaped.iter().all(|receiver| receiver == "10.198.1.50"), "{:?}", outcome.escaped);
    assert!(outcome.verdict.is_perfect(), "{outcome}");
    assert_eq!(outcome.verdict.target, 2000);
}

#[test]
fn several_queues_may_share_the_answers() {
    let stage = Stage::fed_by(Binaries::from_environment(), Feed::Queues(0, 3));
    let outcome = replayed(stage, Arguments { tcpcopy: &[], intercept: &["--queue", "0:3"] });
    outcome.assert_perfect(REQUESTS);
}
