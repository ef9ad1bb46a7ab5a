use std::net::UdpSocket;
use std::time::Instant;

use super::*;
use crate::syscall::namespace::drop_capabilities;
use crate::testing::{in_namespace, run};

const GROUP: u16 = 9;

fn open(config: NflogConfig) -> Nflog {
    Nflog::open(NflogConfig { group: GROUP, ..config }).expect("a group")
}

fn log_udp(program: &str, port: u16) {
    run(&format!("{program} -A OUTPUT -p udp --dport {port} -j NFLOG --nflog-group {GROUP}"));
}

fn send(address: &str, texts: &[&[u8]]) {
    let sender =
        UdpSocket::bind(if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).expect("a socket");
    for text in texts {
        // Nobody listens, which the next call may tell.
        let _ = sender.send_to(text, address).or_else(|_| sender.send_to(text, address));
    }
}

fn wait(log: &Nflog) -> bool {
    socket::wait_readable(log.socket.as_fd(), Duration::from_secs(2)).expect("poll")
}

/// All headers that are there, once there are some.
fn next(log: &mut Nflog) -> Vec<Vec<u8>> {
    assert!(wait(log), "nothing came");
    let mut packets = Vec::new();
    while log.recv(|packet| packets.push(packet.to_vec())).expect("no error").1 == Supply::More {}
    packets
}

#[test]
fn headers_of_either_family_come_together_and_are_cut() {
    in_namespace(|| {
        let mut log = open(NflogConfig { copy_range: 60, ..NflogConfig::default() });
        for (program, address, version, header) in
            [("iptables-legacy", "127.0.0.1:5000", 4, 28), ("ip6tables-legacy", "[::1]:5000", 6, 48)]
        {
            log_udp(program, 5000);
            send(address, &[b"one", &[b'2'; 1000]]);
            let packets = next(&mut log);
            assert_eq!(packets.len(), 2);
            assert_eq!((packets[0][0] >> 4, &packets[0][header..]), (version, &b"one"[..]));
            assert_eq!((packets[1].len(), &packets[1][header..header + 2]), (60, &b"22"[..]));
        }
        log.set_copy_range(100).expect("sent");
        send("127.0.0.1:5000", &[&[b'3'; 1000]]);
        assert_eq!(next(&mut log)[0].len(), 100);
        let expected = NflogStatistics { received: 5, lost: 0, overruns: 0 };
        assert_eq!(log.statistics(), expected);
    });
}

#[test]
fn headers_wait_for_others_and_no_longer_than_allowed() {
    in_namespace(|| {
        let flush = Duration::from_millis(500);
        let mut log = open(NflogConfig { threshold: 3, flush, ..NflogConfig::default() });
        log_udp("iptables-legacy", 5000);
        let start = Instant::now();
        send("127.0.0.1:5000", &[b"one", b"two", b"three"]);
        assert_eq!(next(&mut log).len(), 3);
        assert!(start.elapsed() < flush / 2, "three are handed over at once");
        let start = Instant::now();
        send("127.0.0.1:5000", &[b"four"]);
        assert_eq!(next(&mut log).len(), 1);
        assert!(start.elapsed() > flush / 2, "one waits");
    });
}

#[test]
fn what_the_receive_buffer_refuses_is_counted() {
    in_namespace(|| {
        let mut log = open(NflogConfig { threshold: 1, receive_buffer: 8192, ..NflogConfig::default() });
        log_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", &[&b"text"[..]; 100]);
        let before = next(&mut log).len();
        send("127.0.0.1:5000", &[b"text"]);
        let after = next(&mut log).len();
        let statistics = log.statistics();
        assert!(before < 100 && after == 1, "{before}, {after}");
        assert_eq!((statistics.received, statistics.lost), (before as u64 + 1, 100 - before as u64));
        assert!(statistics.overruns > 0, "{statistics:?}");
    });
}

#[test]
fn a_group_that_is_held_names_its_holder() {
    in_namespace(|| {
        let _held = open(NflogConfig::default());
        let line =
            Nflog::open(NflogConfig { group: GROUP, ..NflogConfig::default() }).expect_err("held").to_string();
        let holder = format!("(pid {})", std::process::id());
        assert!(line.starts_with("cannot open netfilter log group 9: ") && line.contains(&holder), "{line}");
        assert!(line.ends_with("choose another group"), "{line}");
    });
}

#[test]
fn a_missing_privilege_names_the_ways_to_get_it() {
    in_namespace(|| {
        drop_capabilities().expect("dropped");
        let line = Nflog::open(NflogConfig::default()).expect_err("no privilege").to_string();
        assert!(line.contains("Operation not permitted; CAP_NET_RAW and CAP_NET_ADMIN are needed"), "{line}");
    });
}

#[test]
fn the_holder_of_a_group_is_found_in_the_list() {
    let list = "    5  12345     0 2 00128   10  1\n    9      7     0 2 65535  100  1\n";
    assert_eq!((holder(list, 9), holder(list, 5), holder(list, 1)), (Some(7), Some(12345), None));
}
