use super::testing::{Bench, ONE, TWO, flow, response, segments};
use super::{CutReason, Event, RelayConfig, Timer, TunnelId, Verdict, Wire};
use std::time::Duration;
use tc_proto::tunnel::{DecodeError, Message, RecordFormat};
use tc_proto::{Flags, Flow};

mod datagrams;
mod version2;

const SECOND: Duration = Duration::from_secs(1);

fn bench() -> Bench {
    Bench::with_two_tunnels(RelayConfig::default())
}

#[test]
fn a_response_goes_to_the_tunnel_that_announced_its_flow_and_to_no_other() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.announce(TWO, flow(2));
    assert_eq!(bench.respond(flow(1), Flags::SYN, 100), Verdict::Drop);
    assert_eq!(bench.respond(flow(2), Flags::SYN, 200), Verdict::Drop);
    assert_eq!(bench.ready(), [ONE, TWO]);
    assert_eq!(bench.read_seqs(ONE), [100]);
    assert_eq!(bench.read_seqs(TWO), [200]);
}

#[test]
fn headers_that_overtake_their_route_are_held_and_then_come_first_in_order() {
    let mut bench = bench();
    bench.respond(flow(1), Flags::SYN, 100);
    bench.respond(flow(1), Flags::NONE, 101);
    assert_eq!(bench.ready(), []);
    bench.announce(ONE, flow(1));
    bench.respond(flow(1), Flags::PSH, 102);
    assert_eq!(bench.read_seqs(ONE), [100, 101, 102]);
    assert_eq!(bench.relay.held_count(), 0);
}

#[test]
fn a_held_header_keeps_its_payload_length() {
    let mut bench = bench();
    let octets = response(flow(1), Flags::PSH, 5, &[7; 1400]);
    bench.relay.handle_response(bench.now, &octets[..60], octets.len());
    bench.announce(ONE, flow(1));
    assert_eq!(bench.read(ONE, RecordFormat::Octets64)[0].payload_len, 1400);
}

#[test]
fn a_syn_ack_is_held_for_thirty_seconds_and_other_headers_for_three() {
    let mut bench = bench();
    bench.respond(flow(1), Flags::SYN, 1);
    bench.respond(flow(2), Flags::RST, 2);
    bench.respond(flow(3), Flags::PSH, 3);
    assert_eq!(bench.relay.poll_timeout(), Some((bench.now + 3 * SECOND, Timer::Held)));
    bench.pass(3 * SECOND);
    assert_eq!((bench.relay.held_count(), bench.relay.counters().held_expired), (2, 1));
    bench.pass(26 * SECOND);
    assert_eq!(bench.relay.held_count(), 2);
    bench.pass(SECOND);
    assert_eq!((bench.relay.held_count(), bench.relay.counters().held_expired), (0, 3));
    bench.announce(ONE, flow(1));
    assert_eq!(bench.read_seqs(ONE), []);
}

#[test]
fn a_syn_ack_supersedes_what_is_held_of_the_connection_before() {
    let mut bench = bench();
    bench.respond(flow(1), Flags::PSH, 1);
    bench.respond(flow(1), Flags::FIN, 2);
    bench.respond(flow(1), Flags::SYN, 100);
    bench.announce(ONE, flow(1));
    assert_eq!(bench.read_seqs(ONE), [100]);
    assert_eq!(bench.relay.counters().held_superseded, 2);
}

#[test]
fn held_headers_are_bounded_and_the_oldest_make_room() {
    let config = RelayConfig { max_held: 4, max_held_per_flow: 2, ..RelayConfig::default() };
    let mut bench = Bench::with_two_tunnels(config);
    for number in 1..=3 {
        for seq in 0..3 {
            bench.respond(flow(number), Flags::PSH, seq);
        }
        bench.now += SECOND / 10;
    }
    assert_eq!(bench.relay.held_count(), 4);
    let counters = bench.relay.counters();
    assert_eq!((counters.held, counters.held_refused, counters.held_displaced), (6, 3, 2));
    for number in 1..=3 {
        bench.announce(ONE, flow(number));
    }
    assert_eq!(bench.read_seqs(ONE), [0, 1, 0, 1]);
}

