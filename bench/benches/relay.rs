//! One response of the target on its way to the tunnel.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tc_bench::{Returns, scale};

/// Responses of which headers wait before they are written.
const BATCH: usize = 10;

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response, by routes");
    group.throughput(Throughput::Elements(1));
    for name in [1, 1_000, 100_000] {
        let count = scale(name);
        let mut returns = None;
        group.bench_function(name.to_string(), |bencher| {
            let returns = returns.get_or_insert_with(|| Returns::with_routes(count));
            let mut turns = (0..count).map(|turn| turn * 7919 % count).enumerate().cycle();
            bencher.iter(|| {
                let (turn, number) = turns.next().unwrap_or_default();
                returns.respond(number);
                if turn % BATCH == 0 {
                    returns.write();
                }
            });
        });
    }
}

criterion_group!(relay, routes);
criterion_main!(relay);
