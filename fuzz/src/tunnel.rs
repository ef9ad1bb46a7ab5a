//! The decoders of the tunnel: wherever the stream is cut, they read the same from it.
//!
//! The first octet says how many cuts there are; each is an octet, so many octets further on. The rest is the stream.
//! That the decoders keep less than one unit is checked by libFuzzer's `-malloc_limit_mb`, and here by what
//! they need to go on: see [`check_kept`].

use crate::steps::Script;
use tc_proto::Flow;
use tc_proto::tunnel::{
    DecodeError, FrameDecoder, MAX_RECORDS_PER_FRAME, Message, MessageDecoder, RecordFormat, parse_record,
    write_frames,
};

/// Reads the octets as a stream of messages, and as one of frames.
pub fn run(octets: &[u8]) {
    let mut script = Script::new(octets);
    let count = usize::from(script.octet() % 16);
    let cuts: Vec<usize> = (0..count).map(|_| usize::from(script.octet())).collect();
    let stream = script.octets(usize::MAX);

    let whole = messages([stream]);
    assert_eq!(messages(stream.chunks(1)), whole, "octet by octet");
    assert_eq!(messages(cut(stream, &cuts)), whole);
    check_messages(stream, &whole);
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
        check_kept(&decoder, Message::LEN);
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

/// The decoder read every whole message, and what it read encodes to what came.
fn check_messages(stream: &[u8], (decoded, error): &Decoded<Message>) {
    let units: Vec<&[u8]> = stream.chunks_exact(Message::LEN).collect();
    assert_eq!(decoded.len() + usize::from(error.is_some()), units.len().min(decoded.len() + 1));
    for (message, unit) in decoded.iter().zip(&units) {
        let encoded = message.encode().expect("a decoded flow has IPv4 addresses");
        match message {
            Message::Version(_) => assert_eq!(encoded[..8], unit[..8]),
            Message::AddRoute(Flow { .. }) | Message::RemoveRoute(Flow { .. }) => {
                assert_eq!(&encoded[..], *unit);
            }
        }
    }
}

/// No record panics, and records written as frames are read back.
fn check_records(format: RecordFormat, decoded: &[Vec<u8>]) {
    for record in decoded {
        assert_eq!(record.len(), format.size());
        let _ = parse_record(record);
    }
    let mut frames = Vec::new();
    write_frames(format, &decoded.concat(), &mut frames);
    let counts = 2 * decoded.len().div_ceil(MAX_RECORDS_PER_FRAME);
    assert_eq!(frames.len(), counts + decoded.len() * format.size());
    assert_eq!(records(format, [frames.as_slice()]), (decoded.to_vec(), None));
}
