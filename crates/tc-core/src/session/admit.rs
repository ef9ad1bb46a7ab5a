//! What may be sent next.

use super::Synchronized;
use super::captured::{Captured, End, EndKind, Turn};
use super::stream::ClientStream;
use crate::{Pace, Waiting};
use std::time::{Duration, Instant};

/// Before the client's end is replayed, the target must have been silent for so long: the end shall not cut an
/// answer that the client had received whole.
const QUIET: Duration = Duration::from_millis(20);

/// An answer that the target pushed is taken for whole when it is shorter than the online server's by no more than this:
/// headers differ a little from one server to the next.
const SLACK: usize = 256;
/// What is shorter by more is taken for whole after so much silence.
const REST: Duration = Duration::from_millis(50);

/// What the next captured octets wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The target has not begun to answer what was before; requests of this turn may not go yet.
    Answer(Turn),
    /// The target's window is full.
    Window,
    /// The congestion window is full.
    CongestionWindow,
    /// The target has not acknowledged everything that comes before the end.
    Delivery,
    /// The target was heard of a moment ago.
    Quiet(Instant),
}

impl Wait {
    /// The same for statistics.
    pub(super) const fn reason(self) -> Waiting {
        match self {
            Self::Answer(_) => Waiting::Answer,
            Self::Window => Waiting::Window,
            Self::CongestionWindow => Waiting::CongestionWindow,
            Self::Delivery => Waiting::Delivery,
            Self::Quiet(_) => Waiting::Quiet,
        }
    }
}

/// What may be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// So many octets of the stream.
    Data(usize),
    /// The client's FIN.
    Fin,
    /// The client's RST.
    Reset,
    /// Nothing yet.
    Wait(Wait),
    /// Nothing is there.
    Nothing,
}

impl Synchronized {
    /// What may be sent next.
    pub(super) fn admit(&self, now: Instant, pace: Pace, stream: &ClientStream) -> Admission {
        match (stream.segment_at(self.snd.nxt), stream.end()) {
            (Some(segment), _) => self.admit_data(now, pace, segment),
            (None, Some(end)) => self.admit_end(now, stream, end),
            (None, None) => Admission::Nothing,
        }
    }

    fn admit_data(&self, now: Instant, pace: Pace, segment: &Captured) -> Admission {
        if segment.turn > self.answered && pace != Pace::Unanswered {
            return Admission::Wait(Wait::Answer(segment.turn));
        }
        let rest = self.active + REST;
        if pace == Pace::Heard && self.is_amid_answer_before(segment) && now < rest {
            return Admission::Wait(Wait::Quiet(rest));
        }
        // A target that has closed takes no new request; what is on its way tells what it took.
        if self.rcv.is_closed() && segment.begins && segment.seq == self.snd.nxt {
            return Admission::Wait(Wait::Delivery);
        }
        let len = segment.end().octets_since(self.snd.nxt).min(self.snd.mss);
        let window = self.snd.usable_window();
        if window < len {
            return self.admit_beyond_window(window);
        }
        if self.snd.usable_congestion_window() < len {
            return Admission::Wait(Wait::CongestionWindow);
        }
        Admission::Data(len)
    }

    /// Whether a request begins here whose client had heard more than the target has said.
    fn is_amid_answer_before(&self, segment: &Captured) -> bool {
        let begins = segment.begins && segment.seq == self.snd.nxt;
        let slack = if self.said.pushed { SLACK } else { 0 };
        begins && self.sent_turn.is_some() && self.said.octets + slack < segment.heard
    }

    /// RFC 9293, section 3.8.6.2.1: little is sent only when nothing else would move the window; 3.8.6.1: one
    /// octet probes a closed one.
    fn admit_beyond_window(&self, window: usize) -> Admission {
        if self.probe {
            Admission::Data(1)
        } else if self.snd.flight() == 0 && window > 0 {
            Admission::Data(window)
        } else {
            Admission::Wait(Wait::Window)
        }
    }

    fn admit_end(&self, now: Instant, stream: &ClientStream, end: End) -> Admission {
        let fin_sent = self.snd.nxt.after(stream.next());
        if fin_sent && end.kind == EndKind::Fin {
            return Admission::Nothing;
        }
        let turn = stream.end_turn(end);
        if turn > self.answered && !self.rcv.is_closed() {
            return Admission::Wait(Wait::Answer(turn));
        }
        if self.snd.flight() > 0 && !fin_sent {
            return Admission::Wait(Wait::Delivery);
        }
        let quiet = self.active + QUIET;
        if now < quiet && !self.rcv.is_closed() {
            return Admission::Wait(Wait::Quiet(quiet));
        }
        match end.kind {
            EndKind::Fin => Admission::Fin,
            EndKind::Reset => Admission::Reset,
        }
    }
}
