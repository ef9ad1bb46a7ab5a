//! Sessions and what the replayer keeps about them.

use crate::deadlines::narrow;
use crate::index::Index;
use crate::session::{Context, Lag, Session};
use slab::Slab;
use std::net::SocketAddr;
use tc_proto::Flow;

/// Memory that a session takes apart from captured data: itself, its connection to the target, and its places in
/// the replayer's tables.
pub(super) const SESSION_OCTETS: usize = size_of::<Entry>() + 400;

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
    /// Which of the replayer's mappings says where it goes.
    mapping: u32,
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
    pub(super) fn new(connection: Connection, mapping: usize, born: u64, session: Session) -> Self {
        Self {
            connection,
            mapping: narrow(mapping),
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

    /// Which of the replayer's mappings says where it goes.
    pub(super) const fn mapping(&self) -> usize {
        self.mapping as usize
    }
}

/// All entries, found by their connections and by their flows.
#[derive(Debug, Default)]
pub(super) struct Entries {
    slab: Slab<Entry>,
    /// Those that are not detached.
    by_connection: Index<Connection>,
    by_flow: Index<Flow>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.slab.contains(index)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        self.slab.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Entry> {
        self.slab.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.slab.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Entry)> {
        self.slab.iter_mut()
    }

    /// The session to which the client's packets belong.
    pub(super) fn of_connection(&self, connection: &Connection) -> Option<usize> {
        self.by_connection.find(connection, |index| connection_at(&self.slab, index))
    }

    /// The session to which the target's headers belong.
    pub(super) fn of_flow(&self, flow: &Flow) -> Option<usize> {
        self.by_flow.find(flow, |index| flow_at(&self.slab, index))
    }

    /// Adds a session. No other has its connection.
    pub(super) fn insert(&mut self, entry: Entry) -> usize {
        let connection = entry.connection;
        let index = self.slab.insert(entry);
        self.by_connection.insert(&connection, index, |index| connection_at(&self.slab, index));
        index
    }

    /// Opens the connection of a session to the target, under its flow from before or one that is not in use.
    pub(super) fn open(&mut self, cx: &mut Context<'_>, index: usize, flow: Flow) {
        let Some(entry) = self.slab.get_mut(index) else { return };
        let known = entry.session.flow().is_some();
        entry.session.open(cx, flow);
        if !known {
            self.by_flow.insert(&flow, index, |index| flow_at(&self.slab, index));
        }
    }

    /// The client's connection belongs to another session from here on, or to none.
    pub(super) fn detach(&mut self, index: usize) {
        if let Some(entry) = self.slab.get_mut(index)
            && !std::mem::replace(&mut entry.detached, true)
        {
            self.by_connection.remove(&entry.connection, index);
        }
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Entry> {
        self.detach(index);
        let entry = self.slab.try_remove(index)?;
        if let Some(flow) = entry.session.flow() {
            self.by_flow.remove(&flow, index);
        }
        Some(entry)
    }
}

fn connection_at(entries: &Slab<Entry>, index: usize) -> Option<Connection> {
    entries.get(index).map(|entry| entry.connection)
}

fn flow_at(entries: &Slab<Entry>, index: usize) -> Option<Flow> {
    entries.get(index)?.session.flow()
}
