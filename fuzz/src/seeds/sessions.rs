//! For the replayer.

use super::step;

const DEFAULTS: [u8; 3] = [0, 0, 0];
const SMALL_BOUNDS: [u8; 3] = [0x38, 0, 0];
const IPV6: [u8; 3] = [0x40, 0, 0];
const POOLED: [u8; 3] = [0x80, 0, 0];
const COPIES: [u8; 3] = [0, 0, 8];
const SHORT_TIMEOUTS: [u8; 3] = [0, 0b0101, 0];

/// A SYN with all options of a Linux client.
fn syn(who: u8) -> Vec<u8> {
    step(0, who, 0x0f, 7, 300)
}

/// A SYN whose sequence numbers wrap with the first request.
fn syn_before_wrap(who: u8) -> Vec<u8> {
    step(0, who, 0x4f, 7, 0)
}

/// A request behind an answer.
fn request(who: u8, len: u8) -> Vec<u8> {
    step(1, who, 0x03, len, 0)
}

/// Data displaced from where the client stands.
fn displaced(who: u8, how: u8, len: u8, place: i16) -> Vec<u8> {
    step(1, who, 0x80 | how, len, place)
}

/// The client's FIN, RST or another packet without data.
fn bare(who: u8, kind: u8) -> Vec<u8> {
    step(5, who, kind, 0, 0)
}

/// A header of the target.
fn header(who: u8, kind: u8, much: u8, place: i16) -> Vec<u8> {
    step(7, who, kind, much, place)
}

/// The target acknowledges everything, with and without an answer.
fn served() -> Vec<u8> {
    step(15, 0, 0x70, 240, 0)
}

fn answered() -> Vec<u8> {
    step(15, 0, 0x71, 200, 0)
}

/// Time from deadline to deadline: a number of times 1, 5, 20, 40, 200 ms, 1, 10, 60 s.
fn time(unit: u8, times: u8) -> Vec<u8> {
    step(12, 0, 0x80 | unit, times - 1, 0)
}

fn script(settings: [u8; 3], steps: &[Vec<u8>]) -> Vec<u8> {
    [settings.to_vec(), steps.concat()].concat()
}

/// A connection with a request in flight.
fn with_request(settings: [u8; 3], steps: &[Vec<u8>]) -> Vec<u8> {
    script(settings, &[[syn(0), served(), request(0, 200)].concat(), steps.concat()])
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    [whole_connections(), captures(), losses(), endings(), many()].concat()
}

fn whole_connections() -> Vec<(&'static str, Vec<u8>)> {
    let exchange = |settings, syn| {
        script(
            settings,
            &[
                syn,
                served(),
                request(0, 100),
                answered(),
                time(3, 2),
                request(0, 250),
                answered(),
                time(2, 3),
                bare(0, 1),
                time(2, 2),
                served(),
                header(0, 6, 0, 0),
                time(7, 1),
            ],
        )
    };
    vec![
        ("two_requests_and_fin", exchange(DEFAULTS, syn(0))),
        ("two_requests_and_fin_ipv6", exchange(IPV6, syn(0))),
        ("two_requests_and_fin_pooled", exchange(POOLED, syn(0))),
        ("two_requests_and_fin_copies", exchange(COPIES, syn(0))),
        ("two_requests_and_fin_across_the_wrap", exchange(DEFAULTS, syn_before_wrap(0))),
        ("a_server_speaks_first", script(DEFAULTS, &[syn(0), served(), answered(), request(0, 9), answered()])),
        (
            "pipelined_requests",
            with_request(
                DEFAULTS,
                &[step(1, 0, 2, 99, 0), step(1, 0, 2, 99, 0), answered(), request(0, 4), answered()],
            ),
        ),
        (
            "a_large_upload",
            with_request(DEFAULTS, &[step(1, 0, 0x32, 255, 0), served(), served(), served(), served()]),
        ),
        (
            "data_in_the_syn",
            script(DEFAULTS, &[step(0, 0, 0x1f, 90, 300), served(), answered(), bare(0, 1), served()]),
        ),
        ("urgent_data", with_request(DEFAULTS, &[step(1, 0, 0x43, 60, 5), answered(), served()])),
    ]
}

fn captures() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "captured_twice",
            with_request(DEFAULTS, &[displaced(0, 0, 200, -200), served(), displaced(0, 0, 200, -200)]),
        ),
        (
            "captured_out_of_order",
            with_request(DEFAULTS, &[displaced(0, 0, 100, 100), displaced(0, 0, 100, -200), served()]),
        ),
        (
            "captured_with_an_overlap",
            with_request(DEFAULTS, &[displaced(0, 0, 200, -100), served(), answered()]),
        ),
        (
            "captured_with_an_overlap_that_lies",
            with_request(DEFAULTS, &[displaced(0, 8, 200, -100), served(), answered()]),
        ),
        (
            "held_octets_that_lie",
            with_request(DEFAULTS, &[displaced(0, 8, 100, 50), displaced(0, 0, 250, -150), served()]),
        ),
        (
            "a_hole_that_never_fills",
            with_request(
                DEFAULTS,
                &[displaced(0, 1, 100, 100), served(), time(5, 8), request(0, 50), served(), answered()],
            ),
        ),
        ("a_hole_before_the_fin", with_request(DEFAULTS, &[step(5, 0, 0x81, 0, 40), served(), time(5, 8)])),
        (
            "joined_in_the_middle",
            script(DEFAULTS, &[request(1, 100), request(1, 50), served(), answered(), bare(1, 1), served()]),
        ),
        (
            "joined_within_an_upload",
            script(DEFAULTS, &[step(1, 1, 0, 100, 0), step(1, 1, 0, 100, 0), request(1, 50), served()]),
        ),
        ("octets_that_are_no_packet", script(DEFAULTS, &[step(6, 0, 0, 4, 0), vec![0x45, 0, 0, 4]])),
        (
            "other_flags_than_a_client_has",
            with_request(DEFAULTS, &[bare(0, 5), bare(0, 6), bare(0, 7), bare(0, 4), served()]),
        ),
    ]
}

