//! What holds over IPv4 holds over IPv6, and across from one to the other.

use tc_tests::binaries::Binaries;
use tc_tests::cases::{self, Case};
use tc_tests::lab::IpVersion::{self, V4, V6};
use tc_tests::outcome::Outcome;
use tc_tests::scenarios;

fn binaries() -> Binaries {
    Binaries::from_environment().over(V6, V6)
}

fn arrives_perfectly(case: &Case) {
    case.run(&binaries()).assert_perfect(case.requests);
}

fn afterwards_is_perfect(scenario: fn(&Binaries) -> Outcome) {
    scenario(&binaries()).assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

#[test]
fn requests_of_keep_alive_connections_arrive() {
    arrives_perfectly(&cases::KEEP_ALIVE);
}

#[test]
fn connections_of_one_request_arrive() {
    arrives_perfectly(&cases::SINGLE);
}

#[test]
fn uploads_of_twenty_thousand_octets_arrive() {
    arrives_perfectly(&cases::SMALL_UPLOADS);
}

#[test]
fn uploads_of_a_million_octets_arrive() {
    arrives_perfectly(&cases::LARGE_UPLOADS);
}

#[test]
fn large_answers_do_not_hold_requests_up() {
    arrives_perfectly(&cases::LARGE_ANSWERS);
}

#[test]
fn connections_from_many_addresses_arrive() {
    arrives_perfectly(&cases::MANY_CLIENTS);
}

#[test]
fn connections_from_many_addresses_arrive_from_one_address() {
    arrives_perfectly(&cases::ONE_ADDRESS);
}

#[test]
fn packets_lost_on_the_way_to_the_target_are_sent_again() {
    arrives_perfectly(&cases::LOSS_2);
}

#[test]
fn requests_of_wrk_to_nginx_arrive() {
    scenarios::nginx_and_wrk(&binaries()).assert_perfect(scenarios::WRK_REQUESTS);
}

#[test]
fn a_client_on_the_passlist_gets_its_answers_and_nobody_else_does() {
    let mut outcome = scenarios::passlist(&binaries());
    let passed = V6.translate(scenarios::PASSED);
    let (listed, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut outcome.escaped).into_iter().partition(|address| *address == passed);
    assert!(!listed.is_empty());
    outcome.escaped = others;
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

#[test]
fn idle_connections_are_joined_at_their_next_request() {
    scenarios::joins_idle_connections(&binaries()).assert_perfect(scenarios::JOINED_REQUESTS);
}

#[test]
fn busy_connections_are_joined_at_their_next_request() {
    let outcome = scenarios::joins_busy_connections(&binaries());
    assert!(outcome.verdict.online > 1000, "{outcome}");
    outcome.assert_perfect(outcome.verdict.online);
}

#[test]
fn an_intercept_that_was_killed_is_found_again() {
    afterwards_is_perfect(scenarios::intercept_killed);
}

#[test]
fn a_target_application_may_restart() {
    afterwards_is_perfect(scenarios::target_restarted);
}

#[test]
fn a_tunnel_that_was_blocked_works_again() {
    afterwards_is_perfect(scenarios::tunnel_blocked);
}

#[test]
fn nonsense_on_the_tunnel_port_hurts_nobody() {
    scenarios::tunnel_noise(&binaries()).assert_perfect(scenarios::NOISE_REQUESTS);
}

#[test]
fn malformed_segments_hurt_nobody() {
    scenarios::malformed_segments_arrive(&binaries()).assert_perfect(scenarios::NOISE_REQUESTS);
}

fn arrives_across(clients: IpVersion, target: IpVersion) {
    let outcome = cases::ONE_ADDRESS.run(&Binaries::from_environment().over(clients, target));
    outcome.assert_perfect(cases::ONE_ADDRESS.requests);
}

#[test]
fn ipv4_clients_reach_an_ipv6_target_under_an_ipv6_address() {
    arrives_across(V4, V6);
}

#[test]
fn ipv6_clients_reach_an_ipv4_target_under_an_ipv4_address() {
    arrives_across(V6, V4);
}
