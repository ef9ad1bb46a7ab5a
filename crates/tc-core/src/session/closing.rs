//! The end of a connection to the target, and of the session.

use super::captured::{EndKind, Turn};
use super::{Context, LINGER, Reset, Session, State};
use crate::CloseReason;
use crate::timer::Timer;

impl Session {
    /// The connection to the target is over, the client goes on. Requests that the target did not take go over
    /// another connection, once; a request of which it took a part is given up.
    pub(super) fn lose_target(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        if reason == CloseReason::TargetClosed {
            self.reset = self.reset_of_open_connection();
        }
        cx.counters.sessions.count_closed(reason);
        if let Some(turn) = self.unanswered_turn() {
            cx.counters.requests.given_up += self.stream.give_up(turn);
        }
        self.state = State::Idle;
        for timer in [Timer::Retransmit, Timer::DelayedAck, Timer::Admission] {
            self.timers.stop(timer);
        }
        let absent = matches!(reason, CloseReason::Refused | CloseReason::TimedOut);
        let tried = self.retried == Some(self.stream.base());
        let from = if absent { self.stream.next() } else { self.stream.base() + usize::from(tried) };
        cx.counters.requests.given_up += self.stream.skip_to_request(from);
        if let Some(meter) = &mut self.meter {
            meter.on_target_lost(reason, self.stream.base());
        }
        self.wants_flow = self.stream.first_turn().is_some();
        self.retried = self.wants_flow.then_some(self.stream.base());
        if self.stream.end().is_some() {
            self.on_client_end(cx);
        }
    }

    /// The turn of the latest request, if the target took some of it and has not begun to answer.
    fn unanswered_turn(&self) -> Option<Turn> {
        let State::Synchronized(sync) = &self.state else { return None };
        let (turn, begin) = sync.sent_turn?;
        (sync.answered <= turn && begin.before(self.stream.base())).then_some(turn)
    }

    pub(super) fn reset_of_open_connection(&self) -> Option<Reset> {
        match &self.state {
            State::Synchronized(sync) => Some(Reset { seq: sync.snd.nxt, ack: Some(sync.rcv.nxt) }),
            State::Idle | State::Routing | State::SynSent(_) | State::Lingering { .. } | State::Closed => None,
        }
    }

    /// Ends the session, for client and target.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        if self.is_live() {
            cx.counters.sessions.count_closed(reason);
            if reason != CloseReason::ClientReset {
                self.reset = self.reset_of_open_connection();
            }
        }
        self.linger_without_answer(cx);
    }

    /// Keeps the session for a moment, so that the client's last packets are not taken for a new connection.
    pub(super) fn linger_without_answer(&mut self, cx: &mut Context<'_>) {
        self.wants_flow = false;
        self.state = State::Idle;
        self.stream.finish(EndKind::Reset, false);
        cx.counters.requests.given_up += self.stream.skip_to_request(self.stream.next());
        self.timers.stop_all();
        self.timers.set(Timer::Idle, cx.now + LINGER);
    }
}
