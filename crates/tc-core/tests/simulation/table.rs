//! The outcome over loss, delay and window, as one table that is kept.

use super::scenario::even;
use super::world::World;
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LOSSES: [u32; 6] = [0, 10, 20, 50, 100, 200];
const DELAYS: [Duration; 3] =
    [Duration::from_micros(300), Duration::from_millis(10), Duration::from_millis(100)];
const WINDOWS: [usize; 3] = [2048, 16_384, 262_144];
/// Clients in each cell: one world of them.
const CLIENTS: usize = 40;

const HEAD: &str = "\
Forty clients of all kinds. Loss: in each direction, in a thousand. RTT: to the target and back through the tunnel.
Window: the target's receive buffer, in octets. Last: simulated time of the last octet, in milliseconds.
Made by SIMULATION_UPDATE=1 cargo test -p tc-core --test simulation; compared by the same without it.

 loss      rtt  window  sessions  requests    octets   missing   resent      last
";

/// Compares the table with the one that is kept, or replaces that.
pub(crate) fn check() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/outcome.txt");
    let table = table();
    if std::env::var_os("SIMULATION_UPDATE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(table.lines()).find(|(kept, now)| kept != now);
    assert!(
        kept == table,
        "the outcome is another, first here: {differs:?}; if that is meant, run with SIMULATION_UPDATE=1"
    );
}

fn table() -> String {
    let cells: Vec<_> = LOSSES
        .into_iter()
        .flat_map(|loss| DELAYS.into_iter().map(move |delay| (loss, delay)))
        .flat_map(|(loss, delay)| WINDOWS.into_iter().map(move |window| (loss, delay, window)))
        .collect();
    let rows = Mutex::new(vec![String::new(); cells.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(&(loss, delay, window)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let row = row(loss, delay, window);
            let place = cells.iter().position(|cell| *cell == (loss, delay, window)).unwrap();
            rows.lock().unwrap()[place] = row;
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    HEAD.to_owned() + &rows.into_inner().unwrap().concat()
}

fn row(loss: u32, delay: Duration, window: usize) -> String {
    let outcome = World::new(&even(7, CLIENTS, loss, delay, window)).run();
    assert!(loss > 100 || outcome.missing() == 0, "{} octets are missing", outcome.missing());
    let mut row = String::new();
    writeln!(
        row,
        "{:>4}‰ {:>6}us {window:>7} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}",
        loss,
        delay.as_micros(),
        outcome.counters.sessions.established,
        outcome.requests(),
        outcome.octets(),
        outcome.missing(),
        outcome.counters.sent.retransmissions,
        outcome.last().as_millis(),
    )
    .unwrap();
    row
}
