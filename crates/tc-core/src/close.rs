//! Why a replayed connection ended.

use std::fmt;

/// Why a replayed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Client and target both closed.
    Finished,
    /// The client reset its connection, or used its port for the next one.
    ClientReset,
    /// The target closed while the client went on.
    TargetClosed,
    /// The target reset the connection.
    TargetReset,
    /// The target refused the connection: nothing listens there.
    Refused,
    /// The target did not answer the SYN, or did not acknowledge data, however often it was sent.
    TimedOut,
    /// The captured stream has a hole.
    Hole,
    /// The session would have kept more than it may.
    Overflow,
    /// Nothing happened for the session timeout.
    Idle,
    /// All sessions together took more memory than they may.
    Shed,
}

impl CloseReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Finished,
        Self::ClientReset,
        Self::TargetClosed,
        Self::TargetReset,
        Self::Refused,
        Self::TimedOut,
        Self::Hole,
        Self::Overflow,
        Self::Idle,
        Self::Shed,
    ];

    /// The reason as statistics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientReset => "client reset",
            Self::TargetClosed => "target closed",
            Self::TargetReset => "target reset",
            Self::Refused => "refused",
            Self::TimedOut => "timed out",
            Self::Hole => "hole",
            Self::Overflow => "overflow",
            Self::Idle => "idle",
            Self::Shed => "shed",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::CloseReason;

    #[test]
    fn each_reason_stands_at_its_number() {
        for (number, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }
}
