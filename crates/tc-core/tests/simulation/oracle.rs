//! What must hold for each packet that is sent (the list of ARCHITECTURE.md).

use super::plan::Plan;
use super::wire::{self, Facts};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tc_core::Transmit;
use tc_core::counters::CapturedCounters;
use tc_proto::{Flags, Flow, Segment, SeqNum, TargetHeader, WindowScale};

/// One connection to the target, as the headers that the replayer was given tell it.
#[derive(Debug)]
struct View {
    plan: usize,
    iss: SeqNum,
    offered: Facts,
    /// The end of what was sent.
    sent: SeqNum,
    stamp: Option<(u32, u32)>,
    open: Option<Open>,
}

/// What the target said.
#[derive(Debug)]
struct Open {
    rcv_nxt: SeqNum,
    /// Parts of its stream that came early, from their beginning to their end, counted from its first octet.
    early: BTreeMap<usize, usize>,
    irs: SeqNum,
    /// The octet behind the last that it has offered to take.
    right_edge: SeqNum,
    scale: WindowScale,
    mss: usize,
    stamps: bool,
}

/// Watches all connections.
pub(crate) struct Oracle {
    plans: Vec<Rc<Plan>>,
    mtu: usize,
    routes: HashSet<Flow>,
    views: HashMap<Flow, View>,
    digest: u64,
}

impl Oracle {
    pub(crate) fn new(plans: Vec<Rc<Plan>>, mtu: usize) -> Self {
        Self { plans, mtu, routes: HashSet::new(), views: HashMap::new(), digest: 0 }
    }

