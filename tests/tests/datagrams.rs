//! UDP: every datagram arrives at the target, whole and once, and no answer reaches a client.

use tc_tests::binaries::Binaries;
use tc_tests::capture::Capture;
use tc_tests::datagrams::{DatagramApp, DatagramStage, Questions, ask};
use tc_tests::dns::{DnsServer, dig};
use tc_tests::lab::IpVersion::{self, V4, V6};
use tc_tests::lab::{Lab, Rule, TARGET};
use tc_tests::pair::{Arguments, QUEUE};
use tc_tests::records::Verdict;
use tc_tests::stage::{APP_PORT, Recording, Replay, Role, Stage, replay};

const SMALL: Questions =
    Questions { tag: "small", clients: 20, sockets: 20, datagrams: 5, len: 60, answer_len: 100 };
const LARGE: Questions =
    Questions { tag: "large", clients: 10, sockets: 3, datagrams: 5, len: 9000, answer_len: 20_000 };

/// Asks and demands that all of it arrives, so many times; gives the stage for what is left to look at.
fn arrives(questions: &Questions, tcpcopy: &[&str], copies: usize) -> DatagramStage {
    arrives_over(V4, questions, tcpcopy, copies)
}

fn arrives_over(version: IpVersion, questions: &Questions, tcpcopy: &[&str], copies: usize) -> DatagramStage {
    let map = DatagramStage::map_over(version);
    let mut stage = DatagramStage::over(version, &map, Arguments { tcpcopy, intercept: &[] });
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    ask(&stage.lab, questions);
    let verdict = stage.compare(copies, || apps[0].records(), || apps[1].records());
    stage.finish();
    let asked = usize::from(questions.clients) * questions.sockets * questions.datagrams;
    assert!(
        verdict.is_perfect() && verdict.online == asked * copies,
        "{version:?} {tcpcopy:?}: of {asked} {copies} times: {verdict}"
    );
    assert_eq!(stage.counted("tcpcopy", "udp captured"), asked as u64);
    assert_eq!(stage.counted("tcpcopy", "udp sent"), (asked * copies) as u64);
    assert_eq!(stage.counted("tcpcopy", "udp answered"), (asked * copies) as u64);
    assert_eq!(stage.counted("tcpcopy", "udp unanswered"), 0);
    stage
}

#[test]
fn dns_queries_arrive_complete_over_udp_and_tcp() {
    let map = format!("{},{APP_PORT}-{TARGET}:{APP_PORT}", DatagramStage::map());
    let mut stage = DatagramStage::new(&map, Arguments { tcpcopy: &["-c", "10.198.1.60"], intercept: &[] });
    let start = |host, name| DnsServer::start(host, stage.lab.directory(), name);
    let mut servers = [start(&stage.lab.online, "dns-online"), start(&stage.lab.target, "dns-target")];
    // The server's receive buffer holds some 270 queries: a round fits, should it arrive at once after a stall.
    for round in 0..10 {
        dig(&stage.lab, round, 20, 10, "+notcp");
        dig(&stage.lab, round, 10, 2, "+tcp");
        stage.await_replay(1, || servers[0].records(), || servers[1].records());
    }
    let verdict = stage.compare(1, || servers[0].records(), || servers[1].records());
    let refused = stage.lab.target.run("grep ^Udp: /proc/net/snmp");
    servers.iter_mut().for_each(DnsServer::stop);
    stage.finish();
    assert!(verdict.is_perfect() && verdict.online == 2200, "{verdict}; {refused}");
    assert_eq!(stage.counted("tcpcopy", "udp answered"), 2000);
}

#[test]
fn datagrams_arrive_whole() {
    arrives(&SMALL, &[], 1);
}

#[test]
fn datagrams_larger_than_the_mtu_arrive_whole() {
    let stage = arrives(&LARGE, &[], 1);
    assert!(stage.counted("tcpcopy", "udp packets") > stage.counted("tcpcopy", "udp sent") * 6);
}

#[test]
fn three_copies_of_each_datagram_arrive() {
    arrives(&SMALL, &["-n", "3"], 3);
}

#[test]
fn three_copies_of_each_datagram_arrive_from_one_address() {
    arrives(&SMALL, &["-n", "3", "-c", "10.198.1.60", "-f", "2"], 3);
}

#[test]
fn datagrams_arrive_by_every_way_in_and_out() {
    let (small, large) = (Questions { sockets: 10, ..SMALL }, Questions { sockets: 1, ..LARGE });
    let ways: [(IpVersion, &Questions, &[&str], usize); 4] = [
        (V6, &small, &["-c", "fd98:1::3c", "-n", "2"], 2),
        (V6, &large, &["-o", "online1"], 1),
        (V4, &small, &["-o", "online1", "-S", "1500"], 1),
        (V4, &small, &["--threads", "3", "-C", "2", "-c", "10.198.1.60"], 1),
    ];
    for (version, questions, tcpcopy, copies) in ways {
        arrives_over(version, questions, tcpcopy, copies);
    }
}

