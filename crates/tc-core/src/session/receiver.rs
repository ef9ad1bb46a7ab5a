//! The receiving side: what the target has said, by its headers.

use super::ranges::SeqRanges;
use tc_proto::{Flags, Segment, SeqNum};

/// A segment that is smaller than the default (RFC 9293, section 3.7.1) is not full, unless our SYN named less.
const LEAST_FULL: usize = 536;

/// What the text of an acceptable segment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// It has none.
    None,
    /// It is the next.
    InOrder,
    /// It is the next, and closes a gap or repeats what came before it.
    Filling,
    /// Something before it is missing.
    Ahead,
}

/// RCV variables of RFC 9293. Nothing is buffered: the octets stay on the test host, so the window never closes.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) nxt: SeqNum,
    /// What the last segment that we sent acknowledged.
    pub(crate) acked: SeqNum,
    ahead: SeqRanges,
    fin: Option<SeqNum>,
    /// The largest payload of a segment so far.
    largest: usize,
    /// TS.Recent of RFC 7323, section 4.3.
    pub(crate) ts_recent: u32,
}

impl Receiver {
    /// The receiver behind a SYN-ACK.
    pub(crate) fn new(syn_ack: &Segment) -> Self {
        let nxt = syn_ack.seq + 1;
        Self {
            nxt,
            acked: syn_ack.seq,
            ahead: SeqRanges::default(),
            fin: None,
            largest: 0,
            ts_recent: syn_ack.options.timestamps.map_or(0, |stamps| stamps.value),
        }
    }

    /// Whether something was received that has a gap before it.
    pub(crate) fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Whether the target has sent its FIN and everything before it.
    pub(crate) fn is_closed(&self) -> bool {
        self.fin.is_some_and(|fin| self.nxt.after(fin))
    }

    /// Octets of sequence space that no acknowledgment was sent for.
    fn unacknowledged(&self) -> usize {
        self.nxt.octets_since(self.acked)
    }

    /// Whether two full segments were not acknowledged (RFC 5681, section 4.2). Full is the largest that came, no
    /// more than `named`, the size that our SYN named.
    pub(crate) fn owes_acknowledgment(&self, named: usize) -> bool {
        self.unacknowledged() >= 2 * self.largest.max(LEAST_FULL).min(named)
    }

    /// Whether nothing of the segment is new (RFC 9293, section 3.4): it lies before RCV.NXT.
    pub(crate) fn is_old(&self, segment: &Segment) -> bool {
        segment.seq.before(self.nxt) && segment.end().at_or_before(self.nxt)
    }

    /// Takes the text and FIN of a segment that is not old.
    pub(crate) fn on_text(&mut self, segment: &Segment) -> Text {
        self.update_ts_recent(segment);
        self.largest = self.largest.max(segment.payload_len);
        if segment.sequence_len() == 0 {
            return if segment.seq.after(self.nxt) { Text::Ahead } else { Text::None };
        }
        if segment.flags.contains(Flags::FIN) {
            self.fin = Some(segment.end() - 1);
        }
        if segment.seq.after(self.nxt) {
            self.ahead.insert(segment.seq, segment.end());
            return Text::Ahead;
        }
        let filling = !self.ahead.is_empty() || segment.seq.before(self.nxt);
        self.nxt = segment.end();
        if let Some(end) = self.ahead.end_of_range_at(self.nxt) {
            self.nxt = end;
        }
        self.ahead.remove_before(self.nxt);
        if filling { Text::Filling } else { Text::InOrder }
    }

    /// RFC 7323, section 4.3 (2).
    fn update_ts_recent(&mut self, segment: &Segment) {
        if let Some(stamps) = segment.options.timestamps
            && segment.seq.at_or_before(self.acked)
            && stamps.value.wrapping_sub(self.ts_recent).cast_signed() > 0
        {
            self.ts_recent = stamps.value;
        }
    }
}
