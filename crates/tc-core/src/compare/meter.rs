//! The exchanges of one session that go on.

use super::side::Side;
use super::{Detail, Exchange, Failure, RequestLine};
use crate::CloseReason;
use crate::micros::Micros;
use smallvec::SmallVec;
use std::time::{Duration, Instant};
use tc_proto::{Flags, Segment, SeqNum};

/// The request that was sent last, and the one before, whose answer is over when the next one's begins.
const USUALLY_OPEN: usize = 2;
/// Octets of a request's method and path where they are kept, more or less.
const USUAL_LINE: usize = 128;
/// A request that is younger than this when the comparison ends may still be answered.
const YOUNG: Duration = Duration::from_secs(1);

/// An acknowledgment that takes this long may have been delayed (RFC 9293, section 3.8.6.3; Linux delays by 40 ms).
const SHORTEST_DELAY: Duration = Duration::from_millis(30);

/// New octets of a client's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestPart<'a> {
    /// When they were captured.
    pub(crate) at: Instant,
    /// When the replay got them.
    pub(crate) now: Instant,
    pub(crate) seq: SeqNum,
    pub(crate) octets: &'a [u8],
    /// For the beginning of a request: how far the client had heard the online server.
    pub(crate) begins: Option<SeqNum>,
}

/// New octets of the target's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetPart<'a> {
    /// When they were seen.
    pub(crate) at: Instant,
    /// What their segment acknowledges.
    pub(crate) ack: SeqNum,
    pub(crate) octets: usize,
    /// The first of them, as far as they are known.
    pub(crate) head: &'a [u8],
}

/// An exchange that goes on, or is over and was not taken yet.
#[derive(Debug)]
struct Open {
    /// The request in the client's sequence space.
    begin: SeqNum,
    end: SeqNum,
    /// Where the answer begins in the online server's.
    answer_begin: SeqNum,
    /// The end of what was sent to the target.
    sent: SeqNum,
    handed: Instant,
    waited: Option<Micros>,
    resent: bool,
    online: Side,
    target: Side,
    line: Option<RequestLine>,
}

impl Open {
    /// It is over. Its answer ended there in the online server's sequence space, and what is unanswered stays so.
    fn end(&mut self, answer_end: Option<SeqNum>, otherwise: Failure) {
        self.online.end(answer_end.map_or(0, |end| end.octets_since(self.answer_begin)));
        self.online.fail(otherwise);
        let sent = self.target.is_asked() || otherwise == Failure::InFlight;
        self.target.fail(if sent { otherwise } else { Failure::NotSent });
    }

    fn exchange(&mut self) -> Exchange {
        Exchange {
            handed: self.handed,
            line: self.line.take(),
            online: self.online.outcome(),
            target: self.target.outcome(),
            waited: self.waited.map(Duration::from),
            resent: self.resent,
        }
    }
}

/// The exchanges of one session: each begins with a request's first octets and is over when the target answers the next.
///
/// An answer of the online server begins where the client had heard it when it sent the request, or, when the server
/// had said more by then, behind that: what was said before a request is no answer to it. An answer of the target belongs
/// to the latest request of which its segment acknowledges something.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// What is kept of request lines.
    detail: Detail,
    open: SmallVec<[Open; USUALLY_OPEN]>,
    /// How many of them are over: the first.
    over: usize,
    /// How many of those were taken.
    taken: usize,
    /// The end of what the online server has said.
    online_next: Option<SeqNum>,
    online_refused: bool,
    /// Whether something of the online server is to be seen before an answer, its SYN-ACK, and was not.
    online_unseen: bool,
    handshake: Option<Micros>,
    /// Of the latest answer of which something is ahead of a gap: when it was seen, and what it acknowledges.
    ahead: Option<Box<(Instant, SeqNum)>>,
    /// What the target's last segment without payload acknowledged.
    acknowledged: Option<SeqNum>,
}

impl Meter {
    /// Of a connection whose beginning was captured, or of one that was open already.
    pub(crate) fn new(captured_from_syn: bool, detail: Detail) -> Self {
        Self { detail, online_unseen: captured_from_syn, ..Self::default() }
    }

    /// Octets of memory in use, with what is kept of each request.
    pub(crate) fn memory(&self) -> usize {
        let more = if self.open.spilled() { self.open.capacity() * size_of::<Open>() } else { 0 };
        let line = if self.detail == Detail::Paths { USUAL_LINE } else { 0 };
        size_of::<Self>() + more + self.open.len() * line
    }

    /// Those that go on.
    fn going_on(&mut self) -> &mut [Open] {
        self.open.get_mut(self.over..).unwrap_or_default()
    }

