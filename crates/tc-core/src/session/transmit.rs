//! What goes out.

use super::admit::{Admission, Wait};
use super::emitter::{Emitter, Outgoing};
use super::stream::ClientStream;
use super::{Context, Said, Session, State, SynSent, Synchronized};
use crate::compare::Meter;
use crate::timer::{Timer, TimerTable};
use crate::{CloseReason, Transmit};
use tc_proto::{Flags, SeqNum};

/// What sending works with, apart from the connection itself.
struct Output<'a> {
    emitter: &'a mut Emitter,
    stream: &'a ClientStream,
    timers: &'a mut TimerTable,
    meter: Option<&'a mut Meter>,
    buf: &'a mut Vec<u8>,
}

impl Session {
    /// Appends the next packet to `buf`, or does nothing when there is none.
    pub(crate) fn poll_transmit(&mut self, cx: &mut Context<'_>, buf: &mut Vec<u8>) -> Option<Transmit> {
        let emitter = self.emitter.as_mut()?;
        if let Some(reset) = self.reset.take() {
            let packet = Outgoing::bare(reset.seq, reset.ack, Flags::RST);
            return Some(emitter.emit(cx.now, &packet, &mut cx.counters.sent, buf));
        }
        let meter = self.meter.as_deref_mut();
        let mut out = Output { emitter, stream: &self.stream, timers: &mut self.timers, meter, buf };
        match &mut self.state {
            State::SynSent(syn) => syn.transmit(cx, &mut out),
            State::Synchronized(sync) => match sync.transmit(cx, &mut out) {
                Sent::Packet(transmit) => Some(transmit),
                Sent::Reset(transmit) => {
                    cx.counters.requests.abandoned += u64::from(sync.awaits_answer());
                    self.close(cx, CloseReason::ClientReset);
                    Some(transmit)
                }
                Sent::Nothing => None,
            },
            State::Lingering { seq, ack, ack_now } if *ack_now => {
                *ack_now = false;
                let packet = Outgoing::bare(*seq, Some(*ack), Flags::NONE);
                Some(out.emitter.emit(cx.now, &packet, &mut cx.counters.sent, out.buf))
            }
            State::Idle | State::Routing | State::Lingering { .. } | State::Closed => None,
        }
    }
}

impl SynSent {
    fn transmit(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>) -> Option<Transmit> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        // Karn's algorithm: a SYN that was sent twice gives no sample.
        self.sent = (self.attempts == 0).then_some(cx.now);
        cx.counters.sent.retransmissions += u64::from(self.attempts > 0);
        self.attempts += 1;
        out.timers.set(Timer::Retransmit, cx.now + self.rtt.rto());
        let iss = out.stream.base() - 1;
        Some(out.emitter.emit_syn(cx.now, iss, &mut cx.counters.sent, out.buf))
    }
}

/// What [`Synchronized::transmit`] did.
enum Sent {
    Packet(Transmit),
    /// The client's RST: the connection is over.
    Reset(Transmit),
    Nothing,
}

impl Synchronized {
    fn transmit(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>) -> Sent {
        if let Some((seq, len)) = self.snd.retransmission() {
            return Sent::Packet(self.retransmit(cx, out, seq, len));
        }
        let before = self.wait.take();
        match self.admit(cx.now, cx.config.pace, out.stream) {
            Admission::Data(len) => return Sent::Packet(self.transmit_data(cx, out, len)),
            Admission::Fin => return Sent::Packet(self.transmit_fin(cx, out)),
            Admission::Reset => {
                let packet = Outgoing::bare(self.snd.nxt, Some(self.rcv.nxt), Flags::RST);
                return Sent::Reset(self.emit(cx, out, &packet));
            }
            Admission::Wait(wait) => self.wait_for(cx, out, before, wait),
            Admission::Nothing => {}
        }
        if self.ack_now {
            let packet = Outgoing::bare(self.snd.nxt, Some(self.rcv.nxt), Flags::NONE);
            return Sent::Packet(self.emit(cx, out, &packet));
        }
        Sent::Nothing
    }

