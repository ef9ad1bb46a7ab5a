//! What captured packets mean to a session.

use tc_proto::{Flags, SeqNum};

/// A captured acknowledgment: a number of the *online* server's sequence space. It may be compared with others
/// of its kind, to see whether the client had received something in between, and is good for nothing else in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnlineAck(SeqNum);

impl OnlineAck {
    pub(crate) const fn new(ack: SeqNum) -> Self {
        Self(ack)
    }

    /// Whether the client had received more when it sent `self`.
    pub(crate) const fn is_after(self, earlier: Self) -> bool {
        self.0.after(earlier.0)
    }

    /// Octets that the client had received in between.
    pub(crate) const fn octets_since(self, earlier: Self) -> usize {
        self.0.octets_since(earlier.0)
    }

    /// Where the online server's stream stands, for whoever follows that server itself.
    pub(crate) const fn number(self) -> SeqNum {
        self.0
    }
}

/// How often the online server had its say before a request: the number of times that the client's
/// acknowledgment had advanced from one data segment to the next.
pub(crate) type Turn = u32;

/// One captured data segment that is in order. Its octets are in the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Captured {
    pub(crate) seq: SeqNum,
    pub(crate) len: usize,
    pub(crate) flags: Flags,
    /// Where urgent data ends.
    pub(crate) urgent_end: Option<SeqNum>,
    pub(crate) turn: Turn,
    pub(crate) ack: OnlineAck,
    /// Octets of the online server that the client had received since the data before.
    pub(crate) heard: usize,
    /// Whether a request begins with it.
    pub(crate) begins: bool,
}

impl Captured {
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len
    }

    /// The flag and the pointer of urgent data as seen from `seq` (RFC 9293, section 3.8.5).
    pub(crate) fn urgent_at(&self, seq: SeqNum) -> (Flags, u16) {
        match self.urgent_end.map(|end| end.octets_since(seq)) {
            None | Some(0) => (Flags::NONE, 0),
            Some(octets) => (Flags::URG, u16::try_from(octets).unwrap_or(u16::MAX)),
        }
    }
}

/// How the client ended its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndKind {
    /// FIN: nothing more to send.
    Fin,
    /// RST, or a client that has gone without a word.
    Reset,
}

/// The end of the captured stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) kind: EndKind,
    /// Whether the client had received something after its last data.
    pub(crate) answered: bool,
}

/// What became of a captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Offered {
    /// Its data is in order.
    Data,
    /// Its data waits behind a hole.
    Held,
    /// The client's FIN or RST.
    End,
    /// Nothing but an acknowledgment.
    Ack,
    /// Already seen: the client sent it again.
    Retransmission,
    /// Data of a connection whose next request has not begun.
    NotJoined,
    /// Sequence numbers that cannot belong to this connection, or data behind its end.
    OutOfWindow,
    /// More than may be kept.
    Overflow,
}
