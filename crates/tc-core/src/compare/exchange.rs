//! One request and both of its answers, when they are over.

use super::RequestLine;
use std::time::{Duration, Instant};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The server refused the connection.
    Refused,
    /// The server reset the connection before it answered.
    Reset,
    /// The server closed without an answer, or never said anything.
    Unanswered,
    /// The request never went out: the replay gave it up. Only a target's side can end like this.
    NotSent,
    /// The request was too young to tell when the comparison ended.
    InFlight,
}

/// How one server dealt with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From the last octet of the request that came before the answer to the answer's first octet.
    pub first: Duration,
    /// From the same to the answer's last octet.
    pub last: Duration,
    /// Octets of the answer.
    pub octets: u64,
    /// The status of an HTTP answer.
    pub status: Option<u16>,
}

/// One request and how both servers dealt with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When the replay got its last octet.
    pub handed: Instant,
    /// The request line, if it is an HTTP request.
    pub line: Option<RequestLine>,
    /// The online server.
    pub online: Result<Answer, Failure>,
    /// The target. Its times are those seen at this host: network and tunnel are in them.
    pub target: Result<Answer, Failure>,
    /// How long the whole request waited in the replay before it went out.
    pub waited: Option<Duration>,
    /// Whether a part of the request had to be sent again: the target's times say nothing then (Karn's algorithm).
    pub resent: bool,
}
