use tc_proto::PortShare;

use crate::capture::tests::{config, drain, inject};
use crate::capture::{Backend, Capture, CaptureRule};
use crate::testing::{in_namespace, ipv4_packet, ipv6_packet};

const MEMBERS: u16 = 3;

/// Runs a test for each backend with several captures, in a namespace of its own.
fn with_members(test: impl Fn(&mut [Box<dyn Capture>]) + Sync) {
    for backend in [Backend::Ring, Backend::Pnet] {
        in_namespace(|| {
            let mut captures =
                backend.open_several(&config(&[CaptureRule::port(80)]), MEMBERS).expect("captures");
            test(&mut captures);
        });
    }
}

fn from_port(mut packet: Vec<u8>, at: usize, port: u16) -> Vec<u8> {
    packet[at..at + 2].copy_from_slice(&port.to_be_bytes());
    packet
}

fn ipv4_from(port: u16, payload: &[u8]) -> (&'static str, Vec<u8>) {
    ("127.0.0.1", from_port(ipv4_packet([127, 0, 0, 1], 80, payload), 20, port))
}

#[test]
fn each_client_comes_to_the_worker_that_owns_its_port() {
    with_members(|captures| {
        let ports = 5000..5200;
        inject(&ports.clone().map(|port| ipv4_from(port, b"four")).collect::<Vec<_>>());
        let six = |port| ("::1", from_port(ipv6_packet("::1", 80, b"six"), 40, port));
        inject(&ports.clone().map(six).collect::<Vec<_>>());
        for (share, capture) in PortShare::split(MEMBERS).zip(captures) {
            let mut expected: Vec<_> = ports.clone().filter(|port| share.owns(*port)).collect();
            assert!(!expected.is_empty());
            expected.extend_from_within(..);
            let source = |packet: Vec<u8>| {
                let at = if packet[0] >> 4 == 4 { 20 } else { 40 };
                u16::from_be_bytes([packet[at], packet[at + 1]])
            };
            let mut seen: Vec<_> = drain(&mut **capture).into_iter().map(source).collect();
            expected.sort_unstable();
            seen.sort_unstable();
            assert_eq!(seen, expected);
        }
    });
}

#[test]
fn fragments_come_whole_to_the_worker_of_their_client() {
    with_members(|captures| {
        for (id, port) in (6000..6010).enumerate() {
            let (to, whole) = ipv4_from(port, &[b'x'; 100]);
            inject(&fragments(&whole, id).map(|fragment| (to, fragment)));
        }
        for (share, capture) in PortShare::split(MEMBERS).zip(captures) {
            let expected = (6000..6010).filter(|port| share.owns(*port)).count();
            let seen = drain(&mut **capture);
            assert_eq!(seen.len(), expected);
            assert!(seen.iter().all(|packet| packet.len() == 140 && packet.ends_with(&[b'x'; 100])));
        }
    });
}

/// The two fragments of a packet, the first with 64 octets behind the IP header.
fn fragments(packet: &[u8], id: usize) -> [Vec<u8>; 2] {
    let (header, rest) = packet.split_at(20);
    let fragment = |flags: u16, octets: &[u8]| {
        let mut fragment = [header, octets].concat();
        let length = u16::try_from(fragment.len()).expect("a length");
        fragment[2..4].copy_from_slice(&length.to_be_bytes());
        fragment[4..6].copy_from_slice(&u16::try_from(id + 1).expect("an id").to_be_bytes());
        fragment[6..8].copy_from_slice(&flags.to_be_bytes());
        fragment
    };
    [fragment(0x2000, &rest[..64]), fragment(64 / 8, &rest[64..])]
}
