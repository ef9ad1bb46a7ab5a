//! Many runs, on all processors.

use std::any::Any;
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Failures that are described; the others are counted.
const LISTED: usize = 8;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds of this run: so many, unless the environment says otherwise.
fn seeds(default: u64) -> Range<u64> {
    match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").map_or(default, |seeds| seeds * default / 100),
    }
}

/// Runs a scenario for each seed, so many of them in a default run; `SIMULATION_SEEDS` scales that from a hundred.
///
/// All are run before the failures are named, so that one look tells how rare a failure is.
pub(crate) fn for_each_seed(default: u64, run: impl Fn(u64) + Sync + std::panic::RefUnwindSafe) {
    let Range { start, end } = seeds(default);
    let next = AtomicU64::new(start);
    let failures = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            if let Err(panic) = catch_unwind(|| run(seed)) {
                failures.lock().unwrap().push((seed, message(panic.as_ref())));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let listed: Vec<_> =
        failures.iter().take(LISTED).map(|(seed, why)| format!("seed {seed}: {why}")).collect();
    assert!(failures.is_empty(), "{} of {} seeds fail:\n{}", failures.len(), end - start, listed.join("\n"));
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
    text.chars().take(600).collect()
}
