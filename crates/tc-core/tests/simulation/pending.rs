//! Scenarios that the engine did not master when they were written.

use super::plan::{Ending, Reads};
use super::plans::{ADDRESSES, Plans};
use super::scenario::{quiet, rough};
use super::seeds::for_each_seed;
use super::world::{Scenario, World};
use std::time::Duration;

#[test]
fn a_reset_waits_until_the_last_request_was_answered() {
    for_each_seed(100, |seed| {
        let mut plan = Plans::new(seed).steady(4);
        plan.ending = Ending::Reset;
        plan.conduct.reads = Reads::Slowly(1000, Duration::from_millis(30));
        plan.conduct.receive_buffer = 65_535;
        for request in &mut plan.requests {
            request.target.len = 100;
        }
        World::new(&Scenario { plans: vec![plan], ..rough(seed) }).run().assert_whole();
    });
}

#[test]
fn a_client_that_only_opens_and_resets_waits_for_no_answer() {
    for_each_seed(10, |seed| {
        let mut plan = Plans::new(seed).steady(0);
        plan.ending = Ending::Reset;
        World::new(&quiet(seed, vec![plan])).run().assert_prompt();
    });
}

#[test]
fn a_packet_of_a_client_that_cannot_be_routed_counts_once() {
    for_each_seed(10, |seed| {
        let mut plan = Plans::new(seed).steady(2);
        (plan.online, plan.target) = ADDRESSES[0];
        plan.client = "127.0.0.1:20001".parse().unwrap();
        let outcome = World::new(&quiet(seed, vec![plan])).run();
        assert_eq!(outcome.octets(), 0);
    });
}

#[test]
fn late_duplicates_begin_no_other_connection() {
    for seed in [119, 349, 427, 443, 539, 945, 978] {
        World::new(&rough(seed)).run().assert_whole();
    }
}
