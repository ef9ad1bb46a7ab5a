use super::super::testing::{Bench, ONE, PEER, TCPCOPY_NONCE, TWO, flow, nonce, response};
use super::super::{CutReason, Event, RelayConfig, TunnelId, Wire};
use super::SECOND;
use tc_proto::tunnel::auth::{Challenge, Key, Proof, Role};
use tc_proto::tunnel::{Lock, Message, Reply, ReplyDecoder, Sighting, TUNNEL_VERSION, TcpcopyHello, Times};
use tc_proto::{Flags, Flow, Segment};

const THREE: TunnelId = TunnelId(3);

fn bench(config: RelayConfig) -> Bench {
    Bench::new(config)
}

fn key(text: &str) -> Key {
    Key::from_file_content(text.as_bytes()).unwrap()
}

fn locked() -> RelayConfig {
    RelayConfig { key: Some(key("the key of this test")), ..RelayConfig::default() }
}

fn six() -> Flow {
    Flow { client: "[fd00::1]:5".parse().unwrap(), target: "[fd00::2]:80".parse().unwrap() }
}

fn proof_of(key: &Key, tunnel: TunnelId) -> Proof {
    key.prove(Role::Tcpcopy, &Challenge { intercept: nonce(tunnel), tcpcopy: TCPCOPY_NONCE })
}

/// Hellos, proofs, and responses with the payload that came with them.
type Heard = (Vec<Lock>, Vec<Proof>, Vec<(Segment, Vec<u8>)>);

/// What a stream of version 2 says.
fn heard(stream: &[u8]) -> Heard {
    let mut decoder = ReplyDecoder::new();
    decoder.push(stream);
    let (mut hellos, mut proofs, mut responses) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(reply) = decoder.next().unwrap() {
        match reply {
            Reply::Hello(hello) => hellos.push(hello.lock),
            Reply::Proof(proof) => proofs.push(proof),
            Reply::Response(header, payload) => responses.push((header.0, payload.to_vec())),
            Reply::Datagram(_) | Reply::Sighting(_) | Reply::Time(_) => panic!("{reply:?} was not asked for"),
            Reply::Malformed => panic!("version 2 has no records"),
        }
    }
    (hellos, proofs, responses)
}

#[test]
fn a_peer_that_offers_version_2_hears_hello_at_once_and_then_messages() {
    let mut bench = bench(RelayConfig::default());
    bench.accept(ONE);
    bench.say(ONE, Message::Offer(TUNNEL_VERSION));
    assert_eq!(bench.events(), [Event::TunnelReady { tunnel: ONE, wire: Wire::Version2 }]);
    assert_eq!(bench.ready(), [ONE]);
    bench.announce(ONE, flow(1));
    bench.respond(flow(1), Flags::SYN, 7);
    let (hellos, _, responses) = heard(&bench.stream(ONE));
    assert_eq!(hellos, [Lock::Open]);
    assert_eq!(responses[0].0.seq.value(), 7, "also while it still speaks version 1 itself");
}

#[test]
fn who_asks_is_told_when_responses_were_seen_held_ones_too() {
    let mut bench = bench(RelayConfig::default());
    bench.accept(ONE);
    bench.say(ONE, Message::Offer(TUNNEL_VERSION));
    bench.say(ONE, Message::Switch);
    let hello = TcpcopyHello { payload: 0, times: Times::Wanted, nonce: TCPCOPY_NONCE };
    bench.say_v2(ONE, Message::Hello(hello));
    bench.connect_v2(TWO, 0);
    bench.say_v2(ONE, Message::AddRoute(flow(1)));
    bench.say_v2(TWO, Message::AddRoute(flow(3)));
    assert_eq!(bench.relay.times_wanted(), Times::Wanted);
    bench.respond(flow(1), Flags::SYN, 1);
    bench.respond(flow(1), Flags::ACK, 2);
    bench.pass(SECOND / 10);
    bench.respond(flow(2), Flags::SYN, 3);
    bench.respond(flow(3), Flags::SYN, 4);
    bench.pass(SECOND / 10);
    bench.respond(flow(1), Flags::ACK, 5);
    bench.say_v2(ONE, Message::AddRoute(flow(2)));
    assert_eq!(told(&bench.stream(ONE)), [(0, 1), (0, 2), (200_000, 5), (100_000, 3)]);
    let (_, _, responses) = heard(&bench.stream(TWO));
    assert_eq!(responses.len(), 1, "the other gets no times");
    bench.relay.handle_tunnel_down(ONE);
    assert_eq!(bench.relay.times_wanted(), Times::Unwanted);
}

