//! What can be set.

use std::time::Duration;

/// Settings of a [`Replayer`](crate::Replayer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayConfig {
    /// Octets of the largest packet sent to the target, IP header included.
    pub mtu: usize,
    /// How long a session may stay without a word from client and target.
    pub session_timeout: Duration,
    /// How long the next request waits for the target to begin its answer to the one before.
    pub answer_limit: Duration,
    /// Sessions at once; more are not begun.
    pub max_sessions: usize,
    /// Octets of captured data that a session may keep.
    pub max_session_octets: usize,
    /// Octets of captured data that all sessions may keep.
    pub max_octets: usize,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            mtu: 1500,
            session_timeout: Duration::from_mins(12),
            answer_limit: Duration::from_secs(30),
            max_sessions: 1_000_000,
            max_session_octets: 128 << 20,
            max_octets: 2 << 30,
        }
    }
}
