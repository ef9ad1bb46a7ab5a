//! Headers of the target, applied.

use super::classify::Disposition;
use super::emitter::Emitter;
use super::receiver::{Receiver, Text};
use super::sender::{Acked, Sender};
use super::{AckPace, Context, LINGER, MAX_TIMEOUTS, Reset, Said, Session, State, Synchronized};
use crate::CloseReason;
use crate::timer::Timer;
use std::time::{Duration, Instant};
use tc_proto::{Flags, Segment, SeqNum, TargetHeader, WindowScale};

/// How long an acknowledgment of data may wait for something that carries it (RFC 9293, section 3.8.6.3 allows
/// half a second), while the target may be waiting for it.
const ACK_DELAY: Duration = Duration::from_millis(40);
/// The same once the target was seen not to wait for it. Less than hosts wait before they retransmit.
const PATIENT_ACK_DELAY: Duration = Duration::from_millis(120);
/// The same for the SYN-ACK, that the target's application learns of the connection.
const HANDSHAKE_ACK_DELAY: Duration = Duration::from_millis(10);
/// The segment size of a target that names none (RFC 9293, section 3.7.1).
const DEFAULT_MSS: [u16; 2] = [536, 1220];
/// Smaller segments are not sent, whatever the target names.
const MIN_MSS: usize = 64;

impl Session {
    /// Takes a header of the target that was seen `at` some moment, and what is known of the payload behind it.
    pub(crate) fn handle_target_header(
        &mut self,
        cx: &mut Context<'_>,
        at: Instant,
        header: &TargetHeader,
        payload: &[u8],
    ) {
        let segment = &header.0;
        self.restart_idle_timer(cx);
        match self.classify(segment) {
            Disposition::Ignore => {}
            Disposition::ResetStranger => self.reset_stranger(segment),
            Disposition::Refused => self.lose_target(cx, CloseReason::Refused),
            Disposition::SynAck => self.synchronize(cx, at, segment),
            Disposition::Reset => self.on_reset(cx, segment),
            Disposition::Acknowledge => self.acknowledge_now(),
            Disposition::Process => self.process(cx, at, segment, payload),
        }
    }

    /// RFC 9293, section 3.10.7.3: `<SEQ=SEG.ACK><CTL=RST>`. The SYN follows at once: nothing is in its way now. When that was
    /// so again and again the target does not get our RST, and its time runs out.
    fn reset_stranger(&mut self, segment: &Segment) {
        self.reset = Some(Reset { seq: segment.ack, ack: None });
        if let State::SynSent(syn) = &mut self.state {
            syn.due |= syn.attempts <= MAX_TIMEOUTS;
        }
    }

    /// What the RST acknowledges was taken, and is not sent again.
    fn on_reset(&mut self, cx: &mut Context<'_>, segment: &Segment) {
        if matches!(self.state, State::Lingering { .. }) {
            // Nothing is left to say to the target; late duplicates of the client begin no other connection.
            self.linger_without_answer(cx);
            return;
        }
        if let State::Synchronized(sync) = &self.state
            && segment.flags.contains(Flags::ACK)
            && segment.ack.at_or_before(sync.snd.nxt)
        {
            self.stream.discard_to(segment.ack);
        }
        self.lose_target(cx, CloseReason::TargetReset);
    }

    fn acknowledge_now(&mut self) {
        match &mut self.state {
            State::Synchronized(sync) => {
                sync.ack_now = true;
                sync.ack_pace.on_repetition();
            }
            State::Lingering { ack_now, .. } => *ack_now = true,
            State::Idle | State::Routing | State::SynSent(_) | State::Closed => {}
        }
    }

    /// SYN-SENT becomes ESTABLISHED.
    fn synchronize(&mut self, cx: &mut Context<'_>, at: Instant, segment: &Segment) {
        let (State::SynSent(syn), Some(emitter)) = (&mut self.state, &mut self.emitter) else { return };
        let offered = *emitter.opening();
        let rcv = Receiver::new(segment);
        if offered.timestamp.is_some() && segment.options.timestamps.is_some() {
            emitter.set_echo(rcv.ts_recent);
        }
        let scale = match (offered.window_scale, segment.options.window_scale) {
            (Some(_), Some(scale)) => scale,
            (None, _) | (_, None) => WindowScale::NONE,
        };
        let headers = super::emitter::headers_len(&emitter.flow);
        let default = DEFAULT_MSS[usize::from(emitter.flow.target.is_ipv6())];
        let agreed = usize::from(segment.options.mss.unwrap_or(default));
        let mss = agreed.min(cx.config.mtu.saturating_sub(headers)).saturating_sub(emitter.options_len());
        let echoed = segment.options.timestamps.and_then(|stamps| emitter.since(cx.now, stamps.echo));
        let measured = syn.sent.map(|sent| cx.now.saturating_duration_since(sent)).or(echoed);
        if let Some(rtt) = measured {
            syn.rtt.sample(rtt);
        }
        if let (Some(meter), Some(sent)) = (&mut self.meter, syn.sent) {
            meter.on_handshake(at.saturating_duration_since(sent));
        }
        let mut snd = Sender::new(segment, scale, mss.max(MIN_MSS), syn.rtt);
        if syn.attempts > 1 {
            snd.begin_after_lost_syn();
        }
        self.state = State::Synchronized(Box::new(Synchronized {
            snd,
            rcv,
            sent_turn: None,
            answered: self.first_turn,
            confirmed: false,
            ack_now: false,
            ack_pace: AckPace::default(),
            said: Said::default(),
            wait: None,
            probe: false,
            active: cx.now,
        }));
        self.timers.stop(Timer::Retransmit);
        self.timers.set(Timer::DelayedAck, cx.now + HANDSHAKE_ACK_DELAY);
        cx.counters.sessions.established += 1;
    }

