use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::inject::{Injector, PacketBatch};
use crate::testing::{in_namespace, ipv4_packet, ipv6_packet, run};

/// Opens a capture with the backend under test.
type Opener<'a> = dyn Fn(&CaptureConfig) -> Box<dyn Capture> + 'a;

const BACKENDS: [Backend; 2] = [Backend::Ring, Backend::Pnet];

/// Runs a test for each backend, in a namespace of its own.
fn with_each_backend(test: impl Fn(&Opener<'_>) + Sync) {
    for backend in BACKENDS {
        in_namespace(|| test(&|config| backend.open(config).expect("a capture")));
    }
}

pub(super) fn config(rules: &[CaptureRule]) -> CaptureConfig {
    CaptureConfig { rules: rules.to_vec(), families: Families::Both, ..CaptureConfig::default() }
}

/// Everything that waits.
pub(super) fn drain(capture: &mut dyn Capture) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some(packet) = capture.next_packet().expect("no error") {
        packets.push(packet.to_vec());
    }
    packets
}

fn destination_port(packet: &[u8]) -> u16 {
    let at = if packet[0] >> 4 == 4 { usize::from(packet[0] & 0xf) * 4 } else { 40 };
    u16::from_be_bytes([packet[at + 2], packet[at + 3]])
}

pub(super) fn inject(packets: &[(&str, Vec<u8>)]) {
    let mut batch = PacketBatch::new();
    for (destination, packet) in packets {
        batch.push(destination.parse().expect("an address"), packet);
    }
    let report = Injector::open(Families::Both).expect("raw sockets").send(&batch);
    assert_eq!(report.sent, packets.len(), "{report:?}");
}

#[test]
fn a_connection_over_loopback_is_seen_once_and_in_one_direction() {
    with_each_backend(|open| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("a listener");
            let port = listener.local_addr().expect("an address").port();
            let mut capture = open(&config(&[CaptureRule::port(port)]));
            let mut client =
                TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
            let (mut server, _) = listener.accept().expect("a connection");
            client.write_all(b"question").expect("written");
            let mut question = [0; 8];
            server.read_exact(&mut question).expect("read");
            server.write_all(b"answer").expect("written");
            let packets = drain(&mut *capture);
            assert!(packets.iter().all(|packet| destination_port(packet) == port));
            assert_eq!(packets.iter().filter(|packet| packet.ends_with(b"question")).count(), 1);
            assert_eq!(packets.len(), 4, "SYN, ACK, data, ACK");
        }
    });
}

#[test]
fn ipv6_is_captured_only_when_asked_for() {
    with_each_backend(|open| {
        let rules = [CaptureRule::port(80)];
        let mut both = open(&config(&rules));
        let mut ipv4 = open(&CaptureConfig { families: Families::Ipv4, ..config(&rules) });
        assert_eq!((both.raw_fds().len(), ipv4.raw_fds().len()), (2, 1));
        inject(&[
            ("127.0.0.1", ipv4_packet([127, 0, 0, 1], 80, b"four")),
            ("::1", ipv6_packet("::1", 80, b"six")),
        ]);
        assert_eq!(drain(&mut *both).len(), 2);
        let packets = drain(&mut *ipv4);
        assert_eq!(packets.len(), 1);
        assert!(packets[0].ends_with(b"four"));
    });
}

#[test]
fn the_kernel_runs_the_filter_with_hundreds_of_rules_and_the_exclusion() {
    with_each_backend(|open| {
        let mut rules: Vec<_> =
            (1..=250).map(|n| CaptureRule::from(SocketAddr::from(([127, 0, 3, n], 80)))).collect();
        rules.extend((1000..1300).map(CaptureRule::port));
        let exclude =
            vec!["127.0.3.7:80".parse().expect("an address"), "127.0.0.9:1299".parse().expect("an address")];
        let mut capture = open(&CaptureConfig { exclude, ..config(&rules) });
        let cases = [
            ([127, 0, 3, 1], 80, true),
            ([127, 0, 3, 7], 80, false),
            ([127, 0, 3, 250], 80, true),
            ([127, 0, 4, 1], 80, false),
            ([127, 0, 0, 1], 1299, true),
            ([127, 0, 0, 9], 1299, false),
            ([127, 0, 0, 1], 1300, false),
        ];
        for (destination, port, expected) in cases {
            inject(&[(&IpAddr::from(destination).to_string(), ipv4_packet(destination, port, b"x"))]);
            assert_eq!(drain(&mut *capture).len(), usize::from(expected), "{destination:?}:{port}");
        }
    });
}

