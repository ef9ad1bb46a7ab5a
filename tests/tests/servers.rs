//! Real servers have the same state online and at the target in the end.

use tc_tests::binaries::Binaries;
use tc_tests::redis;
use tc_tests::{mariadb, scenarios};

#[test]
fn redis_ends_with_the_same_keys_after_pipelined_commands() {
    let outcome = scenarios::redis_pipelined(&Binaries::from_environment());
    outcome.assert_perfect(redis::PIPELINED_KEYS);
}

#[test]
fn redis_ends_with_the_same_keys_after_a_mass_insert() {
    let outcome = scenarios::redis_mass_insert(&Binaries::from_environment());
    outcome.assert_perfect(redis::INSERTED_KEYS);
}

#[test]
fn redis_ends_with_the_same_keys_after_redis_benchmark() {
    let outcome = scenarios::redis_benchmark(&Binaries::from_environment());
    assert!(outcome.verdict.online > 5000, "{outcome}");
    outcome.assert_perfect(outcome.verdict.online);
}

#[test]
fn mariadb_ends_with_the_same_rows() {
    let outcome = scenarios::mariadb_rows(&Binaries::from_environment());
    outcome.assert_perfect(mariadb::ALL_ROWS);
}
