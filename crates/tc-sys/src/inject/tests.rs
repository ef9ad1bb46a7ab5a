use std::time::Instant;

use super::*;
use crate::capture::{Capture, CaptureConfig, CaptureRule, PnetCapture};
use crate::syscall::namespace::drop_capabilities;
use crate::testing::{in_namespace, ipv4_packet, ipv6_packet, run};

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn capture() -> PnetCapture {
    let config = CaptureConfig {
        rules: vec![CaptureRule::port(80)],
        families: Families::Both,
        ..CaptureConfig::default()
    };
    PnetCapture::open(&config).expect("a capture")
}

fn payloads(capture: &mut PnetCapture) -> Vec<String> {
    let mut payloads = Vec::new();
    while let Some(packet) = capture.next_packet().expect("no error") {
        let header = if packet[0] >> 4 == 4 { 40 } else { 60 };
        payloads.push(String::from_utf8_lossy(&packet[header..]).into_owned());
    }
    payloads
}

fn errors(report: &SendReport) -> Vec<(i32, usize)> {
    report.errors().map(|failure| (failure.errno, failure.count)).collect()
}

fn small(text: &str) -> Vec<u8> {
    ipv4_packet([127, 0, 0, 1], 80, text.as_bytes())
}

#[test]
fn both_families_leave_in_their_order_beyond_one_system_call() {
    in_namespace(|| {
        let mut capture = capture();
        let mut batch = PacketBatch::new();
        for number in 0..200 {
            batch.push(V4, &small(&format!("four {number}")));
            batch.push(V6, &ipv6_packet("::1", 80, format!("six {number}").as_bytes()));
        }
        let report = Injector::open(Families::Both).expect("raw sockets").send(&batch);
        assert_eq!((report.sent, report.failed()), (400, 0), "{report:?}");
        let (four, six): (Vec<_>, Vec<_>) =
            payloads(&mut capture).into_iter().partition(|text| text.starts_with('f'));
        assert_eq!(four, (0..200).map(|number| format!("four {number}")).collect::<Vec<_>>());
        assert_eq!(six, (0..200).map(|number| format!("six {number}")).collect::<Vec<_>>());
    });
}

#[test]
fn a_refused_packet_is_counted_by_its_cause_and_the_others_go() {
    in_namespace(|| {
        run("ip link set lo mtu 1500");
        let mut capture = capture();
        let mut batch = PacketBatch::new();
        let nowhere = IpAddr::from([203, 0, 113, 1]);
        for number in 0..70 {
            batch.push(V4, &small(&number.to_string()));
            match number % 10 {
                3 => batch.push(V4, &ipv4_packet([127, 0, 0, 1], 80, &[b'x'; 1500])),
                7 => batch.push(nowhere, &ipv4_packet([203, 0, 113, 1], 80, b"x")),
                _ => true,
            };
        }
        let report = Injector::open(Families::Ipv4).expect("raw sockets").send(&batch);
        assert_eq!(report.sent, 70, "{report:?}");
        assert_eq!(errors(&report), [(libc::EMSGSIZE, 7), (libc::ENETUNREACH, 7)]);
        assert_eq!(payloads(&mut capture).len(), 70);
    });
}

#[test]
fn a_firewall_that_drops_does_not_end_the_sending() {
    in_namespace(|| {
        run("iptables-legacy -A OUTPUT -p tcp --dport 81 -j DROP");
        let mut batch = PacketBatch::new();
        batch.push(V4, &ipv4_packet([127, 0, 0, 1], 81, b"x"));
        batch.push(V4, &small("passes"));
        let report = Injector::open(Families::Ipv4).expect("raw sockets").send(&batch);
        assert_eq!((report.sent, errors(&report)), (1, vec![(libc::EPERM, 1)]));
    });
}