fn losses() -> Vec<(&'static str, Vec<u8>)> {
    let upload = || step(1, 0, 0x22, 250, 0);
    vec![
        (
            "the_syn_is_lost",
            script(DEFAULTS, &[syn(0), time(5, 2), time(5, 3), served(), request(0, 9), answered()]),
        ),
        ("the_request_is_lost", with_request(DEFAULTS, &[time(4, 2), time(5, 2), answered()])),
        ("nobody_answers", with_request(DEFAULTS, &[time(7, 1)])),
        ("no_syn_ack", script(DEFAULTS, &[syn(0), request(0, 50), time(7, 1), time(7, 1)])),
        (
            "a_loss_within_a_flight",
            with_request(
                DEFAULTS,
                &[
                    upload(),
                    header(0, 10, 180, -9000),
                    header(0, 10, 200, -9000),
                    header(0, 10, 220, -9000),
                    header(0, 1, 0, -4000),
                    header(0, 10, 50, -4000),
                    served(),
                    served(),
                ],
            ),
        ),
        (
            "duplicate_acknowledgments",
            with_request(DEFAULTS, &[upload(), header(0, 1, 0, -9000).repeat(4), served(), served()]),
        ),
        (
            "a_window_that_closes",
            with_request(
                DEFAULTS,
                &[header(0, 8, 0, 0), request(0, 200), time(5, 2), time(5, 4), header(0, 9, 90, 0), served()],
            ),
        ),
        (
            "a_window_that_shrinks",
            with_request(DEFAULTS, &[upload(), header(0, 9, 40, 0), upload(), time(5, 3), served(), served()]),
        ),
        (
            "target_data_ahead",
            with_request(
                DEFAULTS,
                &[header(0, 4, 100, 100), header(0, 2, 25, 0), header(0, 5, 0, 0), time(3, 2)],
            ),
        ),
        (
            "the_tunnel_goes_and_comes",
            script(DEFAULTS, &[step(14, 0, 1, 0, 0), syn(0), time(5, 2), step(14, 0, 0, 0, 0), served()]),
        ),
    ]
}

fn endings() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "the_target_refuses",
            script(DEFAULTS, &[syn(0), request(0, 9), header(0, 7, 0, 0), request(0, 9), served(), answered()]),
        ),
        (
            "the_target_resets",
            with_request(DEFAULTS, &[header(0, 7, 0, 0), served(), answered(), header(0, 7, 0, 0)]),
        ),
        (
            "the_target_closes_first",
            with_request(DEFAULTS, &[answered(), header(0, 6, 0, 0), request(0, 50), served(), answered()]),
        ),
        (
            "the_target_closes_on_unsent_data",
            with_request(DEFAULTS, &[request(0, 9), header(0, 15, 0, 0), served(), answered()]),
        ),
        (
            "the_client_resets",
            with_request(DEFAULTS, &[answered(), bare(0, 2), time(2, 3), header(0, 0, 0, 0)]),
        ),
        (
            "the_client_half_closes",
            with_request(DEFAULTS, &[bare(0, 1), served(), answered(), header(0, 6, 0, 0), header(0, 6, 0, 0)]),
        ),
        (
            "both_close_at_once",
            with_request(
                DEFAULTS,
                &[served(), bare(0, 1), header(0, 6, 0, 0), time(2, 3), served(), time(6, 1)],
            ),
        ),
        (
            "the_port_is_used_again",
            with_request(DEFAULTS, &[step(0, 0, 0x8f, 7, 9), request(0, 9), served(), answered(), served()]),
        ),
        (
            "an_older_connection_answers",
            script(DEFAULTS, &[syn(0), header(0, 12, 0, 77), header(0, 13, 0, 77), served(), served()]),
        ),
        ("the_client_falls_silent", with_request(SHORT_TIMEOUTS, &[answered(), time(5, 5), request(0, 9)])),
        (
            "an_unknown_connection",
            script(DEFAULTS, &[step(11, 0, 1, 0x10, 9), vec![1; 8], step(11, 0, 1, 4, 9), vec![1; 8]]),
        ),
    ]
}

fn many() -> Vec<(&'static str, Vec<u8>)> {
    let clients = |settings| {
        script(
            settings,
            &[
                syn(0),
                syn(1),
                syn(2),
                syn(3),
                served(),
                step(1, 0, 0x33, 80, 0),
                step(1, 1, 0x33, 80, 0),
                step(1, 2, 0x33, 80, 0),
                answered(),
                request(3, 80),
                answered(),
                bare(2, 2),
                bare(1, 1),
                time(6, 1),
            ],
        )
    };
    vec![
        ("four_clients", clients(DEFAULTS)),
        ("four_clients_small_bounds", clients(SMALL_BOUNDS)),
        ("four_clients_copies", clients(COPIES)),
        ("four_clients_half_of_them", clients([0, 0, 1])),
        ("four_clients_ramp", clients([0, 0, 2])),
        ("four_clients_one_address", clients(POOLED)),
        ("four_clients_unanswered", clients([1, 0, 0])),
        ("four_clients_small_mtu", clients([2, 0, 0])),
    ]
}
