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

/// A batch with the packets that wait, of which there must be some.
fn next(queue: &mut Queue) -> Batch {
    assert!(wait(queue), "no packet came");
    let mut batch = Batch::new();
    queue.recv(&mut batch).expect("no error");
    assert!(!batch.is_empty());
    batch
}

fn decide(queue: &mut Queue, batch: &Batch, verdict: Verdict) {
    queue.decide(batch, |_| verdict).expect("verdicts");
}

/// Drops all packets that wait; how many.
fn drop_all(queue: &mut Queue) -> u64 {
    let (mut batch, mut seen) = (Batch::new(), 0);
    loop {
        let supply = queue.recv(&mut batch).expect("no error");
        decide(queue, &batch, Verdict::Drop);
        seen += batch.len() as u64;
        if supply == Supply::Drained {
            return seen;
        }
    }
}

fn statistics(queue: &Queue) -> QueueStatistics {
    queue.monitor().expect("a descriptor").statistics().expect("statistics")
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
fn packets_of_either_family_wait_for_their_verdicts() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        for (program, address, version, header) in
            [("iptables-legacy", "127.0.0.1:5000", 4, 28), ("ip6tables-legacy", "[::1]:5000", 6, 48)]
        {
            queue_udp(program, 5000);
            let receiver = UdpSocket::bind(address).expect("a socket");
            receiver.set_nonblocking(true).expect("non-blocking");
            let sender = UdpSocket::bind(address.replace("5000", "0")).expect("a socket");
            for text in [&b"dropped "[..], b"accepted", b"accepted too", b"dropped again"] {
                sender.send_to(text, address).expect("sent");
            }
            let batch = next(&mut queue);
            let packets: Vec<_> = batch.packets().collect();
            assert_eq!(packets.len(), 4);
            assert_eq!(packets[0].payload[0] >> 4, version);
            let first = (&packets[0].payload[header..], packets[0].original_len);
            assert_eq!(first, (&b"dropped "[..], header + 8));
            assert_eq!(queue.recv(&mut Batch::new()).expect("no error"), Supply::Drained);
            let is_accepted = |packet: QueuedPacket<'_>| packet.payload[header..].starts_with(b"accepted");
            let verdict = |packet: QueuedPacket<'_>| {
                if is_accepted(packet) { Verdict::Accept } else { Verdict::Drop }
            };
            queue.decide(&batch, verdict).expect("verdicts");
            let mut buffer = [0; 100];
            let mut receive = || receiver.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec());
            let arrived: Vec<_> = std::iter::from_fn(&mut receive).collect();
            assert_eq!(arrived, [&b"accepted"[..], b"accepted too"]);
        }
        assert_eq!(statistics(&queue).length, 0);
    });
}

#[test]
fn a_verdict_for_each_packet_is_one_for_each_packet() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        let receiver = UdpSocket::bind("127.0.0.1:5000").expect("a socket");
        receiver.set_nonblocking(true).expect("non-blocking");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for number in 0..64_u8 {
            sender.send_to(&[number], "127.0.0.1:5000").expect("sent");
        }
        let mut batch = Batch::new();
        assert_eq!(queue.recv(&mut batch).expect("no error"), Supply::More);
        let is_wanted = |number: u8| number.is_multiple_of(3) || number > 60;
        let verdict = |packet: QueuedPacket<'_>| {
            if is_wanted(packet.payload[28]) { Verdict::Accept } else { Verdict::Drop }
        };
        queue.decide(&batch, verdict).expect("verdicts");
        let mut octet = [0];
        let arrived: Vec<_> = std::iter::from_fn(|| receiver.recv(&mut octet).ok().map(|_| octet[0])).collect();
        assert_eq!(arrived, (0..64).filter(|number| is_wanted(*number)).collect::<Vec<_>>());
        assert_eq!(queue.recv(&mut batch).expect("no error"), Supply::Drained);
        assert!(batch.is_empty());
        assert_eq!(statistics(&queue).length, 0);
    });
}

#[test]
fn packets_whose_verdicts_were_not_sent_are_dropped_before_the_next_are_decided() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        let receiver = UdpSocket::bind("127.0.0.1:5000").expect("a socket");
        receiver.set_nonblocking(true).expect("non-blocking");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        sender.send_to(b"owed", "127.0.0.1:5000").expect("sent");
        queue.owed = next(&mut queue).last();
        sender.send_to(b"accepted", "127.0.0.1:5000").expect("sent");
        let batch = next(&mut queue);
        decide(&mut queue, &batch, Verdict::Accept);
        let mut buffer = [0; 100];
        assert_eq!(receiver.recv(&mut buffer).expect("the accepted one"), b"accepted".len());
        assert!(receiver.recv(&mut buffer).is_err(), "the other one was dropped");
        assert_eq!((statistics(&queue).length, queue.owed), (0, None));
    });
}

#[test]
fn a_packet_is_cut_to_the_copy_range_and_its_length_is_known() {
    in_namespace(|| {
        let mut queue = open(QueueConfig { copy_range: 64, ..QueueConfig::default() });
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 1);
        let batch = next(&mut queue);
        let packet = batch.packets().next().expect("a packet");
        assert_eq!((packet.payload.len(), packet.original_len), (64, 1028));
        let statistics = statistics(&queue);
        assert_eq!((statistics.copy_range, statistics.length), (64, 1));
        assert_eq!(statistics.owner_port, queue.port().expect("a port"));
        decide(&mut queue, &batch, Verdict::Drop);
    });
}