#[test]
fn only_destinations_of_the_passlist_are_accepted_and_they_reach_no_tunnel() {
    let passlist = vec!["10.0.0.0/30".parse().unwrap(), "fd00::/64".parse().unwrap()];
    let mut bench = Bench::with_two_tunnels(RelayConfig { passlist, ..RelayConfig::default() });
    let outside = Flow { client: "10.0.0.4:5".parse().unwrap(), ..flow(1) };
    let six = Flow { client: "[fd00::7]:5".parse().unwrap(), target: "[fd00:0:0:1::1]:80".parse().unwrap() };
    let six_outside = Flow { client: "[fd00:0:0:2::7]:5".parse().unwrap(), ..six };
    bench.announce(ONE, flow(1));
    for (flow, verdict) in [
        (flow(1), Verdict::Accept),
        (outside, Verdict::Drop),
        (six, Verdict::Accept),
        (six_outside, Verdict::Drop),
    ] {
        assert_eq!(bench.respond(flow, Flags::PSH, 1), verdict, "{flow}");
    }
    assert_eq!(bench.read_seqs(ONE), []);
    let counters = bench.relay.counters();
    assert_eq!((counters.responses, counters.passed, counters.held), (4, 2, 2));
}

#[test]
fn a_passlist_destination_gets_whatever_protocol_it_is() {
    let passlist = vec!["10.0.0.1/32".parse().unwrap()];
    let mut bench = Bench::new(RelayConfig { passlist, ..RelayConfig::default() });
    let mut udp = response(flow(1), Flags::NONE, 1, b"");
    udp[9] = 17;
    assert_eq!(bench.take(&udp), Verdict::Accept);
    assert_eq!(bench.take(&udp[..20]), Verdict::Accept);
    assert_eq!(bench.take(&udp[..19]), Verdict::Drop);
}

#[test]
fn whatever_is_no_tcp_packet_is_dropped_and_counted_by_reason() {
    let mut bench = bench();
    let whole = response(flow(1), Flags::PSH, 1, b"payload");
    let altered = |at: usize, octet: u8| {
        let mut octets = whole.clone();
        octets[at] = octet;
        octets
    };
    let malformed = [
        Vec::new(),
        whole[..10].to_vec(),
        whole[..39].to_vec(),
        altered(0, 0x41),
        altered(32, 0x10),
        altered(0, 0x75),
        altered(9, 17),
        altered(9, 132),
        altered(6, 0x20),
    ];
    for octets in &malformed {
        assert_eq!(bench.take(octets), Verdict::Drop);
    }
    let counters = bench.relay.counters();
    assert_eq!(counters.dropped_truncated, 3);
    // Among them what says that it is UDP.
    assert_eq!(counters.dropped_header_length, 3);
    assert_eq!((counters.dropped_ip_version, counters.dropped_not_tcp, counters.dropped_fragment), (1, 1, 1));
    assert_eq!(counters.responses, malformed.len() as u64);
}

#[test]
fn of_two_tunnels_that_announce_a_flow_the_later_has_it() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.announce(TWO, flow(1));
    bench.respond(flow(1), Flags::PSH, 5);
    assert_eq!(bench.ready(), [TWO]);
    bench.say(ONE, Message::RemoveRoute(flow(1)));
    bench.relay.handle_tunnel_down(ONE);
    bench.respond(flow(1), Flags::PSH, 6);
    assert_eq!(bench.read_seqs(TWO), [5, 6]);
    let counters = bench.relay.counters();
    assert_eq!((counters.routes_taken_over, counters.removals_unknown, counters.routes_removed), (1, 1, 0));
}

#[test]
fn the_routes_of_a_tunnel_go_with_it() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.announce(ONE, flow(2));
    bench.announce(TWO, flow(3));
    bench.respond(flow(1), Flags::PSH, 1);
    bench.relay.handle_tunnel_down(ONE);
    assert_eq!((bench.relay.route_count(), bench.relay.tunnel_count()), (1, 1));
    bench.respond(flow(2), Flags::PSH, 2);
    assert_eq!(bench.ready(), []);
    let counters = *bench.relay.counters();
    assert_eq!((counters.routes_orphaned, counters.lost_with_tunnel, counters.held), (2, 1, 1));
    bench.announce(TWO, flow(2));
    assert_eq!(bench.read_seqs(TWO), [2], "a tcpcopy that connects again finds what it missed");
}

#[test]
fn a_route_that_is_taken_back_goes_ten_seconds_after_its_last_response() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.say(ONE, Message::RemoveRoute(flow(1)));
    bench.pass(9 * SECOND);
    bench.respond(flow(1), Flags::FIN, 1);
    assert_eq!(bench.read_seqs(ONE), [1], "a late one still finds tcpcopy, which resets what it answers");
    bench.pass(9 * SECOND);
    assert_eq!(bench.relay.route_count(), 1);
    bench.pass(SECOND);
    assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_removed), (0, 1));
}

