use super::ClientStream;
use crate::session::captured::{EndKind, Offered};
use proptest::prelude::*;
use tc_proto::{Flags, IpFields, PacketRef, PacketSpec, SeqNum, TcpOptions, Window};

/// The client's initial sequence number, near the wrap.
const ISS: SeqNum = SeqNum::new(u32::MAX - 5);
/// The online server's.
const ONLINE_ISS: SeqNum = SeqNum::new(77_000);

fn octet(offset: usize) -> u8 {
    u8::try_from(offset % 251).unwrap()
}

/// A captured packet: `len` octets from `offset` on, after `received` octets of the online server.
fn packet(flags: Flags, offset: usize, len: usize, received: usize) -> Vec<u8> {
    let payload: Vec<u8> = (offset..offset + len).map(octet).collect();
    let mut octets = Vec::new();
    PacketSpec {
        source: "192.0.2.1:4000".parse().unwrap(),
        destination: "192.0.2.2:80".parse().unwrap(),
        ip: IpFields::default(),
        identification: 0,
        seq: ISS + 1 + offset,
        ack: ONLINE_ISS + 1 + received,
        flags: flags | Flags::ACK,
        window: Window::MAX,
        urgent: 0,
        options: TcpOptions::default(),
        payload: [&payload, &[]],
    }
    .emit(&mut octets);
    octets
}

fn offer(stream: &mut ClientStream, flags: Flags, offset: usize, len: usize, received: usize) -> Offered {
    stream.offer(&PacketRef::parse(&packet(flags, offset, len, received)).unwrap())
}

fn data(stream: &mut ClientStream, offset: usize, len: usize, received: usize) -> Offered {
    offer(stream, Flags::PSH, offset, len, received)
}

fn kept(stream: &ClientStream) -> Vec<u8> {
    let len = stream.next().octets_since(stream.base());
    stream.octets_at(stream.base(), len).concat()
}

fn octets(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(octet).collect()
}

fn following() -> ClientStream {
    ClientStream::following(ISS + 1)
}

#[test]
fn data_in_order_is_kept_until_it_is_discarded() {
    let mut stream = following();
    assert_eq!(data(&mut stream, 0, 100, 0), Offered::Data);
    assert_eq!(data(&mut stream, 100, 50, 0), Offered::Data);
    assert_eq!(kept(&stream), octets(0..150));
    stream.discard_to(ISS + 1 + 120);
    assert_eq!(kept(&stream), octets(120..150));
    assert_eq!(stream.segment_at(ISS + 1 + 120).unwrap().len, 30);
}

#[test]
fn a_hole_is_filled_from_what_came_before() {
    let mut stream = following();
    assert_eq!(data(&mut stream, 100, 100, 0), Offered::Held);
    assert_eq!(offer(&mut stream, Flags::FIN, 200, 0, 0), Offered::Held);
    assert!(stream.has_hole());
    assert_eq!(data(&mut stream, 0, 100, 0), Offered::Data);
    assert!(!stream.has_hole());
    assert_eq!(kept(&stream), octets(0..200));
    assert_eq!(stream.end().unwrap().kind, EndKind::Fin);
}

#[test]
fn what_was_seen_already_is_a_retransmission_and_what_overlaps_is_trimmed() {
    let mut stream = following();
    data(&mut stream, 0, 100, 0);
    assert_eq!(data(&mut stream, 20, 50, 0), Offered::Retransmission);
    assert_eq!(data(&mut stream, 50, 100, 0), Offered::Data);
    assert_eq!(kept(&stream), octets(0..150));
}

#[test]
fn a_later_acknowledgment_begins_the_next_request() {
    let mut stream = following();
    assert_eq!(offer(&mut stream, Flags::NONE, 0, 0, 0), Offered::Ack);
    data(&mut stream, 0, 10, 0);
    data(&mut stream, 10, 10, 0);
    data(&mut stream, 20, 10, 500);
    let turns: Vec<_> = [0, 10, 20].map(|offset| stream.segment_at(ISS + 1 + offset).unwrap().turn).into();
    assert_eq!(turns, [0, 0, 1]);
    assert_eq!(stream.take_begun(), 2);
}

#[test]
fn a_server_that_speaks_first_makes_the_first_request_the_second_turn() {
    let mut stream = following();
    offer(&mut stream, Flags::NONE, 0, 0, 0);
    offer(&mut stream, Flags::NONE, 0, 0, 80);
    data(&mut stream, 0, 10, 80);
    assert_eq!(stream.first_turn(), Some(1));
}

