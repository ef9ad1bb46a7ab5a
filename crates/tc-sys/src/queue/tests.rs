use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::*;
use crate::syscall::namespace::drop_capabilities;
use crate::testing::{in_namespace, run};

const NUMBER: u16 = 7;

fn open(config: QueueConfig) -> Queue {
    Queue::open(QueueConfig { number: NUMBER, ..config }).expect("a queue")
}

/// Hands UDP packets to `port` to the queue. The legacy program, as not every kernel has the new one's target.
fn queue_udp(program: &str, port: u16) {
    run(&format!("{program} -A OUTPUT -p udp --dport {port} -j NFQUEUE --queue-num {NUMBER}"));
}

fn wait(queue: &Queue) -> bool {
    socket::wait_readable(queue.as_fd(), Duration::from_secs(2)).expect("poll")
}

fn next(queue: &mut Queue) -> QueuedPacket {
    assert!(wait(queue), "no packet came");
    queue.recv().expect("no error").expect("a packet")
}

/// Sends datagrams and returns how many of them arrived.
fn send(address: &str, count: usize) -> usize {
    let receiver = UdpSocket::bind(address).expect("a socket");
    let sender =
        UdpSocket::bind(if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).expect("a socket");
    // What the queue holds stays charged to the sender.
    options::set_send_buffer(sender.as_fd(), 1 << 30).expect("a large buffer");
    for _ in 0..count {
        // Loopback delivers at once; only what the queue holds or the firewall drops is missing.
        let _ = sender.send_to(&[b'x'; 1000], address);
    }
    drop(sender);
    receiver.set_nonblocking(true).expect("non-blocking");
    std::iter::from_fn(|| receiver.recv(&mut [0; 2000]).ok()).count()
}

#[test]
fn a_packet_of_either_family_waits_for_its_verdict() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        for (program, address, version, header) in
            [("iptables-legacy", "127.0.0.1:5000", 4, 28), ("ip6tables-legacy", "[::1]:5000", 6, 48)]
        {
            queue_udp(program, 5000);
            let receiver = UdpSocket::bind(address).expect("a socket");
            receiver.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
            let sender = UdpSocket::bind(address.replace("5000", "0")).expect("a socket");
            for text in [b"dropped ", b"accepted"] {
                sender.send_to(text, address).expect("sent");
            }
            let dropped = next(&mut queue);
            assert_eq!(dropped.payload()[0] >> 4, version);
            assert_eq!((&dropped.payload()[header..], dropped.original_len()), (&b"dropped "[..], header + 8));
            let accepted = next(&mut queue);
            assert!(queue.recv().expect("no error").is_none());
            queue.verdict(accepted, Verdict::Accept).expect("a verdict");
            queue.verdict(dropped, Verdict::Drop).expect("a verdict");
            let mut buffer = [0; 100];
            let length = receiver.recv(&mut buffer).expect("the accepted one");
            assert_eq!(&buffer[..length], b"accepted");
        }
        assert_eq!(queue.statistics().expect("statistics").length, 0);
    });
}

#[test]
fn a_packet_is_cut_to_the_copy_range_and_its_length_is_known() {
    in_namespace(|| {
        let mut queue = open(QueueConfig { copy_range: 64, ..QueueConfig::default() });
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 1);
        let packet = next(&mut queue);
        assert_eq!((packet.payload().len(), packet.original_len()), (64, 1028));
        let statistics = queue.statistics().expect("statistics");
        assert_eq!((statistics.copy_range, statistics.length), (64, 1));
        assert_eq!(statistics.owner_port, queue.port().expect("a port"));
        queue.verdict(packet, Verdict::Drop).expect("a verdict");
    });
}

/// The largest packet of a transfer of 1 MB through the queue, by its own length.
fn largest_packet(offload: Offload) -> usize {
    in_namespace(|| {
        run("ip link set lo mtu 1500");
        let mut queue = open(QueueConfig { offload, ..QueueConfig::default() });
        let listener = TcpListener::bind("127.0.0.1:5001").expect("a listener");
        run(&format!("iptables-legacy -A OUTPUT -p tcp --sport 5001 -j NFQUEUE --queue-num {NUMBER}"));
        let transfer = std::thread::spawn(move || {
            let mut received = vec![0; 1 << 20];
            let mut client = TcpStream::connect("127.0.0.1:5001").expect("a connection");
            client.read_exact(&mut received).expect("read");
        });
        let accepting = std::thread::spawn(move || {
            let (mut server, _) = listener.accept().expect("a connection");
            server.write_all(&vec![7; 1 << 20]).expect("written");
        });
        let mut largest = 0;
        while !(transfer.is_finished() && accepting.is_finished()) {
            if socket::wait_readable(queue.as_fd(), Duration::from_millis(10)).expect("poll") {
                while let Some(packet) = queue.recv().expect("no error") {
                    assert!(packet.payload().len() <= 128);
                    largest = largest.max(packet.original_len());
                    queue.verdict(packet, Verdict::Accept).expect("a verdict");
                }
            }
        }
        transfer.join().expect("everything arrived");
        largest
    })
}

#[test]
fn a_large_packet_comes_whole_or_in_segments_as_asked_for() {
    let whole = largest_packet(Offload::Whole);
    assert!(whole > 10_000, "{whole}");
    let segmented = largest_packet(Offload::Segmented);
    assert!(segmented <= 1500, "{segmented}");
}

