//! Packets and records.

use tc_proto::tunnel::{RecordFormat, Response, write_records};
use tc_proto::{
    Flags, IpFields, PacketRef, PacketSpec, SackBlock, SackBlocks, SeqNum, TcpOptions, Timestamps, Window,
    WindowScale,
};

fn packet(v6: bool, flags: Flags, options: TcpOptions, payload: &[u8]) -> Vec<u8> {
    let address = |v4: &str, six: &str| (if v6 { six } else { v4 }).parse().expect("an address");
    let mut octets = Vec::new();
    let spec = PacketSpec {
        source: address("192.0.2.1:4000", "[2001:db8::1]:4000"),
        destination: address("192.0.2.2:80", "[2001:db8::2]:80"),
        ip: IpFields::default(),
        identification: 1,
        seq: SeqNum::new(7),
        ack: SeqNum::new(9),
        flags,
        window: Window::MAX,
        urgent: 3,
        options,
        payload: [payload, &[]],
    };
    spec.emit(&mut octets);
    octets
}

fn syn_options() -> TcpOptions {
    TcpOptions {
        mss: Some(1460),
        window_scale: Some(WindowScale::new(7)),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 9, echo: 0 }),
        sack: SackBlocks::default(),
    }
}

fn sack_options(blocks: u32) -> TcpOptions {
    let mut sack = SackBlocks::default();
    for number in 0..blocks {
        sack.push(SackBlock { start: SeqNum::new(number * 10), end: SeqNum::new(number * 10 + 5) });
    }
    TcpOptions {
        sack,
        timestamps: (blocks < 4).then_some(Timestamps { value: 1, echo: 2 }),
        ..TcpOptions::default()
    }
}

/// The packet with octets changed.
fn changed(mut octets: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    octets[at..at + with.len()].copy_from_slice(with);
    octets
}

/// The packet with octets between the fixed IP header and TCP.
fn extended(octets: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    [&octets[..at], with, &octets[at..]].concat()
}

fn record(format: RecordFormat) -> Vec<u8> {
    let octets = packet(false, Flags::ACK, sack_options(3), b"abc");
    let mut record = Vec::new();
    write_records(format, &Response::from(&PacketRef::parse(&octets).expect("a packet")), 1460, &mut record);
    record
}

pub(super) fn data() -> Vec<u8> {
    packet(false, Flags::ACK | Flags::PSH, TcpOptions::default(), b"GET / HTTP/1.1\r\n\r\n")
}

pub(super) fn data6() -> Vec<u8> {
    packet(true, Flags::ACK | Flags::PSH, TcpOptions::default(), b"GET / HTTP/1.1\r\n\r\n")
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let with_extensions =
        extended(&data6(), 40, &[60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1]);
    let with_extensions = changed(with_extensions, 4, &[0, 62, 0]);
    vec![
        ("a_syn", packet(false, Flags::SYN, syn_options(), &[])),
        ("a_syn_ipv6", packet(true, Flags::SYN, syn_options(), &[])),
        ("data", data()),
        ("data_ipv6", data6()),
        ("data_and_fin", packet(false, Flags::ACK | Flags::FIN | Flags::URG, TcpOptions::default(), b"x")),
        ("sack_with_timestamps", packet(false, Flags::ACK, sack_options(3), &[])),
        ("four_sack_blocks", packet(false, Flags::ACK, sack_options(4), &[])),
        ("a_malformed_option", changed(packet(false, Flags::SYN, syn_options(), &[]), 45, &[0])),
        ("segmentation_offload", changed(data(), 2, &[0, 0])),
        ("link_layer_padding", [data(), vec![0; 6]].concat()),
        ("cut_payload", data()[..45].to_vec()),
        ("a_fragment", changed(data(), 6, &[0x20, 0])),
        ("ip_options", changed(extended(&data(), 20, &[1, 1, 1, 0]), 0, &[0x46, 0, 0, 62])),
        ("extension_headers", with_extensions),
        ("udp", changed(data(), 9, &[17])),
        ("a_record", record(RecordFormat::Octets64)),
        ("a_record_of_80_octets", record(RecordFormat::Octets80)),
    ]
}
