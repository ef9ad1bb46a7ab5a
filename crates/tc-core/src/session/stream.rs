//! The captured side: what the client sent, put in order.

use super::captured::{Captured, End, EndKind, Offered, OnlineAck, Turn};
use super::held::{Held, HeldSegments};
use super::storage::{Storage, StoragePool};
use tc_proto::{Flags, PacketRef, SeqNum};

/// A captured segment further ahead than this is junk: no window reaches there (RFC 7323, section 2.3 allows
/// 2^30, no Linux host by default more than 2^24).
const MAX_AHEAD: usize = 1 << 24;
/// Octets that may wait behind a hole.
const MAX_HELD_OCTETS: usize = 8 << 20;

/// Where the stream stands towards the client's connection.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Each octet is followed.
    Following,
    /// The beginning of a request is looked for: data right behind the data before it, whose acknowledgment is later
    /// than that of the data before. The last data's acknowledgment and end, once there was any.
    Seeking(Option<(OnlineAck, SeqNum)>),
}

/// The client's stream: octets that the target has not acknowledged yet or that were not sent yet, the segments
/// they came in, and what waits behind a hole.
#[derive(Debug)]
pub(crate) struct ClientStream {
    mode: Mode,
    storage: Storage,
    /// The sequence number of the first octet kept.
    base: SeqNum,
    /// The sequence number expected next from the client.
    next: SeqNum,
    held: HeldSegments,
    /// The acknowledgment of the last data, before any data that of the first packet.
    ack: Option<OnlineAck>,
    /// The turn of the last data, once there was any.
    turn: Option<Turn>,
    end: Option<End>,
    /// Requests that began.
    begun: u64,
    /// Segments that were appended since this was last asked.
    fresh: usize,
    /// The turn of the last request that was given up.
    given_up: Option<Turn>,
}

impl ClientStream {
    /// The stream behind a captured SYN.
    pub(crate) fn following(first: SeqNum) -> Self {
        Self {
            mode: Mode::Following,
            storage: Storage::default(),
            base: first,
            next: first,
            held: HeldSegments::default(),
            ack: None,
            turn: None,
            end: None,
            begun: 0,
            fresh: 0,
            given_up: None,
        }
    }

    /// The stream of a connection that was open already.
    pub(crate) fn seeking() -> Self {
        Self { mode: Mode::Seeking(None), ..Self::following(SeqNum::default()) }
    }

    /// The first octet kept.
    pub(crate) const fn base(&self) -> SeqNum {
        self.base
    }

    /// The end of what is in order.
    pub(crate) const fn next(&self) -> SeqNum {
        self.next
    }

    /// How the client ended its side, once all its data is in order.
    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    /// The turn that ends the stream: that of the last data, or the next when the client had an answer to it.
    pub(crate) fn end_turn(&self, end: End) -> Turn {
        self.turn.unwrap_or(0) + Turn::from(end.answered)
    }

    /// The turn of the last data.
    pub(crate) const fn last_turn(&self) -> Option<Turn> {
        self.turn
    }

    /// Whether the place in the client's stream is known, and the client may go on.
    pub(crate) const fn is_following(&self) -> bool {
        matches!(self.mode, Mode::Following) && self.end.is_none()
    }

    /// Whether data waits behind a hole.
    pub(crate) fn has_hole(&self) -> bool {
        !self.held.is_empty()
    }

    /// Octets of memory in use for data.
    pub(crate) fn memory(&self) -> usize {
        self.storage.memory() + self.held.memory()
    }

    /// Takes what a captured packet says.
    pub(crate) fn offer(&mut self, packet: &PacketRef<'_>) -> Offered {
        let segment = packet.segment();
        let held = Held {
            seq: segment.seq + usize::from(segment.flags.contains(Flags::SYN)),
            ack: OnlineAck::new(segment.ack),
            flags: segment.flags,
            urgent: segment.urgent,
            payload: packet.payload(),
        };
        self.offer_held(held)
    }

    fn offer_held(&mut self, segment: Held<&[u8]>) -> Offered {
        match self.mode {
            Mode::Following => self.follow(segment),
            Mode::Seeking(last) => self.seek(segment, last),
        }
    }

    fn seek(&mut self, segment: Held<&[u8]>, last: Option<(OnlineAck, SeqNum)>) -> Offered {
        if segment.ends() && segment.payload.is_empty() {
            self.end = Some(End { kind: segment.end_kind(), answered: false });
            return Offered::End;
        }
        if segment.payload.is_empty() {
            return Offered::Ack;
        }
        if self.end.is_some() {
            return Offered::OutOfWindow;
        }
        let offered = self.seek_data(segment, last);
        while let Mode::Seeking(Some(last)) = self.mode
            && let Some(held) = self.held.take_at_or_before(last.1)
        {
            self.seek_data(held.borrowed(), Some(last));
        }
        offered
    }

