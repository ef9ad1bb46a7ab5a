use super::{Place, Sender, Sieve};
use crate::offline::records::Head;
use crate::offline::testing::{tcp, udp};
use std::time::Duration;
use tc_proto::link::{Direction, LinkType};
use tc_proto::{Flags, Transport};

const CLIENT: &str = "192.0.2.1:4000";
const ONLINE: &str = "10.0.0.5:80";

fn sieve(mappings: &str) -> Sieve {
    Sieve::new(mappings.split(',').map(|entry| entry.parse().unwrap()).collect())
}

fn head(octets: &[u8]) -> Head {
    Head {
        at: Duration::ZERO,
        link: Some(LinkType::RawIp),
        direction: Direction::Unknown,
        cut: false,
        octets: 0..octets.len(),
        len: octets.len(),
    }
}

fn sender(sieve: &mut Sieve, packet: &[u8]) -> Option<Sender> {
    sieve.sort(&head(packet), packet).map(|(sender, _)| sender)
}

fn data(source: &str, destination: &str) -> Vec<u8> {
    tcp(source, destination, Flags::ACK, b"hello")
}

#[test]
fn which_side_is_the_client_follows_from_the_map() {
    for map in ["80-10.16.12.11:8080", "10.0.0.5:80-10.16.12.11:8080", "81-10.16.12.11:81,80-10.16.12.11:80"] {
        let mut sieve = sieve(map);
        assert_eq!(sender(&mut sieve, &data(CLIENT, ONLINE)), Some(Sender::Client), "{map}");
        assert_eq!(sender(&mut sieve, &data(ONLINE, CLIENT)), Some(Sender::Server), "{map}");
        assert_eq!(sender(&mut sieve, &data(CLIENT, "10.0.0.5:443")), None, "{map}");
        assert_eq!(sender(&mut sieve, &data(ONLINE, "10.0.0.9:3306")), Some(Sender::Server), "{map}");
    }
}

#[test]
fn an_entry_with_an_address_takes_that_server_only() {
    let mut sieve = sieve("10.0.0.5:80-10.16.12.11:80");
    assert_eq!(sender(&mut sieve, &data(CLIENT, "10.0.0.6:80")), None);
    assert_eq!(sender(&mut sieve, &data("10.0.0.6:80", CLIENT)), None);
}

#[test]
fn what_the_capturing_host_sent_to_others_is_not_a_clients_unless_the_map_names_them() {
    let packet = data("10.0.0.5:5000", "10.0.0.9:80");
    let sent = Head { direction: Direction::Sent, ..head(&packet) };
    let mut without = sieve("80-10.16.12.11:80");
    assert_eq!(without.sort(&sent, &packet), None);
    assert_eq!((without.tally.own, without.tally.client), (1, 0));
    let mut with = sieve("10.0.0.9:80-10.16.12.11:80");
    assert_eq!(with.sort(&sent, &packet).unwrap().0, Sender::Client);
    assert_eq!((with.tally.own, with.tally.client), (0, 1));
}

#[test]
fn packets_that_were_cut_are_counted_where_that_matters() {
    let mut sieve = sieve("80-10.16.12.11:80");
    for (source, destination) in [(CLIENT, ONLINE), (ONLINE, CLIENT)] {
        let packet = data(source, destination);
        let cut = Head { cut: true, ..head(&packet) };
        sieve.sort(&cut, &packet[..packet.len() - 2]);
        // Link-layer padding that was cut is no loss.
        sieve.sort(&cut, &packet);
    }
    assert_eq!((sieve.tally.cut, sieve.tally.client, sieve.tally.server), (1, 2, 2));
    let mut open_ended = data(CLIENT, ONLINE);
    open_ended[2..4].fill(0);
    sieve.sort(&Head { cut: true, ..head(&open_ended) }, &open_ended);
    assert_eq!(sieve.tally.cut, 2, "a packet that leaves its length open");
}

