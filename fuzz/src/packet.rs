//! Octets → packet → record → packet: no octets panic, and what is read is written back.

use crate::checks::parse_made;
use tc_proto::fragment::{FragmentRef, assemble};
use tc_proto::tunnel::{RecordFormat, Response, parse_record, write_records};
use tc_proto::{Flags, PacketRef, PacketSpec, SackBlocks, Segment, SeqNum, TcpOptions};

/// Octets of options that a TCP header can hold.
const MAX_OPTIONS: usize = 40;
const TCP: u8 = 6;

/// Reads the octets as a packet and as a record.
pub fn run(octets: &[u8]) {
    let _ = parse_record(octets);
    check_fragment(octets);
    let whole = PacketRef::parse(octets);
    let Ok(packet) = PacketRef::parse_headers(octets) else {
        assert!(whole.is_err(), "a whole packet has headers");
        return;
    };
    check_parts(octets, &packet);
    if let Ok(whole) = whole {
        assert_eq!(whole.segment(), packet.segment());
        assert_eq!(whole.payload().len(), whole.segment().payload_len);
        check_emitted(&whole);
    }
    for format in [RecordFormat::Octets64, RecordFormat::Octets80] {
        check_record(format, &packet);
    }
}

/// What says that it is a fragment is one, or is refused; what is put together is none.
fn check_fragment(octets: &[u8]) {
    let Ok(Some(fragment)) = FragmentRef::parse(octets) else { return };
    assert!(PacketRef::parse(octets).is_err());
    assert!(!fragment.payload.is_empty() && fragment.end() <= usize::from(u16::MAX));
    let whole = assemble(&fragment.header(), [fragment.payload].into_iter());
    assert_eq!(whole.len(), fragment.header().len() + fragment.payload.len());
    // A second fragment header behind the first one is refused where the packet is read.
    if fragment.protocol == TCP {
        assert!(FragmentRef::parse(&whole).is_ok_and(|fragment| fragment.is_none()));
    }
}

/// Headers and payload stand one behind the other, from the first octet on.
fn check_parts(octets: &[u8], packet: &PacketRef<'_>) {
    let parts = [packet.ip_header(), packet.tcp_header(), packet.payload()].concat();
    assert!(octets.starts_with(&parts));
    assert!(packet.payload().len() <= packet.segment().payload_len);
    assert!((20..=60).contains(&packet.tcp_header().len()));
}

/// A packet that is made from what was read says the same.
fn check_emitted(packet: &PacketRef<'_>) {
    let segment = *packet.segment();
    let headers = if segment.source.is_ipv4() { 40 } else { 60 } + segment.options.emitted_len();
    if segment.options.emitted_len() > MAX_OPTIONS || headers + packet.payload().len() > usize::from(u16::MAX) {
        return;
    }
    let (front, back) = packet.payload().split_at(packet.payload().len() / 3);
    let spec = PacketSpec {
        source: segment.source,
        destination: segment.destination,
        ip: packet.ip(),
        identification: 7,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        urgent: segment.urgent,
        options: segment.options,
        payload: [front, back],
    };
    let mut made = vec![0xee; 3];
    let len = spec.emit(&mut made);
    assert_eq!(made.len(), 3 + len);
    let again = parse_made(&made[3..]);
    let ack = if segment.flags.contains(Flags::ACK) { segment.ack } else { SeqNum::default() };
    assert_eq!(*again.segment(), Segment { ack, ..segment });
    assert_eq!(again.payload(), packet.payload());
    assert_eq!(again.ip(), packet.ip());
}

/// The record of a header says what the header said, but for SACK blocks that have no room.
fn check_record(format: RecordFormat, packet: &PacketRef<'_>) {
    let mut record = vec![0xee; 3];
    write_records(format, &Response::from(packet), usize::from(u16::MAX), &mut record);
    if packet.segment().source.is_ipv6() {
        assert_eq!(record.len(), 3, "this protocol has no records for IPv6");
        return;
    }
    assert_eq!(record.len(), 3 + format.size());
    let read = parse_record(&record[3..]).expect("a record that was written").0;
    let segment = *packet.segment();
    let sack = read.options.sack;
    assert!(segment.options.sack.as_slice().starts_with(sack.as_slice()));
    let without_sack = |segment: Segment| Segment {
        options: TcpOptions { sack: SackBlocks::default(), ..segment.options },
        payload_len: 0,
        ..segment
    };
    assert_eq!(without_sack(read), without_sack(segment));
    let room = usize::from(u16::MAX) - 20 - packet.tcp_header().len();
    assert_eq!(read.payload_len.min(room), segment.payload_len.min(room));
}