#[test]
fn an_open_connection_joins_where_the_acknowledgment_has_advanced() {
    let mut stream = ClientStream::seeking();
    assert_eq!(data(&mut stream, 0, 100, 0), Offered::NotJoined);
    assert_eq!(data(&mut stream, 100, 100, 0), Offered::NotJoined);
    assert_eq!(offer(&mut stream, Flags::NONE, 200, 0, 300), Offered::Ack);
    assert_eq!(data(&mut stream, 200, 40, 300), Offered::Data);
    assert_eq!((stream.base(), kept(&stream)), (ISS + 201, octets(200..240)));
    assert_eq!(stream.take_begun(), 1);
}

#[test]
fn a_retransmission_does_not_join() {
    let mut stream = ClientStream::seeking();
    data(&mut stream, 0, 100, 0);
    assert_eq!(data(&mut stream, 0, 100, 300), Offered::NotJoined);
}

#[test]
fn behind_a_hole_that_stays_the_next_request_goes_on() {
    let mut stream = following();
    data(&mut stream, 0, 100, 0);
    assert_eq!(data(&mut stream, 200, 50, 40), Offered::Held);
    assert_eq!(data(&mut stream, 250, 50, 40), Offered::Held);
    assert_eq!(data(&mut stream, 300, 50, 80), Offered::Held);
    stream.skip_hole();
    assert_eq!(kept(&stream), octets(300..350));
}

#[test]
fn a_request_that_was_cut_is_given_up() {
    let mut stream = following();
    data(&mut stream, 0, 100, 0);
    data(&mut stream, 100, 100, 50);
    data(&mut stream, 200, 100, 90);
    stream.discard_to(ISS + 1 + 30);
    assert_eq!(stream.skip_to_request(stream.base()), 1);
    assert_eq!(kept(&stream), octets(100..300));
    assert_eq!(stream.skip_to_request(stream.base()), 0);
    assert_eq!(stream.skip_to_request(stream.next()), 2);
    assert_eq!(stream.first_turn(), None);
}

#[test]
fn a_reset_counts_in_the_window_only() {
    let mut stream = following();
    data(&mut stream, 0, 100, 0);
    assert_eq!(offer(&mut stream, Flags::RST, 50, 0, 0), Offered::OutOfWindow);
    assert_eq!(offer(&mut stream, Flags::RST, 1 << 25, 0, 0), Offered::OutOfWindow);
    assert_eq!(offer(&mut stream, Flags::RST, 100, 0, 0), Offered::End);
    assert_eq!(stream.end().unwrap().kind, EndKind::Reset);
}

#[test]
fn data_behind_the_end_is_out_of_window_and_a_repeated_fin_a_retransmission() {
    let mut stream = following();
    assert_eq!(offer(&mut stream, Flags::FIN, 0, 10, 0), Offered::Data);
    assert_eq!(data(&mut stream, 10, 5, 0), Offered::OutOfWindow);
    assert_eq!(offer(&mut stream, Flags::FIN, 10, 0, 0), Offered::Retransmission);
    assert_eq!(offer(&mut stream, Flags::NONE, 11, 0, 0), Offered::Ack);
}

#[test]
fn urgent_data_is_pointed_to_from_wherever_a_segment_begins() {
    let mut stream = following();
    let mut octets = packet(Flags::URG, 0, 100, 0);
    octets[38..40].copy_from_slice(&40_u16.to_be_bytes());
    stream.offer(&PacketRef::parse(&octets).unwrap());
    let segment = stream.segment_at(ISS + 1).unwrap();
    assert_eq!(segment.urgent_at(ISS + 1), (Flags::URG, 40));
    assert_eq!(segment.urgent_at(ISS + 11), (Flags::URG, 30));
    assert_eq!(segment.urgent_at(ISS + 41), (Flags::NONE, 0));
}

proptest! {
    #[test]
    fn any_order_and_overlap_gives_the_same_octets(
        pieces in proptest::collection::vec((0_usize..400, 1_usize..100), 0..40),
        cuts in proptest::collection::vec(0_usize..500, 0..10),
    ) {
        let mut stream = following();
        for (offset, len) in pieces {
            data(&mut stream, offset, len, 0);
            let before = ISS + 1;
            let (base, next) = (stream.base().octets_since(before), stream.next().octets_since(before));
            prop_assert_eq!(kept(&stream), octets(base..next));
        }
        data(&mut stream, 0, 500, 0);
        prop_assert!(!stream.has_hole());
        for cut in cuts {
            stream.discard_to(ISS + 1 + cut);
            let base = stream.base().octets_since(ISS + 1);
            prop_assert_eq!(kept(&stream), octets(base..500));
        }
    }
}
