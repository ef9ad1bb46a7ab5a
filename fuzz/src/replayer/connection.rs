//! What the target knows of one connection, and what it has said.

use super::captured::Captured;
use super::settings::Settings;
use tc_proto::{Flags, Flow, Segment, SeqNum, WindowScale};

/// A connection at the target, as its packets and headers tell.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) iss: SeqNum,
    scaled: bool,
    /// Whether we have reset it: it may get nothing else.
    dead: bool,
    /// Whether the target knows nothing of it any more.
    pub(super) gone: bool,
    /// The end of what was sent.
    pub(super) end: SeqNum,
    /// The target's initial sequence number, once it has answered the SYN.
    pub(super) irs: Option<SeqNum>,
    scale: WindowScale,
    /// The right edge of the largest window that was offered.
    edge: Option<SeqNum>,
    /// The end of what the target has said without a gap.
    pub(super) said: SeqNum,
    /// What it has said behind a gap: from where to where.
    ahead: Vec<(SeqNum, SeqNum)>,
    acked: Option<SeqNum>,
    payloads: Vec<(SeqNum, Box<[u8]>)>,
    /// Hosts that may have sent this connection's octets, a bit for each.
    owners: u32,
}

impl Connection {
    pub(super) fn new(flow: Flow, syn: &Segment) -> Self {
        Self {
            flow,
            iss: syn.seq,
            scaled: syn.options.window_scale.is_some(),
            dead: false,
            gone: false,
            end: syn.seq + 1,
            irs: None,
            scale: WindowScale::NONE,
            edge: None,
            said: SeqNum::default(),
            ahead: Vec::new(),
            acked: None,
            payloads: Vec::new(),
            owners: u32::MAX,
        }
    }

    /// Notes what the target says.
    pub(super) fn note_header(&mut self, segment: &Segment) {
        let Segment { flags, ack, .. } = *segment;
        if !flags.contains(Flags::ACK) || flags.contains(Flags::RST) || ack.after(self.end) {
            return;
        }
        if self.irs.is_none() {
            if flags.contains(Flags::SYN) && ack == self.iss + 1 {
                self.irs = Some(segment.seq);
                self.said = segment.seq + 1;
                self.scale = segment.options.window_scale.filter(|_| self.scaled).unwrap_or_default();
                self.offer(segment, WindowScale::NONE);
            }
        } else if !flags.contains(Flags::SYN) {
            self.ahead.push((segment.seq, segment.end()));
            self.join();
            self.offer(segment, self.scale);
        }
    }

    /// Moves the end of what was said over what joins it.
    fn join(&mut self) {
        let joins = |said: SeqNum| move |(start, _): &(SeqNum, SeqNum)| start.at_or_before(said);
        while let Some(index) = self.ahead.iter().position(joins(self.said)) {
            self.said = self.said.latest(self.ahead.swap_remove(index).1);
        }
    }

    fn offer(&mut self, segment: &Segment, scale: WindowScale) {
        if segment.ack.at_or_before(self.iss) {
            return;
        }
        let edge = segment.ack + segment.window.octets(scale);
        self.edge = Some(self.edge.map_or(edge, |before| before.latest(edge)));
    }

    /// Checks a packet that follows the SYN.
    pub(super) fn check(&mut self, segment: &Segment, payload: &[u8], captured: &Captured, settings: Settings) {
        let reset = segment.flags.contains(Flags::RST);
        if reset {
            assert!(payload.is_empty());
            self.gone = true;
            if !segment.flags.contains(Flags::ACK) {
                return;
            }
        }
        assert!(!self.dead || reset, "{segment:?} behind a reset");
        assert!(segment.flags.contains(Flags::ACK), "RFC 9293, 3.10.7: {segment:?}");
        let irs = self.irs.unwrap_or_else(|| panic!("{segment:?} before the target's SYN-ACK"));
        self.dead |= reset;
        self.check_ack(irs, segment);
        if !payload.is_empty() {
            self.check_payload(segment, payload, captured, settings);
        }
        let end = segment.end();
        assert!(segment.seq.at_or_before(self.end), "a gap before {segment:?}, {:?} was sent", self.end);
        self.end = self.end.latest(end);
    }

    /// It acknowledges what the target has said, and not less than before.
    fn check_ack(&mut self, irs: SeqNum, segment: &Segment) {
        let ack = segment.ack;
        let said = ack.after(irs) && ack.at_or_before(self.said);
        assert!(said, "the target did not say so much: {segment:?}, {:?}", self.said);
        let back = self.acked.is_some_and(|before| ack.before(before));
        assert!(!back, "an acknowledgment goes back: {segment:?} after {:?}", self.acked);
        self.acked = Some(ack);
    }

    fn check_payload(&mut self, segment: &Segment, payload: &[u8], captured: &Captured, settings: Settings) {
        assert!(segment.seq.after(self.iss), "data before the stream: {segment:?}");
        let edge = self.edge.unwrap_or(self.iss + 1);
        let end = segment.seq + payload.len();
        assert!(end.at_or_before(edge + 1), "{segment:?} beyond the window, which ends at {edge:?}");
        self.owners = captured.owners(self.owners, segment.seq, payload);
        assert_ne!(self.owners, 0, "no client has sent these octets: {segment:?}, {settings:?}");
        for (seq, before) in &self.payloads {
            let pairs = payload.iter().skip(seq.octets_since(segment.seq));
            let differs = pairs.zip(before.iter().skip(segment.seq.octets_since(*seq))).any(|(a, b)| a != b);
            assert!(!differs, "other octets than before: {segment:?}");
        }
        self.payloads.push((segment.seq, payload.into()));
    }
}
