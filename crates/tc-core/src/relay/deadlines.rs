//! Deadlines of many things of one kind.

use std::collections::BTreeSet;
use std::time::Instant;

/// An ordered set of deadlines. Who sets one remembers it, to take it back.
#[derive(Debug)]
pub(super) struct Deadlines<K>(BTreeSet<(Instant, K)>);

impl<K: Copy + Ord> Deadlines<K> {
    pub(super) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    pub(super) fn set(&mut self, deadline: Instant, key: K) {
        self.0.insert((deadline, key));
    }

    pub(super) fn stop(&mut self, deadline: Instant, key: K) {
        self.0.remove(&(deadline, key));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the first, due or not.
    pub(super) fn pop(&mut self) -> Option<K> {
        self.0.pop_first().map(|(_, key)| key)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? <= now { self.pop() } else { None }
    }
}