#[test]
fn answers_are_counted_again_when_intercept_comes_back() {
    let arguments = Arguments { tcpcopy: &["-C", "2"], intercept: &[] };
    let mut stage = DatagramStage::new(&DatagramStage::map(), arguments);
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    let few = Questions { clients: 5, sockets: 2, datagrams: 5, ..SMALL };
    ask(&stage.lab, &few);
    stage.await_replay(1, || apps[0].records(), || apps[1].records());
    stage.pair.kill_intercept();
    let DatagramStage { pair, lab, .. } = &mut stage;
    pair.restart_intercept(lab, &Binaries::from_environment(), arguments);
    stage.await_told("are told by", 2);
    ask(&stage.lab, &Questions { tag: "again", ..few });
    assert!(stage.compare(1, || apps[0].records(), || apps[1].records()).is_perfect());
    stage.finish();
    // Those of the first round may have been on their way when intercept ended.
    let (sent, answered) = (stage.counted("tcpcopy", "udp sent"), stage.counted("tcpcopy", "udp answered"));
    assert!(sent == 100 && answered > 50, "{answered} of {sent}");
}

#[test]
fn answers_are_swallowed_and_counted_by_the_netfilter_log_too() {
    let lab = Lab::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/iptables-setup.sh");
    lab.target.run(&format!("{script} add --port {APP_PORT} --udp --nflog"));
    let arguments = Arguments { tcpcopy: &[], intercept: &["--source", "nflog"] };
    let mut stage = DatagramStage::on(lab, &DatagramStage::map(), arguments);
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    ask(&stage.lab, &SMALL);
    let verdict = stage.compare(1, || apps[0].records(), || apps[1].records());
    stage.finish();
    assert!(verdict.is_perfect() && verdict.online == 2000, "{verdict}");
    assert_eq!(stage.counted("tcpcopy", "udp answered"), 2000);
}

#[test]
fn datagrams_arrive_out_of_a_file() {
    let lab = Lab::new();
    Rule::queue_datagrams(APP_PORT, QUEUE).add(&lab.target);
    let capture = Capture::start(&lab, APP_PORT);
    let apps = [DatagramApp::start(&lab.online), DatagramApp::start(&lab.target)];
    let recording = Recording::start(&lab, "online.pcap", &["-i", "any"]);
    ask(&lab, &SMALL);
    ask(&lab, &Questions { sockets: 1, ..LARGE });
    let file = recording.stop();
    let arguments = ["-i", file.to_str().unwrap(), "-a", "max"];
    let run = replay(&lab, &Binaries::from_environment(), Role::Online, &DatagramStage::map(), &arguments);
    assert_eq!(run.code, Some(0), "{run:?}");
    let verdict = Verdict::of(&apps[0].records(), &apps[1].records());
    assert!(verdict.is_perfect() && verdict.online == 2050, "{verdict}; {run:?}");
    assert!(
        run.log.contains("datagrams: in the files:2050, replayed:2050, answered:2050, unanswered:0"),
        "{run:?}"
    );
    assert_eq!(capture.receivers(), Vec::<String>::new(), "answers of the target reached clients");
}

#[test]
fn a_share_of_the_clients_is_replayed_whole() {
    let arguments = Arguments { tcpcopy: &["-r", "30"], intercept: &[] };
    let mut stage = DatagramStage::new(&DatagramStage::map(), arguments);
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    ask(&stage.lab, &Questions { clients: 50, sockets: 10, datagrams: 2, ..SMALL });
    std::thread::sleep(std::time::Duration::from_secs(1));
    stage.finish();
    let replayed = apps[1].records().len();
    assert!((200..=400).contains(&replayed), "{replayed} of 1000");
    assert_eq!(stage.counted("tcpcopy", "udp captured"), replayed as u64);
}

#[test]
fn answers_to_the_passlist_go_on() {
    let arguments = Arguments { tcpcopy: &[], intercept: &["-x", "10.198.1.3"] };
    let mut stage = DatagramStage::new(&DatagramStage::map(), arguments);
    let _apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    ask(&stage.lab, &Questions { clients: 5, sockets: 1, datagrams: 10, ..SMALL });
    std::thread::sleep(std::time::Duration::from_secs(1));
    let receivers = stage.capture.receivers();
    assert!(stage.pair.stop());
    assert_eq!(receivers, vec!["10.198.1.3"; 10]);
}

#[test]
fn datagrams_and_connections_are_replayed_side_by_side() {
    let mut stage = Stage::bare(Binaries::from_environment());
    Rule::queue_datagrams(APP_PORT, QUEUE).add(&stage.lab.target);
    for role in [Role::Online, Role::Target] {
        stage.start_app(role, &[]);
    }
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    let map = format!("{APP_PORT}-{TARGET}:{APP_PORT},{}", DatagramStage::map());
    stage.start_pair_mapped(&map, Arguments::default());
    let load = stage.start_load("--from 10.198.1.1-10.198.1.50 --connections 200 --requests 10");
    ask(&stage.lab, &SMALL);
    tc_tests::stage::finish_load(load);
    let outcome = stage.outcome_of(Replay::Complete(1), |_| true);
    outcome.assert_perfect(2000);
    let records = |app: &DatagramApp| app.records().into_iter().map(|record| record.id).collect::<Vec<_>>();
    let (mut online, mut target) = (records(&apps[0]), records(&apps[1]));
    online.sort();
    target.sort();
    assert_eq!(online, target);
}
