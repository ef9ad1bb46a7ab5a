//! One keep-alive request: what is captured of it, its replay, and the target's answer.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tc_bench::{Replay, scale};

/// Connections that have requests beside those that are idle.
const ACTIVE: usize = 20;

/// All connections have requests in turn.
fn sessions(criterion: &mut Criterion) {
    measure(criterion, "request, by sessions", &[1, 1_000, 100_000], |sessions| sessions);
}

/// A few connections have requests, the others are open and silent.
fn idle(criterion: &mut Criterion) {
    measure(criterion, "request, by idle sessions", &[100, 100_000], |_| ACTIVE);
}

fn measure(criterion: &mut Criterion, name: &str, counts: &[usize], active: impl Fn(usize) -> usize) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for &name in counts {
        let count = scale(name);
        let mut replay = None;
        group.bench_function(name.to_string(), |bencher| {
            let replay = replay.get_or_insert_with(|| Replay::with_connections(count));
            let mut turns = (0..active(count)).map(|turn| turn * 7919 % count).cycle();
            bencher.iter(|| turns.next().into_iter().for_each(|number| replay.request(number)));
        });
    }
}

criterion_group!(replayer, sessions, idle);
criterion_main!(replayer);
