use super::{IpFields, PacketSpec};
use crate::{Flags, PacketRef, SeqNum, TcpOptions, Timestamps, Window};
use pnet::packet::ipv4::{Ipv4Packet, checksum};
use pnet::packet::tcp::{TcpPacket, ipv4_checksum, ipv6_checksum};
use proptest::prelude::*;
use std::net::SocketAddr;

fn addresses(v6: bool) -> (SocketAddr, SocketAddr) {
    if v6 {
        ("[2001:db8::1]:4000".parse().unwrap(), "[2001:db8::2]:80".parse().unwrap())
    } else {
        ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
    }
}

proptest! {
    #[test]
    fn every_emitted_packet_parses_and_its_checksums_are_right(
        v6: bool,
        seq: u32,
        ack: u32,
        stamps: Option<(u32, u32)>,
        ttl: u8,
        traffic_class: u8,
        head in proptest::collection::vec(any::<u8>(), 0..700),
        tail in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        let (source, destination) = addresses(v6);
        let options = TcpOptions {
            timestamps: stamps.map(|(value, echo)| Timestamps { value, echo }),
            ..TcpOptions::default()
        };
        let spec = PacketSpec {
            source,
            destination,
            ip: IpFields { ttl, traffic_class },
            identification: 7,
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags: Flags::ACK | Flags::PSH,
            window: Window::new(512),
            urgent: 0,
            options,
            payload: [&head, &tail],
        };
        let mut buf = vec![0xee; 3];
        let len = spec.emit(&mut buf);
        prop_assert_eq!(buf.len(), 3 + len);
        let octets = &buf[3..];
        let packet = PacketRef::parse(octets).unwrap();
        prop_assert_eq!(packet.payload(), [head.as_slice(), tail.as_slice()].concat());
        prop_assert_eq!(packet.ip(), spec.ip);
        let segment = packet.segment();
        prop_assert_eq!((segment.source, segment.destination), (source, destination));
        prop_assert_eq!((segment.seq, segment.ack), (spec.seq, spec.ack));
        prop_assert_eq!((segment.flags, segment.window, segment.options), (spec.flags, spec.window, options));
        check_checksums(octets, source, destination);
    }
}

fn check_checksums(octets: &[u8], source: SocketAddr, destination: SocketAddr) {
    match (source, destination) {
        (SocketAddr::V4(a), SocketAddr::V4(b)) => {
            let ip = Ipv4Packet::new(octets).unwrap();
            assert_eq!(ip.get_checksum(), checksum(&ip));
            let tcp = TcpPacket::new(&octets[20..]).unwrap();
            assert_eq!(tcp.get_checksum(), ipv4_checksum(&tcp, a.ip(), b.ip()));
        }
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            let tcp = TcpPacket::new(&octets[40..]).unwrap();
            assert_eq!(tcp.get_checksum(), ipv6_checksum(&tcp, a.ip(), b.ip()));
        }
        (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => unreachable!(),
    }
}
