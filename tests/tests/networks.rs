//! Whatever the network and the target do, every request arrives exactly once, octet for octet.

use tc_tests::binaries::Binaries;
use tc_tests::cases::{self, Case};

fn arrives_perfectly(case: &Case) {
    let outcome = case.run(&Binaries::from_environment());
    outcome.assert_perfect(case.requests * case.copies);
}

#[test]
fn one_packet_of_a_hundred_may_be_lost() {
    arrives_perfectly(&cases::LOSS_1);
}

#[test]
fn one_packet_of_twenty_may_be_lost() {
    arrives_perfectly(&cases::LOSS_5);
}

#[test]
fn one_packet_of_ten_may_be_lost() {
    arrives_perfectly(&cases::LOSS_10);
}

#[test]
fn the_tunnel_may_lose_one_packet_of_twenty() {
    arrives_perfectly(&cases::TUNNEL_LOSS_5);
}

#[test]
fn the_tunnel_may_lose_one_packet_of_ten() {
    arrives_perfectly(&cases::TUNNEL_LOSS_10);
}

#[test]
fn packets_may_be_lost_on_both_ways() {
    arrives_perfectly(&cases::LOSS_EVERYWHERE);
}

#[test]
fn handshakes_survive_loss_on_both_ways() {
    arrives_perfectly(&cases::SINGLE_WITH_LOSS);
}

#[test]
fn uploads_of_a_million_octets_survive_loss() {
    arrives_perfectly(&cases::LARGE_UPLOADS_WITH_LOSS);
}

#[test]
fn uploads_of_a_million_octets_survive_loss_on_both_ways() {
    arrives_perfectly(&cases::LARGE_UPLOADS_WITH_MUCH_LOSS);
}

#[test]
fn ten_thousand_connections_may_be_open_at_once() {
    arrives_perfectly(&cases::MANY_OPEN);
}

#[test]
fn uploads_of_fifty_million_octets_arrive() {
    arrives_perfectly(&cases::HUGE_UPLOADS);
}

#[test]
fn uploads_of_fifty_million_octets_survive_loss() {
    arrives_perfectly(&cases::HUGE_UPLOADS_WITH_LOSS);
}

#[test]
fn uploads_of_fifty_million_octets_wait_for_a_slow_reader() {
    arrives_perfectly(&cases::HUGE_UPLOADS_READ_SLOWLY);
}

#[test]
fn a_slower_target_misses_nothing() {
    arrives_perfectly(&cases::SLOW_TARGET);
}

#[test]
fn a_faster_target_misses_nothing() {
    arrives_perfectly(&cases::FAST_TARGET);
}

#[test]
fn a_closed_window_is_waited_for() {
    arrives_perfectly(&cases::SLOW_READER);
}

#[test]
fn a_window_that_opens_unseen_is_probed() {
    arrives_perfectly(&cases::SLOW_READER_WITH_LOSS);
}

#[test]
fn packets_may_overtake_one_another() {
    arrives_perfectly(&cases::REORDERING);
}

#[test]
fn packets_of_uploads_may_overtake_one_another() {
    arrives_perfectly(&cases::REORDERED_UPLOADS);
}

#[test]
fn packets_may_be_lost_doubled_and_late() {
    arrives_perfectly(&cases::BAD_NETWORK);
}

#[test]
fn packets_of_uploads_may_be_lost_doubled_and_late() {
    arrives_perfectly(&cases::UPLOADS_ON_BAD_NETWORK);
}

#[test]
fn servers_may_close_each_connection() {
    arrives_perfectly(&cases::CLOSING_SERVERS);
}

#[test]
fn the_end_of_a_connection_may_be_lost() {
    arrives_perfectly(&cases::CLOSING_SERVERS_WITH_LOSS);
}

#[test]
fn a_target_that_closes_gets_the_next_request_over_another_connection() {
    arrives_perfectly(&cases::CLOSING_TARGET);
}

#[test]
fn a_server_may_speak_first() {
    arrives_perfectly(&cases::GREETING_SERVERS);
}

#[test]
fn a_greeting_may_be_late() {
    arrives_perfectly(&cases::GREETING_SERVERS_WITH_LOSS);
}

#[test]
fn a_target_whose_queues_are_full_misses_nothing() {
    arrives_perfectly(&cases::FULL_QUEUES);
}

#[test]
fn a_target_whose_queues_are_full_may_speak_first() {
    arrives_perfectly(&cases::GREETING_WITH_FULL_QUEUES);
}

#[test]
fn uploads_arrive_without_offloads() {
    arrives_perfectly(&cases::UPLOADS_WITHOUT_OFFLOADS);
}

#[test]
fn answers_need_no_offloads() {
    arrives_perfectly(&cases::ANSWERS_WITHOUT_OFFLOADS);
}
