use super::{FLOW_OCTETS, PERIOD};
use crate::counters::DatagramCounters;
use crate::{Admission, ClientPool, LoopbackClients, Mapping, ReplayConfig, Replayer, RouteScope};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tc_proto::tunnel::TargetDatagram;
use tc_proto::{DatagramRef, DatagramSpec, Flow, IpFields};

const ONLINE: &str = "192.0.2.7:53";
const TARGET: &str = "10.0.0.2:5353";

struct World {
    now: Instant,
    replayer: Replayer,
}

/// A datagram that was sent to the target.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    source: SocketAddr,
    payload: Vec<u8>,
}

impl World {
    fn new(config: ReplayConfig, clients: &str) -> Self {
        let mut world = Self::without_intercept(config, clients);
        world.replayer.handle_tunnel_up(RouteScope::All);
        world
    }

    fn without_intercept(config: ReplayConfig, clients: &str) -> Self {
        let mapping: Mapping = format!("udp:{ONLINE}-{TARGET}").parse().unwrap();
        let clients: ClientPool = clients.parse().unwrap_or_default();
        Self { now: crate::testing::start(), replayer: Replayer::new(config, vec![mapping], clients) }
    }

    fn captured(&mut self, client: &str, online: &str, payload: &[u8]) -> Vec<Sent> {
        let spec = DatagramSpec {
            source: client.parse().unwrap(),
            destination: online.parse().unwrap(),
            ip: IpFields::default(),
            identification: 9,
            payload,
        };
        let mut octets = Vec::new();
        spec.emit(65_535, &mut octets, |_| {});
        self.replayer.handle_client_packet(self.now, &octets);
        self.sent()
    }

    fn sent(&mut self) -> Vec<Sent> {
        self.packets().iter().map(|packet| sent(packet)).collect()
    }

    fn packets(&mut self) -> Vec<Vec<u8>> {
        let next = || {
            let mut buf = Vec::new();
            let transmit = self.replayer.poll_transmit(self.now, &mut buf)?;
            assert_eq!(transmit.len, buf.len());
            assert_eq!(transmit.destination, TARGET.parse::<SocketAddr>().unwrap().ip());
            Some(buf)
        };
        std::iter::from_fn(next).collect()
    }

