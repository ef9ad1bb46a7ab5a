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

/// Segments in the order of their sequence numbers.
#[derive(Debug, Default)]
struct Segments {
    segments: VecDeque<Held<Box<[u8]>>>,
    octets: usize,
}

/// The segments behind a hole. Few sessions ever have one: it takes no memory until then.
#[derive(Debug, Default)]
pub(super) struct HeldSegments(Option<Box<Segments>>);

impl HeldSegments {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.segments.is_empty())
    }

    /// Octets kept, the books about them included.
    pub(super) fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |held| held.octets + held.segments.len() * size_of::<Held<Box<[u8]>>>())
    }

    /// Keeps a copy of the segment, or does not: `None` when that would pass the bounds.
    pub(super) fn insert(&mut self, segment: Held<&[u8]>, max_octets: usize) -> Option<()> {
        self.0.get_or_insert_default().insert(segment, max_octets)
    }

    /// Takes the first segment out when it begins at or before `next`.
    pub(super) fn take_at_or_before(&mut self, next: SeqNum) -> Option<Held<Box<[u8]>>> {
        self.0.as_ref()?.segments.front().filter(|held| held.seq.at_or_before(next))?;
        self.take_first()
    }

    /// Takes the first segment out.
    pub(super) fn take_first(&mut self) -> Option<Held<Box<[u8]>>> {
        let held = self.0.as_mut()?;
        let first = held.segments.pop_front()?;
        held.octets -= first.payload.len();
        Some(first)
    }
}

impl Segments {
    fn insert(&mut self, segment: Held<&[u8]>, max_octets: usize) -> Option<()> {
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
}
