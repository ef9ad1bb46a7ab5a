use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::Families;
use crate::capture::tests::{config, drain, inject};
use crate::capture::{CaptureRule, PnetCapture};
use crate::inject::{Injector, PacketBatch};
use crate::syscall::ring::{BLOCK, FRAME, FRAMES, OFFSET};
use crate::testing::{in_namespace, ipv4_packet, run};

/// The frames of the smallest ring.
const SMALLEST: usize = FRAMES;

fn open(ring: usize) -> RingCapture {
    let config = CaptureConfig { families: Families::Ipv4, ring, ..config(&[CaptureRule::port(80)]) };
    RingCapture::open(&config).expect("a capture")
}

/// A packet to port 80 of this host that carries its number, with so many octets in all.
fn numbered(number: u32, length: usize) -> Vec<u8> {
    let mut payload = vec![0; length - 40];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    ipv4_packet([127, 0, 0, 1], 80, &payload)
}

fn number(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[40], packet[41], packet[42], packet[43]])
}

fn send(numbers: std::ops::Range<u32>, length: impl Fn(u32) -> usize) {
    let packets: Vec<_> = numbers.map(|n| ("127.0.0.1", numbered(n, length(n)))).collect();
    inject(&packets);
}

fn numbers(packets: &[Vec<u8>]) -> Vec<u32> {
    packets.iter().map(|packet| number(packet)).collect()
}

/// Two hosts: runs `server` on `fd78::2` and 10.78.0.2, and when it is ready `client` on `fd78::1` and 10.78.0.1.
fn between_two_hosts<T: Send>(client: impl FnOnce() + Send, server: impl FnOnce(&dyn Fn()) -> T + Send) -> T {
    in_namespace(|| {
        run("ip link add near type veth peer name far");
        run("ip addr add 10.78.0.1/24 dev near");
        run("ip addr add fd78::1/64 dev near nodad");
        run("ip link set near up");
        let (here, there) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                in_namespace(move || {
                    let thread = std::fs::read_link("/proc/thread-self").expect("a thread");
                    here.0.send(format!("/proc/{}/ns/net", thread.display())).expect("sent");
                    there.1.recv().expect("the interface is here");
                    run("ip addr add 10.78.0.2/24 dev far");
                    run("ip addr add fd78::2/64 dev far nodad");
                    run("ip link set far up");
                    server(&|| here.0.send(String::new()).expect("sent"))
                })
            });
            run(&format!("ip link set far netns {}", here.1.recv().expect("a namespace")));
            there.0.send(()).expect("sent");
            here.1.recv().expect("the server is ready");
            client();
            server.join().expect("no panic")
        })
    })
}

#[test]
fn both_backends_show_the_same_octets_of_a_real_upload() {
    let upload: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let client = || {
        for address in ["10.78.0.2:80", "[fd78::2]:80"] {
            let mut connection = TcpStream::connect(address).expect("a connection");
            for part in [&upload[..100], &upload[100..1700], &upload[1700..]] {
                connection.write_all(part).expect("written");
            }
        }
    };
    let (ring, pnet) = between_two_hosts(client, |ready| {
        let config = config(&[CaptureRule::port(80)]);
        let mut ring = RingCapture::open(&config).expect("a capture");
        let mut pnet = PnetCapture::open(&config).expect("a capture");
        let listener = TcpListener::bind("[::]:80").expect("a listener");
        ready();
        for _ in 0..2 {
            let mut received = Vec::new();
            listener.accept().expect("a connection").0.read_to_end(&mut received).expect("read");
            assert!(received == upload);
        }
        let lost = ring.statistics().expect("statistics").dropped;
        assert_eq!(lost, 0);
        (drain(&mut ring), drain(&mut pnet))
    });
    assert!(ring.iter().any(|packet| packet.len() > 32_768), "veth has no large packets any more");
    assert!(ring.iter().any(|packet| packet.len() < 100), "nothing was in a frame");
    // Two processors deliver at the same time, to one socket in this order and to the other in that.
    let sorted = |mut packets: Vec<Vec<u8>>| {
        packets.sort_unstable();
        packets
    };
    assert!(sorted(ring) == sorted(pnet), "the backends differ");
}

#[test]
fn a_small_ring_is_used_again_and_again() {
    in_namespace(|| {
        let (mut ring, mut pnet) =
            (open(0), PnetCapture::open(&config(&[CaptureRule::port(80)])).expect("one"));
        for round in 0..300 {
            let range = round * 100..(round + 1) * 100;
            let length = |n| if n % 7 == 0 { 1400 } else { usize::try_from(44 + n % 150).expect("a length") };
            send(range.clone(), length);
            let packets = drain(&mut ring);
            assert_eq!(numbers(&packets), range.collect::<Vec<_>>());
            assert!(packets == drain(&mut pnet));
        }
        assert_eq!(ring.statistics().expect("statistics").dropped, 0);
    });
}

