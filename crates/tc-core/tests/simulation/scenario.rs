//! Networks of all kinds, drawn by a seed.

use super::client::Faults;
use super::host::Listens;
use super::link::Path;
use super::plans::Plans;
use super::rng::Rng;
use super::tunnel::TunnelPath;
use super::world::Scenario;
use std::time::Duration;
use tc_core::{ClientPool, ReplayConfig};

/// A network without any fault, and these clients.
pub(crate) fn quiet(seed: u64, plans: Vec<super::plan::Plan>) -> Scenario {
    let path = Path { delay: Duration::from_micros(200), ..Path::default() };
    Scenario {
        seed,
        plans,
        faults: Faults::default(),
        forth: path,
        back: Path { delay: Duration::from_micros(20), ..Path::default() },
        tunnel: TunnelPath { delay: Duration::from_micros(300), ..TunnelPath::default() },
        breaks: Vec::new(),
        listens: Listens::Always,
        config: ReplayConfig::default(),
        pool: ClientPool::default(),
    }
}

/// Clients of all kinds over a network whose faults reach 10 %.
pub(crate) fn rough(seed: u64) -> Scenario {
    let mut plans = Plans::new(seed);
    let mut rng = Rng::new(seed, "network");
    let clients = (0..rng.len(1..8)).map(|_| plans.any()).collect();
    let rate = |rng: &mut Rng| rng.pick(&[0, 0, 10, 20, 50, 100]);
    let path = |rng: &mut Rng, delay: &[u64]| Path {
        loss: rate(rng),
        twice: rate(rng),
        reordered: rate(rng),
        delay: Duration::from_micros(rng.pick(delay)),
        jitter: rng.micros(0..3000),
    };
    Scenario {
        faults: Faults { late: rate(&mut rng), twice: rate(&mut rng), overlap: rate(&mut rng) },
        forth: path(&mut rng, &[50, 500, 5000, 40_000]),
        back: path(&mut rng, &[10, 100]),
        tunnel: TunnelPath {
            delay: Duration::from_micros(rng.pick(&[100, 1000, 20_000, 100_000])),
            jitter: rng.micros(0..2000),
            gather: rng.micros(0..5000),
        },
        ..quiet(seed, clients)
    }
}

/// Clients of all kinds, all over the same path.
pub(crate) fn even(seed: u64, clients: usize, loss: u32, delay: Duration, window: usize) -> Scenario {
    let mut plans = Plans::new(seed);
    let mut clients: Vec<_> = (0..clients).map(|_| plans.any()).collect();
    for plan in &mut clients {
        plan.conduct.receive_buffer = window;
    }
    let path = Path { loss, delay: delay / 3, ..Path::default() };
    Scenario {
        forth: path,
        back: Path { delay: Duration::from_micros(20), ..path },
        tunnel: TunnelPath { delay: delay * 2 / 3, ..TunnelPath::default() },
        ..quiet(seed, clients)
    }
}