/// The times of a stream's responses, and their sequence numbers.
fn told(stream: &[u8]) -> Vec<(u64, u32)> {
    let mut decoder = ReplyDecoder::new();
    decoder.push(stream);
    let (mut time, mut told) = (None, Vec::new());
    while let Some(reply) = decoder.next().unwrap() {
        match reply {
            Reply::Time(micros) => assert_ne!(time.replace(micros), Some(micros), "told once"),
            Reply::Response(header, _) => told.push((time.unwrap(), header.0.seq.value())),
            Reply::Hello(_) | Reply::Proof(_) | Reply::Datagram(_) | Reply::Sighting(_) | Reply::Malformed => {}
        }
    }
    told
}

#[test]
fn an_offer_of_a_version_that_never_was_is_served_in_version_1() {
    let mut bench = bench(RelayConfig::default());
    bench.accept(ONE);
    bench.say(ONE, Message::Offer(1));
    assert_eq!(bench.events(), [Event::TunnelReady { tunnel: ONE, wire: Wire::default() }]);
}

#[test]
fn ipv6_flows_have_routes_in_version_2() {
    let mut bench = bench(RelayConfig::default());
    bench.connect_v2(ONE, 0);
    bench.respond(six(), Flags::SYN, 1);
    bench.say_v2(ONE, Message::AddRoute(six()));
    bench.respond(six(), Flags::PSH, 2);
    let (_, _, responses) = heard(&bench.stream(ONE));
    assert!(responses.iter().map(|(segment, _)| segment.seq.value()).eq([1, 2]), "{responses:?}");
    assert_eq!(responses[0].0.destination, six().client);
}

#[test]
fn each_tunnel_gets_as_much_payload_as_it_asked_for() {
    let mut bench = bench(RelayConfig::default());
    bench.connect_v2(ONE, 4);
    bench.connect_v2(TWO, 2);
    assert_eq!(bench.relay.payload_wanted(), 4);
    bench.take(&response(flow(1), Flags::PSH, 1, b"held"));
    for (tunnel, flow) in [(ONE, flow(1)), (TWO, flow(2))] {
        bench.say_v2(tunnel, Message::AddRoute(flow));
        bench.take(&response(flow, Flags::PSH, 5, b"payload"));
    }
    let (_, _, one) = heard(&bench.stream(ONE));
    assert_eq!((&one[0].1[..], &one[1].1[..]), (&b"held"[..], &b"payl"[..]));
    assert_eq!(one[1].0.payload_len, 7);
    assert_eq!(heard(&bench.stream(TWO)).2[0].1, b"pa");
    bench.relay.handle_tunnel_down(ONE);
    assert_eq!(bench.relay.payload_wanted(), 2);
}

#[test]
fn with_a_key_a_tunnel_is_nobody_until_it_has_proved_that_it_knows_it() {
    let mut bench = bench(locked());
    bench.connect_v2(ONE, 100);
    bench.say_v2(ONE, Message::AddRoute(flow(1)));
    bench.respond(flow(1), Flags::SYN, 1);
    assert_eq!((bench.relay.route_count(), bench.relay.payload_wanted()), (0, 0));
    assert_eq!(bench.events(), []);
    bench.say_v2(ONE, Message::Proof(proof_of(&key("the key of this test"), ONE)));
    assert_eq!(bench.events(), [Event::TunnelReady { tunnel: ONE, wire: Wire::Version2 }]);
    bench.say_v2(ONE, Message::AddRoute(flow(1)));
    let (hellos, proofs, responses) = heard(&bench.stream(ONE));
    assert_eq!((hellos.as_slice(), responses.len()), ([Lock::Locked].as_slice(), 1));
    let challenge = Challenge { intercept: nonce(ONE), tcpcopy: TCPCOPY_NONCE };
    assert!(key("the key of this test").verify(Role::Intercept, &challenge, &proofs[0]), "we know it too");
    assert_eq!((bench.relay.counters().routes_refused, bench.relay.counters().tunnels_wrong_key), (1, 0));
    bench.pass(60 * SECOND);
    assert_eq!(bench.relay.tunnel_count(), 1);
}

#[test]
fn a_wrong_proof_cuts_the_tunnel_and_tells_nothing() {
    let wrong =
        [proof_of(&key("another key of this test"), ONE), proof_of(&key("the key of this test"), TWO), [0; 32]];
    for proof in wrong {
        let mut bench = bench(locked());
        bench.connect_v2(ONE, 0);
        assert_eq!(heard(&bench.stream(ONE)).0, [Lock::Locked]);
        bench.say_v2(ONE, Message::Proof(proof));
        assert_eq!(bench.events(), [Event::TunnelCut { tunnel: ONE, reason: CutReason::WrongKey }]);
        assert_eq!(bench.stream(ONE), []);
        assert_eq!(bench.relay.counters().tunnels_wrong_key, 1);
    }
}