#[test]
fn packets_at_the_edge_of_a_frame_are_whole() {
    in_namespace(|| {
        let mut ring = open(0);
        for length in FRAME - OFFSET - 40..FRAME - OFFSET + 40 {
            send(0..1, |_| length);
            assert_eq!(drain(&mut ring).iter().map(Vec::len).collect::<Vec<_>>(), [length]);
        }
    });
}

#[test]
fn a_reader_that_sleeps_loses_what_no_frame_was_free_for_and_is_told() {
    in_namespace(|| {
        let mut ring = open(0);
        let frames = u32::try_from(SMALLEST).expect("a number");
        send(0..frames + 72, |_| 60);
        assert_eq!(numbers(&drain(&mut ring)), (0..frames).collect::<Vec<_>>());
        let told = CaptureStatistics { packets: u64::from(frames) + 72, dropped: 72 };
        assert_eq!(ring.statistics().expect("statistics"), told);
        send(500..600, |_| 60);
        assert_eq!(numbers(&drain(&mut ring)), (500..600).collect::<Vec<_>>());
        assert_eq!(ring.statistics().expect("statistics").dropped, 72);
    });
}

#[test]
fn a_frame_stays_with_the_caller_until_the_next_call() {
    in_namespace(|| {
        let mut ring = open(0);
        let frames = u32::try_from(SMALLEST).expect("a number");
        send(0..frames, |_| 60);
        let first = ring.next_packet().expect("no error").map(number);
        assert_eq!(first, Some(0));
        send(1000..1001, |_| 60);
        assert_eq!(ring.statistics().expect("statistics").dropped, 1, "the frame was given back too early");
        assert_eq!(ring.next_packet().expect("no error").map(number), Some(1));
        send(1001..1002, |_| 60);
        let rest: Vec<_> = (2..frames).chain([1001]).collect();
        assert_eq!(numbers(&drain(&mut ring)), rest);
    });
}

#[test]
fn a_descriptor_is_readable_as_long_as_a_packet_waits() {
    in_namespace(|| {
        let mut ring = open(0);
        let readable = |ring: &RingCapture, patience| {
            socket::wait_readable(ring.sources[0].socket.as_fd(), patience).expect("poll")
        };
        assert!(!readable(&ring, Duration::ZERO));
        send(0..2, |_| 60);
        assert!(readable(&ring, Duration::from_secs(2)));
        assert_eq!(numbers(&drain(&mut ring)), [0, 1]);
        assert!(!readable(&ring, Duration::ZERO));
        send(2..3, |_| 1000);
        assert!(readable(&ring, Duration::from_secs(2)));
        assert_eq!(numbers(&drain(&mut ring)), [2]);
        assert!(!readable(&ring, Duration::ZERO));
    });
}

#[test]
fn a_reader_beside_a_busy_sender_misses_nothing_and_never_sleeps_for_ever() {
    const COUNT: u32 = 100_000;
    in_namespace(|| {
        let mut ring = open(CaptureConfig::RING);
        let mut injector = Injector::open(Families::Ipv4).expect("raw sockets");
        let mut next = 0;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut batch = PacketBatch::new();
                for n in 0..COUNT {
                    batch.push([127, 0, 0, 1].into(), &numbered(n, if n % 50 == 0 { 700 } else { 60 }));
                    if n % 32 == 31 {
                        assert_eq!(injector.send(&batch).sent, 32);
                        batch.clear();
                    }
                }
            });
            while next < COUNT {
                let patience = Duration::from_secs(5);
                assert!(
                    socket::wait_readable(ring.sources[0].socket.as_fd(), patience).expect("poll"),
                    "{next}"
                );
                while let Some(packet) = ring.next_packet().expect("no error") {
                    assert_eq!(number(packet), next);
                    next += 1;
                }
            }
        });
        let told = CaptureStatistics { packets: COUNT.into(), dropped: 0 };
        assert_eq!(ring.statistics().expect("statistics"), told);
    });
}

#[test]
fn a_capture_stays_with_the_namespace_in_which_it_was_opened() {
    in_namespace(|| {
        let mut ring = open(0);
        std::thread::scope(|scope| {
            let (opened, elsewhere) = std::sync::mpsc::channel();
            let reader = scope.spawn(move || {
                in_namespace(move || {
                    send(7..8, |_| 60);
                    elsewhere.recv().expect("sent");
                    numbers(&drain(&mut ring))
                })
            });
            send(1..3, |_| 60);
            opened.send(()).expect("received");
            assert_eq!(reader.join().expect("no panic"), [1, 2]);
        });
    });
}

#[test]
fn sockets_share_the_memory() {
    in_namespace(|| {
        let config = CaptureConfig { ring: 4 * BLOCK, ..config(&[CaptureRule::port(80)]) };
        let ring = RingCapture::open(&config).expect("a capture");
        let frames: Vec<_> = ring.sources.iter().map(|source| source.ring.frames()).collect();
        assert_eq!(frames, [2 * SMALLEST, 2 * SMALLEST]);
    });
}
