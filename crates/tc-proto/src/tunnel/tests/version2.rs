use super::{flow, full_options, response};
use crate::tunnel::{
    DatagramRoute, DecodeError, InterceptHello, Lock, Message, MessageDecoder, RecordFormat, Reply,
    ReplyDecoder, Response, Sighting, TUNNEL_VERSION, TargetDatagram, TcpcopyHello, Times, write_frames,
    write_records,
};
use crate::{Flow, PacketRef, PortShare, Segment, TcpOptions};
use proptest::prelude::*;

fn six(port: u16) -> Flow {
    Flow { client: format!("[fd00::1]:{port}").parse().unwrap(), target: "[fd00::2]:80".parse().unwrap() }
}

fn hello() -> InterceptHello {
    InterceptHello { version: TUNNEL_VERSION, lock: Lock::Locked, nonce: [7; 32] }
}

/// What a tcpcopy says: first in version 1, then in version 2.
fn conversation() -> (Vec<Message>, Vec<Message>) {
    let first = vec![Message::Offer(TUNNEL_VERSION), Message::AddRoute(flow()), Message::Switch];
    let then = vec![
        Message::Hello(TcpcopyHello { payload: 512, times: Times::Wanted, nonce: [9; 32] }),
        Message::Proof([3; 32]),
        Message::AddRoute(six(1)),
        Message::RemoveRoute(flow()),
        Message::AddDatagramRoute(DatagramRoute {
            target: six(1).target,
            share: PortShare::new(1, 3).unwrap(),
        }),
        Message::Trace(six(2)),
    ];
    (first, then)
}

fn octets_of((first, then): &(Vec<Message>, Vec<Message>)) -> Vec<u8> {
    let mut octets: Vec<u8> = first.iter().flat_map(|message| message.encode().unwrap()).collect();
    for message in then {
        message.write(&mut octets);
    }
    octets
}

