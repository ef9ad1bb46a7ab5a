//! What a recording needs beyond live traffic: it can wait, and it ends.

use super::Replayer;
use crate::session::Context;
use std::time::{Duration, Instant};

impl Replayer {
    /// Sessions that have something to send or wait for the target, or for what fills a hole. When there are none, all was
    /// sent and all answers have begun.
    #[must_use]
    pub const fn busy(&self) -> usize {
        self.busy
    }

    /// From now on holes in captured streams may last so long, those that are there already too. Behind the end of a
    /// recording comes nothing that could fill them.
    pub fn limit_holes(&mut self, now: Instant, limit: Duration) {
        self.config.hole_limit = limit;
        let cx = Context { now, config: &self.config, counters: &mut self.counters };
        for (_, entry) in self.entries.iter_mut() {
            entry.session.limit_hole(&cx);
        }
        self.settle_all(now);
    }

    /// All clients have gone without a word. Their sessions finish by themselves; what comes from the same addresses and
    /// ports afterwards belongs to new connections.
    pub fn handle_clients_gone(&mut self, now: Instant) {
        let kept = self.entries.iter().filter(|(_, entry)| !entry.detached).map(|(index, _)| index);
        for index in kept.collect::<Vec<_>>() {
            self.detach(now, index);
        }
    }

    fn settle_all(&mut self, now: Instant) {
        for index in self.entries.iter().map(|(index, _)| index).collect::<Vec<_>>() {
            self.settle(now, index);
        }
    }
}