#[test]
fn a_route_that_is_taken_back_and_announced_again_stays() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.say(ONE, Message::RemoveRoute(flow(1)));
    bench.announce(ONE, flow(1));
    bench.pass(60 * SECOND);
    assert_eq!(bench.relay.route_count(), 1);
}

#[test]
fn a_route_without_responses_goes_after_two_hours() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.announce(ONE, flow(2));
    bench.pass(3600 * SECOND);
    bench.respond(flow(1), Flags::PSH, 1);
    bench.pass(3600 * SECOND);
    assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_idle), (1, 1));
    bench.pass(3600 * SECOND);
    assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_idle), (0, 2));
    assert_eq!(bench.relay.poll_timeout(), None);
}

#[test]
fn a_route_goes_five_minutes_after_the_last_response_of_a_closing_connection() {
    for end in [Flags::FIN, Flags::RST] {
        let mut bench = bench();
        bench.announce(ONE, flow(1));
        bench.respond(flow(1), end, 1);
        bench.pass(200 * SECOND);
        bench.respond(flow(1), Flags::NONE, 2);
        bench.pass(299 * SECOND);
        assert_eq!(bench.relay.route_count(), 1);
        bench.pass(SECOND);
        assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_closed), (0, 1));
    }
}

#[test]
fn a_connection_of_the_same_ports_opens_the_route_anew() {
    let announced: fn(&mut Bench) = |bench| bench.announce(ONE, flow(1));
    let answered: fn(&mut Bench) = |bench| _ = bench.respond(flow(1), Flags::SYN, 2);
    for open_anew in [announced, answered] {
        let mut bench = bench();
        bench.announce(ONE, flow(1));
        bench.respond(flow(1), Flags::FIN, 1);
        open_anew(&mut bench);
        bench.pass(400 * SECOND);
        assert_eq!(bench.relay.route_count(), 1);
    }
}

#[test]
fn routes_are_bounded_and_the_one_that_idled_longest_makes_room() {
    let mut bench = Bench::with_two_tunnels(RelayConfig { max_routes: 3, ..RelayConfig::default() });
    for number in 1..=3 {
        bench.announce(ONE, flow(number));
        bench.now += SECOND;
    }
    bench.respond(flow(1), Flags::PSH, 1);
    bench.announce(ONE, flow(4));
    assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_evicted), (3, 1));
    for number in 1..=4 {
        bench.respond(flow(number), Flags::PSH, u32::from(number) * 10);
    }
    assert_eq!(bench.read_seqs(ONE), [1, 10, 30, 40]);
}

#[test]
fn however_many_routes_are_announced_none_that_is_in_use_makes_room() {
    let mut bench = Bench::with_two_tunnels(RelayConfig { max_routes: 200, ..RelayConfig::default() });
    for number in 0..100 {
        bench.announce(ONE, flow(number));
    }
    for number in 100..1000 {
        bench.now += SECOND / 100;
        bench.announce(TWO, flow(number));
        // In use, each of them, since the last time that room was needed.
        (0..100).for_each(|number| _ = bench.respond(flow(number), Flags::PSH, 1));
    }
    assert_eq!((bench.relay.route_count(), bench.relay.counters().routes_evicted), (200, 800));
    assert_eq!(bench.read_seqs(ONE).len(), 900 * 100);
    assert_eq!(bench.relay.counters().held, 0);
}

#[test]
fn each_generation_gets_records_of_its_size() {
    for (version, format) in
        [(6, RecordFormat::Octets64), (5, RecordFormat::Octets80), (32_773, RecordFormat::Octets80)]
    {
        let mut bench = bench();
        let tunnel = TunnelId(3);
        bench.accept(tunnel);
        bench.say(tunnel, Message::Version(version));
        assert_eq!(bench.events(), [Event::TunnelReady { tunnel, wire: Wire::Version1(format) }]);
        bench.respond(flow(1), Flags::SYN, 1);
        bench.announce(tunnel, flow(1));
        bench.respond(flow(1), Flags::PSH, 2);
        let mut stream = Vec::new();
        assert_eq!(bench.relay.poll_tunnel_write(tunnel, &mut stream), Some(2 + 2 * format.size()));
        assert_eq!(stream[..2], [0, 2]);
    }
}

