//! What the replayer finds when it compares answers: one client, one online server, one target, packet by packet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "compare/world.rs"]
mod world;

use tc_core::compare::{Detail, Failure};
use tc_proto::{Flags, SeqNum};
use world::{World, assert_about, ms};

#[test]
fn each_answer_is_measured_from_its_request_to_its_first_and_its_last_octet() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(5).online("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(3).online("online body");
    world.pass(30).target("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(20).target("body");
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.http, comparison.missing), (1, 1, 0));
    assert_eq!((comparison.online.octets, comparison.target.octets), (30, 23));
    assert_eq!(comparison.length_mismatches, 1);
    assert_about(comparison.first().online.quantile(0.5), ms(5));
    assert_about(comparison.last().online.quantile(0.5), ms(8));
    // The way to the target took 2 ms.
    assert_about(comparison.way.quantile(0.5), ms(2));
    assert_about(comparison.first().target.quantile(0.5), ms(8 + 30 - 2));
    assert_about(comparison.last().target.quantile(0.5), ms(8 + 50 - 2));
}

#[test]
fn an_acknowledgment_by_itself_shows_the_way_unless_it_may_have_been_delayed() {
    let mut world = World::open();
    for (acknowledged, way) in [(3, 3), (41, 3), (10, 10)] {
        world.client("GET /a HTTP/1.1\r\n\r\n");
        world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
        world.pass(acknowledged - 1).target_acknowledges();
        world.pass(50).target("HTTP/1.1 200 OK\r\n\r\n");
        assert_about(world.longest_way(), ms(way));
    }
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.way.count()), (3, 3));
}

#[test]
fn requests_of_one_connection_are_told_apart() {
    let mut world = World::open();
    for number in 1..=20 {
        world.client(&format!("GET /item/{number} HTTP/1.1\r\n\r\n"));
        world.pass(number).online("HTTP/1.1 200 OK\r\n\r\nonline");
        world.pass(10).target("HTTP/1.1 200 OK\r\n\r\ntarget");
        world.pass(1);
    }
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.length_mismatches), (20, 0));
    assert_about(comparison.first().online.quantile(0.5), ms(10));
    assert_about(comparison.first().online.quantile(1.0), ms(20));
    assert_about(comparison.first().target.quantile(1.0), ms(30 - 2));
    let routes: Vec<_> = comparison.routes.iter().map(|(name, route)| (name, route.requests)).collect();
    assert_eq!(routes, [("GET /item/*", 20)]);
}

#[test]
fn any_number_of_requests_may_be_ahead_of_the_target() {
    const REQUESTS: u64 = 500;
    let mut world = World::open();
    for _ in 0..REQUESTS {
        world.client("GET /a HTTP/1.1\r\n\r\n");
        world.pass(3).online("HTTP/1.1 200 OK\r\n\r\n");
        world.pass(1);
    }
    for _ in 0..REQUESTS {
        world.pass(7).target("HTTP/1.1 200 OK\r\n\r\n");
    }
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.untracked, comparison.missing), (REQUESTS, 0, 0));
    assert_about(comparison.first().online.quantile(1.0), ms(3));
}

#[test]
fn a_request_that_waits_for_the_answer_before_it_says_so() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\nonline");
    world.client("GET /b HTTP/1.1\r\n\r\n");
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\nonline");
    world.pass(40).target("HTTP/1.1 200 OK\r\n\r\ntarget");
    world.pass(10).target("HTTP/1.1 200 OK\r\n\r\ntarget");
    let comparison = world.end();
    assert_eq!(comparison.requests, 2);
    assert_about(comparison.waited.quantile(1.0), ms(41));
    assert_about(comparison.first().target.quantile(0.0), ms(8));
}

#[test]
fn pipelined_requests_are_one_with_all_their_answers() {
    let mut world = World::open();
    for _ in 0..3 {
        world.client("GET /a HTTP/1.1\r\n\r\n");
    }
    for _ in 0..3 {
        world.pass(2).online("HTTP/1.1 200 OK\r\n\r\n");
        world.target("HTTP/1.1 200 OK\r\n\r\n");
    }
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.online.octets, comparison.target.octets), (1, 57, 57));
    assert_about(comparison.first().online.quantile(1.0), ms(2));
    assert_about(comparison.last().online.quantile(1.0), ms(6));
}

