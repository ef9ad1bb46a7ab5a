//! Every request reaches the target application exactly once, octet for octet, and no answer of it reaches a client.

use tc_tests::binaries::Binaries;
use tc_tests::cases::{self, Case};
use tc_tests::scenarios;

fn arrives_perfectly(case: &Case) {
    let outcome = case.run(&Binaries::from_environment());
    outcome.assert_perfect(case.requests);
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
fn connections_from_many_addresses_arrive_from_one_address_by_several_threads() {
    let tcpcopy = &["-c", "10.198.1.60", "--threads", "3"];
    arrives_perfectly(&Case { tcpcopy, ..cases::ONE_ADDRESS });
}

#[test]
fn packets_lost_on_the_way_to_the_target_are_sent_again() {
    arrives_perfectly(&cases::LOSS_2);
}

#[test]
fn requests_of_wrk_to_nginx_arrive() {
    let outcome = scenarios::nginx_and_wrk(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::WRK_REQUESTS);
}

#[test]
fn a_client_on_the_passlist_gets_its_answers_and_nobody_else_does() {
    let mut outcome = scenarios::passlist(&Binaries::from_environment());
    let passed = std::mem::take(&mut outcome.escaped);
    let (listed, others): (Vec<_>, Vec<_>) =
        passed.into_iter().partition(|address| address == scenarios::PASSED);
    assert!(!listed.is_empty());
    outcome.escaped = others;
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}
