//! How a case ended.

use std::fmt;

use crate::records::Verdict;
use crate::stage::Stage;
use crate::usage::Usage;

/// What became of the requests, and what that cost.
pub struct Outcome {
    /// What the target application got.
    pub verdict: Verdict,
    /// How many requests the online application got, whether they count or not.
    pub served: usize,
    /// The addresses of clients that packets of the target application reached, once for each packet.
    pub escaped: Vec<String>,
    /// What tcpcopy used.
    pub tcpcopy: Usage,
    /// What intercept used.
    pub intercept: Usage,
    /// Whether both programs ran to the end and then stopped on SIGTERM with exit code 0.
    pub stopped_cleanly: bool,
    /// How many packets the kernel could not hand to the programs, as far as it tells.
    pub dropped: u64,
    /// Where it happened, so that what the processes wrote is there for whoever finds the outcome wrong.
    pub stage: Stage,
}

impl Outcome {
    /// Demands that every one of `requests` requests arrived exactly once, octet for octet, and no answer escaped.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub fn assert_perfect(&self, requests: usize) {
        assert!(self.verdict.is_perfect(), "{self}");
        self.assert_part(requests);
    }

    /// Demands that of `requests` requests those which arrived did so exactly once, octet for octet, and no answer
    /// escaped.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub fn assert_part(&self, requests: usize) {
        assert_eq!(self.verdict.online, requests, "requests of the load; {self}");
        assert!(self.verdict.is_part(), "{self}");
        assert!(self.escaped.is_empty(), "answers reached clients: {self}");
        assert!(self.stopped_cleanly, "a program did not end cleanly: {self}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (escaped, dropped) = (self.escaped.len(), self.dropped);
        write!(f, "{} escaped {escaped} dropped {dropped}", self.verdict)
    }
}
