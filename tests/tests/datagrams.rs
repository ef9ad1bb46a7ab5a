//! UDP: every datagram arrives at the target, whole and once, and no answer reaches a client.

use tc_tests::binaries::Binaries;
use tc_tests::datagrams::{DatagramApp, DatagramStage, Questions, ask};
use tc_tests::dns::{DnsServer, dig};
use tc_tests::lab::{Rule, TARGET};
use tc_tests::pair::{Arguments, QUEUE};
use tc_tests::stage::{APP_PORT, Replay, Stage};

const SMALL: Questions =
    Questions { tag: "small", clients: 20, sockets: 20, datagrams: 5, len: 60, answer_len: 100 };
const LARGE: Questions =
    Questions { tag: "large", clients: 10, sockets: 3, datagrams: 5, len: 9000, answer_len: 20_000 };

/// Asks and demands that all of it arrives, so many times; gives the stage for what is left to look at.
fn arrives(questions: &Questions, tcpcopy: &[&str], copies: usize) -> DatagramStage {
    let mut stage = DatagramStage::new(&DatagramStage::map(), Arguments { tcpcopy, intercept: &[] });
    let apps = [DatagramApp::start(&stage.lab.online), DatagramApp::start(&stage.lab.target)];
    ask(&stage.lab, questions);
    let verdict = stage.compare(copies, || apps[0].records(), || apps[1].records());
    stage.finish();
    let asked = usize::from(questions.clients) * questions.sockets * questions.datagrams;
    assert!(verdict.is_perfect() && verdict.online == asked * copies, "of {asked} {copies} times: {verdict}");
    assert_eq!(stage.counted("tcpcopy", "udp captured"), asked as u64);
    assert_eq!(stage.counted("tcpcopy", "udp sent"), (asked * copies) as u64);
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
    for role in [tc_tests::stage::Role::Online, tc_tests::stage::Role::Target] {
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
