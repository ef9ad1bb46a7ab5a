//! What holds after any sequence of inputs.

use super::testing::{Bench, ONE, TWO, flow, response};
use super::{RelayConfig, TunnelId, Verdict};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;
use tc_proto::tunnel::{Message, RecordFormat, VERSION};
use tc_proto::{Flags, Flow, PacketRef, Segment};

const FLOWS: u16 = 6;
const THREE: TunnelId = TunnelId(3);

#[derive(Clone, Debug)]
enum Input {
    Announce { tunnel: TunnelId, flow: Flow },
    Garbage { tunnel: TunnelId, octets: Vec<u8> },
    Malformed(Vec<u8>),
    Pass(Duration),
    Reconnect(TunnelId),
    Remove { tunnel: TunnelId, flow: Flow },
    Respond { flow: Flow, flags: Flags },
}

fn tunnels() -> impl Strategy<Value = TunnelId> {
    prop_oneof![Just(ONE), Just(TWO), Just(THREE)]
}

fn flows() -> impl Strategy<Value = Flow> {
    (0..FLOWS).prop_map(flow)
}

fn flags() -> impl Strategy<Value = Flags> {
    prop_oneof![
        8 => Just(Flags::PSH), 2 => Just(Flags::SYN), 1 => Just(Flags::FIN), 1 => Just(Flags::RST)
    ]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..60);
    let input = prop_oneof![
        4 => (tunnels(), flows()).prop_map(|(tunnel, flow)| Input::Announce { tunnel, flow }),
        1 => (tunnels(), octets()).prop_map(|(tunnel, octets)| Input::Garbage { tunnel, octets }),
        1 => octets().prop_map(Input::Malformed),
        2 => (0_u64..400).prop_map(|seconds| Input::Pass(Duration::from_secs(seconds))),
        1 => tunnels().prop_map(Input::Reconnect),
        1 => (tunnels(), flows()).prop_map(|(tunnel, flow)| Input::Remove { tunnel, flow }),
        20 => (flows(), flags()).prop_map(|(flow, flags)| Input::Respond { flow, flags }),
    ];
    proptest::collection::vec(input, 1..150)
}

fn config() -> RelayConfig {
    RelayConfig { max_routes: 4, max_held: 8, max_held_per_flow: 4, max_pending: 640, ..RelayConfig::default() }
}

/// Plays inputs, and remembers each response by its sequence number, which the test makes unique and rising.
#[derive(Default)]
struct Player {
    sent: HashMap<u32, Segment>,
    delivered: HashMap<TunnelId, Vec<Segment>>,
    next_seq: u32,
}

impl Player {
    fn play(&mut self, bench: &mut Bench, input: Input) {
        match input {
            Input::Announce { tunnel, flow } => bench.announce(tunnel, flow),
            Input::Garbage { tunnel, octets } => {
                bench.relay.handle_tunnel_octets(bench.now, tunnel, &octets);
            }
            Input::Malformed(octets) => {
                assert_eq!(bench.take(&octets), Verdict::Drop);
            }
            Input::Pass(time) => bench.pass(time),
            Input::Reconnect(tunnel) => {
                bench.relay.handle_tunnel_down(tunnel);
                bench.connect(tunnel, VERSION);
            }
            Input::Remove { tunnel, flow } => bench.say(tunnel, Message::RemoveRoute(flow)),
            Input::Respond { flow, flags } => self.respond(bench, flow, flags),
        }
    }

    fn respond(&mut self, bench: &mut Bench, flow: Flow, flags: Flags) {
        self.next_seq += 1;
        let payload = vec![0; self.next_seq as usize % 1400];
        let octets = response(flow, flags, self.next_seq, &payload);
        self.sent.insert(self.next_seq, *PacketRef::parse(&octets).unwrap().segment());
        assert_eq!(bench.take(&octets), Verdict::Drop);
    }

    fn read(&mut self, bench: &mut Bench) {
        for tunnel in bench.ready() {
            let segments = bench.read(tunnel, RecordFormat::Octets64);
            self.delivered.entry(tunnel).or_default().extend(segments);
        }
    }
}

proptest! {
    #[test]
    fn what_a_tunnel_reads_are_headers_of_responses_in_the_order_of_their_flow(inputs in inputs()) {
        let mut bench = Bench::with_two_tunnels(config());
        bench.connect(THREE, VERSION);
        let mut player = Player::default();
        for (number, input) in inputs.into_iter().enumerate() {
            player.play(&mut bench, input);
            if number % 3 == 0 {
                player.read(&mut bench);
            }
        }
        player.read(&mut bench);
        let mut delivered = 0;
        for tunnel in [ONE, TWO, THREE] {
            let mut last: HashMap<_, u32> = HashMap::new();
            for segment in player.delivered.remove(&tunnel).unwrap_or_default() {
                let seq = segment.seq.value();
                prop_assert_eq!(player.sent.remove(&seq), Some(segment), "each at most once");
                if let Some(before) = last.insert(segment.destination, seq) {
                    prop_assert!(before < seq);
                }
                delivered += 1;
            }
        }
        let counters = bench.relay.counters();
        prop_assert_eq!(counters.returned() - counters.lost_with_tunnel, delivered);
    }

    #[test]
    fn each_input_is_counted_once_and_nothing_outgrows_its_bound(inputs in inputs()) {
        let mut bench = Bench::with_two_tunnels(config());
        let mut player = Player::default();
        for input in inputs {
            player.play(&mut bench, input);
            let c = *bench.relay.counters();
            let dropped = c.dropped_truncated + c.dropped_header_length
                + c.dropped_ip_version + c.datagrams + c.dropped_not_tcp + c.dropped_fragment;
            prop_assert_eq!(c.responses, c.passed + c.forwarded + c.held + c.held_refused + dropped);
            let released = c.held_delivered + c.held_superseded + c.held_expired + c.held_displaced;
            prop_assert_eq!(c.held, released + bench.relay.held_count() as u64);
            let gone = c.routes_removed + c.routes_closed + c.routes_idle + c.routes_evicted
                + c.routes_orphaned;
            let made = c.routes_announced - c.routes_renewed - c.routes_taken_over;
            prop_assert_eq!(made, gone + bench.relay.route_count() as u64);
            prop_assert!(bench.relay.route_count() <= 4 && bench.relay.held_count() <= 8);
            if let Some((deadline, _)) = bench.relay.poll_timeout() {
                prop_assert!(deadline > bench.now);
            }
        }
    }

    #[test]
    fn nothing_is_kept_when_all_tunnels_are_gone_and_time_has_passed(inputs in inputs()) {
        let mut bench = Bench::with_two_tunnels(config());
        let mut player = Player::default();
        for input in inputs {
            player.play(&mut bench, input);
        }
        for tunnel in [ONE, TWO, THREE] {
            bench.relay.handle_tunnel_down(tunnel);
        }
        bench.pass(Duration::from_secs(30));
        prop_assert_eq!(bench.relay.held_count() + bench.relay.route_count() + bench.relay.tunnel_count(), 0);
        prop_assert_eq!(bench.relay.poll_timeout(), None);
        prop_assert_eq!(bench.ready(), vec![]);
    }
}
