//! Streams of the tunnel: the number of cuts, the cuts, the stream.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tc_proto::tunnel::{
    InterceptHello, Lock, MAX_RECORDS_PER_FRAME, Message, RecordFormat, Reply, Response, TcpcopyHello, Times,
    VERSION, write_frames,
};
use tc_proto::{Flow, PacketRef};

fn messages(messages: &[Message]) -> Vec<u8> {
    messages.iter().filter_map(Message::encode).flatten().collect()
}

fn frames(format: RecordFormat, records: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    write_frames(format, &vec![0x45; format.size() * records], MAX_RECORDS_PER_FRAME, &mut octets);
    octets
}

fn stream(cuts: &[u8], octets: Vec<u8>) -> Vec<u8> {
    let count = u8::try_from(cuts.len()).unwrap_or_default();
    [vec![count], cuts.to_vec(), octets].concat()
}

/// A tcpcopy of ours.
fn version2(messages_then: &[Message]) -> Vec<u8> {
    let mut octets = messages(&[Message::Offer(2), Message::Switch]);
    for message in messages_then {
        message.write(&mut octets);
    }
    octets
}

/// An intercept of ours, which returns the packets.
fn replies(lock: Lock, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    InterceptHello { version: 2, lock, nonce: [7; 32] }.write(&mut octets);
    Reply::write_proof(&[8; 32], &mut octets);
    for packet in packets {
        Reply::write_time(packet.len() as u64, &mut octets);
        let packet = PacketRef::parse(packet).expect("a seed");
        Response::from(&packet).write(20, &mut octets);
    }
    octets
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let address = |last, port| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), port));
    let flow = Flow { client: address(1, 4000), target: address(2, 80) };
    let version = Message::Version(VERSION);
    let routes = [version, Message::AddRoute(flow), Message::RemoveRoute(flow), Message::AddRoute(flow)];
    let six = |last: u16, port| SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last), port));
    let flow6 = Flow { client: six(1, 4000), target: six(2, 80) };
    let hello = Message::Hello(TcpcopyHello { payload: 9, times: Times::Wanted, nonce: [3; 32] });
    let then = [hello, Message::Proof([4; 32]), Message::AddRoute(flow6), Message::RemoveRoute(flow)];
    let packets: Vec<_> = super::packets::all()
        .into_iter()
        .map(|(_, packet)| packet)
        .filter(|packet| PacketRef::parse(packet).is_ok())
        .collect();
    vec![
        ("version_2_of_tcpcopy", stream(&[15, 20, 30], version2(&then))),
        (
            "version_2_with_an_unknown_type",
            stream(
                &[30],
                [version2(&then), vec![1, 1, 0, 3, 9, 9, 9], version2(&then)[28..].to_vec()].concat(),
            ),
        ),
        (
            "version_2_with_an_impossible_body",
            stream(&[], [version2(&[]), vec![0, 16, 0, 3, 4, 0, 0]].concat()),
        ),
        ("version_2_of_intercept", stream(&[2, 6, 50], replies(Lock::Open, &packets))),
        ("version_2_of_a_locked_intercept", stream(&[7], replies(Lock::Locked, &[]))),
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