    /// A number that stands for all octets sent and when.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn on_route(&mut self, flow: Flow) {
        self.routes.insert(flow);
    }

    /// Checks a packet and returns what it says.
    pub(crate) fn on_transmit(&mut self, now: Duration, transmit: Transmit, packet: &[u8]) -> Facts {
        for octet in packet {
            self.digest = (self.digest ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest ^= u64::from(now.subsec_nanos());
        assert_eq!(transmit.len, packet.len(), "one packet is appended at a time");
        assert!(packet.len() <= self.mtu, "a packet of {} octets", packet.len());
        let facts = wire::read(packet).unwrap_or_else(|error| panic!("{error}: {packet:02x?}"));
        assert_eq!(transmit.destination, facts.destination.ip());
        let flow = Flow { client: facts.source, target: facts.destination };
        if facts.syn {
            self.on_syn(flow, &facts);
        } else if let Some(view) = self.views.get_mut(&flow) {
            view.check(&self.plans, &facts);
        } else {
            assert!(facts.rst && facts.payload.is_empty(), "without a connection: {facts:?}");
        }
        facts
    }

    fn on_syn(&mut self, flow: Flow, facts: &Facts) {
        assert!(self.routes.contains(&flow), "a SYN before its route");
        assert!(facts.ack.is_none() && !facts.fin && !facts.rst && facts.payload.is_empty());
        let found = self.plans.iter().find_map(|plan| Some((plan, plan.offset(facts.seq + 1)?)));
        let (plan, offset) = found.unwrap_or_else(|| panic!("a SYN of nobody: {facts:?}"));
        let begins = (0..plan.requests.len()).any(|index| plan.request(index).start == offset);
        assert!(
            begins || offset == 0,
            "the connection of {} begins within a request, at {offset}",
            plan.client
        );
        let repeated = self.views.get(&flow).is_some_and(|view| view.open.is_none() && view.iss == facts.seq);
        if !repeated {
            let view = View {
                plan: plan.id,
                iss: facts.seq,
                offered: facts.clone(),
                sent: facts.seq + 1,
                stamp: None,
                open: None,
            };
            self.views.insert(flow, view);
        }
    }

    /// A header reaches the replayer.
    pub(crate) fn on_header(&mut self, header: &TargetHeader) {
        if let Some(view) = self.views.get_mut(&header.flow()) {
            view.on_header(&header.0);
        }
    }
}

impl View {
    fn on_header(&mut self, header: &Segment) {
        let acknowledged = header.flags.contains(Flags::ACK);
        if header.flags.contains(Flags::RST) || !acknowledged {
            return;
        }
        let sent = self.sent;
        let Some(open) = &mut self.open else {
            if header.flags.contains(Flags::SYN) && header.ack == self.iss + 1 {
                self.open = Some(self.opened(header));
            }
            return;
        };
        let new = header.end().after(open.rcv_nxt) || header.seq == open.rcv_nxt;
        let known = !new && header.seq.before(open.rcv_nxt);
        if header.flags.contains(Flags::SYN) || header.ack.after(sent) || known {
            return;
        }
        open.right_edge = open.right_edge.latest(header.ack + header.window.octets(open.scale));
        open.receive(header.seq, header.end());
    }

    fn opened(&self, header: &Segment) -> Open {
        let scaled = self.offered.scale.and(header.options.window_scale);
        let default = if header.source.is_ipv4() { 536 } else { 1220 };
        Open {
            rcv_nxt: header.seq + 1,
            early: BTreeMap::new(),
            irs: header.seq,
            right_edge: header.ack + usize::from(header.window.field()),
            scale: scaled.unwrap_or(WindowScale::NONE),
            mss: usize::from(header.options.mss.unwrap_or(default)),
            stamps: self.offered.stamps.is_some() && header.options.timestamps.is_some(),
        }
    }

    fn check(&mut self, plans: &[Rc<Plan>], facts: &Facts) {
        let Some(open) = &self.open else {
            assert!(facts.rst && facts.payload.is_empty(), "before the handshake: {facts:?}");
            return;
        };
        if let Some(ack) = facts.ack {
            assert_eq!(ack, open.rcv_nxt, "the ACK is not RCV.NXT: {}", brief(facts));
        } else {
            assert!(facts.rst, "a packet without ACK: {}", brief(facts));
            return;
        }
        let plan = &plans[self.plan];
        open.check_size(facts);
        check_octets(plan, facts);
        self.check_end(plan, facts);
        self.check_stamps(facts);
        self.sent = self.sent.latest(facts.end());
    }

    fn check_end(&self, plan: &Plan, facts: &Facts) {
        if facts.fin {
            assert!(plan.sends_fin(), "a FIN that the client did not send: {}", brief(facts));
            assert_eq!(facts.end(), plan.first() + plan.len() + 1, "a FIN at the wrong place");
        }
        assert!(!facts.seq.after(self.sent), "nothing leads to {}", brief(facts));
    }

    /// RFC 7323, sections 3.2, 4.1 and 4.3.
    fn check_stamps(&mut self, facts: &Facts) {
        let agreed = self.open.as_ref().is_some_and(|open| open.stamps);
        assert!(facts.stamps.is_some() == agreed || facts.rst, "timestamps: {}", brief(facts));
        let Some((value, echo)) = facts.stamps else { return };
        if let Some((before, echoed)) = self.stamp {
            assert!(value.wrapping_sub(before) < 1 << 31, "TSval went back: {}", brief(facts));
            assert!(echo.wrapping_sub(echoed) < 1 << 31, "TSecr went back: {}", brief(facts));
        }
        self.stamp = Some((value, echo));
    }
}

impl Open {
    fn receive(&mut self, seq: SeqNum, end: SeqNum) {
        let place = |seq: SeqNum| seq.octets_since(self.irs);
        if seq != end {
            let reach = self.early.entry(place(seq)).or_default();
            *reach = (*reach).max(place(end));
        }
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.rcv_nxt.octets_since(self.irs)
        {
            self.rcv_nxt = self.rcv_nxt.latest(self.irs + first.remove());
        }
    }

    fn check_size(&self, facts: &Facts) {
        let len = facts.payload.len();
        let segment = len + facts.options_len;
        assert!(len == 0 || segment <= self.mss, "beyond the MSS of {}: {}", self.mss, brief(facts));
        let end = facts.seq + len;
        assert!(len <= 1 || !end.after(self.right_edge), "beyond the window: {}", brief(facts));
    }
}

fn check_octets(plan: &Plan, facts: &Facts) {
    if facts.payload.is_empty() {
        return;
    }
    let offset = plan.offset(facts.seq).unwrap_or_else(|| panic!("outside: {}", brief(facts)));
    assert!(offset + facts.payload.len() <= plan.len(), "beyond the stream: {}", brief(facts));
    let right = |(place, octet): (usize, &u8)| plan.octet(offset + place) == *octet;
    let wrong = facts.payload.iter().enumerate().position(|octet| !right(octet));
    assert_eq!(wrong, None, "an octet is not the captured one: {}", brief(facts));
}

/// A packet without its octets.
fn brief(facts: &Facts) -> String {
    format!("{:?}", Facts { payload: Vec::new(), ..facts.clone() }) + &format!(" +{}", facts.payload.len())
}

/// What became of captured packets, all outcomes together: as many as there were packets.
pub(crate) fn outcomes(captured: &CapturedCounters) -> u64 {
    let CapturedCounters {
        packets: _,
        syns,
        syn_retransmissions,
        data,
        held,
        ends,
        acks,
        retransmissions,
        not_joined,
        out_of_window,
        overflows,
        unmapped,
        replayed,
        malformed,
        fragments,
        refused,
        not_sampled,
        datagrams,
    } = *captured;
    let taken = syns + syn_retransmissions + data + held + ends + acks + retransmissions;
    let left = not_joined + out_of_window + overflows + unmapped + replayed + malformed + fragments;
    taken + left + refused + not_sampled + datagrams
}