    fn wait_for(&mut self, cx: &Context<'_>, out: &mut Output<'_>, before: Option<Wait>, wait: Wait) {
        self.wait = Some(wait);
        match wait {
            Wait::Answer(_) if before == Some(wait) => self.repeat_handshake_ack(cx, out),
            Wait::Answer(_) => {
                out.timers.set(Timer::Admission, cx.now + cx.config.answer_limit);
                self.repeat_handshake_ack(cx, out);
            }
            Wait::Quiet(until) => out.timers.set(Timer::Admission, until),
            // The persist timer (RFC 9293, section 3.8.6.1).
            Wait::Window if self.snd.flight() == 0 => {
                out.timers.set_if_unset(Timer::Retransmit, cx.now + self.snd.rto());
            }
            Wait::Window | Wait::CongestionWindow | Wait::Delivery => {}
        }
    }

    /// A target that sent its SYN-ACK with a SYN cookie keeps no state and does not repeat it: when our acknowledgment
    /// was lost and a greeting is waited for, nobody else would ever say anything (RFC 4987, section 3.6).
    fn repeat_handshake_ack(&self, cx: &Context<'_>, out: &mut Output<'_>) {
        if !self.confirmed && self.snd.flight() == 0 {
            out.timers.set_if_unset(Timer::Retransmit, cx.now + self.snd.rto());
        }
    }

    fn transmit_data(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>, len: usize) -> Transmit {
        let seq = self.snd.nxt;
        let transmit = self.emit_data(cx, out, seq, len);
        if let Some(segment) = out.stream.segment_at(seq)
            && self.sent_turn.is_none_or(|(turn, _)| turn != segment.turn)
        {
            self.sent_turn = Some((segment.turn, seq));
            self.said = Said::default();
            self.ack_pace.on_request();
            cx.counters.requests.sent += 1;
        }
        cx.counters.sent.probes += u64::from(std::mem::take(&mut self.probe));
        self.on_sent(cx, out, len);
        out.timers.stop(Timer::Admission);
        if let Some(meter) = &mut out.meter {
            meter.on_sent(cx.now, seq, len);
        }
        transmit
    }

    fn transmit_fin(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>) -> Transmit {
        let packet = Outgoing::bare(self.snd.nxt, Some(self.rcv.nxt), Flags::FIN);
        let transmit = self.emit(cx, out, &packet);
        self.on_sent(cx, out, 1);
        transmit
    }

    fn on_sent(&mut self, cx: &Context<'_>, out: &mut Output<'_>, octets: usize) {
        self.active = cx.now;
        let deadline = cx.now + self.snd.rto();
        // RFC 6298 (5.1). With nothing on its way, what runs is the persist timer.
        if self.snd.flight() == 0 {
            out.timers.set(Timer::Retransmit, deadline);
        } else {
            out.timers.set_if_unset(Timer::Retransmit, deadline);
        }
        self.snd.on_sent(cx.now, octets);
    }

    fn retransmit(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>, seq: SeqNum, len: usize) -> Transmit {
        cx.counters.sent.retransmissions += 1;
        out.timers.set_if_unset(Timer::Retransmit, cx.now + self.snd.rto());
        let Some(segment) = out.stream.segment_at(seq) else {
            // Nothing but the FIN lies behind the stream's octets.
            self.snd.on_retransmitted(seq + 1);
            return self.emit(cx, out, &Outgoing::bare(seq, Some(self.rcv.nxt), Flags::FIN));
        };
        let len = segment.end().octets_since(seq).min(len);
        self.snd.on_retransmitted(seq + len);
        if let Some(meter) = &mut out.meter {
            meter.on_resent(seq);
        }
        self.emit_data(cx, out, seq, len)
    }

    /// Octets of one captured segment, with its flags where it ends.
    fn emit_data(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>, seq: SeqNum, len: usize) -> Transmit {
        let stream = out.stream;
        let segment = stream.segment_at(seq);
        let pushed = segment.filter(|segment| segment.end() == seq + len);
        let push = pushed.is_some_and(|segment| segment.flags.contains(Flags::PSH));
        let (urgent_flag, urgent) = segment.map_or((Flags::NONE, 0), |segment| segment.urgent_at(seq));
        let flags = urgent_flag | if push { Flags::PSH } else { Flags::NONE };
        let payload = stream.octets_at(seq, len);
        self.emit(cx, out, &Outgoing { seq, ack: Some(self.rcv.nxt), flags, urgent, payload })
    }

    /// Every packet carries the latest acknowledgment.
    fn emit(&mut self, cx: &mut Context<'_>, out: &mut Output<'_>, packet: &Outgoing<'_>) -> Transmit {
        self.ack_now = false;
        self.rcv.acked = self.rcv.nxt;
        out.timers.stop(Timer::DelayedAck);
        out.emitter.emit(cx.now, packet, &mut cx.counters.sent, out.buf)
    }
}