#[test]
fn a_full_queue_drops_or_lets_pass_and_the_kernel_counts() {
    for (overflow, arrived) in [(Overflow::Drop, 0), (Overflow::Accept, 6)] {
        in_namespace(|| {
            let queue = open(QueueConfig { max_len: 4, overflow, ..QueueConfig::default() });
            queue_udp("iptables-legacy", 5000);
            assert_eq!(send("127.0.0.1:5000", 10), arrived, "{overflow:?}");
            let statistics = queue.statistics().expect("statistics");
            assert_eq!(statistics.length, 4);
            assert_eq!(statistics.kernel_dropped, 6 - arrived as u64);
        });
    }
}

#[test]
fn a_full_receive_buffer_is_counted_and_survived() {
    in_namespace(|| {
        let mut queue = open(QueueConfig { receive_buffer: 4096, ..QueueConfig::default() });
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 100);
        let mut seen = 0;
        while let Some(packet) = queue.recv().expect("no error") {
            queue.verdict(packet, Verdict::Drop).expect("a verdict");
            seen += 1;
        }
        let statistics = queue.statistics().expect("statistics");
        assert!(seen > 0 && seen < 100, "{seen}");
        assert_eq!((statistics.overruns, statistics.user_dropped), (100 - seen, 100 - seen));
        send("127.0.0.1:5000", 1);
        let packet = next(&mut queue);
        queue.verdict(packet, Verdict::Drop).expect("a verdict");
    });
}

#[test]
fn a_large_receive_buffer_loses_nothing_while_nobody_reads() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 20_000);
        let mut seen = 0;
        while let Some(packet) = queue.recv().expect("no error") {
            queue.verdict(packet, Verdict::Drop).expect("a verdict");
            seen += 1;
        }
        assert_eq!((seen, queue.statistics().expect("statistics").user_dropped), (20_000, 0));
    });
}

#[test]
fn a_verdict_on_a_packet_that_is_gone_is_counted_and_survived() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 1);
        let packet = next(&mut queue);
        // The kernel drops what waits for an interface that goes down.
        run("ip link set lo down");
        queue.verdict(packet, Verdict::Accept).expect("a verdict");
        assert!(wait(&queue), "no answer came");
        assert!(queue.recv().expect("no error").is_none());
        assert_eq!(queue.statistics().expect("statistics").gone, 1);
    });
}

#[test]
fn two_queues_have_two_descriptors_and_a_dropped_one_is_free_again() {
    in_namespace(|| {
        let first = open(QueueConfig::default());
        let second = Queue::open(QueueConfig { number: 8, ..QueueConfig::default() }).expect("a second queue");
        assert_ne!(first.port().expect("a port"), second.port().expect("a port"));
        assert_eq!((first.number(), second.number()), (7, 8));
        drop(first);
        // A command that another test starts has a copy of the descriptor until its exec.
        let deadline = Instant::now() + Duration::from_secs(2);
        while Queue::open(QueueConfig { number: NUMBER, ..QueueConfig::default() }).is_err() {
            assert!(Instant::now() < deadline, "the queue is still held");
        }
    });
}

#[test]
fn a_queue_that_is_held_names_its_holder() {
    in_namespace(|| {
        let held = open(QueueConfig::default());
        let error = Queue::open(QueueConfig { number: NUMBER, ..QueueConfig::default() }).expect_err("held");
        let QueueError::Held { number: NUMBER, owner } = &error else { panic!("{error}") };
        assert_eq!(owner.port, held.port().expect("a port"));
        let process = owner.process.as_ref().expect("found");
        assert_eq!(process.pid, std::process::id());
        let expected = format!("it is held by {process}; stop that program or choose another queue");
        assert!(error.to_string().ends_with(&expected), "{error}");
    });
}

#[test]
fn a_missing_privilege_is_told_from_a_held_queue() {
    in_namespace(|| {
        let _held = open(QueueConfig::default());
        drop_capabilities().expect("dropped");
        let error =
            Queue::open(QueueConfig { number: NUMBER, ..QueueConfig::default() }).expect_err("no privilege");
        assert!(matches!(error, QueueError::NoPermission { .. }), "{error}");
        let start = "cannot open netfilter queue 7: Operation not permitted; CAP_NET_RAW and CAP_NET_ADMIN are needed: run with sudo";
        assert!(error.to_string().starts_with(start), "{error}");
    });
}

#[test]
fn the_firewall_of_this_namespace_is_read() {
    in_namespace(|| {
        assert_eq!(FirewallRules::current(), FirewallRules::default());
        run("iptables -A OUTPUT -p tcp --sport 80 -j NFQUEUE --queue-num 3");
        run("ip6tables -A OUTPUT -p tcp --sport 80 -j NFQUEUE --queue-balance 5:6");
        assert_eq!(FirewallRules::current().queues, [3, 5, 6]);
    });
}

#[test]
fn a_rule_with_the_old_target_feeds_queue_0_and_no_other() {
    for (number, expected) in [(0, 1), (NUMBER, 0)] {
        in_namespace(|| {
            let mut queue = Queue::open(QueueConfig { number, ..QueueConfig::default() }).expect("a queue");
            run("iptables-legacy -A OUTPUT -p udp --dport 5000 -j QUEUE");
            assert_eq!(send("127.0.0.1:5000", 1), 0);
            assert_eq!(std::iter::from_fn(|| queue.recv().expect("no error")).count(), expected, "{number}");
            let saved = run("iptables-legacy-save");
            assert_eq!(FirewallRules::parse(&saved).old_queue.len(), 1, "{saved}");
        });
    }
}
