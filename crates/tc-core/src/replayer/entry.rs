//! A session and what the replayer keeps about it.

use crate::session::{Lag, Session};
use std::net::SocketAddr;

/// Memory that a session takes apart from captured data: itself, its connection to the target, and its places in
/// the replayer's tables.
pub(super) const SESSION_OCTETS: usize = size_of::<Entry>() + 640;

/// A client's connection to the online server, as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) online: SocketAddr,
    /// Which of its replays: 0 is the first.
    pub(super) copy: u16,
}

/// Whether a tunnel knows the route of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteState {
    Unknown,
    Announced,
}

/// A session and what the replayer keeps about it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Connection,
    pub(super) target: SocketAddr,
    /// The number of its birth.
    pub(super) born: u64,
    pub(super) session: Session,
    pub(super) route: RouteState,
    /// Whether it stands in the queue of those that may have something to send.
    pub(super) ready: bool,
    /// Whether the client's port belongs to another session.
    pub(super) detached: bool,
    /// What holds up its replay.
    pub(super) lag: Lag,
    /// The part of the replayer's memory that was counted for it.
    pub(super) octets: usize,
    /// Whether it was counted among the busy ones.
    pub(super) busy: bool,
}

impl Entry {
    pub(super) fn new(connection: Connection, target: SocketAddr, born: u64, session: Session) -> Self {
        Self {
            connection,
            target,
            born,
            session,
            route: RouteState::Unknown,
            ready: false,
            detached: false,
            octets: 0,
            busy: false,
            lag: Lag::None,
        }
    }
}
