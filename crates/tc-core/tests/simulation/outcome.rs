//! What a run came to.

use super::application::Received;
use super::host::Host;
use super::plan::Plan;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;
use tc_core::Replayer;
use tc_core::counters::Counters;

/// What became of one client's stream.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) plan: Rc<Plan>,
    /// Over each connection that the target accepted.
    pub(crate) received: Vec<Received>,
}

impl Arrival {
    /// Octets that should have come and did not, from this place of the stream on.
    pub(crate) fn missing(&self, from: usize) -> usize {
        let came = |place: usize| {
            let holds = |part: &Received| part.from <= place && place < part.from + part.octets;
            self.received.iter().any(holds)
        };
        // The ends of what came are the only places where that changes.
        let len = self.plan.len();
        let mut marks: Vec<_> =
            self.received.iter().flat_map(|part| [part.from, part.from + part.octets]).collect();
        marks.extend([from, len]);
        marks.retain(|mark| (from..=len).contains(mark));
        marks.sort_unstable();
        marks.windows(2).filter(|pair| !came(pair[0])).map(|pair| pair[1] - pair[0]).sum()
    }

    /// Whether any of these octets did not come.
    pub(crate) fn misses(&self, octets: Range<usize>) -> bool {
        self.missing(octets.start) > self.missing(octets.end)
    }

    /// Octets that came, the same ones over several connections as often as they came.
    pub(crate) fn octets(&self) -> usize {
        self.received.iter().map(|part| part.octets).sum()
    }

    /// Whether each octet came, once, in one connection, with the client's end behind it.
    pub(crate) fn is_whole(&self) -> bool {
        let [one] = self.received[..] else { return false };
        let ended = one.closed || !self.plan.sends_fin();
        one.from == 0 && one.octets == self.plan.len() && one.right && ended
    }
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) counters: Counters,
    pub(crate) time: Duration,
    pub(crate) digest: u64,
}

impl Outcome {
    pub(crate) fn new(
        plans: &[Rc<Plan>],
        host: &Host,
        replayer: &Replayer,
        time: Duration,
        digest: u64,
    ) -> Self {
        let mut arrivals: Vec<_> =
            plans.iter().map(|plan| Arrival { plan: Rc::clone(plan), received: Vec::new() }).collect();
        for (plan, received) in host.received() {
            assert!(received.right, "the target got other octets than the client sent");
            arrivals[plan].received.push(received);
        }
        Self { arrivals, counters: *replayer.counters(), time, digest }
    }

    /// Octets of all clients that did not come.
    pub(crate) fn missing(&self) -> usize {
        self.arrivals.iter().map(|arrival| arrival.missing(0)).sum()
    }

    /// Octets that came, of all clients.
    pub(crate) fn octets(&self) -> usize {
        self.arrivals.iter().map(Arrival::octets).sum()
    }

    pub(crate) fn requests(&self) -> usize {
        self.arrivals.iter().map(|arrival| arrival.plan.requests.len()).sum()
    }

    /// When the last octet came.
    pub(crate) fn last(&self) -> Duration {
        let parts = self.arrivals.iter().flat_map(|arrival| &arrival.received);
        parts.map(|part| part.last).max().unwrap_or_default()
    }

    /// The target answered each request, so no request had to give up waiting for that.
    pub(crate) fn assert_prompt(&self) {
        let requests = &self.counters.requests;
        assert_eq!(requests.unanswered, 0, "a request waited in vain: {:?}", self.counters);
    }

    /// Each octet of each session came once, in order, with its end.
    pub(crate) fn assert_whole(&self) {
        for arrival in &self.arrivals {
            assert!(
                arrival.is_whole(),
                "client {} ({:?}, {} octets): {:?}\n{:?}\n{:?}",
                arrival.plan.id,
                arrival.plan.ending,
                arrival.plan.len(),
                arrival.received,
                arrival.plan,
                self.counters,
            );
        }
    }
}
