//! Every request reaches the target application exactly once, octet for octet, and no answer of it reaches a client.

use tc_tests::binaries::Binaries;
use tc_tests::cases::{self, Case};
use tc_tests::{over_both_versions, scenarios};

fn arrives_perfectly(case: &Case, binaries: &Binaries) {
    case.run(binaries).assert_perfect(case.requests);
}

over_both_versions! {
    fn requests_of_keep_alive_connections_arrive(binaries) {
        arrives_perfectly(&cases::KEEP_ALIVE, binaries);
    }

    fn connections_of_one_request_arrive(binaries) {
        arrives_perfectly(&cases::SINGLE, binaries);
    }

    fn uploads_of_twenty_thousand_octets_arrive(binaries) {
        arrives_perfectly(&cases::SMALL_UPLOADS, binaries);
    }

    fn uploads_of_a_million_octets_arrive(binaries) {
        arrives_perfectly(&cases::LARGE_UPLOADS, binaries);
    }

    fn large_answers_do_not_hold_requests_up(binaries) {
        arrives_perfectly(&cases::LARGE_ANSWERS, binaries);
    }

    fn connections_from_many_addresses_arrive(binaries) {
        arrives_perfectly(&cases::MANY_CLIENTS, binaries);
    }

    fn connections_from_many_addresses_arrive_from_one_address(binaries) {
        arrives_perfectly(&cases::ONE_ADDRESS, binaries);
    }

    fn packets_lost_on_the_way_to_the_target_are_sent_again(binaries) {
        arrives_perfectly(&cases::LOSS_2, binaries);
    }

    fn requests_of_wrk_to_nginx_arrive(binaries) {
        scenarios::nginx_and_wrk(binaries).assert_perfect(scenarios::WRK_REQUESTS);
    }

    fn a_client_on_the_passlist_gets_its_answers_and_nobody_else_does(binaries) {
        let mut outcome = scenarios::passlist(binaries);
        let passed = binaries.version.translate(scenarios::PASSED);
        let (listed, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut outcome.escaped).into_iter().partition(|address| *address == passed);
        assert!(!listed.is_empty());
        outcome.escaped = others;
        outcome.assert_perfect(scenarios::AFTERWARDS_REQUESTS);
    }
}

#[test]
fn connections_from_many_addresses_arrive_from_one_address_by_several_threads() {
    let tcpcopy = &["-c", "10.198.1.60", "--threads", "3"];
    arrives_perfectly(&Case { tcpcopy, ..cases::ONE_ADDRESS }, &Binaries::from_environment());
}