    fn answer(&mut self, client: &str) {
        let flow = Flow { client: client.parse().unwrap(), target: TARGET.parse().unwrap() };
        self.replayer.handle_target_datagram(self.now, &TargetDatagram { flow, payload_len: 100 });
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((deadline, _)) = self.replayer.poll_timeout().filter(|(deadline, _)| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.replayer.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn counters(&self) -> DatagramCounters {
        self.replayer.counters().datagrams
    }
}

fn sent(packet: &[u8]) -> Sent {
    let datagram = DatagramRef::parse(packet).unwrap();
    assert_eq!(datagram.destination(), TARGET.parse().unwrap());
    Sent { source: datagram.source(), payload: datagram.payload().to_vec() }
}

fn world() -> World {
    World::new(ReplayConfig::default(), "")
}

fn admitting(admission: Admission, clients: &str) -> World {
    World::new(ReplayConfig { admission, ..ReplayConfig::default() }, clients)
}

#[test]
fn a_datagram_goes_to_the_target_with_its_payload() {
    let sent = world().captured("198.51.100.1:4000", ONLINE, b"query");
    let source = "198.51.100.1:4000".parse().unwrap();
    assert_eq!(sent, [Sent { source, payload: b"query".to_vec() }]);
}

#[test]
fn an_empty_datagram_is_one_too() {
    assert_eq!(world().captured("198.51.100.1:4000", ONLINE, b"").len(), 1);
}

#[test]
fn clients_appear_under_the_pools_address_and_never_share_a_port() {
    let mut world = World::new(ReplayConfig::default(), "10.0.0.9");
    let one = world.captured("198.51.100.1:4000", ONLINE, b"1");
    let other = world.captured("198.51.100.2:4000", ONLINE, b"2");
    let again = world.captured("198.51.100.1:4000", ONLINE, b"3");
    assert_eq!(one[0].source, "10.0.0.9:4000".parse().unwrap());
    assert_eq!(other[0].source.ip(), one[0].source.ip());
    assert_ne!(other[0].source, one[0].source);
    assert_eq!(again[0].source, one[0].source);
}

#[test]
fn each_copy_comes_from_a_port_of_its_own() {
    let mut world = admitting(Admission { copies: 3, ..Admission::default() }, "");
    let sent = world.captured("198.51.100.1:4000", ONLINE, b"query");
    let ports: Vec<_> = sent.iter().map(|sent| sent.source.port()).collect();
    assert_eq!(ports, [4000, 4061, 4122]);
    assert_eq!((world.counters().captured, world.counters().sent), (1, 3));
}

#[test]
fn a_part_of_the_clients_is_replayed_and_stays_so() {
    let mut world = admitting(Admission { percentage: 30, ..Admission::default() }, "");
    let mut first = Vec::new();
    for round in 0..2 {
        let replayed: Vec<_> = (1024..2024)
            .filter(|port| !world.captured(&format!("198.51.100.1:{port}"), ONLINE, b"q").is_empty())
            .collect();
        assert!((240..=360).contains(&replayed.len()), "{} of 1000", replayed.len());
        if round == 0 {
            first = replayed;
        } else {
            assert_eq!(replayed, first);
        }
    }
    let counters = world.counters();
    assert_eq!(counters.captured + counters.not_sampled, 2000);
}

#[test]
fn a_datagram_larger_than_the_mtu_goes_in_fragments() {
    let mut world = world();
    world.captured_whole(&[5; 4000]);
    let packets = world.packets();
    assert_eq!(packets.len(), 3);
    let identification = |packet: &Vec<u8>| [packet[4], packet[5]];
    assert!(packets.iter().all(|packet| identification(packet) == identification(&packets[0])));
    assert_ne!(identification(&packets[0]), [0, 0]);
    assert_eq!((world.counters().sent, world.counters().packets), (1, 3));
}

impl World {
    /// Hands a datagram over without asking what follows.
    fn captured_whole(&mut self, payload: &[u8]) {
        let mut octets = Vec::new();
        let spec = DatagramSpec {
            source: "198.51.100.1:4000".parse().unwrap(),
            destination: ONLINE.parse().unwrap(),
            ip: IpFields::default(),
            identification: 9,
            payload,
        };
        spec.emit(65_535, &mut octets, |_| {});
        self.replayer.handle_client_packet(self.now, &octets);
    }
}

#[test]
fn a_mirrored_datagram_arrives_although_the_mirrors_packet_came_in_fragments() {
    let mut inner = Vec::new();
    let spec = DatagramSpec {
        source: "198.51.100.1:4000".parse().unwrap(),
        destination: ONLINE.parse().unwrap(),
        ip: IpFields::default(),
        identification: 9,
        payload: b"query",
    };
    spec.emit(65_535, &mut inner, |_| {});
    let gre = [&[0, 0, 8, 0][..], &inner].concat();
    let fragment = |more: u8, offset: u8, part: &[u8]| {
        let len = u8::try_from(20 + part.len()).unwrap();
        let header = [0x45, 0, 0, len, 0, 7, more, offset, 64, 47, 0, 0, 203, 0, 113, 1, 203, 0, 113, 2];
        [&header, part].concat()
    };
    let mut world = world();
    for octets in [fragment(0x20, 0, &gre[..24]), fragment(0, 3, &gre[24..])] {
        world.replayer.handle_client_packet(world.now, &octets);
    }
    let sent = world.sent();
    assert_eq!((sent.len(), sent[0].payload.as_slice()), (1, &b"query"[..]));
    let counters = world.replayer.counters();
    assert_eq!((counters.captured.fragments, counters.reassembly.reassembled), (1, 1));
}

#[test]
fn what_goes_elsewhere_is_counted_and_not_sent() {
    let mut world = world();
    assert_eq!(world.captured("198.51.100.1:4000", "192.0.2.8:53", b"query"), []);
    assert_eq!(world.captured("198.51.100.1:4000", TARGET, b"query"), []);
    world.replayer.handle_client_packet(world.now, &[0x45; 20]);
    let counters = world.counters();
    assert_eq!((counters.unmapped, counters.replayed, counters.captured), (1, 1, 0));
    assert_eq!(world.replayer.counters().captured.packets, 3);
    assert_eq!(world.replayer.counters().captured.datagrams, 2);
}

#[test]
fn nothing_is_sent_before_an_intercept_was_there() {
    let mut world = World::without_intercept(ReplayConfig::default(), "");
    assert_eq!(world.captured("198.51.100.1:4000", ONLINE, b"query"), []);
    assert_eq!(world.counters().no_intercept, 1);
    world.replayer.handle_tunnel_up(RouteScope::All);
    assert_eq!(world.captured("198.51.100.1:4000", ONLINE, b"query").len(), 1);
    world.replayer.handle_tunnel_down(RouteScope::All);
    assert_eq!(world.captured("198.51.100.1:4000", ONLINE, b"query").len(), 1);
}

#[test]
fn an_intercept_of_any_scope_that_covers_the_target_will_do() {
    let target: SocketAddr = TARGET.parse().unwrap();
    let other = "10.0.0.3".parse().unwrap();
    let scopes = [
        (RouteScope::All, true),
        (RouteScope::Ipv4, true),
        (RouteScope::Target(target.ip()), true),
        (RouteScope::Ipv6, false),
        (RouteScope::Target(other), false),
    ];
    for (scope, covers) in scopes {
        let mut world = World::without_intercept(ReplayConfig::default(), "");
        world.replayer.handle_tunnel_up(scope);
        assert_eq!(
            world.captured("198.51.100.1:4000", ONLINE, b"query").len(),
            usize::from(covers),
            "{scope:?}"
        );
    }
}

#[test]
fn each_answer_counts_for_one_datagram() {
    let mut world = world();
    for _ in 0..2 {
        world.captured("198.51.100.1:4000", ONLINE, b"query");
    }
    for _ in 0..3 {
        world.answer("198.51.100.1:4000");
    }
    world.answer("198.51.100.1:4001");
    let counters = world.counters();
    assert_eq!((counters.answered, counters.headers, counters.unknown), (2, 4, 1));
    world.pass(PERIOD * 3);
    assert_eq!(world.counters().unanswered, 0);
}

#[test]
fn what_stays_without_an_answer_is_unanswered_after_one_to_two_periods() {
    let mut world = world();
    world.captured("198.51.100.1:4000", ONLINE, b"one");
    world.pass(PERIOD);
    world.captured("198.51.100.1:4000", ONLINE, b"two");
    // It belongs to the one that waits longest.
    world.answer("198.51.100.1:4000");
    world.pass(PERIOD);
    assert_eq!((world.counters().answered, world.counters().unanswered), (1, 0));
    world.pass(PERIOD);
    assert_eq!((world.counters().answered, world.counters().unanswered), (1, 1));
}

#[test]
fn latency_is_measured_where_it_is_clear_which_datagram_was_answered() {
    const MS: Duration = Duration::from_millis(1);
    let mut world = world();
    let ask = |world: &mut World, after: u32| {
        world.pass(after * MS);
        world.captured("198.51.100.1:4000", ONLINE, b"query");
    };
    ask(&mut world, 0);
    ask(&mut world, 2);
    // The first answers the one that waits longest; for the second it is not known.
    for _ in 0..2 {
        world.pass(5 * MS);
        world.answer("198.51.100.1:4000");
    }
    assert_eq!((world.counters().measured, world.counters().latency), (1, 7 * MS));
    ask(&mut world, 1);
    world.pass(3 * MS);
    world.answer("198.51.100.1:4000");
    assert_eq!((world.counters().measured, world.counters().latency), (2, 10 * MS));
    // One that got no answer is no measure for the next.
    ask(&mut world, 0);
    world.pass(PERIOD);
    ask(&mut world, 0);
    world.pass(PERIOD);
    world.answer("198.51.100.1:4000");
    assert_eq!((world.counters().measured, world.counters().answered), (2, 4));
    assert_eq!((world.replayer.datagrams_waiting(), world.counters().unanswered), (0, 1));
}

#[test]
fn an_idle_flow_is_forgotten_and_a_busy_one_is_not() {
    let mut world = world();
    world.captured("198.51.100.1:4000", ONLINE, b"idle");
    for _ in 0..8 {
        world.captured("198.51.100.1:4001", ONLINE, b"busy");
        world.pass(PERIOD);
    }
    assert_eq!(world.replayer.datagram_flows(), 1);
    world.pass(Duration::from_mins(1));
    assert_eq!(world.replayer.datagram_flows(), 0);
    assert_eq!(world.replayer.octets(), 0);
    assert_eq!(world.replayer.poll_timeout(), None);
    assert_eq!(world.counters().unanswered, 9);
}

#[test]
fn flows_stay_below_their_part_of_the_memory() {
    let config = ReplayConfig { max_octets: 4 * 10 * FLOW_OCTETS, ..ReplayConfig::default() };
    let mut world = World::new(config, "");
    for port in 1024..1124 {
        let sent = world.captured(&format!("198.51.100.1:{port}"), ONLINE, b"query");
        assert_eq!(sent.len(), 1);
        assert!(world.replayer.octets() <= 10 * FLOW_OCTETS);
    }
    let counters = world.counters();
    assert_eq!((counters.flows, counters.evicted, counters.unanswered), (100, 90, 90));
}

#[test]
fn a_client_on_the_loopback_interface_needs_another_address() {
    let mut world = world();
    assert_eq!(world.captured("127.0.0.1:4000", ONLINE, b"query"), []);
    assert_eq!(world.counters().no_address, 1);
    let loopback = LoopbackClients { v4: Some("198.51.100.9".parse().unwrap()), v6: None };
    let mut world = admitting(Admission { loopback, ..Admission::default() }, "");
    let sent = world.captured("127.0.0.1:4000", ONLINE, b"query");
    assert_eq!(sent[0].source, "198.51.100.9:4000".parse().unwrap());
}

#[test]
fn sessions_of_the_same_ports_are_not_touched() {
    let mut world = world();
    world.captured("198.51.100.1:4000", ONLINE, b"query");
    assert_eq!(world.replayer.sessions(), 0);
    assert_eq!(world.replayer.poll_route(), None);
}
