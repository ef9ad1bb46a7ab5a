//! Several tcpcopy, and tcpcopy that is restarted.

use tc_tests::binaries::Binaries;
use tc_tests::cases::MANY_CLIENTS;
use tc_tests::pair::Arguments;
use tc_tests::scenarios;
use tc_tests::stage::{Replay, Stage};

#[test]
fn a_tcpcopy_that_was_killed_may_be_started_again() {
    let outcome = scenarios::tcpcopy_restarted(&Binaries::from_environment());
    assert!(outcome.verdict.online > 1000, "{outcome}");
    outcome.assert_perfect(outcome.verdict.online);
}

#[test]
fn two_tcpcopy_replay_the_same_clients_through_one_intercept() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments { tcpcopy: &["-f", "1"], intercept: &[] });
    stage.add_tcpcopy(&["-f", "2"]);
    stage.load(MANY_CLIENTS.load);
    let outcome = stage.outcome_of(Replay::Complete(2), |_| true);
    outcome.assert_perfect(MANY_CLIENTS.requests * 2);
}

#[test]
fn a_tcpcopy_that_was_killed_does_not_hurt_another() {
    let outcome = scenarios::one_of_two_killed(&Binaries::from_environment());
    outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}
