use std::net::{IpAddr, SocketAddr};

use pnet::datalink;
use tc_proto::{Flags, IpFields, PacketSpec, SeqNum, TcpOptions, Timestamps, Window};

use super::super::{LinkInjector, LinkTarget};
use super::*;
use crate::Families;
use crate::capture::{Capture, CaptureConfig, CaptureRule, PnetCapture};
use crate::inject::{Patience, SendReport};
use crate::testing::{in_namespace, run};

/// What a test changes of a segment.
#[derive(Clone, Copy)]
struct Part<'a> {
    seq: u32,
    ack: u32,
    identification: u16,
    flags: Flags,
    ttl: u8,
    port: u16,
    stamp: u32,
    text: &'a [u8],
}

const PART: Part<'_> =
    Part { seq: 1, ack: 7, identification: 9, flags: Flags::ACK, ttl: 61, port: 5555, stamp: 3, text: &[] };

fn segment(target: IpAddr, part: Part<'_>) -> Vec<u8> {
    let client: IpAddr =
        if target.is_ipv4() { [192, 0, 2, 1].into() } else { "2001:db8::1".parse().expect("an address") };
    let mut packet = Vec::new();
    PacketSpec {
        source: SocketAddr::new(client, part.port),
        destination: SocketAddr::new(target, 80),
        ip: IpFields { ttl: part.ttl, traffic_class: 0 },
        identification: part.identification,
        seq: SeqNum::new(part.seq),
        ack: SeqNum::new(part.ack),
        flags: part.flags,
        window: Window::MAX,
        urgent: 0,
        options: TcpOptions {
            timestamps: Some(Timestamps { value: part.stamp, echo: 4 }),
            ..TcpOptions::default()
        },
        payload: [part.text, &[]],
    }
    .emit(&mut packet);
    packet
}

/// Segments of `size` octets from `seq` on, which carry `text`; the last one is pushed.
fn upload(target: IpAddr, seq: u32, text: &[u8], size: usize, batch: &mut PacketBatch) {
    let count = text.chunks(size).count();
    for (index, text) in text.chunks(size).enumerate() {
        let flags = if index + 1 == count { Flags::ACK | Flags::PSH } else { Flags::ACK };
        let (at, number) = (u32::try_from(index * size).expect("small"), u16::try_from(index).expect("small"));
        let (seq, identification) = (seq.wrapping_add(at), 65_530_u16.wrapping_add(number));
        batch.push(target, &segment(target, Part { seq, identification, flags, text, ..PART }));
    }
}

fn targets() -> [IpAddr; 2] {
    [[10, 78, 0, 2].into(), "fd78::2".parse().expect("an address")]
}

fn lengths(batch: &PacketBatch) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut index = 0;
    while index < batch.len() {
        let run = Run::from(batch, index);
        assert_eq!(run.packets.start, index);
        index = run.packets.end;
        lengths.push(run.len());
    }
    lengths
}

#[test]
fn segments_that_follow_each_other_go_together_and_no_others() {
    for target in targets() {
        let text = vec![b'x'; 10_400];
        let mut batch = PacketBatch::new();
        upload(target, u32::MAX - 3000, &text, 1000, &mut batch);
        assert_eq!(lengths(&batch), [11], "the last may be shorter, numbers wrap");

        let first = Part { text: &text[..1000], ..PART };
        let second = Part { seq: 1001, identification: 10, ..first };
        let together = |first, second| {
            let mut batch = PacketBatch::new();
            batch.push(target, &segment(target, first));
            batch.push(target, &segment(target, second));
            lengths(&batch) == [2]
        };
        assert!(together(first, second));
        assert!(together(first, Part { flags: Flags::ACK | Flags::PSH, ..second }));
        let longer = &text[..1001];
        for (first, second, what) in [
            (first, Part { seq: 1002, ..second }, "a hole"),
            (first, Part { seq: 1, ..second }, "the same again"),
            (first, Part { ack: 8, ..second }, "another acknowledgment"),
            (first, Part { ttl: 60, ..second }, "another time to live"),
            (first, Part { port: 5556, ..second }, "another connection"),
            (first, Part { stamp: 5, ..second }, "another stamp"),
            (first, Part { text: longer, ..second }, "a longer one"),
            (first, Part { text: &[], ..second }, "an acknowledgment behind"),
            (first, Part { flags: Flags::ACK | Flags::FIN, ..second }, "an end"),
            (Part { flags: Flags::ACK | Flags::PSH, ..first }, second, "pushed before"),
            (Part { flags: Flags::ACK | Flags::URG, ..first }, second, "urgent before"),
            (Part { text: &[], ..first }, Part { seq: 1, text: &[], ..second }, "no text"),
        ] {
            assert!(!together(first, second), "{what}, {target}");
        }
        let other = Part { identification: 11, ..second };
        assert_eq!(together(first, other), target.is_ipv6(), "IPv6 has no identification");
    }
}