#[test]
fn an_unknown_version_is_told_and_gets_the_current_records() {
    let mut bench = bench();
    let tunnel = TunnelId(3);
    bench.accept(tunnel);
    bench.say(tunnel, Message::Version(99));
    assert_eq!(bench.events()[0], Event::UnknownVersion { tunnel, version: 99 });
    bench.announce(tunnel, flow(1));
    bench.respond(flow(1), Flags::PSH, 2);
    assert_eq!(bench.read(tunnel, RecordFormat::Octets64).len(), 1);
}

#[test]
fn garbage_cuts_its_tunnel_and_hurts_no_other() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.announce(TWO, flow(2));
    bench.respond(flow(1), Flags::PSH, 1);
    bench.relay.handle_tunnel_octets(bench.now, TWO, b"GET / HTTP/1.1\r\n\r\n");
    bench.relay.handle_tunnel_octets(bench.now, TWO, b"more");
    bench.respond(flow(1), Flags::PSH, 2);
    let reason = CutReason::Garbage(DecodeError::MessageType(u16::from_be_bytes(*b"HT")));
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel: TWO, reason }]);
    assert_eq!((bench.relay.route_count(), bench.relay.tunnel_count()), (1, 1));
    assert_eq!(bench.read_seqs(ONE), [1, 2]);
}

#[test]
fn half_a_message_waits_for_its_other_half() {
    let mut bench = bench();
    let message = Message::AddRoute(flow(1)).encode().unwrap();
    bench.relay.handle_tunnel_octets(bench.now, ONE, &message[..5]);
    bench.announce(TWO, flow(2));
    assert_eq!(bench.relay.route_count(), 1);
    bench.relay.handle_tunnel_octets(bench.now, ONE, &message[5..]);
    assert_eq!(bench.relay.route_count(), 2);
}

#[test]
fn a_tunnel_that_does_not_say_its_version_is_cut_after_ten_seconds() {
    let mut bench = bench();
    let tunnel = TunnelId(3);
    bench.accept(tunnel);
    bench.relay.handle_tunnel_octets(bench.now, tunnel, &[0; 13]);
    assert_eq!(bench.relay.poll_timeout(), Some((bench.now + 10 * SECOND, Timer::Handshake)));
    bench.pass(10 * SECOND);
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel, reason: CutReason::Silent }]);
    assert_eq!(bench.relay.tunnel_count(), 2);
}

#[test]
fn a_tunnel_that_does_not_keep_up_is_cut_and_the_others_go_on() {
    let config = RelayConfig { max_pending: 64 * 10, ..RelayConfig::default() };
    let mut bench = Bench::with_two_tunnels(config);
    bench.announce(ONE, flow(1));
    bench.announce(TWO, flow(2));
    bench.respond(flow(2), Flags::PSH, 7);
    for seq in 0..12 {
        bench.respond(flow(1), Flags::PSH, seq);
    }
    assert_eq!(bench.events(), [Event::TunnelCut { tunnel: ONE, reason: CutReason::Slow(640) }]);
    assert_eq!(bench.ready(), [TWO]);
    assert_eq!(bench.read_seqs(TWO), [7]);
    let counters = bench.relay.counters();
    assert_eq!((counters.lost_with_tunnel, counters.held, counters.tunnels_slow), (11, 1, 1));
}

#[test]
fn a_tunnel_is_named_ready_once_until_it_has_been_drained() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    bench.respond(flow(1), Flags::PSH, 1);
    bench.respond(flow(1), Flags::PSH, 2);
    assert_eq!(bench.ready(), [ONE]);
    bench.respond(flow(1), Flags::PSH, 3);
    assert_eq!(bench.ready(), []);
    assert_eq!(bench.read_seqs(ONE), [1, 2, 3]);
    bench.respond(flow(1), Flags::PSH, 4);
    assert_eq!(bench.ready(), [ONE]);
    assert_eq!(bench.relay.counters().frames, 1);
}

#[test]
fn many_headers_are_written_in_bounded_pieces_of_whole_frames() {
    let mut bench = bench();
    bench.announce(ONE, flow(1));
    for seq in 0..2500 {
        bench.respond(flow(1), Flags::PSH, seq);
    }
    let mut pieces = Vec::new();
    let mut stream = Vec::new();
    while let Some(len) = bench.relay.poll_tunnel_write(ONE, &mut stream) {
        pieces.push(len);
    }
    let segments = segments(&stream, RecordFormat::Octets64);
    assert!(segments.iter().map(|segment| segment.seq.value()).eq(0..2500), "in their order");
    assert_eq!(pieces, [64 * 1026, 64 * 1026, 28 * 1026 + 2 + 4 * 64]);
    assert_eq!(bench.relay.counters().frames, 64 + 64 + 29);
}
