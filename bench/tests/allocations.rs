//! No packet takes memory from the allocator once everything has been used before.

use allocation_counter::measure;
use std::time::Duration;
use tc_bench::{Replay, Returns};

const SESSIONS: usize = 1000;
const ROUNDS: usize = 10;

/// Sessions in an order that is not that of their memory.
fn scattered() -> impl Iterator<Item = usize> {
    (0..SESSIONS).map(|turn| turn * 7919 % SESSIONS)
}

#[test]
fn requests_over_open_connections_take_no_memory() {
    let mut replay = Replay::with_connections(SESSIONS);
    scattered().for_each(|number| replay.request(number));
    let requests = replay.replayer.counters().requests.answered;
    let allocated = measure(|| {
        for _ in 0..ROUNDS {
            scattered().for_each(|number| replay.request(number));
        }
    });
    assert_eq!(replay.replayer.counters().requests.answered - requests, (SESSIONS * ROUNDS) as u64);
    assert_eq!(allocated.count_total, 0, "allocations for {} requests", SESSIONS * ROUNDS);
}

/// After some silence acknowledgments go out by themselves, and no memory is kept for a client's next request.
#[test]
fn requests_after_silence_take_no_memory() {
    let mut replay = Replay::with_connections(SESSIONS);
    let silence = Duration::from_millis(100);
    let round = |replay: &mut Replay| {
        for number in scattered().step_by(10) {
            replay.request(number);
            replay.pass(silence);
        }
    };
    round(&mut replay);
    let sent = replay.replayer.counters().sent.acks;
    let allocated = measure(|| (0..ROUNDS).for_each(|_| round(&mut replay)));
    assert_eq!(replay.replayer.counters().sent.acks - sent, (SESSIONS / 10 * ROUNDS) as u64);
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn responses_take_no_memory() {
    let mut returns = Returns::with_routes(SESSIONS);
    let round = |returns: &mut Returns| {
        for (turn, number) in scattered().enumerate() {
            returns.respond(number);
            if turn % 10 == 0 {
                returns.write();
            }
        }
        returns.write();
    };
    round(&mut returns);
    let forwarded = returns.relay.counters().forwarded;
    let allocated = measure(|| (0..ROUNDS).for_each(|_| round(&mut returns)));
    assert_eq!(returns.relay.counters().forwarded - forwarded, (SESSIONS * ROUNDS) as u64);
    assert_eq!(allocated.count_total, 0);
}