#[test]
fn what_the_online_server_said_before_a_request_is_no_answer_to_it() {
    let mut world = World::open();
    world.client("one");
    world.pass(2).online("answer ");
    world.online_in_flight("that the client has not heard yet");
    world.pass(3).client("two");
    world.pass(4).online("second");
    world.target("answer that the client has not heard yet");
    world.pass(9).target("second");
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.length_mismatches), (2, 0));
    assert_about(comparison.first().online.quantile(1.0), ms(4));
}

#[test]
fn what_is_sent_twice_counts_once() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.client_again();
    world.pass(5).online("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(300).online_again();
    world.target("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(300).target_again();
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.length_mismatches, comparison.resent), (1, 0, 1));
    assert_eq!((comparison.online.octets, comparison.target.octets), (19, 19));
    // A retransmission timeout passed: the time says nothing about the target.
    assert_eq!(comparison.first().target.count(), 0);
}

#[test]
fn a_request_that_goes_over_another_connection_has_no_part_in_the_times() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
    world.target_flags(Flags::RST);
    world.shake_hands_if_asked();
    world.pass(1).target("HTTP/1.1 200 OK\r\n\r\n");
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.target.answered, comparison.resent), (1, 1, 1));
    assert_eq!(comparison.first().target.count(), 0);
}

/// The target has said the first half of its answer, paused, and got the next request, whose answer the client has; what it
/// had heard before.
fn amid_an_answer(half: &str) -> (World, SeqNum) {
    let mut world = World::open();
    world.client("one");
    world.pass(1).online(&half.repeat(2));
    world.pass(1).target(half);
    world.client("two");
    world.pass(1).online("more");
    // After so much silence the answer is taken for whole, and the next request goes.
    let before = world.heard_by_target();
    world.pass(100);
    (world, before)
}

#[test]
fn what_the_target_said_before_it_had_the_next_request_belongs_to_the_one_before() {
    let half = "x".repeat(1000);
    let (mut world, before) = amid_an_answer(&half);
    world.target_at(before, &half);
    world.pass(3).target("more");
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.length_mismatches), (2, 0));
    assert_about(comparison.last().target.quantile(1.0), ms(101));
}

#[test]
fn an_answer_that_overtakes_the_end_of_the_one_before_is_its_own() {
    let half = "x".repeat(1000);
    let (mut world, before) = amid_an_answer(&half);
    world.target_overtakes("more", before, &half);
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.missing, comparison.length_mismatches), (2, 0, 0));
    // Seen when it came, not when the gap was filled.
    assert_about(comparison.last().target.quantile(0.0), ms(49));
}

#[test]
fn a_target_that_is_always_a_request_late_answers_all_the_same() {
    let mut world = World::open();
    for number in 0..20 {
        world.client(&format!("request {number}"));
        world.pass(1).online("answer");
        if number > 0 {
            world.target("answer");
        }
        world.pass(1);
    }
    world.target("answer");
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.in_flight, comparison.missing), (20, 0, 0));
    assert_eq!((comparison.target.answered, comparison.length_mismatches), (20, 0));
}

#[test]
fn an_answer_while_the_request_is_still_sent_is_measured_from_what_was_there() {
    let mut world = World::open();
    world.client("first part, ");
    world.pass(2).online("no!");
    world.target("no!");
    world.pass(7).client("second part");
    world.pass(7);
    let comparison = world.end();
    assert_about(comparison.first().online.quantile(1.0), ms(2));
}

