//! Room for new sessions.

use super::Replayer;
use crate::CloseReason;
use crate::session::Context;
use std::time::Instant;

impl Replayer {
    /// Ends the newest sessions until the others fit: those that are known longest are worth most. What is shed is not
    /// remembered, and counts no more.
    pub(super) fn shed(&mut self, now: Instant) {
        while self.octets > self.config.max_octets {
            if self.forget_silent() {
                continue;
            }
            let Some((_, index)) = self.by_age.pop_last() else { return };
            let Some(entry) = self.entries.get_mut(index) else { continue };
            let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
            entry.session.close(&mut cx, CloseReason::Shed);
            self.entries.detach(index);
            self.make_ready(index);
            self.account(index);
            if let Some(entry) = self.entries.get_mut(index) {
                self.octets -= std::mem::take(&mut entry.octets);
            }
        }
    }

    /// Whether there is room for one more session. Clients that are silent, without a connection to the target, make it.
    pub(super) fn has_room(&mut self) -> bool {
        while self.entries.len() >= self.config.max_sessions || self.octets >= self.config.max_octets {
            if !self.forget_silent() {
                return false;
            }
        }
        true
    }

    /// Forgets the silent client that is known longest, if there is one.
    fn forget_silent(&mut self) -> bool {
        while let Some(born) = self.silent.pop_first() {
            let Some(&index) = self.by_age.get(&born) else { continue };
            if self.entries.get(index).is_some_and(|entry| entry.session.is_silent()) {
                self.remove(index);
                return true;
            }
        }
        false
    }
}
