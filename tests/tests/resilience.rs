//! Whatever happens to the programs, their tunnel and the target, clients notice nothing and the replay goes on.

use tc_tests::binaries::Binaries;
use tc_tests::outcome::Outcome;
use tc_tests::{over_both_versions, scenarios};

fn afterwards_is_perfect(scenario: fn(&Binaries) -> Outcome, binaries: &Binaries) {
    scenario(binaries).assert_perfect(scenarios::AFTERWARDS_REQUESTS);
}

over_both_versions! {
    fn idle_connections_are_joined_at_their_next_request(binaries) {
        scenarios::joins_idle_connections(binaries).assert_perfect(scenarios::JOINED_REQUESTS);
    }

    fn busy_connections_are_joined_at_their_next_request(binaries) {
        let outcome = scenarios::joins_busy_connections(binaries);
        assert!(outcome.verdict.online > 1000, "{outcome}");
        outcome.assert_perfect(outcome.verdict.online);
    }

    fn an_intercept_that_was_killed_is_found_again(binaries) {
        afterwards_is_perfect(scenarios::intercept_killed, binaries);
    }

    fn a_target_application_may_restart(binaries) {
        afterwards_is_perfect(scenarios::target_restarted, binaries);
    }

    fn a_tunnel_that_was_blocked_works_again(binaries) {
        afterwards_is_perfect(scenarios::tunnel_blocked, binaries);
    }

    fn nonsense_on_the_tunnel_port_hurts_nobody(binaries) {
        scenarios::tunnel_noise(binaries).assert_perfect(scenarios::NOISE_REQUESTS);
    }

    fn malformed_segments_hurt_nobody(binaries) {
        scenarios::malformed_segments_arrive(binaries).assert_perfect(scenarios::NOISE_REQUESTS);
    }
}
