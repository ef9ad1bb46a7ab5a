//! The deadlines of all sessions.

use crate::Timer;
use std::collections::BTreeMap;
use std::time::Instant;

/// At most one deadline for each session, the earliest first. A session whose deadline moved back stays where it
/// is until then, so that pushing a timeout further off costs nothing.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    deadlines: BTreeMap<(Instant, usize), Timer>,
}

impl TimerQueue {
    /// Sets the deadline of a session, in place of the one that was set before.
    pub(super) fn set(&mut self, index: usize, before: Option<Instant>, deadline: Instant, timer: Timer) {
        self.remove(index, before);
        self.deadlines.insert((deadline, index), timer);
    }

    /// Removes the deadline of a session.
    pub(super) fn remove(&mut self, index: usize, before: Option<Instant>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, index));
        }
    }

    /// Removes a deadline that has come, and names its session.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        let first = self.deadlines.first_entry()?;
        let (deadline, index) = *first.key();
        if deadline > now {
            return None;
        }
        first.remove();
        Some(index)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Instant, Timer)> {
        self.deadlines.first_key_value().map(|((deadline, _), timer)| (*deadline, *timer))
    }
}