    /// Acknowledgment, window, text and FIN of an acceptable segment.
    fn process(&mut self, cx: &mut Context<'_>, at: Instant, segment: &Segment, payload: &[u8]) {
        let State::Synchronized(sync) = &mut self.state else { return };
        sync.confirmed = true;
        let echo = segment.options.timestamps.map(|stamps| stamps.echo);
        let echoed = self.emitter.as_ref().and_then(|emitter| emitter.since(cx.now, echo?));
        if segment.ack.at_or_after(sync.snd.una) {
            match sync.snd.on_ack(cx.now, segment, echoed) {
                Acked::Advanced => {
                    self.stream.discard_to(sync.snd.una);
                    rearm_retransmit(&mut self.timers, sync, cx);
                }
                Acked::Loss => cx.counters.sent.fast_recoveries += 1,
                Acked::Same => {}
            }
        }
        // What fills a gap may acknowledge less than what was ahead of it.
        let acknowledges = sync.sent_turn.is_some_and(|(_, begin)| segment.ack.after(begin));
        sync.said.answers |= acknowledges && segment.payload_len > 0;
        let before = sync.rcv.nxt;
        let text = sync.rcv.on_text(segment);
        self.measure_answer(at, before, segment, payload);
        let State::Synchronized(sync) = &mut self.state else { return };
        match text {
            Text::None => {}
            Text::Ahead => sync.ack_now = true,
            Text::InOrder => self.on_text(cx, before, segment),
            Text::Filling => {
                sync.ack_now = true;
                self.on_text(cx, before, segment);
            }
        }
        self.leave_closed_target(cx);
        if let (State::Synchronized(sync), Some(emitter)) = (&mut self.state, &mut self.emitter)
            && emitter.options_len() > 0
        {
            emitter.set_echo(sync.rcv.ts_recent);
        }
        self.finish_if_closed(cx);
    }

    /// RCV.NXT has advanced from where it was `before`.
    fn on_text(&mut self, cx: &mut Context<'_>, before: SeqNum, segment: &Segment) {
        let State::Synchronized(sync) = &mut self.state else { return };
        sync.active = cx.now;
        sync.ack_pace.on_text(sync.said.answers);
        sync.said.octets += sync.rcv.nxt.octets_since(before);
        sync.said.pushed = segment.flags.contains(Flags::PSH);
        if segment.payload_len > 0 {
            sync.on_answer(cx);
        }
        let named = self.emitter.as_ref().map_or(0, Emitter::named_mss);
        if sync.rcv.owes_acknowledgment(named) || sync.rcv.is_closed() {
            sync.ack_now = true;
        } else {
            let delay = if sync.ack_pace == AckPace::Patient { PATIENT_ACK_DELAY } else { ACK_DELAY };
            self.timers.set_if_unset(Timer::DelayedAck, cx.now + delay);
        }
    }

    /// The target has closed: what was not sent needs another connection. What is on its way may still be
    /// acknowledged, or a reset will tell.
    pub(super) fn leave_closed_target(&mut self, cx: &mut Context<'_>) {
        let State::Synchronized(sync) = &self.state else { return };
        let unsent = self.stream.segment_at(sync.snd.nxt).is_some();
        if sync.rcv.is_closed() && sync.snd.flight() == 0 && unsent {
            self.lose_target(cx, CloseReason::TargetClosed);
        }
    }

    /// Ends the connection when both sides have closed and know it.
    fn finish_if_closed(&mut self, cx: &mut Context<'_>) {
        let State::Synchronized(sync) = &mut self.state else { return };
        let fin_acknowledged = sync.snd.una.after(self.stream.next());
        if !fin_acknowledged || !sync.rcv.is_closed() {
            return;
        }
        let (seq, ack, ack_now) = (sync.snd.nxt, sync.rcv.nxt, sync.ack_now);
        self.state = State::Lingering { seq, ack, ack_now };
        self.timers.stop_all();
        self.timers.set(Timer::Idle, cx.now + LINGER);
        cx.counters.sessions.count_closed(CloseReason::Finished);
    }
}

impl Synchronized {
    /// The target says something: its answer to the latest request has begun, or its greeting.
    fn on_answer(&mut self, cx: &mut Context<'_>) {
        match self.sent_turn {
            Some((turn, _)) if self.said.answers && self.answered <= turn => {
                self.answered = turn + 1;
                cx.counters.requests.answered += 1;
            }
            Some(_) => {}
            None => self.answered = self.answered.max(1),
        }
    }
}

/// RFC 6298 (5.2, 5.3).
fn rearm_retransmit(timers: &mut crate::timer::TimerTable, sync: &Synchronized, cx: &Context<'_>) {
    if sync.snd.flight() > 0 {
        timers.set(Timer::Retransmit, cx.now + sync.snd.rto());
    } else {
        timers.stop(Timer::Retransmit);
    }
}