#[test]
fn a_large_packet_comes_whole() {
    with_each_backend(|open| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let mut capture = open(&config(&[CaptureRule::port(port)]));
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let (mut server, _) = listener.accept().expect("a connection");
        let sent = vec![7; 500_000];
        let mut received = vec![0; sent.len()];
        std::thread::scope(|scope| {
            scope.spawn(|| client.write_all(&sent));
            server.read_exact(&mut received).expect("read");
        });
        let packets = drain(&mut *capture);
        assert!(packets.iter().any(|packet| packet.len() > 32_768), "loopback has no large packets any more");
        let length = |packet: &[u8]| usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        assert!(packets.iter().all(|packet| packet.len() == length(packet)), "a packet was cut");
    });
}

/// A pair of Ethernet devices; what is sent to 10.77.0.2 leaves through `near` and arrives at `far`.
fn ethernet(neighbour: &str) {
    run("ip link add near type veth peer name far");
    run("ip link set far address 02:00:00:00:00:02");
    run("ip addr add 10.77.0.1/24 dev near");
    run("ip link set near up");
    run("ip link set far up");
    run(&format!("ip neigh replace 10.77.0.2 lladdr {neighbour} dev near"));
    // A link drops what is sent before the kernel has noticed its carrier, which takes up to a second.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !run("ip link show near").contains("state UP") {
        assert!(Instant::now() < deadline, "the link does not come up");
    }
}

/// How many packets of one that is sent are captured; waits for `expected` and a little longer for more.
fn captured_through_ethernet(open: &Opener<'_>, interfaces: &[&str], expected: usize) -> usize {
    let interfaces = interfaces.iter().map(ToString::to_string).collect();
    let mut capture = open(&CaptureConfig { interfaces, ..config(&[CaptureRule::port(80)]) });
    inject(&[("10.77.0.2", ipv4_packet([10, 77, 0, 2], 80, b"x"))]);
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut captured = 0;
    while captured < expected && Instant::now() < deadline {
        captured += drain(&mut *capture).len();
    }
    std::thread::sleep(Duration::from_millis(20));
    captured + drain(&mut *capture).len()
}

#[test]
fn an_arriving_packet_is_taken_and_a_leaving_one_is_not() {
    with_each_backend(|open| {
        ethernet("02:00:00:00:00:02");
        assert_eq!(captured_through_ethernet(open, &[], 1), 1);
        assert_eq!(captured_through_ethernet(open, &["far"], 1), 1);
        assert_eq!(captured_through_ethernet(open, &["near"], 0), 0);
        assert_eq!(captured_through_ethernet(open, &["far", "lo", "far"], 1), 1);
    });
}

#[test]
fn a_packet_for_another_machine_is_not_taken() {
    with_each_backend(|open| {
        ethernet("02:00:00:00:00:99");
        assert_eq!(captured_through_ethernet(open, &[], 0), 0);
    });
}

#[test]
fn a_packet_through_a_bridge_is_taken_once() {
    with_each_backend(|open| {
        ethernet("02:00:00:00:00:02");
        run("ip link add bridge type bridge");
        run("ip link set bridge address 02:00:00:00:00:02");
        run("ip link set far master bridge");
        run("ip link set bridge up");
        assert_eq!(captured_through_ethernet(open, &[], 1), 1);
    });
}

