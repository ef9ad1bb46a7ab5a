//! A client as the capture on the online host sees it.

use super::plan::{Ending, Follows, Plan};
use super::rng::Rng;
use std::ops::Range;
use std::time::Duration;
use tc_proto::{Flags, IpFields, PacketSpec, SeqNum, TcpOptions, Timestamps, Window};

/// How often, in a thousand captured packets, something is not as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Lost before the capture, and sent again by the client.
    pub(crate) late: u32,
    /// Captured twice.
    pub(crate) twice: u32,
    /// Octets from the middle of one segment to the middle of another are sent again.
    pub(crate) overlap: u32,
}

/// A captured packet.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) at: Duration,
    pub(crate) octets: Vec<u8>,
}

/// Everything that the capture sees of a client.
pub(crate) fn captured(plan: &Plan, faults: Faults, rng: &mut Rng) -> Vec<Captured> {
    let mut client = Client {
        plan,
        faults,
        rng,
        now: plan.start,
        arrived: plan.start,
        ack: plan.online_iss + 1,
        sent: 0,
        packets: Vec::new(),
    };
    client.play();
    let mut packets = client.packets;
    packets.sort_by_key(|packet| packet.at);
    packets
}

struct Client<'a> {
    plan: &'a Plan,
    faults: Faults,
    rng: &'a mut Rng,
    now: Duration,
    /// When the online server has everything that was sent.
    arrived: Duration,
    /// The end of what the client has received.
    ack: SeqNum,
    /// Octets sent.
    sent: usize,
    packets: Vec<Captured>,
}