#[test]
fn a_full_send_buffer_costs_a_few_milliseconds_and_then_packets() {
    in_namespace(|| {
        // A queueing discipline that holds what it gets; the packets stay charged to the socket.
        run("ip link add near type veth peer name far");
        run("ip link set near up");
        run("ip link set far up");
        run("ip addr add 10.78.0.1/24 dev near");
        run("ip neigh add 10.78.0.2 lladdr 02:00:00:00:00:01 dev near");
        run("tc qdisc add dev near root tbf rate 8kbit burst 1600 limit 1000000000");
        let mut batch = PacketBatch::new();
        while batch.len() < 40_000 {
            batch.push([10, 78, 0, 2].into(), &ipv4_packet([10, 78, 0, 2], 80, &[b'x'; 1000]));
        }
        let mut injector = Injector::open(Families::Ipv4).expect("raw sockets");
        let first = injector.send(&batch);
        assert!(first.sent > 5_000 && first.sent < 40_000, "{first:?}");
        assert_eq!(errors(&first), [(libc::EAGAIN, 40_000 - first.sent)]);
        batch.clear();
        for _ in 0..64 {
            batch.push([10, 78, 0, 2].into(), &ipv4_packet([10, 78, 0, 2], 80, &[b'x'; 1000]));
        }
        let start = Instant::now();
        let second = injector.send(&batch);
        let elapsed = start.elapsed();
        assert!(second.failed() >= 60, "{second:?}");
        assert!(elapsed >= Duration::from_millis(3) && elapsed < Duration::from_millis(200), "{elapsed:?}");
    });
}

#[test]
fn a_family_without_a_socket_is_counted() {
    in_namespace(|| {
        let mut batch = PacketBatch::new();
        batch.push(V6, &ipv6_packet("::1", 80, b"x"));
        batch.push(V4, &small("x"));
        let report = Injector::open(Families::Ipv4).expect("raw sockets").send(&batch);
        assert_eq!((report.sent, errors(&report)), (1, vec![(libc::EAFNOSUPPORT, 1)]));
    });
}

#[test]
fn nothing_piles_up_in_the_raw_sockets() {
    in_namespace(|| {
        let mut injector = Injector::open(Families::Both).expect("raw sockets");
        let mut batch = PacketBatch::new();
        // Protocol 255 is the one that such a socket would get.
        let mut packet = small("x");
        packet[9] = 255;
        batch.push(V4, &packet);
        let mut packet = ipv6_packet("::1", 80, b"x");
        packet[6] = 255;
        batch.push(V6, &packet);
        batch.push(V4, &small("x"));
        assert_eq!(injector.send(&batch).sent, 3);
        let Way::Raw { ipv4, ipv6 } = &injector.way else { panic!("raw sockets") };
        for socket in [ipv4, ipv6].into_iter().flatten() {
            let waiting = socket::wait_readable(socket.as_fd(), Duration::from_millis(20));
            assert!(!waiting.expect("poll"), "a packet waits to be read");
        }
    });
}

#[test]
fn without_the_privilege_the_remedy_is_named() {
    in_namespace(|| {
        drop_capabilities().expect("dropped");
        let line = Injector::open(Families::Ipv4).expect_err("no privilege").to_string();
        assert!(
            line.starts_with("cannot open the raw IPv4 socket: Operation not permitted; CAP_NET_RAW and CAP_NET_ADMIN are needed: run with sudo"),
            "{line}"
        );
    });
}

#[test]
fn a_batch_keeps_its_memory_and_forgets_what_was_not_finished() {
    let mut batch = PacketBatch::with_capacity(2, 64);
    assert!(!batch.push_with(|octets| {
        octets.extend_from_slice(b"given up");
        None
    }));
    assert!(!batch.push_with(|_| Some(V4)), "no octet is no packet");
    assert!(batch.is_empty() && batch.octets() == 0);
    assert!(batch.push(V4, b"one") && batch.push(V6, b"three"));
    let packets: Vec<_> = batch.iter().collect();
    assert_eq!(packets, [(V4, &b"one"[..]), (V6, &b"three"[..])]);
    batch.clear();
    assert_eq!((batch.len(), batch.octets()), (0, 0));
}