    fn seek_data(&mut self, segment: Held<&[u8]>, last: Option<(OnlineAck, SeqNum)>) -> Offered {
        let Some((ack, end)) = last else { return self.pass_over(segment) };
        let ahead = segment.seq.distance_from(end);
        if ahead.unsigned_abs() as usize > MAX_AHEAD {
            self.held = HeldSegments::default();
            return self.pass_over(segment);
        }
        // What is missing before it may have been the beginning.
        if ahead > 0 {
            return self.hold(segment);
        }
        if ahead == 0 && segment.ack.is_after(ack) {
            let held = std::mem::take(&mut self.held);
            *self = Self { ack: Some(segment.ack), held, ..Self::following(segment.seq) };
            return self.follow(segment);
        }
        if segment.end().after(end) { self.pass_over(segment) } else { Offered::NotJoined }
    }

    /// The next request begins behind this data.
    fn pass_over(&mut self, segment: Held<&[u8]>) -> Offered {
        self.mode = Mode::Seeking(Some((segment.ack, segment.end())));
        Offered::NotJoined
    }

    fn follow(&mut self, segment: Held<&[u8]>) -> Offered {
        if segment.flags.contains(Flags::ACK) {
            self.ack.get_or_insert(segment.ack);
        }
        let ahead = segment.seq.distance_from(self.next);
        if segment.payload.is_empty() && !segment.ends() {
            return Offered::Ack;
        }
        if segment.flags.contains(Flags::RST) {
            return self.reset(&segment, ahead);
        }
        if ahead.unsigned_abs() as usize > MAX_AHEAD || self.is_behind_end(&segment) {
            return Offered::OutOfWindow;
        }
        if ahead > 0 {
            return self.hold(segment);
        }
        if segment.end().at_or_before(self.next) && !(segment.ends() && self.end.is_none()) {
            return Offered::Retransmission;
        }
        let offered = self.append(segment);
        self.fill_from_held();
        offered
    }

    /// A RST counts within the window only: at the next octet, or once what is missing before it came or was given up. One
    /// that acknowledges nothing answers data that came too late: the client had been answered then.
    fn reset(&mut self, segment: &Held<&[u8]>, ahead: i32) -> Offered {
        let in_window = (0..=MAX_AHEAD).contains(&usize::try_from(ahead).unwrap_or(usize::MAX));
        if !in_window || self.end.is_some_and(|end| end.kind == EndKind::Reset) {
            return Offered::OutOfWindow;
        }
        // It may have overtaken data.
        if ahead > 0 && self.end.is_none() {
            return self.hold(*segment);
        }
        let answered = if segment.flags.contains(Flags::ACK) {
            self.ack.is_some_and(|last| segment.ack.is_after(last))
        } else {
            self.turn.is_some()
        };
        let answered = answered || self.end.is_some_and(|end| end.answered);
        self.finish(EndKind::Reset, answered);
        Offered::End
    }

    fn is_behind_end(&self, segment: &Held<&[u8]>) -> bool {
        self.end.is_some_and(|end| end.kind == EndKind::Reset)
            || (self.end.is_some() && (segment.seq + segment.payload.len()).after(self.next))
    }

    fn hold(&mut self, segment: Held<&[u8]>) -> Offered {
        match self.held.insert(segment, MAX_HELD_OCTETS) {
            Some(()) => Offered::Held,
            None => Offered::Overflow,
        }
    }

    fn fill_from_held(&mut self) {
        while let Some(held) = self.held.take_at_or_before(self.next) {
            if held.flags.contains(Flags::RST) {
                self.reset(&held.borrowed(), 0);
            } else if held.end().after(self.next) || held.ends() {
                self.append(held.borrowed());
            }
        }
    }

    /// Appends a segment that begins at or before `next`, without what is known of it already.
    fn append(&mut self, segment: Held<&[u8]>) -> Offered {
        let known = self.next.octets_since(segment.seq);
        let fresh = segment.payload.get(known..).unwrap_or_default();
        if !fresh.is_empty() {
            let heard = self.ack.map_or(0, |last| segment.ack.octets_since(last));
            let (turn, begins) = self.take_turn(segment.ack);
            let Held { flags, urgent, ack, .. } = segment;
            let urgent_end = flags.contains(Flags::URG).then(|| segment.seq + usize::from(urgent));
            let (seq, len) = (self.next, fresh.len());
            self.storage.segments.push_back(Captured { seq, len, flags, urgent_end, turn, ack, heard, begins });
            self.begun += u64::from(begins);
            self.fresh += 1;
            self.storage.octets.extend(fresh);
            self.next += fresh.len();
        }
        if segment.ends() && self.end.is_none() {
            let answered = self.ack.is_some_and(|last| segment.ack.is_after(last));
            self.finish(segment.end_kind(), answered);
        }
        if fresh.is_empty() { Offered::End } else { Offered::Data }
    }

