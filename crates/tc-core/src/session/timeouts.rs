//! What happens when time passes.

use super::admit::Wait;
use super::{Context, MAX_TIMEOUTS, Session, State, Synchronized};
use crate::CloseReason;
use crate::timer::{Timer, TimerTable};
use std::time::Duration;

/// How many times longer than its connection a silent client is remembered: two hours by default, the time after which
/// a host asks whether the other side lives (RFC 9293, section 3.8.4).
const MEMORY_FACTOR: u32 = 10;
/// How long the target may take to close behind the client.
const CLOSING_LIMIT: Duration = Duration::from_mins(1);

impl Session {
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let due = |timers: &mut TimerTable, timer| timers.take_due(timer, cx.now);
        let delayed_ack = due(&mut self.timers, Timer::DelayedAck);
        let retransmit = due(&mut self.timers, Timer::Retransmit);
        let admission = due(&mut self.timers, Timer::Admission);
        if let (State::Synchronized(sync), true) = (&mut self.state, delayed_ack) {
            sync.ack_now = true;
            if sync.said.octets > 0 {
                sync.ack_pace.on_late_ack();
            }
        }
        if retransmit {
            self.on_retransmit_timeout(cx);
        }
        if admission {
            self.on_admission_timeout(cx);
        }
        if self.timers.take_due(Timer::Hole, cx.now) {
            self.on_hole_timeout(cx);
        }
        if self.timers.take_due(Timer::Idle, cx.now) {
            self.on_idle_timeout(cx);
        }
    }

    /// Gives a hole in the captured stream another limit, from now on.
    pub(crate) fn limit_hole(&mut self, cx: &Context<'_>) {
        if self.stream.has_hole() {
            self.timers.set(Timer::Hole, cx.now + cx.config.hole_limit);
        }
    }

    /// How long a silent client is remembered that has no connection to the target: without that, its next request could
    /// not be told from the middle of one.
    fn memory_limit(cx: &Context<'_>) -> Duration {
        cx.config.keepalive_timeout * MEMORY_FACTOR
    }

    /// Starts the time anew after which a silent session is closed.
    pub(super) fn restart_idle_timer(&mut self, cx: &Context<'_>) {
        let limit = match &self.state {
            State::Lingering { .. } => return,
            State::Idle if self.stream.end().is_some() => return,
            State::Synchronized(sync) if sync.snd.nxt.after(self.stream.next()) => CLOSING_LIMIT,
            State::Idle if self.stream.is_following() => Self::memory_limit(cx),
            State::Synchronized(_) | State::Idle | State::Routing | State::SynSent(_) | State::Closed => {
                cx.config.session_timeout
            }
        };
        self.rested = false;
        self.timers.set(Timer::Idle, cx.now + limit);
    }

    fn on_retransmit_timeout(&mut self, cx: &mut Context<'_>) {
        cx.counters.sent.timeouts += 1;
        let (attempts, rto) = match &mut self.state {
            State::SynSent(syn) => {
                syn.rtt.back_off();
                syn.due = true;
                (syn.attempts, syn.rtt.rto())
            }
            State::Synchronized(sync) => match sync.on_retransmit_timeout() {
                Some(rto) => (sync.snd.timeouts, rto),
                None => return,
            },
            State::Idle | State::Routing | State::Lingering { .. } | State::Closed => return,
        };
        self.timers.set(Timer::Retransmit, cx.now + rto);
        if attempts > MAX_TIMEOUTS {
            self.reset = self.reset_of_open_connection();
            self.lose_target(cx, CloseReason::TimedOut);
        }
    }

    fn on_admission_timeout(&mut self, cx: &mut Context<'_>) {
        let State::Synchronized(sync) = &mut self.state else { return };
        if let Some(Wait::Answer(turn)) = sync.wait {
            sync.answered = turn;
            cx.counters.requests.unanswered += u64::from(self.stream.segment_at(sync.snd.nxt).is_some());
        }
    }

    /// What lies before the hole is sent first.
    fn on_hole_timeout(&mut self, cx: &mut Context<'_>) {
        if self.is_live() && self.stream.first_turn().is_some() {
            self.timers.set(Timer::Hole, cx.now + cx.config.hole_limit);
            return;
        }
        cx.counters.sessions.holes += 1;
        if self.is_live() {
            cx.counters.sessions.count_closed(CloseReason::Hole);
            self.reset = self.reset_of_open_connection();
        }
        self.state = State::Idle;
        self.timers.stop_all();
        self.stream.skip_hole();
        self.stop_measuring();
        cx.counters.requests.captured += self.stream.take_begun();
        self.restart_idle_timer(cx);
        self.want_flow_for_next_request(cx);
        self.limit_hole(cx);
        if self.stream.end().is_some() {
            self.on_client_end(cx);
        }
    }

    /// A session that has sent everything may stay longer than one that has not.
    fn on_idle_timeout(&mut self, cx: &mut Context<'_>) {
        let longer = cx.config.keepalive_timeout.saturating_sub(cx.config.session_timeout);
        if self.is_at_rest() && !longer.is_zero() && !std::mem::replace(&mut self.rested, true) {
            self.timers.set(Timer::Idle, cx.now + longer);
            return;
        }
        let remembered = self.is_live() && self.stream.is_following();
        if self.is_live() {
            cx.counters.sessions.count_closed(CloseReason::Idle);
            self.reset = self.reset_of_open_connection();
        }
        cx.counters.requests.given_up += self.stream.skip_to_request(self.stream.next());
        self.timers.stop_all();
        self.state = if remembered { State::Idle } else { State::Closed };
        if remembered {
            self.timers.set(Timer::Idle, cx.now + Self::memory_limit(cx));
            self.limit_hole(cx);
        }
    }

    /// Whether the connection is open, everything was sent and acknowledged, and the client may go on.
    fn is_at_rest(&self) -> bool {
        match &self.state {
            State::Synchronized(sync) => {
                sync.snd.flight() == 0 && self.stream.next() == sync.snd.nxt && self.stream.end().is_none()
            }
            State::Idle | State::Routing | State::SynSent(_) | State::Lingering { .. } | State::Closed => false,
        }
    }
}

impl Synchronized {
    /// Something was not acknowledged in time, a window stays closed, or the handshake may not be complete. How long to
    /// wait now.
    fn on_retransmit_timeout(&mut self) -> Option<Duration> {
        if self.snd.flight() > 0 {
            self.snd.on_timeout();
        } else if self.wait == Some(Wait::Window) {
            self.probe = true;
            self.snd.on_probe();
        } else if !self.confirmed {
            self.ack_now = true;
            self.snd.on_silence();
        } else {
            return None;
        }
        Some(self.snd.rto())
    }
}
