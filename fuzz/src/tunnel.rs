//! The decoders of the tunnel: wherever the stream is cut, they read the same from it.
//!
//! The first octet says how many cuts there are; each is an octet, so many octets further on. The rest is the stream.
//! That the decoders keep less than one unit is checked by libFuzzer's `-malloc_limit_mb`, and here by what
//! they need to go on: see [`check_kept`].

use crate::steps::Script;
use tc_proto::tunnel::{
    DecodeError, FrameDecoder, InterceptHello, MAX_RECORDS_PER_FRAME, Message, MessageDecoder, RecordFormat,
    Reply, ReplyDecoder, Sighting, TargetDatagram, parse_record, write_frames,
};
use tc_proto::{Flow, TargetHeader};

/// The most that a decoder of messages keeps: less than a message of version 2 with the longest body.
const LONGEST_MESSAGE: usize = 4 + 1024;

/// Reads the octets as a stream of messages, as one of replies, and as one of frames.
pub fn run(octets: &[u8]) {
    let mut script = Script::new(octets);
    let count = usize::from(script.octet() % 16);
    let cuts: Vec<usize> = (0..count).map(|_| usize::from(script.octet())).collect();
    let stream = script.octets(usize::MAX);

    let whole = messages([stream]);
    assert_eq!(messages(stream.chunks(1)), whole, "octet by octet");
    assert_eq!(messages(cut(stream, &cuts)), whole);
    check_messages(stream, &whole);
    let whole = replies([stream]);
    assert_eq!(replies(stream.chunks(1)), whole, "octet by octet");
    assert_eq!(replies(cut(stream, &cuts)), whole);
    for format in [RecordFormat::Octets64, RecordFormat::Octets80] {
        let whole = records(format, [stream]);
        assert_eq!(records(format, stream.chunks(1)), whole, "octet by octet");
        assert_eq!(records(format, cut(stream, &cuts)), whole);
        check_records(format, &whole.0);
    }
}

/// The parts between the cuts.
fn cut<'a>(mut stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for at in cuts {
        let (part, rest) = stream.split_at((*at).min(stream.len()));
        parts.push(part);
        stream = rest;
    }
    parts.push(stream);
    parts
}

/// What was decoded before the stream ended or turned out to be none.
type Decoded<T> = (Vec<T>, Option<DecodeError>);

fn messages<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Decoded<Message> {
    let mut decoder = MessageDecoder::new();
    let mut units = Vec::new();
    for part in parts {
        decoder.push(part);
        loop {
            match decoder.next() {
                Ok(Some(message)) => units.push(message),
                Ok(None) => break,
                Err(error) => return (units, Some(error)),
            }
        }
        check_kept(&decoder, LONGEST_MESSAGE);
    }
    (units, None)
}

/// A reply that owns its octets.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Hello(InterceptHello),
    Proof([u8; 32]),
    Response(TargetHeader, Vec<u8>),
    Datagram(TargetDatagram),
    Sighting(Sighting),
    Time(u64),
    Malformed,
}

fn replies<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Decoded<Heard> {
    let mut decoder = ReplyDecoder::new();
    let mut units = Vec::new();
    for part in parts {
        decoder.push(part);
        loop {
            units.push(match decoder.next() {
                Ok(Some(Reply::Hello(hello))) => Heard::Hello(hello),
                Ok(Some(Reply::Proof(proof))) => Heard::Proof(proof),
                Ok(Some(Reply::Response(header, payload))) => {
                    assert!(payload.len() <= header.0.payload_len, "more payload than there was");
                    Heard::Response(header, payload.to_vec())
                }
                Ok(Some(Reply::Datagram(datagram))) => Heard::Datagram(datagram),
                Ok(Some(Reply::Sighting(sighting))) => Heard::Sighting(sighting),
                Ok(Some(Reply::Time(micros))) => Heard::Time(micros),
                Ok(Some(Reply::Malformed)) => Heard::Malformed,
                Ok(None) => break,
                Err(error) => return (units, Some(error)),
            });
        }
    }
    (units, None)
}

fn records<'a>(format: RecordFormat, parts: impl IntoIterator<Item = &'a [u8]>) -> Decoded<Vec<u8>> {
    let mut decoder = FrameDecoder::new(format);
    let mut units = Vec::new();
    for part in parts {
        decoder.push(part);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => units.push(record.to_vec()),
                Ok(None) => break,
                Err(error) => return (units, Some(error)),
            }
        }
    }
    (units, None)
}

/// Everything but the beginning of a unit was handed out: less than a unit's octets make the next one.
fn check_kept(decoder: &MessageDecoder, unit: usize) {
    let kept = format!("{decoder:?}");
    // `Inbox { octets: [..], taken: N }`: what was taken already may still be there, until the next push.
    let octets = kept.split('[').nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let count = octets.split(',').filter(|octet| !octet.trim().is_empty()).count();
    let taken = kept.split("taken: ").nth(1).and_then(|rest| rest.split([' ', '}']).next());
    let taken: usize = taken.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    assert!(count - taken < unit, "{kept}");
}

/// The decoder read every whole message of version 1, and what it read encodes to what came.
fn check_messages(stream: &[u8], (decoded, error): &Decoded<Message>) {
    let switch = decoded.iter().position(|message| *message == Message::Switch);
    let units: Vec<&[u8]> = stream.chunks_exact(Message::LEN).collect();
    if switch.is_none() {
        assert_eq!(decoded.len() + usize::from(error.is_some()), units.len().min(decoded.len() + 1));
    }
    let first = decoded.len().min(switch.map_or(decoded.len(), |at| at + 1));
    for (message, unit) in decoded.iter().take(first).zip(&units) {
        let encoded = message.encode().expect("a message of version 1");
        match message {
            // The C programs ignore the other fields, and so do we.
            Message::Version(_) | Message::Offer(_) | Message::Switch => assert_eq!(encoded[..6], [0; 6]),
            Message::AddRoute(Flow { .. }) | Message::RemoveRoute(Flow { .. }) => {
                assert_eq!(&encoded[..], *unit);
            }
            Message::Hello(_) | Message::Proof(_) | Message::AddDatagramRoute(_) | Message::Trace(_) => {
                panic!("{message:?} in version 1")
            }
        }
    }
    check_written(decoded.get(first..).unwrap_or_default());
}

/// Messages of version 2, written and read again, are the same.
fn check_written(messages_read: &[Message]) {
    let mut octets =
        [Message::Offer(2), Message::Switch].map(|message| message.encode().expect("version 1")).concat();
    for message in messages_read {
        message.write(&mut octets);
    }
    let (again, error) = messages([octets.as_slice()]);
    assert_eq!((&again[2..], error), (messages_read, None));
}

/// No record panics, and records written as frames are read back.
fn check_records(format: RecordFormat, decoded: &[Vec<u8>]) {
    for record in decoded {
        assert_eq!(record.len(), format.size());
        let _ = parse_record(record);
    }
    let mut frames = Vec::new();
    write_frames(format, &decoded.concat(), MAX_RECORDS_PER_FRAME, &mut frames);
    let counts = 2 * decoded.len().div_ceil(MAX_RECORDS_PER_FRAME);
    assert_eq!(frames.len(), counts + decoded.len() * format.size());
    assert_eq!(records(format, [frames.as_slice()]), (decoded.to_vec(), None));
}
