use super::super::testing::{Bench, ONE, TWO};
use super::super::{CutReason, Event, RelayConfig, TunnelId, Verdict};
use std::net::SocketAddr;
use tc_proto::tunnel::auth::Key;
use tc_proto::tunnel::{DatagramRoute, Message, Reply, ReplyDecoder, TargetDatagram};
use tc_proto::{DatagramSpec, Flow, IpFields, PortShare};

const TARGET: &str = "10.8.2.2:53";

fn flow(client: &str, target: &str) -> Flow {
    Flow { client: client.parse().unwrap(), target: target.parse().unwrap() }
}

fn answer(flow: Flow, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let (source, destination) = (flow.target, flow.client);
    DatagramSpec { source, destination, ip: IpFields::default(), identification: 1, payload }.emit(
        65_535,
        &mut octets,
        |_| {},
    );
    octets
}

impl Bench {
    fn ask(&mut self, tunnel: TunnelId, target: &str, share: PortShare) {
        let target = target.parse().unwrap();
        self.say_v2(tunnel, Message::AddDatagramRoute(DatagramRoute { target, share }));
    }

    /// The datagrams that a tunnel hears of.
    fn told(&mut self, tunnel: TunnelId) -> Vec<TargetDatagram> {
        let mut decoder = ReplyDecoder::new();
        let stream = self.stream(tunnel);
        if !stream.starts_with(b"TCPR") {
            decoder.push(b"TCPR\0\x02");
        }
        decoder.push(&stream);
        let mut told = Vec::new();
        while let Some(reply) = decoder.next().unwrap() {
            match reply {
                Reply::Datagram(datagram) => told.push(datagram),
                Reply::Hello(_) => {}
                Reply::Proof(_)
                | Reply::Response(..)
                | Reply::Sighting(_)
                | Reply::Time(_)
                | Reply::Malformed => {
                    panic!("{reply:?}")
                }
            }
        }
        told
    }
}

/// A relay whose two tunnels have said hello.
fn bench() -> Bench {
    let mut bench = Bench::new(RelayConfig::default());
    for tunnel in [ONE, TWO] {
        bench.connect_v2(tunnel, 0);
        assert_eq!(bench.told(tunnel), []);
    }
    bench
}

#[test]
fn datagrams_of_a_target_are_told_to_all_who_asked_and_to_nobody_else() {
    let mut bench = bench();
    let six = flow("[fd00::1]:5", "[fd00::2]:53");
    bench.ask(ONE, TARGET, PortShare::WHOLE);
    bench.ask(ONE, "[fd00::2]:53", PortShare::WHOLE);
    bench.ask(TWO, TARGET, PortShare::WHOLE);
    let four = flow("10.0.0.1:4000", TARGET);
    for (flow, payload) in
        [(four, &b"answer"[..]), (six, b""), (flow("10.0.0.1:4000", "10.8.2.2:54"), b"other")]
    {
        assert_eq!(bench.take(&answer(flow, payload)), Verdict::Drop);
    }
    let told = |flow, payload_len| TargetDatagram { flow, payload_len };
    assert_eq!(bench.told(ONE), [told(four, 6), told(six, 0)]);
    assert_eq!(bench.told(TWO), [told(four, 6)]);
    let counters = bench.relay.counters();
    assert_eq!((counters.datagrams, counters.datagrams_returned, counters.datagrams_unrouted), (3, 3, 1));
    assert_eq!(counters.returned(), 3);
}

#[test]
fn each_worker_hears_of_its_share_once() {
    let mut bench = bench();
    for (tunnel, share) in [ONE, TWO].into_iter().zip(PortShare::split(2)) {
        bench.ask(tunnel, TARGET, share);
        bench.ask(tunnel, TARGET, share);
    }
    let flows: Vec<_> = (4000..4100).map(|port| flow(&format!("10.0.0.1:{port}"), TARGET)).collect();
    for flow in &flows {
        bench.take(&answer(*flow, b"answer"));
    }
    let mut heard: Vec<_> = [ONE, TWO].into_iter().flat_map(|tunnel| bench.told(tunnel)).collect();
    assert!(bench.relay.counters().datagrams_unrouted == 0 && heard.len() == flows.len());
    heard.sort_by_key(|datagram| datagram.flow.client);
    assert!(heard.iter().map(|datagram| datagram.flow).eq(flows));
}

