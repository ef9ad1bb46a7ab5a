//! For the relay.

use super::step;

/// A tunnel with the current version, or that of 0.9.9.
fn tunnel(who: u8) -> Vec<u8> {
    step(0, who, 1, 0, 6)
}

fn old_tunnel(who: u8) -> Vec<u8> {
    step(0, who, 3, 0, 0)
}

/// A tunnel of ours, which wants some payload and proves the key, or another.
fn new_tunnel(who: u8, how: u8) -> Vec<u8> {
    step(0, who, 4 | how, 20, 6)
}

fn announce(tunnel: u8, flow: u8) -> Vec<u8> {
    step(2, tunnel, 2, flow, 0)
}

fn respond(flow: u8, flags: u8) -> Vec<u8> {
    step(7, flow, flags, 25, 2)
}

fn pass(unit: u8) -> Vec<u8> {
    step(10, 0, unit, 0, 0)
}

fn read() -> Vec<u8> {
    step(11, 0, 0, 9, 0)
}

fn script(limits: u8, steps: &[Vec<u8>]) -> Vec<u8> {
    [vec![limits], steps.concat()].concat()
}

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let routed = |steps: &[Vec<u8>]| script(15, &[vec![tunnel(0), announce(0, 1)], steps.to_vec()].concat());
    vec![
        (
            "announced_and_returned",
            routed(&[respond(1, 2), respond(1, 0), read(), respond(1, 1), read(), pass(5), pass(6)]),
        ),
        (
            "returned_to_an_older_tcpcopy",
            script(15, &[old_tunnel(0), announce(0, 1), step(7, 1, 0xa0, 9, 4), read()]),
        ),
        (
            "returned_to_a_tcpcopy_of_ours",
            script(
                15,
                &[new_tunnel(0, 0), announce(0, 1), respond(1, 2), read(), step(2, 0, 0, 1, 0), pass(3)],
            ),
        ),
        (
            "a_tcpcopy_that_knows_the_key",
            script(31, &[new_tunnel(0, 8), respond(1, 2), announce(0, 1), respond(1, 0), read()]),
        ),
        (
            "tcpcopies_that_do_not_know_the_key",
            script(31, &[new_tunnel(0, 24), new_tunnel(1, 0), announce(1, 1), tunnel(2), read(), pass(3)]),
        ),
        (
            "half_open_tunnels_make_room",
            script(47, &(0..4).map(|who| step(0, who, 0, 0, 0)).chain([pass(3)]).collect::<Vec<_>>()),
        ),
        (
            "headers_overtake_their_route",
            script(15, &[tunnel(0), respond(1, 2), respond(1, 0), announce(0, 1), read()]),
        ),
        (
            "a_route_that_never_comes",
            script(0, &[tunnel(0), respond(1, 2), respond(2, 0).repeat(8), pass(3), pass(4)]),
        ),
        (
            "a_route_is_taken_over",
            routed(&[tunnel(1), respond(1, 0), announce(1, 1), respond(1, 0), read(), read()]),
        ),
        ("a_route_is_taken_back", routed(&[step(2, 0, 0, 1, 0), respond(1, 0), step(2, 0, 0, 1, 0), read()])),
        (
            "the_tunnel_goes",
            routed(&[respond(1, 0), step(5, 0, 0, 0, 0), respond(1, 0), read(), tunnel(0), read()]),
        ),
        ("a_slow_tunnel", script(0, &[tunnel(0), announce(0, 1), respond(1, 0).repeat(12), read()])),
        (
            "too_many_routes",
            script(0, &[tunnel(0), (0..7).flat_map(|flow| announce(0, flow)).collect(), pass(1)]),
        ),
        ("a_silent_tunnel", script(15, &[step(0, 0, 0, 0, 0), pass(3), pass(4)])),
        ("garbage", script(15, &[step(0, 0, 0, 0, 0), step(1, 0, 0, 14, 0), vec![0xaa; 14], announce(0, 1)])),
        ("a_message_in_two_parts", routed(&[step(2, 0, 0xc2, 5, 0), step(2, 0, 0x82, 9, 0), pass(1), read()])),
        ("the_passlist", routed(&[announce(0, 7), respond(7, 0), respond(7, 2), read()])),
        ("octets_that_are_no_packet", routed(&[step(6, 0, 0, 5, 0), vec![0x60, 0, 0, 0, 9]])),
        ("cut_by_the_queue", routed(&[step(7, 1, 0x80, 250, 3), step(7, 1, 0xa0, 250, 4), read()])),
    ]
}