#[test]
fn a_status_that_differs_is_an_example_of_its_route() {
    let mut world = World::open_with(Detail::Paths);
    for (path, status) in [("/a", 200), ("/b", 500), ("/c", 200)] {
        world.client(&format!("GET {path}?token=secret HTTP/1.1\r\n\r\n"));
        world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
        world.pass(1).target(&format!("HTTP/1.1 {status} X\r\n\r\n."));
        world.pass(1);
    }
    let comparison = world.end();
    assert_eq!((comparison.statuses, comparison.status_mismatches, comparison.target.server_errors), (3, 1, 1));
    let [example] = &comparison.examples[..] else { panic!("{:?}", comparison.examples) };
    assert_eq!(example.line.as_ref().map(|line| (line.method(), line.path())), Some(("GET", Some("/b"))));
    let status =
        |answer: Result<tc_core::compare::Answer, Failure>| answer.ok().and_then(|answer| answer.status);
    assert_eq!((status(example.online), status(example.target)), (Some(200), Some(500)));
    let wrong: Vec<_> = comparison.routes.iter().filter(|(_, route)| route.status_mismatches > 0).collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, "GET /b");
}

#[test]
fn without_leave_nothing_of_a_path_is_kept() {
    let mut world = World::open_with(Detail::Anonymous);
    world.client("GET /secret HTTP/1.1\r\n\r\n");
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
    world.target("HTTP/1.1 404 OK\r\n\r\n");
    let comparison = world.end();
    assert_eq!(comparison.examples.len(), 1);
    assert!(!format!("{comparison:?}").contains("secret"));
}

#[test]
fn a_target_that_refuses_answers_nothing() {
    let mut world = World::begin(Detail::Paths);
    world.target_flags(Flags::RST | Flags::ACK);
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.target_flags(Flags::RST | Flags::ACK);
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(5000);
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.missing, comparison.target.refused), (1, 1, 1));
}

#[test]
fn a_target_that_resets_answers_nothing() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(1).target_acknowledges();
    world.pass(1).target_flags(Flags::RST);
    world.pass(5000);
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.missing, comparison.target.reset), (1, 1, 1));
}

#[test]
fn where_nothing_of_the_online_server_is_captured_nothing_is_compared() {
    let mut world = World::begin_unseen();
    world.shake_hands_if_asked();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(1).target("HTTP/1.1 200 OK\r\n\r\n");
    world.pass(5000);
    let comparison = world.end();
    assert_eq!((comparison.requests, comparison.untracked, comparison.online.unanswered), (0, 1, 0));
}

#[test]
fn silence_is_no_answer_and_a_young_request_is_in_flight() {
    for (wait, unanswered, in_flight) in [(500, 0, 1), (1500, 1, 0)] {
        let mut world = World::open();
        world.client("GET /a HTTP/1.1\r\n\r\n");
        world.pass(1).online("HTTP/1.1 200 OK\r\n\r\n");
        world.pass(1).target_acknowledges();
        world.pass(wait);
        let comparison = world.end();
        assert_eq!((comparison.target.unanswered, comparison.in_flight), (unanswered, in_flight), "{wait}");
        assert_eq!(comparison.missing, unanswered);
    }
}

#[test]
fn an_online_server_that_resets_is_not_blamed_on_the_target() {
    let mut world = World::open();
    world.client("GET /a HTTP/1.1\r\n\r\n");
    world.pass(1).online_flags(Flags::RST | Flags::ACK);
    world.pass(1).target("HTTP/1.1 200 OK\r\n\r\n");
    let comparison = world.end();
    assert_eq!((comparison.online.reset, comparison.target.answered, comparison.missing), (1, 1, 0));
}

#[test]
fn a_connection_that_was_open_already_is_measured_from_its_next_request_on() {
    let mut world = World::joined();
    for _ in 0..3 {
        world.client("GET /a HTTP/1.1\r\n\r\n");
        world.pass(4).online("HTTP/1.1 200 OK\r\n\r\n");
        world.shake_hands_if_asked();
        world.pass(4).target("HTTP/1.1 200 OK\r\n\r\n");
        world.pass(4);
    }
    let comparison = world.end();
    // The first data that was seen could be the middle of a request.
    assert_eq!((comparison.requests, comparison.missing, comparison.length_mismatches), (2, 0, 0));
    assert_about(comparison.first().online.quantile(1.0), ms(4));
}
