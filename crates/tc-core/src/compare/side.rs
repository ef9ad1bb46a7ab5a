//! One server's side of an exchange that goes on.

use super::{Answer, Failure, http};
use crate::micros::Micros;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

/// One server's side of an exchange that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side {
    /// When the latest octet of the request went there, up to the beginning of the answer.
    asked: Option<Instant>,
    octets: u64,
    /// The first and the last octet of the answer, from then on.
    first: Option<Micros>,
    last: Option<Micros>,
    status: Option<NonZeroU16>,
    failure: Option<Failure>,
}

impl Side {
    pub(super) const fn is_answered(&self) -> bool {
        self.first.is_some()
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// When the latest octet of the request went there.
    pub(super) const fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// Octets of the request went there.
    pub(super) fn ask(&mut self, at: Instant) {
        if !self.is_answered() {
            self.asked = Some(at);
            self.failure = None;
        }
    }

    /// New octets of the answer, which begin with `head`.
    pub(super) fn answer(&mut self, at: Instant, octets: usize, head: &[u8]) {
        // Interim answers (RFC 9110, section 15.2) are followed by the one that counts.
        if self.first.is_none() || self.status.is_some_and(|status| status.get() < 200) {
            self.status = http::status(head).and_then(NonZeroU16::new).or(self.status);
        }
        let time = self.asked.map_or(Duration::ZERO, |asked| at.saturating_duration_since(asked)).into();
        self.first.get_or_insert(time);
        self.last = self.last.max(Some(time));
        self.octets += octets as u64;
    }

    /// No answer will come, unless one has begun already.
    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.is_answered() {
            self.failure.get_or_insert(failure);
        }
    }

    /// The answer had so many octets, whether all were seen or not.
    pub(super) const fn end(&mut self, octets: usize) {
        self.octets = octets as u64;
    }

    /// Whether there was an answer and nothing was seen of it.
    pub(super) const fn is_missed(&self) -> bool {
        self.octets > 0 && !self.is_answered()
    }

    /// How it ended.
    pub(super) fn outcome(&self) -> Result<Answer, Failure> {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return Err(self.failure.unwrap_or(Failure::Unanswered));
        };
        let status = self.status.map(NonZeroU16::get);
        Ok(Answer { first: first.into(), last: last.into(), octets: self.octets, status })
    }
}