#[test]
fn statistics_add_up_and_tell_of_lost_packets() {
    with_each_backend(|open| {
        let mut capture = open(&CaptureConfig { receive_buffer: 4096, ..config(&[CaptureRule::port(80)]) });
        let packet = ipv4_packet([127, 0, 0, 1], 80, &[0; 1000]);
        for round in 1..=2 {
            inject(&vec![("127.0.0.1", packet.clone()); 50]);
            let seen = drain(&mut *capture).len() as u64;
            let statistics = capture.statistics().expect("statistics");
            assert_eq!(statistics.packets, 50 * round);
            assert!(statistics.dropped >= 50 - seen && seen < 50, "{statistics:?}");
            assert_eq!(capture.statistics().expect("statistics"), statistics, "reading takes nothing away");
        }
    });
}

#[test]
fn a_busy_source_leaves_the_others_their_turn() {
    with_each_backend(|open| {
        let mut capture = open(&config(&[CaptureRule::port(80)]));
        inject(&vec![("127.0.0.1", ipv4_packet([127, 0, 0, 1], 80, b"four")); 200]);
        inject(&[("::1", ipv6_packet("::1", 80, b"six"))]);
        let place = drain(&mut *capture).iter().position(|packet| packet.ends_with(b"six"));
        assert!(place.is_some_and(|place| place <= TURN as usize), "{place:?}");
    });
}

#[test]
fn an_interface_that_goes_down_is_reported_once_and_survived() {
    with_each_backend(|open| {
        run("ip link add near type veth peer name far");
        run("ip link set near up");
        let interfaces = vec!["lo".to_owned(), "near".to_owned()];
        let mut capture = open(&CaptureConfig { interfaces, ..config(&[CaptureRule::port(80)]) });
        run("ip link set near down");
        let mut errors = 0;
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            match capture.next_packet() {
                Ok(None) => break,
                Ok(Some(_)) => panic!("no packet was sent"),
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENETDOWN)),
            }
            errors += 1;
            assert!(Instant::now() < deadline, "the error does not go away");
        }
        assert_eq!(errors, 2, "one for each socket on the interface");
        inject(&[("127.0.0.1", ipv4_packet([127, 0, 0, 1], 80, b"still here"))]);
        assert_eq!(drain(&mut *capture).len(), 1);
    });
}

#[test]
fn an_interface_that_does_not_exist_is_named_with_those_that_do() {
    in_namespace(|| {
        let interfaces = vec!["eth7".to_owned(), "lo".to_owned(), "wlan9".to_owned()];
        let config = CaptureConfig { interfaces, ..config(&[CaptureRule::port(80)]) };
        for backend in BACKENDS {
            let line = backend.open(&config).err().expect("there is no such interface").to_string();
            assert_eq!(line, "cannot capture on eth7, wlan9: no such interface; this host has: lo");
        }
    });
}

#[test]
fn without_the_privilege_the_remedy_is_named() {
    in_namespace(|| {
        crate::syscall::namespace::drop_capabilities().expect("dropped");
        let start = "cannot open the capture socket on all interfaces: Operation not permitted; CAP_NET_RAW and CAP_NET_ADMIN are needed: run with sudo";
        for backend in BACKENDS {
            let line = backend.open(&config(&[CaptureRule::port(80)])).err().expect("no privilege").to_string();
            assert!(line.starts_with(start), "{line}");
        }
    });
}

#[test]
fn rules_of_no_family_are_an_error() {
    for backend in BACKENDS {
        let error = backend.open(&config(&[])).err();
        assert!(matches!(error, Some(CaptureError::NothingToCapture)), "{error:?}");
    }
}

#[test]
fn where_there_is_no_ring_pnet_captures_and_the_reason_is_told() {
    in_namespace(|| {
        let impossible = CaptureConfig { ring: usize::MAX, ..config(&[CaptureRule::port(80)]) };
        let (mut captures, refused) = open_several(&impossible, 1).expect("a capture");
        let line = refused.expect("a reason").to_string();
        assert_eq!(line, "cannot make a ring for the capture socket on all interfaces: Invalid argument");
        inject(&[("127.0.0.1", ipv4_packet([127, 0, 0, 1], 80, b"x"))]);
        assert_eq!(drain(&mut *captures[0]).len(), 1);
        assert!(open_several(&config(&[CaptureRule::port(80)]), 1).expect("a capture").1.is_none());
    });
}