    /// The turn of data with this acknowledgment, and whether that begins a request.
    fn take_turn(&mut self, ack: OnlineAck) -> (Turn, bool) {
        let before = self.turn;
        let advanced = self.ack.is_some_and(|last| ack.is_after(last));
        if advanced {
            self.ack = Some(ack);
        }
        let turn = before.unwrap_or(0) + Turn::from(advanced);
        self.turn = Some(turn);
        (turn, before != Some(turn))
    }

    /// Ends the stream where it stands. What waits behind a hole is lost.
    pub(crate) fn finish(&mut self, kind: EndKind, answered: bool) {
        self.held = HeldSegments::default();
        self.end = Some(End { kind, answered });
    }

    /// Gives up the hole and goes on at the first request that begins behind it. All data before that is lost:
    /// the first segment behind a hole may be the middle of a request.
    pub(crate) fn skip_hole(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        *self = Self::seeking();
        while let Some(segment) = held.take_first() {
            self.offer_held(segment.borrowed());
        }
    }

    /// Goes on at the first request that begins at or behind `from`, and gives up the data before it. The number
    /// of requests that lose data by that.
    pub(crate) fn skip_to_request(&mut self, from: SeqNum) -> u64 {
        let begins = |segment: &Captured| segment.begins && segment.seq.at_or_after(from);
        let segments = &self.storage.segments;
        let index = segments.iter().position(begins).unwrap_or(segments.len());
        let begin = segments.get(index).map_or(self.next, |segment| segment.seq);
        let turns: Vec<_> = segments.range(..index).map(|segment| segment.turn).collect();
        self.discard_to(begin);
        turns.into_iter().map(|turn| self.give_up(turn)).sum()
    }

    /// Gives up the request of a turn: 1, or 0 if it was given up before and this is the rest of it.
    pub(crate) fn give_up(&mut self, turn: Turn) -> u64 {
        u64::from(self.given_up.replace(turn) != Some(turn))
    }

    /// The turn of the first segment kept.
    pub(crate) fn first_turn(&self) -> Option<Turn> {
        self.storage.segments.front().map(|segment| segment.turn)
    }

    /// How many segments were appended since this was last asked.
    pub(crate) fn take_fresh(&mut self) -> usize {
        std::mem::take(&mut self.fresh)
    }

    /// The latest segments, so many.
    pub(crate) fn latest_segments(&self, count: usize) -> impl Iterator<Item = &Captured> {
        let segments = &self.storage.segments;
        segments.range(segments.len().saturating_sub(count)..)
    }

    /// Requests that began since this was last asked.
    pub(crate) fn take_begun(&mut self) -> u64 {
        std::mem::take(&mut self.begun)
    }

    /// Lets go of the octets before `seq`.
    pub(crate) fn discard_to(&mut self, seq: SeqNum) {
        let count = seq.octets_since(self.base).min(self.storage.octets.len());
        self.base += count;
        if count > 0 {
            self.storage.discard(count, self.base);
        }
    }

    /// Gets memory for data that comes, if it has none.
    pub(crate) fn take_storage(&mut self, pool: &mut StoragePool) {
        if self.storage.memory() == 0 {
            self.storage = pool.take();
        }
    }

    /// Keeps no memory for data when there is no data.
    pub(crate) fn give_back_storage(&mut self, pool: &mut StoragePool) {
        if self.storage.octets.is_empty() && self.storage.memory() > 0 {
            pool.give_back(std::mem::take(&mut self.storage));
        }
    }

    /// The segment that holds the octet at `seq`.
    pub(crate) fn segment_at(&self, seq: SeqNum) -> Option<&Captured> {
        self.storage.segment_at(seq)
    }

    /// `len` octets from `seq` on, in the two parts of the ring that holds them. Fewer when the stream ends before.
    pub(crate) fn octets_at(&self, seq: SeqNum, len: usize) -> [&[u8]; 2] {
        self.storage.octets_at(seq.octets_since(self.base), len)
    }
}

#[cfg(test)]
mod tests;