#[test]
fn the_copy_range_grows_while_packets_come() {
    in_namespace(|| {
        let mut queue = open(QueueConfig { copy_range: 64, ..QueueConfig::default() });
        let monitor = queue.monitor().expect("a monitor");
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 1);
        monitor.raise_copy_range(500).expect("a range");
        monitor.raise_copy_range(100).expect("no smaller range");
        send("127.0.0.1:5000", 1);
        let mut lengths = Vec::new();
        while lengths.len() < 2 {
            let batch = next(&mut queue);
            lengths.extend(batch.packets().map(|packet| packet.payload.len()));
            decide(&mut queue, &batch, Verdict::Drop);
        }
        assert_eq!(lengths, [64, 500]);
        assert_eq!(statistics(&queue).copy_range, 500);
    });
}

/// The largest packet of a transfer of 4 MB through the queue, by its own length, and its first octets.
fn largest_packet(program: &str, address: &'static str, offload: Offload) -> (usize, Vec<u8>) {
    let mut queue = open(QueueConfig { offload, ..QueueConfig::default() });
    let listener = TcpListener::bind(address).expect("a listener");
    run(&format!("{program} -A OUTPUT -p tcp --sport 5001 -j NFQUEUE --queue-num {NUMBER}"));
    let transfer = std::thread::spawn(move || {
        let mut received = vec![0; 4 << 20];
        let mut client = TcpStream::connect(address).expect("a connection");
        client.read_exact(&mut received).expect("read");
    });
    let accepting = std::thread::spawn(move || {
        let (mut server, _) = listener.accept().expect("a connection");
        server.write_all(&vec![7; 4 << 20]).expect("written");
    });
    let mut largest = (0, Vec::new());
    while !(transfer.is_finished() && accepting.is_finished()) {
        if socket::wait_readable(queue.as_fd(), Duration::from_millis(10)).expect("poll") {
            let mut batch = Batch::new();
            queue.recv(&mut batch).expect("no error");
            for packet in batch.packets() {
                assert!(packet.payload.len() <= 128);
                largest = largest.max((packet.original_len, packet.payload.to_vec()));
            }
            decide(&mut queue, &batch, Verdict::Accept);
        }
    }
    transfer.join().expect("everything arrived");
    largest
}

#[test]
fn a_packet_that_outgrew_its_length_field_comes_with_its_length() {
    let (length, octets) = in_namespace(|| {
        run("ip link set lo mtu 1500 gso_max_size 180000");
        largest_packet("ip6tables-legacy", "[::1]:5001", Offload::Whole)
    });
    assert!(length > 100_000, "{length}");
    assert_eq!(&octets[4..6], [0, 0], "the length field of IPv6");
}

#[test]
fn a_large_packet_comes_whole_or_in_segments_as_asked_for() {
    let largest = |offload| {
        in_namespace(|| {
            run("ip link set lo mtu 1500");
            largest_packet("iptables-legacy", "127.0.0.1:5001", offload).0
        })
    };
    let (whole, segmented) = (largest(Offload::Whole), largest(Offload::Segmented));
    assert!(whole > 10_000 && segmented <= 1500, "{whole}, {segmented}");
}

#[test]
fn a_full_queue_drops_or_lets_pass_and_the_kernel_counts() {
    for (overflow, arrived) in [(Overflow::Drop, 0), (Overflow::Accept, 6)] {
        in_namespace(|| {
            let queue = open(QueueConfig { max_len: 4, overflow, ..QueueConfig::default() });
            queue_udp("iptables-legacy", 5000);
            assert_eq!(send("127.0.0.1:5000", 10), arrived, "{overflow:?}");
            let statistics = statistics(&queue);
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
        let seen = drop_all(&mut queue);
        let statistics = statistics(&queue);
        assert!(seen > 0 && seen < 100, "{seen}");
        assert_eq!((statistics.overruns, statistics.user_dropped), (100 - seen, 100 - seen));
        send("127.0.0.1:5000", 1);
        assert!(wait(&queue));
        assert_eq!(drop_all(&mut queue), 1);
    });
}

#[test]
fn a_large_receive_buffer_loses_nothing_while_nobody_reads() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 20_000);
        let seen = drop_all(&mut queue);
        assert_eq!((seen, statistics(&queue).user_dropped), (20_000, 0));
    });
}

#[test]
fn a_verdict_on_a_packet_that_is_gone_is_counted_and_survived() {
    in_namespace(|| {
        let mut queue = open(QueueConfig::default());
        queue_udp("iptables-legacy", 5000);
        send("127.0.0.1:5000", 1);
        let batch = next(&mut queue);
        // The kernel drops what waits for an interface that goes down.
        run("ip link set lo down");
        decide(&mut queue, &batch, Verdict::Accept);
        assert!(wait(&queue), "no answer came");
        assert_eq!(drop_all(&mut queue), 0);
        assert_eq!(statistics(&queue).gone, 1);
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
            assert_eq!(drop_all(&mut queue), expected, "{number}");
            let saved = run("iptables-legacy-save");
            assert_eq!(FirewallRules::parse(&saved).old_queue.len(), 1, "{saved}");
        });
    }
}