#[test]
fn a_frame_holds_no_more_than_an_ip_packet_can() {
    for target in targets() {
        let mut batch = PacketBatch::new();
        upload(target, 1, &vec![b'x'; 80_000], 1000, &mut batch);
        assert_eq!(lengths(&batch), [65, 15]);
    }
}

/// A device whose other end hands over what it gets as it is, and the address of that end.
fn devices() -> tc_proto::MacAddr {
    run("ip link add near type veth peer name far");
    for end in ["near", "far"] {
        run(&format!("ethtool -K {end} tso off gso on gro off tx off"));
        run(&format!("ip link set {end} up"));
    }
    let far = datalink::interfaces().into_iter().find(|interface| interface.name == "far");
    far.and_then(|far| far.mac).expect("an address")
}

fn capture() -> PnetCapture {
    let rules = vec![CaptureRule::port(80)];
    PnetCapture::open(&CaptureConfig { rules, families: Families::Both, ..CaptureConfig::default() })
        .expect("a capture")
}

#[test]
fn what_arrives_is_what_went_one_by_one_octet_for_octet() {
    in_namespace(|| {
        let address = devices();
        let mut capture = capture();
        let target = |target| LinkTarget { address: target, next_hop: Some(address), source: None };
        let mut injector = LinkInjector::open("near", &targets().map(target)).expect("a device");
        assert!(injector.offloads, "this kernel knows offloads");
        let text: Vec<u8> = (0..90_000_u32).map(|number| (number % 251) as u8).collect();
        for target in targets() {
            for size in [1, 536, 1428] {
                let mut batch = PacketBatch::new();
                upload(target, u32::MAX - 2000, &text[..=size * 50], size, &mut batch);
                batch.push(target, &segment(target, PART));
                let mut report = SendReport::default();
                injector.send(&batch, &mut Patience { waits: 4 }, &mut report);
                assert_eq!((report.sent, report.failed()), (batch.len(), 0), "{report:?}");
                assert!(injector.frames.len() <= 4, "{size}: {} frames", injector.frames.len());
                for (_, expected) in batch.iter() {
                    let arrived = capture.next_packet().expect("no error");
                    assert_eq!(arrived, Some(expected), "{target}, {size}");
                }
                assert_eq!(capture.next_packet().expect("no error"), None);
            }
        }
    });
}

#[test]
fn where_the_kernel_cuts_no_frames_segments_go_one_by_one() {
    in_namespace(|| {
        let address = devices();
        let mut capture = capture();
        let target = targets()[0];
        let link = LinkTarget { address: target, next_hop: Some(address), source: None };
        let mut injector = LinkInjector::open("near", &[link]).expect("a device");
        let mut batch = PacketBatch::new();
        upload(target, 1, &[b'x'; 9000], 1000, &mut batch);
        injector.switch_offload_off();
        let mut report = SendReport::default();
        injector.send(&batch, &mut Patience { waits: 4 }, &mut report);
        assert_eq!((report.sent, injector.frames.len()), (9, 9));
        for (_, expected) in batch.iter() {
            assert_eq!(capture.next_packet().expect("no error"), Some(expected));
        }
    });
}
