//! Captured segments that wait behind a hole.

use super::captured::{EndKind, OnlineAck};
use std::collections::VecDeque;
use tc_proto::{Flags, SeqNum};

/// More segments than this are not kept, however small.
const MAX_SEGMENTS: usize = 16_384;

/// What is kept of a captured segment until its place in the stream is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<B> {
    pub(super) seq: SeqNum,
    pub(super) ack: OnlineAck,
    pub(super) flags: Flags,
    pub(super) urgent: u16,
    pub(super) payload: B,
}

impl<B: AsRef<[u8]>> Held<B> {
    /// The sequence number behind the payload.
    pub(super) fn end(&self) -> SeqNum {
        self.seq + self.payload.as_ref().len()
    }

    /// Whether nothing follows.
    pub(super) fn ends(&self) -> bool {
        self.flags.intersects(Flags::FIN | Flags::RST)
    }

    pub(super) fn end_kind(&self) -> EndKind {
        if self.flags.contains(Flags::RST) { EndKind::Reset } else { EndKind::Fin }
    }

    pub(super) fn borrowed(&self) -> Held<&[u8]> {
        let Self { seq, ack, flags, urgent, ref payload } = *self;
        Held { seq, ack, flags, urgent, payload: payload.as_ref() }
    }
}

/// The segments behind a hole, in the order of their sequence numbers.
#[derive(Debug, Default)]
pub(super) struct HeldSegments {
    segments: VecDeque<Held<Box<[u8]>>>,
    octets: usize,
}

impl HeldSegments {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Octets kept, the books about them included.
    pub(super) fn memory(&self) -> usize {
        self.octets + self.segments.len() * size_of::<Held<Box<[u8]>>>()
    }

    /// Keeps a copy of the segment, or does not: `None` when that would pass the bounds.
    pub(super) fn insert(&mut self, segment: Held<&[u8]>, max_octets: usize) -> Option<()> {
        let at = self.segments.partition_point(|held| held.seq.at_or_before(segment.seq));
        let known = at.checked_sub(1).and_then(|before| self.segments.get(before));
        if known.is_some_and(|held| segment.end().at_or_before(held.end()) && (held.ends() || !segment.ends()))
        {
            return Some(());
        }
        let full = self.octets + segment.payload.len() > max_octets || self.segments.len() >= MAX_SEGMENTS;
        if full {
            return None;
        }
        self.octets += segment.payload.len();
        let Held { seq, ack, flags, urgent, payload } = segment;
        self.segments.insert(at, Held { seq, ack, flags, urgent, payload: payload.into() });
        Some(())
    }

    /// Takes the first segment out when it begins at or before `next`.
    pub(super) fn take_at_or_before(&mut self, next: SeqNum) -> Option<Held<Box<[u8]>>> {
        self.segments.front().filter(|held| held.seq.at_or_before(next))?;
        self.take_first()
    }

    /// Takes the first segment out.
    pub(super) fn take_first(&mut self) -> Option<Held<Box<[u8]>>> {
        let first = self.segments.pop_front()?;
        self.octets -= first.payload.len();
        Some(first)
    }
}
