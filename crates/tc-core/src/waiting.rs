//! What sessions wait for.

use std::fmt;

/// What a session waits for before it can send what it has captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// A tunnel over which its route can be announced.
    Route,
    /// The target's answer to its SYN.
    Handshake,
    /// The target's answer to the request before.
    Answer,
    /// Room in the target's window.
    Window,
    /// Room in the congestion window.
    CongestionWindow,
    /// The acknowledgment of everything before the client's end.
    Delivery,
    /// Some silence of the target before the client's end.
    Quiet,
    /// Captured packets that fill a hole.
    Hole,
}

impl Waiting {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Route,
        Self::Handshake,
        Self::Answer,
        Self::Window,
        Self::CongestionWindow,
        Self::Delivery,
        Self::Quiet,
        Self::Hole,
    ];

    /// The reason as statistics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Handshake => "handshake",
            Self::Answer => "answer",
            Self::Window => "window",
            Self::CongestionWindow => "congestion window",
            Self::Delivery => "delivery",
            Self::Quiet => "quiet",
            Self::Hole => "hole",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
