//! Streams of the tunnel: the number of cuts, the cuts, the stream.

use std::net::{Ipv4Addr, SocketAddr};
use tc_proto::Flow;
use tc_proto::tunnel::{Message, RecordFormat, VERSION, write_frames};

fn messages(messages: &[Message]) -> Vec<u8> {
    messages.iter().filter_map(Message::encode).flatten().collect()
}

fn frames(format: RecordFormat, records: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    write_frames(format, &vec![0x45; format.size() * records], &mut octets);
    octets
}

fn stream(cuts: &[u8], octets: Vec<u8>) -> Vec<u8> {
    let count = u8::try_from(cuts.len()).unwrap_or_default();
    [vec![count], cuts.to_vec(), octets].concat()
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let address = |last, port| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), port));
    let flow = Flow { client: address(1, 4000), target: address(2, 80) };
    let version = Message::Version(VERSION);
    let routes = [version, Message::AddRoute(flow), Message::RemoveRoute(flow), Message::AddRoute(flow)];
    vec![
        ("a_version_and_routes", stream(&[], messages(&routes))),
        ("cut_within_messages", stream(&[3, 11, 20], messages(&routes))),
        ("no_version", stream(&[5], messages(&routes[1..]))),
        ("an_unknown_type", stream(&[], messages(&[version, version]))),
        ("half_a_message", stream(&[14], messages(&routes)[..20].to_vec())),
        ("a_frame", stream(&[1, 1, 70], frames(RecordFormat::Octets64, 3))),
        ("a_frame_of_80_octets_each", stream(&[2, 79], frames(RecordFormat::Octets80, 2))),
        ("full_frames", stream(&[255, 255, 255], frames(RecordFormat::Octets64, 20))),
        ("an_empty_frame", stream(&[1], [vec![0, 0, 0, 0], frames(RecordFormat::Octets64, 1)].concat())),
        ("a_frame_too_long", stream(&[], vec![0, 17, 1, 2, 3])),
    ]
}
