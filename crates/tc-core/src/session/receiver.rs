//! The receiving side: what the target has said, by its headers.

use super::ranges::SeqRanges;
use tc_proto::{Flags, Segment, SeqNum};

/// What the text of an acceptable segment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// It has none.
    None,
    /// It is the next, and perhaps closed a gap.
    InOrder,
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
            ts_recent: syn_ack.options.timestamps.map_or(0, |stamps| stamps.value),
        }
    }

    /// Whether the target has sent its FIN and everything before it.
    pub(crate) fn is_closed(&self) -> bool {
        self.fin.is_some_and(|fin| self.nxt.after(fin))
    }

    /// Octets of sequence space that no acknowledgment was sent for.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.nxt.octets_since(self.acked)
    }

    /// Whether nothing of the segment is new (RFC 9293, section 3.4): it lies before RCV.NXT.
    pub(crate) fn is_old(&self, segment: &Segment) -> bool {
        segment.seq.before(self.nxt) && segment.end().at_or_before(self.nxt)
    }

    /// Takes the text and FIN of a segment that is not old.
    pub(crate) fn on_text(&mut self, segment: &Segment) -> Text {
        self.update_ts_recent(segment);
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
        self.nxt = segment.end();
        if let Some(end) = self.ahead.end_of_range_at(self.nxt) {
            self.nxt = end;
        }
        self.ahead.remove_before(self.nxt);
        Text::InOrder
    }

    /// RFC 7323, section 4.3 (2).
    fn update_ts_recent(&mut self, segment: &Segment) {
        if let Some(stamps) = segment.options.timestamps
            && segment.seq.at_or_before(self.acked)
        {
            self.ts_recent = stamps.value;
        }
    }
}
