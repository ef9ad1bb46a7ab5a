use super::{
    DecodeError, FrameDecoder, MAX_RECORDS_PER_FRAME, Message, MessageDecoder, RecordFormat, Response, VERSION,
    parse_record, write_frames, write_records,
};
use crate::{
    Flags, Flow, IpFields, PacketRef, PacketSpec, SackBlock, SackBlocks, SeqNum, TcpOptions, Timestamps, Window,
};
use proptest::prelude::*;

mod version2;

fn flow() -> Flow {
    Flow { client: "10.8.1.2:34366".parse().unwrap(), target: "10.8.2.2:9090".parse().unwrap() }
}

#[test]
fn messages_have_the_octets_of_the_c_programs() {
    let version = [0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
    assert_eq!(Message::Version(VERSION).encode().unwrap(), version);
    let add = [0x0a, 8, 1, 2, 0x86, 0x3e, 0, 1, 0x0a, 8, 2, 2, 0x23, 0x82];
    assert_eq!(Message::AddRoute(flow()).encode().unwrap(), add);
}

#[test]
fn an_ipv6_flow_has_no_octets_in_this_version() {
    let six = Flow { client: "[::1]:1".parse().unwrap(), target: "[::2]:2".parse().unwrap() };
    assert_eq!(Message::AddRoute(six).encode(), None);
}

#[test]
fn a_stream_without_a_version_is_refused() {
    let mut decoder = MessageDecoder::new();
    decoder.push(b"GET / HTTP/1.1");
    assert_eq!(decoder.next(), Err(DecodeError::NoVersion));
}

#[test]
fn an_unknown_type_is_refused() {
    let mut decoder = MessageDecoder::new();
    decoder.push(&Message::Version(6).encode().unwrap());
    decoder.push(&Message::Version(9).encode().unwrap());
    assert_eq!(decoder.next(), Ok(Some(Message::Version(6))));
    assert_eq!(decoder.next(), Err(DecodeError::MessageType(9)));
}

proptest! {
    #[test]
    fn messages_survive_any_cut_of_the_stream(cut in 1_usize..40, routes in 0_u16..20) {
        let mut sent = vec![Message::Version(5)];
        for port in 0..routes {
            let client = (std::net::Ipv4Addr::new(10, 0, 0, 1), port).into();
            sent.push(Message::AddRoute(Flow { client, ..flow() }));
        }
        let octets: Vec<u8> = sent.iter().flat_map(|message| message.encode().unwrap()).collect();
        let mut decoder = MessageDecoder::new();
        let mut received = Vec::new();
        for piece in octets.chunks(cut) {
            decoder.push(piece);
            while let Some(message) = decoder.next().unwrap() {
                received.push(message);
            }
        }
        prop_assert_eq!(received, sent);
    }
}

fn response(options: TcpOptions, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    PacketSpec {
        source: flow().target,
        destination: flow().client,
        ip: IpFields::default(),
        identification: 0,
        seq: SeqNum::new(u32::MAX - 3),
        ack: SeqNum::new(77),
        flags: Flags::ACK | Flags::PSH,
        window: Window::new(29_200),
        urgent: 0,
        options,
        payload: [payload, b""],
    }
    .emit(&mut octets);
    octets
}

fn full_options() -> TcpOptions {
    let mut sack = SackBlocks::default();
    for block in 0..3 {
        sack.push(SackBlock { start: SeqNum::new(block), end: SeqNum::new(block + 1) });
    }
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    TcpOptions { timestamps, sack, ..TcpOptions::default() }
}

fn record_of(format: RecordFormat, octets: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    write_records(format, &Response::from(&PacketRef::parse_headers(octets).unwrap()), 1460, &mut record);
    assert_eq!(record.len(), format.size());
    record
}

#[test]
fn a_record_tells_all_of_the_response_but_its_payload() {
    for format in [RecordFormat::Octets64, RecordFormat::Octets80] {
        let options = TcpOptions { timestamps: full_options().timestamps, ..TcpOptions::default() };
        let octets = response(options, &[7; 500]);
        let header = parse_record(&record_of(format, &octets)).unwrap();
        assert_eq!(header.0, *PacketRef::parse(&octets).unwrap().segment());
        assert_eq!(header.flow(), flow());
    }
}

#[test]
fn options_that_do_not_fit_are_left_out_whole() {
    let octets = response(full_options(), &[7; 500]);
    let wide = parse_record(&record_of(RecordFormat::Octets80, &octets)).unwrap();
    assert_eq!(wide.0.options, full_options());
    let narrow = parse_record(&record_of(RecordFormat::Octets64, &octets)).unwrap();
    assert_eq!(narrow.0.options.timestamps, full_options().timestamps);
    assert_eq!(narrow.0.options.sack.as_slice(), &full_options().sack.as_slice()[..1]);
    assert_eq!(narrow.0.payload_len, 500);
}

#[test]
fn ip_options_are_left_out_and_the_lengths_say_so() {
    let mut octets = response(TcpOptions::default(), &[7; 100]);
    octets[0] = 0x46;
    octets[3] += 4;
    octets.splice(20..20, [1, 1, 1, 1]);
    let record = record_of(RecordFormat::Octets64, &octets);
    assert_eq!(record[0], 0x45);
    assert_eq!(parse_record(&record).unwrap().0.payload_len, 100);
}

#[test]
fn a_c_record_keeps_the_length_of_ip_options_that_it_lacks() {
    let mut record = record_of(RecordFormat::Octets64, &response(TcpOptions::default(), &[7; 100]));
    record[0] = 0x46;
    record[3] += 4;
    assert_eq!(parse_record(&record).unwrap().0.payload_len, 100);
}

#[test]
fn a_packet_larger_than_the_wire_allows_is_several_records_for_a_c_peer() {
    let mut octets = response(TcpOptions::default(), &[7; 3000]);
    octets[33] |= Flags::FIN.bits();
    let packet = PacketRef::parse(&octets).unwrap();
    let mut records = Vec::new();
    assert_eq!(write_records(RecordFormat::Octets64, &Response::from(&packet), 1448, &mut records), 3);
    let headers: Vec<_> = records.chunks(64).map(|record| parse_record(record).unwrap().0).collect();
    let first = packet.segment().seq;
    let parts: Vec<_> = headers.iter().map(|header| (header.seq, header.payload_len)).collect();
    assert_eq!(parts, [(first, 1448), (first + 1448, 1448), (first + 2896, 104)]);
    let flags: Vec<_> = headers.iter().map(|header| header.flags).collect();
    assert_eq!(flags, [Flags::ACK, Flags::ACK, Flags::ACK | Flags::PSH | Flags::FIN]);
}

#[test]
fn frames_hold_as_many_records_as_are_combined() {
    let record = record_of(RecordFormat::Octets64, &response(TcpOptions::default(), b""));
    let mut stream = Vec::new();
    assert_eq!(write_frames(RecordFormat::Octets64, &record.repeat(5), 2, &mut stream), 3);
    assert_eq!(stream.len(), 3 * 2 + 5 * 64);
}

#[test]
fn the_format_follows_the_version() {
    assert_eq!(RecordFormat::for_version(6), RecordFormat::Octets64);
    assert_eq!(RecordFormat::for_version(5), RecordFormat::Octets80);
    assert_eq!(RecordFormat::for_version(32_773), RecordFormat::Octets80);
}

#[test]
fn a_frame_of_no_records_is_passed_over_and_one_of_too_many_refused() {
    let record = record_of(RecordFormat::Octets64, &response(TcpOptions::default(), b""));
    let mut decoder = FrameDecoder::new(RecordFormat::Octets64);
    decoder.push(&[0, 0, 0, 1]);
    assert_eq!(decoder.next_record(), Ok(None));
    decoder.push(&record);
    assert_eq!(decoder.next_record(), Ok(Some(record.as_slice())));
    decoder.push(&[0, 17]);
    assert_eq!(decoder.next_record(), Err(DecodeError::FrameTooLong(17)));
}

proptest! {
    #[test]
    fn records_survive_frames_and_any_cut_of_the_stream(cut in 1_usize..400, count in 0_u32..50, wide: bool) {
        let format = if wide { RecordFormat::Octets80 } else { RecordFormat::Octets64 };
        let mut records = Vec::new();
        for payload_len in 0..count {
            let octets = response(full_options(), &vec![0; payload_len as usize]);
            write_records(format, &Response::from(&PacketRef::parse(&octets).unwrap()), 1460, &mut records);
        }
        let mut stream = Vec::new();
        write_frames(format, &records, MAX_RECORDS_PER_FRAME, &mut stream);
        let mut decoder = FrameDecoder::new(format);
        let mut received = Vec::new();
        for piece in stream.chunks(cut) {
            decoder.push(piece);
            while let Some(record) = decoder.next_record().unwrap() {
                received.extend_from_slice(record);
            }
        }
        prop_assert_eq!(received, records);
    }

    #[test]
    fn no_record_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_record(&octets);
    }
}
