//! What a header of the target means (RFC 9293, section 3.10.7), decided without changing anything.

use super::{Session, State, SynSent, Synchronized};
use tc_proto::{Flags, Segment, SeqNum};

/// What is to be done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Nothing.
    Ignore,
    /// It belongs to an older connection of this flow: reset that.
    ResetStranger,
    /// The target refuses the connection.
    Refused,
    /// The connection is open.
    SynAck,
    /// The target resets the connection.
    Reset,
    /// Nothing new: the target shall learn where we are.
    Acknowledge,
    /// Acknowledgment, window and text are to be processed.
    Process,
}

impl Session {
    /// Decides what a header means.
    pub(super) fn classify(&self, segment: &Segment) -> Disposition {
        match &self.state {
            State::Idle | State::Routing | State::Closed => classify_unknown(segment),
            State::SynSent(syn) => classify_syn_sent(syn, self.stream.base() - 1, segment),
            State::Synchronized(sync) => classify_synchronized(sync, segment),
            State::Lingering { .. } => classify_lingering(segment),
        }
    }
}

/// CLOSED (3.10.7.1): whatever is no reset is reset.
fn classify_unknown(segment: &Segment) -> Disposition {
    if segment.flags.contains(Flags::RST) || !segment.flags.contains(Flags::ACK) {
        Disposition::Ignore
    } else {
        Disposition::ResetStranger
    }
}

/// SYN-SENT (3.10.7.3).
fn classify_syn_sent(syn: &SynSent, iss: SeqNum, segment: &Segment) -> Disposition {
    let acknowledged = segment.flags.contains(Flags::ACK);
    if acknowledged && (segment.ack != iss + 1 || syn.attempts == 0) {
        return classify_unknown(segment);
    }
    if segment.flags.contains(Flags::RST) {
        return if acknowledged { Disposition::Refused } else { Disposition::Ignore };
    }
    // A connection that is opened again, or joined, begins one octet before what an older one expects next, whose
    // acknowledgment fits then. Until the SYN was repeated it may have been on its way when our RST was sent.
    if acknowledged && !segment.flags.contains(Flags::SYN) && syn.attempts > 1 {
        return Disposition::ResetStranger;
    }
    // A simultaneous open is no answer of a listening target.
    if acknowledged && segment.flags.contains(Flags::SYN) { Disposition::SynAck } else { Disposition::Ignore }
}

/// The synchronized states (3.10.7.4).
fn classify_synchronized(sync: &Synchronized, segment: &Segment) -> Disposition {
    if segment.flags.contains(Flags::RST) {
        let acceptable = segment.seq.at_or_after(sync.rcv.nxt);
        return if acceptable { Disposition::Reset } else { Disposition::Ignore };
    }
    if !segment.flags.contains(Flags::ACK) {
        return Disposition::Ignore;
    }
    // A repeated SYN-ACK, a keep-alive probe, a repeated segment: our acknowledgment was lost or is asked for. A
    // SYN that is new belongs to no connection of ours (RFC 5961, section 4 answers it the same way).
    if segment.flags.contains(Flags::SYN) || sync.rcv.is_old(segment) {
        return Disposition::Acknowledge;
    }
    // "If the ACK acks something not yet sent, then send an ACK, drop the segment, and return."
    if segment.ack.after(sync.snd.nxt) { Disposition::Acknowledge } else { Disposition::Process }
}

/// TIME-WAIT: the only thing that can arrive is a retransmission of the FIN: acknowledge it. A SYN-ACK answers an old
/// duplicate of our SYN that the network delivered late: a connection of which nobody knows.
fn classify_lingering(segment: &Segment) -> Disposition {
    if segment.flags.contains(Flags::RST) {
        Disposition::Reset
    } else if segment.flags.contains(Flags::SYN) {
        classify_unknown(segment)
    } else if segment.sequence_len() > 0 {
        Disposition::Acknowledge
    } else {
        Disposition::Ignore
    }
}
