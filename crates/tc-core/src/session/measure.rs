//! What a session tells the [`Meter`] that follows its requests and answers.

use super::{Session, State};
use crate::compare::{Detail, Meter, RequestPart, TargetPart};
use std::time::Instant;
use tc_proto::{PacketRef, Segment, SeqNum};

impl Session {
    /// Requests and answers are followed from here on.
    pub(crate) fn measure(&mut self, now: Instant, at: Instant, detail: Detail) {
        self.meter = Some(Box::new(Meter::new(self.syn.is_some(), detail)));
        self.measure_captured(now, at);
    }

    /// What follows requests and answers.
    pub(crate) fn meter_mut(&mut self) -> Option<&mut Meter> {
        self.meter.as_deref_mut()
    }

    /// Takes a packet of the online server to this client.
    pub(crate) fn handle_online_packet(&mut self, at: Instant, packet: &PacketRef<'_>) {
        if let Some(meter) = &mut self.meter {
            meter.on_online(at, packet.segment(), packet.payload());
        }
    }

    /// New octets of the client are in order.
    pub(super) fn measure_captured(&mut self, now: Instant, at: Instant) {
        let Some(meter) = &mut self.meter else { return };
        let fresh = self.stream.take_fresh();
        for segment in self.stream.latest_segments(fresh) {
            let joined;
            let octets = match self.stream.octets_at(segment.seq, segment.len) {
                [octets, []] | [[], octets] => octets,
                parts => {
                    joined = parts.concat();
                    &joined
                }
            };
            let begins = segment.begins.then(|| segment.ack.number());
            meter.on_captured(RequestPart { at, now, seq: segment.seq, octets, begins });
        }
    }

    /// Nothing that was followed goes on: the stream begins anew behind a hole, where answers may have been missed.
    pub(super) fn stop_measuring(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.end_all();
            self.stream.take_fresh();
        }
    }

    /// A segment of the target was taken that was seen `at` some moment; `before` is what was expected of the target until then.
    pub(super) fn measure_answer(&mut self, at: Instant, before: SeqNum, segment: &Segment, payload: &[u8]) {
        let (Some(meter), State::Synchronized(sync)) = (&mut self.meter, &self.state) else { return };
        let advanced = sync.rcv.nxt.octets_since(before);
        let octets = advanced - usize::from(advanced > 0 && sync.rcv.is_closed());
        if segment.payload_len == 0 {
            meter.on_acknowledged(at, segment.ack);
        }
        let (ack, own) = (segment.ack, (segment.seq + segment.payload_len).octets_since(before));
        if octets > 0 {
            let head = payload.get(before.octets_since(segment.seq)..).unwrap_or_default();
            meter.on_target(TargetPart { at, ack, octets: octets.min(own), head });
        } else if segment.seq.after(before) && segment.payload_len > 0 {
            meter.on_target_ahead(at, ack);
        }
        if octets > own {
            meter.on_target_filled(at, ack, octets - own);
        }
        if !sync.rcv.has_gap() {
            meter.on_no_gap();
        }
    }
}