#[test]
fn fragments_go_by_their_address() {
    let fragment = |source, destination| {
        let mut packet = data(source, destination);
        packet[6] = 0x20;
        packet
    };
    let mut named = sieve("10.0.0.5:80-10.16.12.11:80");
    assert_eq!(sender(&mut named, &fragment(CLIENT, ONLINE)), Some(Sender::Client));
    assert_eq!(sender(&mut named, &fragment(ONLINE, CLIENT)), Some(Sender::Server));
    assert_eq!(sender(&mut named, &fragment(CLIENT, "10.0.0.6:80")), None);
    assert_eq!(sender(&mut sieve("80-10.16.12.11:80"), &fragment(CLIENT, ONLINE)), Some(Sender::Client));
    // Mirrors have other addresses than what they send.
    let mut mirrored = tcp("192.0.2.8:1", "192.0.2.9:2", Flags::ACK, b"of 8");
    (mirrored[6], mirrored[9]) = (0x20, 47);
    assert_eq!(sender(&mut named, &mirrored), Some(Sender::Client));
}

#[test]
fn connections_are_counted_by_what_they_were_opened_to() {
    let mut sieve = sieve("80-10.16.12.11:80");
    for destination in [ONLINE, ONLINE, "10.0.0.5:443"] {
        sender(&mut sieve, &tcp(CLIENT, destination, Flags::SYN, b""));
    }
    sender(&mut sieve, &tcp(ONLINE, CLIENT, Flags::SYN | Flags::ACK, b""));
    assert_eq!(sieve.tally.named, [(place(Transport::Tcp, ONLINE), 2)].into());
    assert_eq!(sieve.tally.unnamed, [(place(Transport::Tcp, "10.0.0.5:443"), 1)].into());
}

fn place(transport: Transport, address: &str) -> Place {
    Place { transport, address: address.parse().unwrap() }
}

#[test]
fn datagrams_are_the_clients_where_the_map_asks_for_them() {
    let (query, answer) = (udp(CLIENT, "10.0.0.5:53", b"query"), udp("10.0.0.5:53", CLIENT, b"answer"));
    let mut both = sieve("udp:53-10.16.12.11:53,80-10.16.12.11:80");
    assert_eq!(sender(&mut both, &query), Some(Sender::Client));
    assert_eq!(sender(&mut both, &answer), Some(Sender::Server));
    assert_eq!(sender(&mut both, &udp(CLIENT, ONLINE, b"QUIC")), None);
    assert_eq!(sender(&mut both, &data(CLIENT, "10.0.0.5:53")), None);
    assert_eq!(both.tally.named, [(place(Transport::Udp, "10.0.0.5:53"), 1)].into());
    assert_eq!(both.tally.unnamed, [(place(Transport::Udp, ONLINE), 1)].into());
    both.sort(&Head { cut: true, ..head(&query) }, &query[..query.len() - 1]);
    assert_eq!((both.tally.cut, both.tally.client, both.tally.server), (1, 2, 1));
    let mut tcp_only = sieve("53-10.16.12.11:53");
    assert_eq!(sender(&mut tcp_only, &query), None);
    assert_eq!(tcp_only.tally.unnamed, [].into(), "nobody asked for datagrams");
}

#[test]
fn frames_of_unknown_link_types_and_cut_headers_are_counted_and_other_protocols_are_not() {
    let mut sieve = sieve("80-10.16.12.11:80");
    let packet = data(CLIENT, ONLINE);
    assert_eq!(sieve.sort(&Head { link: None, ..head(&packet) }, &packet), None);
    assert_eq!(sieve.sort(&Head { cut: true, ..head(&packet) }, &packet[..30]), None);
    let mut udp = packet;
    udp[9] = 17;
    assert_eq!(sender(&mut sieve, &udp), None);
    assert_eq!((sieve.tally.not_understood, sieve.tally.packets), (2, 3));
}