    /// Takes new octets of the client, each once and in order.
    pub(crate) fn on_captured(&mut self, part: RequestPart<'_>) {
        if let Some(heard) = part.begins {
            self.begin(part, heard);
        }
        let Some(last) = self.going_on().last_mut() else { return };
        if last.end == part.seq {
            last.end += part.octets.len();
            last.handed = part.now;
            last.online.ask(part.at);
        }
    }

    fn begin(&mut self, part: RequestPart<'_>, heard: SeqNum) {
        self.forget_taken();
        let line = RequestLine::parse(part.octets, self.detail);
        // The rest of a request that was answered in between (100 Continue) belongs to its route.
        let line = line.or_else(|| self.going_on().last().and_then(|before| before.line.clone()));
        self.open.push(Open {
            begin: part.seq,
            end: part.seq,
            answer_begin: self.online_next.map_or(heard, |next| next.latest(heard)),
            sent: part.seq,
            handed: part.now,
            waited: None,
            resent: false,
            online: Side::default(),
            target: Side::default(),
            line,
        });
    }

    /// Takes a segment that the online server sent; `octets` are those of its payload that were captured.
    pub(crate) fn on_online(&mut self, at: Instant, segment: &Segment, octets: &[u8]) {
        self.online_unseen = false;
        if segment.flags.contains(Flags::RST) {
            self.online_refused |= self.online_next.is_none() && self.going_on().is_empty();
            self.going_on().iter_mut().for_each(|open| open.online.fail(Failure::Reset));
            return;
        }
        if segment.flags.contains(Flags::SYN) {
            let begin = segment.seq + 1;
            if self.online_next.replace(begin).is_none() {
                // Requests in a SYN (TCP Fast Open) acknowledged nothing.
                self.going_on().iter_mut().for_each(|open| open.answer_begin = begin);
            }
            return;
        }
        let end = segment.seq + segment.payload_len;
        let next = *self.online_next.get_or_insert(segment.seq);
        if end.after(next) {
            self.online_next = Some(end);
            let start = segment.seq.latest(next);
            let known = start.octets_since(segment.seq);
            if let Some(open) = self.latest(|open| open.answer_begin.at_or_before(start)) {
                open.online.answer(at, end.octets_since(start), octets.get(known..).unwrap_or_default());
            }
        }
        if segment.flags.contains(Flags::FIN) {
            self.going_on().iter_mut().for_each(|open| open.online.fail(Failure::Unanswered));
        }
    }

    /// The target has answered the SYN.
    pub(crate) fn on_handshake(&mut self, time: Duration) {
        self.handshake = Some(time.into());
    }

    /// Octets of the client went to the target.
    pub(crate) fn on_sent(&mut self, now: Instant, seq: SeqNum, octets: usize) {
        let Some(open) = self.latest(|open| open.begin.at_or_before(seq)) else { return };
        open.resent |= seq.before(open.sent);
        open.sent = open.sent.latest(seq + octets);
        open.target.ask(now);
        if open.sent == open.end {
            open.waited = Some(now.saturating_duration_since(open.handed).into());
        }
    }

    /// The target acknowledges octets of the client, and says nothing. Its kernel does that by itself when it does not wait
    /// for the application: an acknowledgment of a whole request is as good as one of a SYN, unless it was delayed.
    pub(crate) fn on_acknowledged(&mut self, at: Instant, ack: SeqNum) {
        let before = self.acknowledged.replace(ack);
        let Some(open) = self.latest(|open| open.target.is_asked()) else { return };
        let whole = ack == open.sent && open.sent == open.end && !open.resent && !open.target.is_answered();
        if let Some(asked) = open.target.asked().filter(|_| whole && before != Some(ack)) {
            let time = at.saturating_duration_since(asked);
            self.handshake = (time < SHORTEST_DELAY).then(|| time.into()).or(self.handshake);
        }
    }

    /// Octets went to the target once more.
    pub(crate) fn on_resent(&mut self, seq: SeqNum) {
        if let Some(open) = self.latest(|open| open.begin.at_or_before(seq)) {
            open.resent = true;
        }
    }

    /// Takes new octets of the target, each once and in order.
    pub(crate) fn on_target(&mut self, part: TargetPart<'_>) {
        let answers = |open: &Open| open.target.is_asked() && part.ack.after(open.begin);
        let Some(before) = self.going_on().partition_point(answers).checked_sub(1) else { return };
        for _ in 0..before {
            self.end_first(Failure::Unanswered);
        }
        if let Some(open) = self.going_on().first_mut() {
            open.target.answer(part.at, part.octets, part.head);
        }
    }

