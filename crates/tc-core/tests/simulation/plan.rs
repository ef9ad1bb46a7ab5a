//! What one client does, and how the two servers take it: the online one and the target.

use super::rng::mix;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;
use tc_proto::{SeqNum, TcpOptions};

/// How a request follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Behind its answer.
    Answer,
    /// At once.
    Pipelined,
}

/// One request of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) len: usize,
    pub(crate) follows: Follows,
    /// Between the answer before and the request.
    pub(crate) think: Duration,
    /// Octets of the largest captured segment.
    pub(crate) segment: usize,
    /// The online server's answer.
    pub(crate) online: Answer,
    /// The target's answer.
    pub(crate) target: Answer,
}

/// What a server says to a request, and how long it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) len: usize,
    pub(crate) delay: Duration,
}

/// How a client ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a FIN behind the last answer.
    Fin,
    /// With a FIN on the last request, before its answer.
    HalfClose,
    /// With a FIN behind that of the online server.
    FinAfterServer,
    /// With a RST behind the last answer.
    Reset,
    /// With a RST behind the last request.
    EarlyReset,
    /// Not at all: it goes away.
    Silence,
}

/// When the target closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closes {
    /// Behind the client.
    AfterClient,
    /// Behind so many answers.
    AfterAnswers(usize),
    /// Never.
    Never,
}

/// How the target's application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Everything at once.
    Eagerly,
    /// So many octets each time.
    Slowly(usize, Duration),
}

/// How the target's application conducts itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    pub(crate) closes: Closes,
    pub(crate) reads: Reads,
    pub(crate) receive_buffer: usize,
    pub(crate) mtu: usize,
    /// Whether its initial sequence number lies just below the wrap.
    pub(crate) wraps: bool,
}

/// What one client does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) id: usize,
    pub(crate) client: SocketAddr,
    pub(crate) online: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) iss: SeqNum,
    pub(crate) online_iss: SeqNum,
    pub(crate) syn: TcpOptions,
    pub(crate) start: Duration,
    /// The round-trip time between client and online server.
    pub(crate) rtt: Duration,
    /// What both servers say first, if they do.
    pub(crate) greeting: Option<Answer>,
    pub(crate) requests: Vec<Request>,
    pub(crate) ending: Ending,
    /// The request within which the capture begins: nothing before it was seen.
    pub(crate) joined: Option<usize>,
    /// The request of which a segment is never captured.
    pub(crate) hole: Option<usize>,
    pub(crate) conduct: Conduct,
}

impl Plan {
    /// Octets that the client sends.
    pub(crate) fn len(&self) -> usize {
        self.requests.iter().map(|request| request.len).sum()
    }

    /// The octets of a request.
    pub(crate) fn request(&self, index: usize) -> Range<usize> {
        let start = self.requests[..index].iter().map(|request| request.len).sum();
        start..start + self.requests[index].len
    }

    /// The octet at a place of the stream.
    pub(crate) fn octet(&self, offset: usize) -> u8 {
        let word = mix((self.id as u64) << 40 | (offset / 8) as u64);
        word.to_le_bytes()[offset % 8]
    }

    pub(crate) fn octets(&self, range: Range<usize>) -> Vec<u8> {
        range.map(|offset| self.octet(offset)).collect()
    }

    /// The sequence number of the first octet.
    pub(crate) fn first(&self) -> SeqNum {
        self.iss + 1
    }

    /// The place in the stream of a sequence number, the end included.
    pub(crate) fn offset(&self, seq: SeqNum) -> Option<usize> {
        let distance = seq.distance_from(self.first());
        usize::try_from(distance).ok().filter(|offset| *offset <= self.len())
    }

    /// Whether the client ends with a FIN.
    pub(crate) fn sends_fin(&self) -> bool {
        matches!(self.ending, Ending::Fin | Ending::HalfClose | Ending::FinAfterServer)
    }
}
