//! Everything that a worker counts, at one moment.

use std::ops::AddAssign;
use tc_core::counters::Counters;
use tc_core::{Replayer, Waiting};
use tc_sys::capture::CaptureStatistics;

/// Everything that a worker counts, at one moment. What several workers count is the sum of their snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) counters: Counters,
    pub(crate) sessions: SessionGauges,
    pub(crate) capture: CaptureStatistics,
    pub(crate) tunnels: TunnelCounts,
    /// Packets that the kernel did not send.
    pub(crate) send_errors: u64,
    /// What was captured of the online server.
    pub(crate) answers: CaptureStatistics,
}

/// The sessions that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionGauges {
    /// Those that are kept, with those that have just ended.
    pub(crate) active: usize,
    /// The memory that they take, in octets.
    pub(crate) octets: usize,
    /// Flows of datagrams.
    pub(crate) datagram_flows: usize,
    /// Those that wait, in the order of [`Waiting::ALL`].
    waiting: [usize; Waiting::ALL.len()],
}

/// The connections to intercepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelCounts {
    /// Those that are up.
    pub(crate) up: usize,
    /// Those that should be.
    pub(crate) wanted: usize,
    /// Those that were lost.
    pub(crate) lost: u64,
    /// Records that were no headers.
    pub(crate) malformed: u64,
}

impl SessionGauges {
    /// The sessions of a replayer. Looks at each of them.
    pub(crate) fn of(replayer: &Replayer) -> Self {
        let waiting = replayer.waiting().map(|(_, count)| count);
        let datagram_flows = replayer.datagram_flows();
        Self { active: replayer.sessions(), octets: replayer.octets(), datagram_flows, waiting }
    }

    /// How many wait, by what they wait for.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Waiting, usize)> + '_ {
        Waiting::ALL.into_iter().zip(self.waiting)
    }
}

impl AddAssign for SessionGauges {
    fn add_assign(&mut self, other: Self) {
        let Self { active, octets, datagram_flows, waiting } = other;
        self.active += active;
        self.octets += octets;
        self.datagram_flows += datagram_flows;
        for (count, more) in self.waiting.iter_mut().zip(waiting) {
            *count += more;
        }
    }
}

impl AddAssign for TunnelCounts {
    fn add_assign(&mut self, other: Self) {
        let Self { up, wanted, lost, malformed } = other;
        self.up += up;
        self.wanted += wanted;
        self.lost += lost;
        self.malformed += malformed;
    }
}

impl AddAssign<&Self> for Snapshot {
    fn add_assign(&mut self, other: &Self) {
        let Self { counters, sessions, capture, tunnels, send_errors, answers } = other;
        self.counters += *counters;
        self.sessions += *sessions;
        self.capture += *capture;
        self.tunnels += *tunnels;
        self.send_errors += send_errors;
        self.answers += *answers;
    }
}

impl<'a> std::iter::Sum<&'a Self> for Snapshot {
    fn sum<I: Iterator<Item = &'a Self>>(snapshots: I) -> Self {
        snapshots.fold(Self::default(), |mut sum, snapshot| {
            sum += snapshot;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[test]
    fn what_several_workers_count_is_added() {
        let mut one = Snapshot { send_errors: 1, ..Snapshot::default() };
        one.counters.requests.sent = 10;
        one.counters.sessions.closed[3] = 2;
        one.sessions.waiting[1] = 3;
        one.capture.dropped = 4;
        one.tunnels.up = 2;
        let sum: Snapshot = [&one, &one, &Snapshot::default()].into_iter().sum();
        assert_eq!((sum.send_errors, sum.counters.requests.sent, sum.counters.sessions.closed[3]), (2, 20, 4));
        assert_eq!((sum.sessions.waiting[1], sum.capture.dropped, sum.tunnels.up), (6, 8, 4));
    }
}
