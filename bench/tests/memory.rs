//! 100 000 sessions at once: what each takes, and that nothing stays.

use allocation_counter::measure;
use tc_bench::Replay;

const SESSIONS: i64 = 100_000;
/// Octets that a session may take which is open, has sent a request, has its answer, and waits for the next.
const BOUND: i64 = 1200;

#[test]
fn a_hundred_thousand_sessions_take_little_and_leave_nothing() {
    let mut replay = Replay::new();
    let opened = measure(|| (0..SESSIONS).for_each(|_| replay.open()));
    assert_eq!(i64::try_from(replay.replayer.sessions()), Ok(SESSIONS));
    assert_eq!(i64::try_from(replay.replayer.counters().requests.answered), Ok(SESSIONS));
    let counted = i64::try_from(replay.replayer.octets()).unwrap() / SESSIONS;
    let each = opened.bytes_current / SESSIONS;
    report(&format!("{SESSIONS} sessions: {each} octets each, {counted} by the replayer's own count"));
    assert!(each <= BOUND, "{each} octets a session");
    // Tables grow by doubling; the count takes them for something in between.
    let close = 4 * each <= 5 * counted && counted <= 2 * each;
    assert!(close, "{each} octets a session, {counted} by the replayer's own count");
    let ended = measure(|| {
        let mut wakes = 0;
        while let Some(deadline) = replay.next_deadline() {
            replay.pass(deadline);
            wakes += 1;
            assert!(wakes < 20 * SESSIONS, "no end");
        }
    });
    assert_eq!((replay.replayer.sessions(), replay.replayer.octets()), (0, 0));
    let left = (opened.bytes_current + ended.bytes_current) / SESSIONS;
    report(&format!("{left} octets each stay for the next, in the tables"));
    assert!(left <= BOUND, "{left} octets a session stay");
}

#[expect(clippy::print_stderr, reason = "a measurement is for the one who asks for it")]
fn report(line: &str) {
    eprintln!("{line}");
}