    /// Takes octets of the target that are ahead of a gap.
    pub(crate) fn on_target_ahead(&mut self, at: Instant, ack: SeqNum) {
        if self.ahead.as_ref().is_none_or(|ahead| ack.after(ahead.1)) {
            self.ahead = Some(Box::new((at, ack)));
        }
    }

    /// Takes octets of the target that were ahead of a gap: all count for the latest answer of which some were. The gap was
    /// filled `at` some moment by a segment that acknowledges `ack`.
    pub(crate) fn on_target_filled(&mut self, at: Instant, ack: SeqNum, octets: usize) {
        let (at, ack) = self.ahead.take().map_or((at, ack), |ahead| *ahead);
        self.on_target(TargetPart { at, ack, octets, head: &[] });
    }

    /// Nothing of the target is ahead of a gap.
    pub(crate) fn on_no_gap(&mut self) {
        self.ahead = None;
    }

    /// The connection to the target is over. Requests from `kept` on may go over another one.
    pub(crate) fn on_target_lost(&mut self, reason: CloseReason, kept: SeqNum) {
        self.ahead = None;
        for open in self.going_on().iter_mut().filter(|open| open.begin.before(kept)) {
            if let Some(failure) = failure_of(reason) {
                open.target.fail(failure);
            }
        }
    }

    /// Everything is over: the client's stream ends here, or begins anew elsewhere.
    pub(crate) fn end_all(&mut self) {
        while self.over < self.open.len() {
            self.end_first(Failure::Unanswered);
        }
    }

    /// The comparison ends: what may still be answered is in flight.
    pub(crate) fn end_at(&mut self, now: Instant) {
        while let Some(open) = self.going_on().first() {
            let since = open.target.asked().unwrap_or(open.handed);
            let young = now.saturating_duration_since(since) < YOUNG;
            self.end_first(if young { Failure::InFlight } else { Failure::Unanswered });
        }
    }

    /// The latest exchange that is so far; all before it are.
    fn latest(&mut self, is_so_far: impl Fn(&Open) -> bool) -> Option<&mut Open> {
        let open = self.going_on();
        // Usually the last is, and the others are in no cache.
        let index =
            if open.last().is_some_and(&is_so_far) { open.len() } else { open.partition_point(is_so_far) };
        open.get_mut(index.checked_sub(1)?)
    }

    fn end_first(&mut self, otherwise: Failure) {
        let next = self.open.get(self.over + 1);
        let answer_end = next.map(|next| next.answer_begin).or(self.online_next);
        if let Some(open) = self.open.get_mut(self.over) {
            open.end(answer_end, otherwise);
            self.over += 1;
        }
    }

    /// What is over since this was last asked; none for a request whose answer was not captured.
    pub(crate) fn take_over(&mut self) -> impl Iterator<Item = Option<Exchange>> {
        // The capture does not see this server, or the client has an answer that it did not see.
        let unseen = self.online_unseen;
        let fresh = std::mem::replace(&mut self.taken, self.over)..self.over;
        let over = self.open.get_mut(fresh).unwrap_or_default();
        over.iter_mut().map(move |open| (!unseen && !open.online.is_missed()).then(|| open.exchange()))
    }

    /// Makes room of what was taken, once it is half of all: so that each request moves one other at most.
    fn forget_taken(&mut self) {
        if self.taken * 2 >= self.open.len() {
            self.open.drain(..self.taken);
            self.over -= self.taken;
            self.taken = 0;
        }
    }

    /// Whether something is over.
    pub(crate) fn has_news(&self) -> bool {
        self.over > self.taken || self.handshake.is_some()
    }

    /// How long the target took to answer the latest SYN.
    pub(crate) fn take_handshake(&mut self) -> Option<Duration> {
        self.handshake.take().map(Duration::from)
    }

    /// Whether the online server refused the connection; asked once.
    pub(crate) fn take_online_refused(&mut self) -> bool {
        std::mem::take(&mut self.online_refused)
    }
}

/// What the end of a connection means for a request without an answer; none if it was not the target's doing.
fn failure_of(reason: CloseReason) -> Option<Failure> {
    match reason {
        CloseReason::Refused => Some(Failure::Refused),
        CloseReason::TargetReset => Some(Failure::Reset),
        CloseReason::TargetClosed | CloseReason::TimedOut => Some(Failure::Unanswered),
        CloseReason::Finished
        | CloseReason::ClientReset
        | CloseReason::Hole
        | CloseReason::Overflow
        | CloseReason::Idle
        | CloseReason::Shed => None,
    }
}
