//! The timers.

use std::time::Instant;

/// What happens when time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// An acknowledgment that may be put off no longer (RFC 9293, section 3.8.6.3).
    DelayedAck,
    /// The retransmission timeout (RFC 6298), or the probe of a closed window.
    Retransmit,
    /// The next request may go, or the end of the stream.
    Admission,
    /// A hole in the captured stream that should have been filled.
    Hole,
    /// The end of a session on which nothing happens.
    Idle,
    /// Fragments that were waited for too long. No session has this one.
    Reassembly,
    /// Datagrams whose answers did not come. No session has this one.
    Datagrams,
}

impl Timer {
    /// Those of a session, in the order of their numbers.
    const ALL: [Self; 5] = [Self::DelayedAck, Self::Retransmit, Self::Admission, Self::Hole, Self::Idle];
}

/// The deadlines of one session, one for each [`Timer`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimerTable {
    deadlines: [Option<Instant>; Timer::ALL.len()],
}

impl TimerTable {
    fn slot(&mut self, timer: Timer) -> Option<&mut Option<Instant>> {
        self.deadlines.get_mut(timer as usize)
    }

    /// Sets a timer, in place of what was set before.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        if let Some(slot) = self.slot(timer) {
            *slot = Some(deadline);
        }
    }

    /// Sets a timer unless it runs already.
    pub(crate) fn set_if_unset(&mut self, timer: Timer, deadline: Instant) {
        if let Some(slot) = self.slot(timer) {
            slot.get_or_insert(deadline);
        }
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Timer) {
        if let Some(slot) = self.slot(timer) {
            *slot = None;
        }
    }

    /// Stops all timers.
    pub(crate) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// Stops the timer and tells whether it was due.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        self.slot(timer).and_then(|slot| slot.take_if(|deadline| *deadline <= now)).is_some()
    }

    /// The earliest deadline, and the timer that set it.
    pub(crate) fn next_timeout(&self) -> Option<(Instant, Timer)> {
        let set = self.deadlines.iter().zip(Timer::ALL);
        set.filter_map(|(deadline, timer)| deadline.map(|at| (at, timer))).min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Timer, TimerTable};
    use std::time::Duration;

    #[test]
    fn the_earliest_timer_is_next_and_is_taken_once() {
        let start = crate::testing::start();
        let later = start + Duration::from_secs(1);
        let mut timers = TimerTable::default();
        timers.set(Timer::Hole, later);
        timers.set(Timer::DelayedAck, start);
        timers.set_if_unset(Timer::DelayedAck, later);
        assert_eq!(timers.next_timeout(), Some((start, Timer::DelayedAck)));
        assert!(!timers.take_due(Timer::Hole, start));
        assert!(timers.take_due(Timer::DelayedAck, start));
        assert!(!timers.take_due(Timer::DelayedAck, start));
        assert_eq!(timers.next_timeout(), Some((later, Timer::Hole)));
    }
}