#[test]
fn a_peer_without_a_key_is_cut_and_a_silent_one_after_ten_seconds() {
    let mut bench = bench(locked());
    bench.accept(ONE);
    bench.say(ONE, Message::Version(6));
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel: ONE, reason: CutReason::NoKey }]);
    bench.connect_v2(TWO, 0);
    bench.pass(10 * SECOND);
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel: TWO, reason: CutReason::Silent }]);
}

#[test]
fn only_allowed_addresses_get_a_tunnel() {
    let allow = vec!["192.0.2.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let mut bench = bench(RelayConfig { allow, ..RelayConfig::default() });
    let mut connect = |tunnel, peer: &str| {
        bench.relay.handle_tunnel_up(bench.now, tunnel, peer.parse().unwrap(), [0; 32]);
        bench.events()
    };
    assert_eq!(connect(ONE, &PEER.to_string()), []);
    assert_eq!(connect(TWO, "fd00::7"), []);
    let cut = |tunnel| [Event::TunnelCut { tunnel, reason: CutReason::NotAllowed }];
    assert_eq!(connect(THREE, "192.0.3.1"), cut(THREE));
    assert_eq!(connect(TunnelId(4), "::1"), cut(TunnelId(4)));
    assert_eq!((bench.relay.tunnel_count(), bench.relay.counters().tunnels_not_allowed), (2, 2));
}

#[test]
fn half_open_tunnels_are_bounded_and_the_oldest_makes_room() {
    let mut bench = bench(RelayConfig { max_half_open: 2, ..RelayConfig::default() });
    bench.connect(ONE, 6);
    for number in 10..15 {
        bench.now += SECOND / 10;
        bench.accept(TunnelId(number));
    }
    let displaced: Vec<_> = bench.events();
    let cut = |number| Event::TunnelCut { tunnel: TunnelId(number), reason: CutReason::Displaced };
    assert_eq!(displaced, [cut(10), cut(11), cut(12)]);
    assert_eq!((bench.relay.tunnel_count(), bench.relay.counters().tunnels_displaced), (3, 3));
}

#[test]
fn tunnels_are_bounded_and_those_that_are_at_work_stay() {
    let mut bench = bench(RelayConfig { max_tunnels: 2, ..RelayConfig::default() });
    bench.connect(ONE, 6);
    bench.accept(TWO);
    bench.connect(THREE, 6);
    bench.accept(TunnelId(4));
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel: TunnelId(4), reason: CutReason::TooMany(2) }]);
    assert_eq!(bench.relay.tunnel_count(), 2);
}

#[test]
fn a_c_peer_gets_several_headers_for_a_packet_larger_than_the_wire_allows() {
    let mut bench = bench(RelayConfig { records_per_frame: 2, ..RelayConfig::default() });
    bench.connect(ONE, 6);
    bench.connect_v2(TWO, 0);
    bench.announce(ONE, flow(1));
    bench.say_v2(TWO, Message::AddRoute(flow(2)));
    for flow in [flow(1), flow(2)] {
        bench.take(&response(flow, Flags::PSH, 1, &[7; 4000]));
    }
    let stream = bench.stream(ONE);
    assert_eq!(stream.len(), 2 + 2 * 64 + 2 + 64, "two frames of at most two records");
    let (_, _, whole) = heard(&bench.stream(TWO));
    assert_eq!((whole.len(), whole[0].0.payload_len), (1, 4000));
}

#[test]
fn a_trace_is_asked_of_the_driver_and_its_answer_goes_to_who_asked() {
    let mut bench = bench(locked());
    bench.accept(ONE);
    bench.say(ONE, Message::Offer(TUNNEL_VERSION));
    bench.say(ONE, Message::Switch);
    bench.say_v2(ONE, Message::Trace(six()));
    assert_eq!(bench.events(), [], "it has not proved that it knows the key");
    bench
        .say_v2(ONE, Message::Hello(TcpcopyHello { payload: 0, times: Times::Unwanted, nonce: TCPCOPY_NONCE }));
    bench.say_v2(ONE, Message::Proof(proof_of(&key("the key of this test"), ONE)));
    bench.say_v2(ONE, Message::Trace(six()));
    assert!(bench.events().contains(&Event::Trace { tunnel: ONE, flow: six() }));
    let sighting = Sighting { flow: six(), arrived: Some(true), connected: false, reverse_path: true };
    bench.relay.handle_sighting(ONE, &sighting);
    bench.relay.handle_sighting(TWO, &sighting);
    let mut decoder = ReplyDecoder::new();
    decoder.push(&bench.stream(ONE));
    let mut seen = Vec::new();
    while let Some(reply) = decoder.next().unwrap() {
        if let Reply::Sighting(sighting) = reply {
            seen.push(sighting);
        }
    }
    assert_eq!(seen, [sighting]);
}
