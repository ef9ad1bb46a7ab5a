//! The address pair of a replayed connection.

use std::fmt;
use std::net::SocketAddr;

/// A replayed connection as the target host sees it: the client's address and port (as rewritten), and the
/// target's. Both are of one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The source of what is sent to the target.
    pub client: SocketAddr,
    /// Where the application under test listens.
    pub target: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.client, self.target)
    }
}