impl Client<'_> {
    fn play(&mut self) {
        if self.plan.joined.is_none() {
            self.open();
        }
        if let Some(greeting) = self.plan.greeting {
            self.now += greeting.delay;
            self.receive(greeting.len);
        }
        let mut waiting = 0;
        for (index, request) in self.plan.requests.iter().enumerate() {
            if request.follows == Follows::Answer {
                self.await_answers(index - waiting..index);
                waiting = 0;
            }
            self.now += request.think;
            self.send_request(index);
            waiting += 1;
        }
        let last = self.plan.requests.len();
        match self.plan.ending {
            Ending::HalfClose | Ending::Silence => self.await_answers(last - waiting..last),
            Ending::EarlyReset => {
                self.now = self.now.max(self.arrived) + Duration::from_millis(5);
                self.end(Flags::RST);
            }
            Ending::Reset => {
                self.await_answers(last - waiting..last);
                self.now = self.now.max(self.arrived) + Duration::from_millis(5);
                self.end(Flags::RST);
            }
            Ending::Fin | Ending::FinAfterServer => {
                self.await_answers(last - waiting..last);
                self.close();
            }
        }
    }

    fn open(&mut self) {
        let mut options = self.plan.syn;
        options.timestamps = options.timestamps.map(|_| self.timestamps(0));
        let syn = Sketch { seq: self.plan.iss, flags: Flags::SYN, options, payload: Vec::new() };
        self.capture(self.now, &syn);
        if self.rng.chance(self.faults.twice) {
            self.capture(self.now + Duration::from_secs(1), &syn);
        }
        self.now += self.plan.rtt;
        self.acknowledge();
    }

    /// The answers to some requests come, and are acknowledged here and there.
    fn await_answers(&mut self, requests: Range<usize>) {
        for request in &self.plan.requests[requests] {
            self.now = self.now.max(self.arrived) + request.online.delay;
            self.receive(request.online.len);
        }
    }

    fn receive(&mut self, len: usize) {
        let mut left = len;
        while left > 0 {
            let burst = left.min(self.rng.len(1..3) * 1448);
            self.ack += burst;
            left -= burst;
            self.now += self.rng.micros(5..300);
            // The next request may carry the acknowledgment as well.
            if left > 0 || self.rng.chance(700) {
                self.acknowledge();
            }
        }
        self.now += self.plan.rtt;
    }

    fn acknowledge(&mut self) {
        let ack = Sketch { seq: self.seq(), flags: Flags::ACK, options: self.options(), payload: Vec::new() };
        self.capture(self.now, &ack);
    }

    fn send_request(&mut self, index: usize) {
        let request = self.plan.requests[index];
        let octets = self.plan.request(index);
        let mut from = octets.start;
        // A capture that began in the middle of a request sees its end only.
        if self.plan.joined == Some(index) {
            from += octets.len() / 2;
        }
        let seen = self.plan.joined.is_none_or(|joined| joined <= index);
        let mut hole = self.plan.hole.filter(|hole| *hole == index).map(|_| self.rng.len(0..octets.len()));
        while from < octets.end {
            let to = octets.end.min(from + self.rng.len(request.segment / 2..request.segment) + 1);
            self.now += self.rng.micros(5..400);
            self.sent = to;
            // What the capture never saw.
            let lost = hole.is_some_and(|hole| octets.start + hole < to);
            if lost {
                hole = None;
            } else if seen {
                self.send(from..to, to == octets.end);
            }
            from = to;
        }
    }

    /// Data goes out, and perhaps comes late, twice, or overlapped.
    fn send(&mut self, octets: Range<usize>, last: bool) {
        let closes = last && octets.end == self.plan.len() && self.plan.ending == Ending::HalfClose;
        let mut flags = Flags::ACK;
        if last {
            flags |= Flags::PSH;
        }
        if closes {
            flags |= Flags::FIN;
        }
        let sketch = self.data(octets.clone(), flags);
        let mut at = self.now;
        if self.rng.chance(self.faults.late) {
            at += self.rng.millis(1..900);
        }
        self.capture(at, &sketch);
        self.arrived = self.arrived.max(at);
        if self.rng.chance(self.faults.twice) {
            let later = at + self.rng.millis(0..1200);
            self.capture(later, &sketch);
        }
        if self.rng.chance(self.faults.overlap) {
            let known = octets.start.saturating_sub(self.rng.len(0..2000));
            let first = self.plan.joined.map_or(0, |joined| self.plan.request(joined).end);
            let until = octets.start + octets.len() / 2;
            if known.max(first) < until {
                let again = self.data(known.max(first)..until, Flags::ACK);
                let later = at + self.rng.millis(0..300);
                self.capture(later, &again);
            }
        }
    }

    fn data(&mut self, octets: Range<usize>, flags: Flags) -> Sketch {
        let seq = self.plan.first() + octets.start;
        Sketch { seq, flags, options: self.options(), payload: self.plan.octets(octets) }
    }

    fn close(&mut self) {
        self.now += self.rng.millis(0..20);
        if self.plan.ending == Ending::FinAfterServer {
            self.ack += 1;
            self.acknowledge();
        }
        self.end(Flags::FIN | Flags::ACK);
        self.now += self.plan.rtt;
        let ack =
            Sketch { seq: self.seq() + 1, flags: Flags::ACK, options: self.options(), payload: Vec::new() };
        self.ack += usize::from(self.plan.ending != Ending::FinAfterServer);
        self.capture(self.now, &ack);
    }

    fn end(&mut self, flags: Flags) {
        let end = Sketch { seq: self.seq(), flags, options: self.options(), payload: Vec::new() };
        self.capture(self.now, &end);
        if self.rng.chance(self.faults.twice) {
            let later = self.now + self.rng.millis(0..400);
            self.capture(later, &end);
        }
    }

    fn seq(&self) -> SeqNum {
        self.plan.first() + self.sent
    }

    fn options(&self) -> TcpOptions {
        let timestamps = self.plan.syn.timestamps.map(|_| self.timestamps(77));
        TcpOptions { timestamps, ..TcpOptions::default() }
    }

    fn timestamps(&self, echo: u32) -> Timestamps {
        let millis = u32::try_from(self.now.as_millis()).unwrap();
        let base = self.plan.syn.timestamps.map_or(0, |stamps| stamps.value);
        Timestamps { value: base.wrapping_add(millis), echo }
    }

    fn capture(&mut self, at: Duration, sketch: &Sketch) {
        let mut octets = Vec::new();
        let spec = PacketSpec {
            source: self.plan.client,
            destination: self.plan.online,
            ip: IpFields { ttl: 57, traffic_class: 0 },
            identification: 0,
            seq: sketch.seq,
            ack: self.ack,
            flags: sketch.flags,
            window: Window::new(64_240),
            urgent: 0,
            options: sketch.options,
            payload: [&sketch.payload, &[]],
        };
        spec.emit(&mut octets);
        // What the network card would have computed is not there yet.
        let checksum = if self.plan.client.is_ipv4() { 36 } else { 56 };
        if self.rng.chance(500) {
            octets[checksum] ^= 0x5a;
        }
        self.packets.push(Captured { at, octets });
    }
}

/// What is to be captured.
struct Sketch {
    seq: SeqNum,
    flags: Flags,
    options: TcpOptions,
    payload: Vec<u8>,
}
