//! Waiting until a replay is over.

use std::time::{Duration, Instant};

use super::{Role, Stage};
use crate::records::{Record, Verdict, repeated};

/// How long the replay may take after the load.
const LIMIT: Duration = Duration::from_mins(1);
/// How long it may stand still before it is over. Retransmission with backoff needs seconds.
const QUIET_LIMIT: Duration = Duration::from_secs(12);
/// Octets to the target in that time that are no standing still: those of a large request that is on its way.
const MOVING_OCTETS: u64 = 1_000_000;
/// How long to look for requests too many.
const AFTERMATH: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_millis(50);

/// When a replay is over.
#[derive(Debug, Clone, Copy)]
pub enum Replay {
    /// When the target has each request so often, or nothing happens for long.
    Complete(usize),
    /// When nothing has happened for so long. Some requests are not expected at the target.
    Quiet(Duration),
}

impl Replay {
    /// How often each request is expected at the target.
    #[must_use]
    pub(super) fn copies(self) -> usize {
        match self {
            Self::Complete(copies) => copies,
            Self::Quiet(_) => 1,
        }
    }

    fn quiet(self) -> Duration {
        match self {
            Self::Complete(_) => QUIET_LIMIT,
            Self::Quiet(limit) => limit,
        }
    }

    fn is_complete(self, online: &[Record], target: &[Record]) -> bool {
        match self {
            Self::Complete(copies) => {
                target.len() >= online.len() * copies
                    && Verdict::of(&repeated(online, copies), target).is_perfect()
            }
            Self::Quiet(_) => false,
        }
    }
}

impl Stage {
    /// Waits until the replay of the requests that `counts` is over.
    pub fn settle(&self, replay: Replay, counts: impl Fn(&Record) -> bool) {
        let records = |role| -> Vec<Record> { self.records(role).into_iter().filter(&counts).collect() };
        // The last records may have to be written yet.
        std::thread::sleep(AFTERMATH);
        let start = Instant::now();
        let (mut seen, mut moved) = (Vec::new(), start);
        let mut received = self.octets_to_target();
        while start.elapsed() < LIMIT {
            if moved.elapsed() >= replay.quiet() {
                let before = std::mem::replace(&mut received, self.octets_to_target());
                if received < before + MOVING_OCTETS {
                    break;
                }
                moved = Instant::now();
            }
            let asked = Instant::now();
            let now = records(Role::Target);
            if replay.is_complete(&records(Role::Online), &now) {
                break;
            }
            if now != seen {
                (seen, moved) = (now, Instant::now());
            }
            std::thread::sleep(POLL.max(asked.elapsed()));
        }
        std::thread::sleep(AFTERMATH);
    }

    /// What the target host has received by now.
    fn octets_to_target(&self) -> u64 {
        let counted = self.lab.target.run("cat /sys/class/net/target0/statistics/rx_bytes");
        counted.trim().parse().expect("a number of octets")
    }
}
