//! Whatever happens to the programs, their tunnel and the target, clients notice nothing and the replay goes on.

use tc_tests::binaries::Binaries;
use tc_tests::scenarios;

#[test]
fn idle_connections_are_joined_at_their_next_request() {
    let outcome = scenarios::joins_idle_connections(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::JOINED_REQUESTS);
}

#[test]
fn busy_connections_are_joined_at_their_next_request() {
    let outcome = scenarios::joins_busy_connections(&Binaries::from_environment());
    assert!(outcome.verdict.online > 1000, "{outcome}");
    outcome.assert_perfect(outcome.verdict.online);
}

#[test]
fn an_intercept_that_was_killed_is_found_again() {
    let outcome = scenarios::intercept_killed(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

#[test]
fn a_target_application_may_restart() {
    let outcome = scenarios::target_restarted(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

#[test]
fn a_tunnel_that_was_blocked_works_again() {
    let outcome = scenarios::tunnel_blocked(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

#[test]
fn nonsense_on_the_tunnel_port_hurts_nobody() {
    let outcome = scenarios::tunnel_noise(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::NOISE_REQUESTS);
}

#[test]
fn malformed_segments_hurt_nobody() {
    let outcome = scenarios::malformed_segments_arrive(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::NOISE_REQUESTS);
}
