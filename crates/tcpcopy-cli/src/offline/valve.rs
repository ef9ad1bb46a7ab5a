//! Whether sessions can take more of the file: it waits for the target, never the other way round.

use std::time::{Duration, Instant};

/// Sessions that may be busy at once when the file goes as fast as the target can.
const MAX_BUSY: usize = 256;
/// When nothing changes for so long, more of the file is needed for things to go on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Parts into which the memory is divided. Three are free for the file, the last one for sessions that cannot go on
/// without more of it.
const PARTS: usize = 4;

/// How much sessions have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Sessions that have something to send or wait for the target, and datagrams that wait for it.
    pub(super) busy: usize,
    /// Octets of memory that sessions take.
    pub(super) octets: usize,
    /// Packets that were sent or came back, so far.
    pub(super) packets: u64,
}

/// Lets packets of the file through, or holds them back.
#[derive(Debug)]
pub(super) struct Valve {
    max_busy: usize,
    max_octets: usize,
    /// More than that, while the target does not answer.
    extra_busy: usize,
    extra_octets: usize,
    /// The load when it last changed.
    last: Load,
    changed: Instant,
}

impl Valve {
    /// A valve that minds memory only.
    pub(super) const fn for_memory(max_octets: usize, now: Instant) -> Self {
        let last = Load { busy: 0, octets: 0, packets: 0 };
        let max_octets = max_octets / PARTS * (PARTS - 1);
        Self { max_busy: usize::MAX, max_octets, extra_busy: 0, extra_octets: 0, last, changed: now }
    }

    /// A valve that minds how much the target has to do, too.
    pub(super) const fn for_target(max_octets: usize, now: Instant) -> Self {
        Self { max_busy: MAX_BUSY, ..Self::for_memory(max_octets, now) }
    }

    /// Whether the next packet may go.
    pub(super) fn is_open(&mut self, now: Instant, load: Load) -> bool {
        if load != self.last {
            (self.last, self.changed) = (load, now);
        }
        let busy = load.busy >= self.max_busy.saturating_add(self.extra_busy);
        let full = load.octets >= self.max_octets.saturating_add(self.extra_octets);
        if !busy && load.busy < self.max_busy {
            self.extra_busy = 0;
        }
        if !busy && !full {
            return true;
        }
        if now.saturating_duration_since(self.changed) >= PATIENCE {
            self.changed = now;
            self.extra_busy += if busy { MAX_BUSY } else { 0 };
            self.extra_octets += if full { self.max_octets / 8 } else { 0 };
        }
        false
    }

    /// When a valve that is closed opens although nothing changes.
    pub(super) fn deadline(&self) -> Instant {
        self.changed + PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn busy(busy: usize) -> Load {
        Load { busy, ..Load::default() }
    }

    fn octets(octets: usize) -> Load {
        Load { octets, ..Load::default() }
    }

    #[test]
    fn the_file_waits_while_the_target_has_enough_to_do() {
        let now = Instant::now();
        let mut valve = Valve::for_target(MIB, now);
        assert!(valve.is_open(now, busy(MAX_BUSY - 1)));
        assert!(!valve.is_open(now, busy(MAX_BUSY)));
        assert!(valve.is_open(now, busy(MAX_BUSY - 1)));
        assert!(Valve::for_memory(MIB, now).is_open(now, busy(MAX_BUSY)));
    }

    #[test]
    fn the_file_waits_before_memory_is_used_up() {
        let now = Instant::now();
        for mut valve in [Valve::for_target(MIB, now), Valve::for_memory(MIB, now)] {
            assert!(valve.is_open(now, octets(MIB / 2)));
            assert!(!valve.is_open(now, octets(MIB * 3 / 4)));
            assert!(valve.is_open(now, octets(MIB / 2)));
        }
    }

    #[test]
    fn the_file_goes_on_when_nothing_else_does() {
        let now = Instant::now();
        let mut valve = Valve::for_target(MIB, now);
        let load = Load { busy: MAX_BUSY, octets: MIB * 3 / 4, packets: 7 };
        assert!(!valve.is_open(now, load));
        assert!(!valve.is_open(now + PATIENCE / 2, load));
        assert!(!valve.is_open(valve.deadline(), load));
        assert!(valve.is_open(now + PATIENCE, load));
    }

    #[test]
    fn a_target_that_answers_is_waited_for_as_long_as_it_takes() {
        let start = Instant::now();
        let mut valve = Valve::for_target(MIB, start);
        for second in 0..100 {
            let load = Load { packets: second, ..busy(MAX_BUSY) };
            assert!(!valve.is_open(start + Duration::from_secs(second), load));
        }
    }
}