#[test]
fn what_a_tunnel_asked_for_goes_with_it() {
    let mut bench = bench();
    bench.ask(ONE, TARGET, PortShare::WHOLE);
    bench.relay.handle_tunnel_down(ONE);
    bench.take(&answer(flow("10.0.0.1:4000", TARGET), b"answer"));
    assert_eq!(bench.relay.counters().datagrams_unrouted, 1);
}

#[test]
fn a_tunnel_asks_for_a_bounded_number_of_targets_and_not_before_its_proof() {
    let mut bench = bench();
    for port in 1..=300 {
        bench.ask(ONE, &SocketAddr::from(([10, 8, 2, 2], port)).to_string(), PortShare::WHOLE);
    }
    assert_eq!(bench.relay.counters().routes_refused, 300 - 256);
    bench.ask(ONE, "10.8.2.2:1", PortShare::WHOLE);
    assert_eq!(bench.relay.counters().routes_refused, 300 - 256, "one of them again");
    bench.relay.handle_tunnel_down(ONE);
    bench.connect_v2(TunnelId(9), 0);
    bench.ask(TunnelId(9), "10.8.2.2:300", PortShare::WHOLE);
    bench.take(&answer(flow("10.0.0.1:4000", "10.8.2.2:300"), b"answer"));
    assert_eq!(bench.relay.counters().datagrams_returned, 1);
    let key = Some(Key::from_file_content(b"the key of this test").unwrap());
    let mut bench = Bench::new(RelayConfig { key, ..RelayConfig::default() });
    bench.connect_v2(ONE, 0);
    bench.ask(ONE, TARGET, PortShare::WHOLE);
    bench.take(&answer(flow("10.0.0.1:4000", TARGET), b"answer"));
    assert_eq!((bench.relay.counters().routes_refused, bench.relay.counters().datagrams_returned), (1, 0));
}

#[test]
fn when_too_much_waits_for_all_tunnels_the_slowest_is_cut_and_no_other() {
    let config = RelayConfig { max_pending: 1000, max_pending_of_all: 800, ..RelayConfig::default() };
    let mut bench = Bench::new(config);
    for tunnel in [ONE, TWO] {
        bench.connect_v2(tunnel, 0);
        bench.ask(tunnel, TARGET, PortShare::WHOLE);
    }
    let datagram = answer(flow("10.0.0.1:4000", TARGET), b"answer");
    (0..15).for_each(|_| _ = bench.take(&datagram));
    let read = bench.told(TWO).len();
    (0..10).for_each(|_| _ = bench.take(&datagram));
    let cut: Vec<_> =
        bench.events().into_iter().filter(|event| matches!(event, Event::TunnelCut { .. })).collect();
    assert!(matches!(cut[..], [Event::TunnelCut { tunnel: ONE, reason: CutReason::Slow(594) }]), "{cut:?}");
    assert_eq!(read + bench.told(TWO).len(), 25, "the other one misses nothing");
    assert_eq!(bench.relay.counters().tunnels_slow, 1);
    (0..1000).for_each(|_| {
        bench.take(&datagram);
        assert_eq!(bench.told(TWO).len(), 1);
    });
    assert_eq!(bench.relay.tunnel_count(), 1, "what was read does not count");
}

#[test]
fn a_tunnel_that_does_not_read_what_it_asked_for_is_cut() {
    let mut bench = Bench::new(RelayConfig { max_pending: 300, ..RelayConfig::default() });
    bench.connect_v2(ONE, 0);
    bench.ask(ONE, TARGET, PortShare::WHOLE);
    for _ in 0..30 {
        bench.take(&answer(flow("10.0.0.1:4000", TARGET), b"answer"));
    }
    let counters = bench.relay.counters();
    assert_eq!((counters.tunnels_slow, bench.relay.tunnel_count()), (1, 0));
    assert_eq!(counters.lost_with_tunnel, counters.datagrams_returned);
    assert_eq!(counters.datagrams_returned + counters.datagrams_unrouted, 30);
}
