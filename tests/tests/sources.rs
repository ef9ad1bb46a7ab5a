//! However the target's answers get to intercept, every request arrives exactly once, and no answer reaches a client.

use std::net::SocketAddr;
use tc_tests::binaries::Binaries;
use tc_tests::lab::IpVersion::V6;
use tc_tests::lab::TARGET;
use tc_tests::outcome::Outcome;
use tc_tests::over_both_versions;
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

fn by_an_assistant(stage: Stage) -> Outcome {
    let filter = format!("tcp and src host {TARGET} and src port {APP_PORT}");
    replayed(
        stage,
        Arguments { tcpcopy: &["-c", "10.198.5.7"], intercept: &["-i", "assistant0", "-F", &filter] },
    )
}

fn by_the_log(stage: Stage) -> Outcome {
    replayed(stage, Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] })
}

over_both_versions! {
    fn the_target_may_route_its_answers_to_an_assistant_host(binaries) {
        let outcome = by_an_assistant(Stage::fed_by(binaries.clone(), Feed::Assistant));
        outcome.assert_perfect(REQUESTS);
        let log = intercept_log(&outcome);
        assert!(log.contains("device:assistant0") && log.contains(", kernel dropped:0, not IP:0"), "{log}");
        assert!(!log.contains("is on: this host passes the answers on"), "{log}");
    }

    fn the_firewall_may_copy_headers_and_keep_the_answers_by_itself(binaries) {
        let outcome = by_the_log(Stage::fed_by(binaries.clone(), Feed::Log("10.198.1.50")));
        outcome.assert_perfect(REQUESTS);
        let log = intercept_log(&outcome);
        assert!(log.contains("nflog group:0") && log.contains(", lost:0, overruns:0"), "{log}");
    }

    fn the_rules_decide_whose_answers_are_not_kept(binaries) {
        let mut stage = Stage::fed_by(binaries.clone(), Feed::Log("10.198.1.50"));
        stage.start_pair(Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] });
        let load = stage.start_load("--tag after --from 10.198.1.1-10.198.1.20 --connections 200 --requests 10");
        let ask = |from: &str| {
            let target = SocketAddr::new(stage.lab.target_address(), APP_PORT);
            let mut command = stage.lab.client.command("curl");
            command.args(["-s", "-i", "--max-time", "2", "--output", "-", "--interface", from]);
            command.arg(format!("http://{target}/bytes/20000")).output().expect("curl can be run")
        };
        let [listed, other] = ["10.198.1.50", "10.198.1.51"].map(|address| binaries.version.translate(address));
        let (answered, refused) = (ask(&listed), ask(&other));
        assert!(String::from_utf8_lossy(&answered.stdout).contains("Server: target"), "{answered:?}");
        assert!(!refused.status.success(), "{refused:?}");
        finish_load(load);
        let outcome = stage.outcome(|record| record.id.starts_with("after-"));
        assert!(outcome.escaped.iter().all(|receiver| *receiver == listed), "{:?}", outcome.escaped);
        assert!(outcome.verdict.is_perfect(), "{outcome}");
        assert_eq!(outcome.verdict.target, 2000);
    }

    fn several_queues_may_share_the_answers(binaries) {
        let stage = Stage::fed_by(binaries.clone(), Feed::Queues(0, 3));
        let outcome = replayed(stage, Arguments { tcpcopy: &[], intercept: &["--queue", "0:3"] });
        outcome.assert_perfect(REQUESTS);
    }
}

/// Lets the target send packets of more octets than the length field of IPv6 can say (BIG TCP); fails if it did not.
fn with_big_packets(feed: Feed, device: &str, replay: fn(Stage) -> Outcome) -> Outcome {
    const COUNT: &str = "OUTPUT -p tcp -m u32 --u32 2&0xffff=0";
    let stage = Stage::fed_by(Binaries::from_environment().over(V6, V6), feed);
    stage.lab.target.run(&format!("ip link set {device} gso_max_size 180000"));
    stage.lab.target.run(&format!("ip6tables -I {COUNT}"));
    let outcome = replay(stage);
    let rules = outcome.stage.lab.target.run("ip6tables -nvxL OUTPUT");
    let counted = rules.lines().find(|line| line.contains("0x2&0xffff=0x0"));
    let packets = counted.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    assert!(packets.is_some_and(|packets| packets > 0), "no large packets: {rules}");
    outcome
}

fn large_answers(mut stage: Stage, arguments: Arguments<'_>) -> Outcome {
    stage.start_pair(arguments);
    stage.load("--from 10.198.1.41 --connections 5 --requests 5 --answer 2000000");
    stage.outcome(|_| true)
}

#[test]
fn packets_that_outgrew_their_length_field_go_through_the_queue() {
    let outcome = with_big_packets(Feed::Queue, "target0", |stage| large_answers(stage, Arguments::default()));
    outcome.assert_perfect(25);
}

#[test]
fn packets_that_outgrew_their_length_field_go_through_the_log() {
    let outcome = with_big_packets(Feed::Log("10.198.1.50"), "target0", |stage| {
        large_answers(stage, Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] })
    });
    outcome.assert_perfect(25);
    assert!(!intercept_log(&outcome).contains("bad header length"), "{}", intercept_log(&outcome));
}

#[test]
fn packets_that_outgrew_their_length_field_go_through_an_assistant_host() {
    let outcome = with_big_packets(Feed::Assistant, "target1", |stage| {
        let filter = format!("src host {TARGET}");
        let intercept = ["-i", "assistant0", "-F", &filter];
        large_answers(stage, Arguments { tcpcopy: &["-c", "10.198.5.7"], intercept: &intercept })
    });
    outcome.assert_perfect(25);
}