fn read_messages(stream: &[u8], cut: usize) -> Result<Vec<Message>, DecodeError> {
    let mut decoder = MessageDecoder::new();
    let mut messages = Vec::new();
    for piece in stream.chunks(cut) {
        decoder.push(piece);
        while let Some(message) = decoder.next()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Hello(InterceptHello),
    Proof([u8; 32]),
    Response(Segment, Vec<u8>),
    Datagram(TargetDatagram),
    Sighting(Sighting),
    Time(u64),
    Malformed,
}

fn read_replies(stream: &[u8], cut: usize) -> Result<Vec<Heard>, DecodeError> {
    let mut decoder = ReplyDecoder::new();
    let mut heard = Vec::new();
    for piece in stream.chunks(cut) {
        decoder.push(piece);
        while let Some(reply) = decoder.next()? {
            heard.push(match reply {
                Reply::Hello(hello) => Heard::Hello(hello),
                Reply::Proof(proof) => Heard::Proof(proof),
                Reply::Response(header, payload) => Heard::Response(header.0, payload.to_vec()),
                Reply::Datagram(datagram) => Heard::Datagram(datagram),
                Reply::Sighting(sighting) => Heard::Sighting(sighting),
                Reply::Time(micros) => Heard::Time(micros),
                Reply::Malformed => Heard::Malformed,
            });
        }
    }
    Ok(heard)
}

#[test]
fn an_offer_looks_like_a_version_message_to_the_c_programs() {
    let offer = Message::Offer(2).encode().unwrap();
    assert_eq!(offer, *b"\0\0\0\0\0\0\0\x06TCPR\0\x02");
    assert_eq!(read_messages(&[0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0], 14), Ok(vec![Message::Version(6)]));
}

#[test]
fn only_a_peer_that_offered_may_switch() {
    let mut stream = Message::Version(6).encode().unwrap().to_vec();
    stream.extend(Message::Switch.encode().unwrap());
    assert_eq!(read_messages(&stream, 14), Err(DecodeError::MessageType(3)));
}

#[test]
fn a_hello_without_flags_asks_for_no_times() {
    let hello = |times| Message::Hello(TcpcopyHello { payload: 1, times, nonce: [5; 32] });
    let mut octets = octets_of(&(vec![Message::Offer(2), Message::Switch], vec![hello(Times::Wanted)]));
    octets.truncate(octets.len() - 2);
    octets[2 * Message::LEN + 3] -= 2;
    assert_eq!(read_messages(&octets, 7).unwrap().last(), Some(&hello(Times::Unwanted)));
}

#[test]
fn a_time_has_octets_of_its_own_and_survives_any_cut() {
    let mut octets = Vec::new();
    hello().write(&mut octets);
    let begin = octets.len();
    Reply::write_time(0x0102, &mut octets);
    assert_eq!(octets[begin..], [0, 18, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2]);
    for cut in 1..octets.len() {
        assert_eq!(read_replies(&octets, cut), Ok(vec![Heard::Hello(hello()), Heard::Time(0x0102)]));
    }
}

#[test]
fn a_hello_begins_like_no_frame() {
    let mut octets = Vec::new();
    hello().write(&mut octets);
    assert_eq!(octets[..12], *b"TCPR\0\x02\0\x01\0\x22\0\x01");
    assert!(u16::from_be_bytes([octets[0], octets[1]]) > 16);
}

#[test]
fn unknown_types_and_further_fields_are_passed_over() {
    let (first, then) = conversation();
    let mut stream = octets_of(&(first.clone(), Vec::new()));
    stream.extend([0x7f, 0xff, 0xff, 0xff]);
    stream.extend(vec![1; 65_535]);
    for message in &then {
        let mut octets = Vec::new();
        message.write(&mut octets);
        octets.extend([1, 2, 3]);
        octets[3] += 3;
        stream.extend(octets);
    }
    assert_eq!(read_messages(&stream, 1000), Ok([first, then].concat()));
}

#[test]
fn an_unknown_message_is_not_kept_while_it_is_passed_over() {
    let mut decoder = MessageDecoder::new();
    decoder.push(&octets_of(&(conversation().0, Vec::new())));
    while decoder.next().unwrap().is_some() {}
    decoder.push(&[0x7f, 0xff, 0xff, 0xff]);
    for _ in 0..60 {
        decoder.push(&[1; 1000]);
        assert_eq!(decoder.next(), Ok(None));
    }
    assert!(format!("{decoder:?}").len() < 20_000, "less than two pieces are kept");
}

#[test]
fn impossible_bodies_are_refused() {
    let start = octets_of(&(conversation().0, Vec::new()));
    let bodies: [&[u8]; 5] = [
        &[0, 16, 0, 1, 4],
        &[0, 16, 0, 14, 5, 0, 0, 1, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2],
        &[0, 18, 0, 12, 4, 0, 0, 53, 0, 3, 0, 3, 1, 1, 1, 1],
        &[0, 2, 0, 31],
        &[0, 1, 4, 1],
    ];
    for body in bodies {
        let mut stream = [&start, body].concat();
        stream.resize(stream.len() + 31, 0);
        assert!(matches!(read_messages(&stream, 7), Err(DecodeError::Body { .. })), "{body:?}");
    }
    assert_eq!(read_replies(b"TCPR\0\x03", 6), Err(DecodeError::NoHello));
    assert_eq!(read_replies(b"TLS!\0\x02", 6), Err(DecodeError::NoHello));
}

#[test]
fn a_response_may_be_larger_than_an_ip_header_can_say() {
    let octets = response(TcpOptions::default(), &[7; 100]);
    let mut big = octets.clone();
    big[2..4].copy_from_slice(&[0, 0]);
    let packet = PacketRef::parse_cut(&big[..60], 200_000).unwrap();
    let mut message = Vec::new();
    Response::from(&packet).write(10, &mut message);
    let (read, len) = Response::read(&message).unwrap();
    assert_eq!((read.segment().payload_len, read.payload().len(), len), (199_960, 10, message.len()));
}

#[test]
fn an_older_intercept_is_understood_from_its_first_octet() {
    let octets = response(full_options(), &[7; 100]);
    let packet = PacketRef::parse(&octets).unwrap();
    let mut records = Vec::new();
    write_records(RecordFormat::Octets64, &Response::from(&packet), 1460, &mut records);
    records.extend([0; 64]);
    let mut stream = Vec::new();
    write_frames(RecordFormat::Octets64, &records, 16, &mut stream);
    for cut in [1, 2, 1000] {
        let heard = read_replies(&stream, cut).unwrap();
        assert!(matches!(heard[..], [Heard::Response(..), Heard::Malformed]), "{heard:?}");
    }
}

proptest! {
    #[test]
    fn what_tcpcopy_says_survives_any_cut_of_the_stream(cut in 1_usize..200, routes in 0_u16..30) {
        let (first, mut then) = conversation();
        then.extend((0..routes).map(|port| Message::AddRoute(six(port))));
        let stream = octets_of(&(first.clone(), then.clone()));
        prop_assert_eq!(read_messages(&stream, cut), Ok([first, then].concat()));
    }

    #[test]
    fn what_intercept_says_survives_any_cut_of_the_stream(
        cut in 1_usize..400, payloads in proptest::collection::vec(0_usize..1400, 0..20), wanted in 0_u16..300,
        sightings in proptest::collection::vec(any::<(bool, Option<bool>, bool, bool)>(), 0..5),
    ) {
        let mut stream = Vec::new();
        hello().write(&mut stream);
        Reply::write_proof(&[5; 32], &mut stream);
        let mut said = vec![Heard::Hello(hello()), Heard::Proof([5; 32])];
        for (over_ipv4, arrived, connected, reverse_path) in sightings {
            let flow = if over_ipv4 { flow() } else { six(3) };
            let sighting = Sighting { flow, arrived, connected, reverse_path };
            sighting.write(&mut stream);
            said.push(Heard::Sighting(sighting));
        }
        for len in payloads {
            let octets = response(full_options(), &vec![7; len]);
            let packet = PacketRef::parse(&octets).unwrap();
            Response::from(&packet).write(wanted, &mut stream);
            said.push(Heard::Response(*packet.segment(), vec![7; len.min(wanted.into())]));
            let datagram = TargetDatagram { flow: six(1), payload_len: len };
            datagram.write(&mut stream);
            said.push(Heard::Datagram(datagram));
        }
        prop_assert_eq!(read_replies(&stream, cut), Ok(said));
    }

    #[test]
    fn no_stream_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut stream = octets_of(&(conversation().0, Vec::new()));
        stream.extend(&octets);
        let _ = read_messages(&stream, 50);
        let mut stream = Vec::new();
        hello().write(&mut stream);
        stream.extend(&octets);
        let _ = read_replies(&stream, 50);
    }
}
