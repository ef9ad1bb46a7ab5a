//! The connected tcpcopies.

use crate::connection::{Connection, Served};
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;
use tc_core::relay::{Event, Relay, TunnelId};
use tc_proto::Flow;
use tc_proto::tunnel::auth::Nonce;
use tc_sys::error::reason;
use tc_sys::program::{RateLimit, Readiness};
use tracing::{info, warn};

/// Connections that are accepted before the other sources have their turn.
const MAX_ACCEPTS: usize = 32;
const READ_BUFFER: usize = 16 << 10;

/// All tunnels' connections.
pub(crate) struct Tunnels {
    connections: BTreeMap<TunnelId, Connection>,
    /// Connections that may have octets to read.
    unread: BTreeSet<TunnelId>,
    /// Connections whose socket may take octets that wait.
    unwritten: BTreeSet<TunnelId>,
    /// Flows that tunnels want to be traced.
    traces: Vec<(TunnelId, Flow)>,
    next: u64,
    buffer: Box<[u8]>,
    lines: RateLimit,
}

impl Tunnels {
    /// Tunnels whose tokens start at `first_token`.
    pub(crate) fn new(now: Instant, first_token: u64) -> Self {
        Self {
            connections: BTreeMap::new(),
            unread: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            traces: Vec::new(),
            next: first_token,
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            lines: RateLimit::new(now),
        }
    }

    /// Flows to be traced, each with the tunnel that wants it, once.
    pub(crate) fn take_traces(&mut self) -> Vec<(TunnelId, Flow)> {
        std::mem::take(&mut self.traces)
    }

    /// Whether a connection has work left that mio will not announce again.
    pub(crate) fn has_work(&self) -> bool {
        !self.unread.is_empty() || !self.unwritten.is_empty()
    }

    /// Notes what mio says of a connection.
    pub(crate) fn handle_readiness(&mut self, event: &mio::event::Event) {
        let id = TunnelId(event.token().0 as u64);
        if event.is_writable() {
            self.unwritten.insert(id);
        }
        // Also an error or the end is found by reading.
        if event.is_readable() || event.is_error() || event.is_read_closed() {
            self.unread.insert(id);
        }
    }

    /// Accepts the connections that wait.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        listener: &TcpListener,
        registry: &Registry,
        relay: &mut Relay,
    ) -> Readiness {
        for _ in 0..MAX_ACCEPTS {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if let Err(error) = self.add(now, Connection::new(stream, peer), registry, relay) {
                        self.warn(now, format_args!("connection of {peer} refused: {}", reason(&error)));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Readiness::Drained,
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    self.warn(now, format_args!("cannot accept a connection: {}", reason(&error)));
                    return Readiness::failed(now);
                }
            }
        }
        Readiness::Ready
    }

    fn add(
        &mut self,
        now: Instant,
        connection: io::Result<Connection>,
        registry: &Registry,
        relay: &mut Relay,
    ) -> io::Result<()> {
        let mut connection = connection?;
        let id = TunnelId(self.next);
        self.next += 1;
        registry.register(&mut connection.stream, token(id)?, Interest::READABLE | Interest::WRITABLE)?;
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)?;
        relay.handle_tunnel_up(now, id, connection.peer.ip(), nonce);
        self.connections.insert(id, connection);
        // What it said already is heard before others displace it.
        self.unread.insert(id);
        self.handle_events(now, relay);
        Ok(())
    }

    /// Reads from each connection that has something, a bounded amount.
    pub(crate) fn read(&mut self, now: Instant, relay: &mut Relay) {
        for id in std::mem::take(&mut self.unread) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let served = connection.read(now, id, relay, &mut self.buffer);
            // A peer that is refused usually closes at once; its line is to name the refusal.
            self.handle_events(now, relay);
            match served {
                Served::More => _ = self.unread.insert(id),
                Served::Drained => {}
                Served::Ended(error) => self.end(now, id, relay, error.as_ref()),
            }
        }
    }

    /// Writes to each connection for which headers wait, a bounded amount.
    pub(crate) fn write(&mut self, now: Instant, relay: &mut Relay) {
        while let Some(id) = relay.poll_ready() {
            self.unwritten.insert(id);
        }
        for id in std::mem::take(&mut self.unwritten) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            match connection.write(id, relay) {
                Served::More => _ = self.unwritten.insert(id),
                Served::Drained => {}
                Served::Ended(error) => self.end(now, id, relay, error.as_ref()),
            }
        }
    }

    /// Does and tells what the relay wants.
    pub(crate) fn handle_events(&mut self, now: Instant, relay: &mut Relay) {
        while let Some(event) = relay.poll_event() {
            self.handle_event(now, event);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::TunnelReady { tunnel, wire } => {
                self.notice(now, format_args!("tunnel {} of {}: {wire}", tunnel.0, self.peer(tunnel)));
            }
            Event::UnknownVersion { tunnel, version } => self.warn(
                now,
                format_args!(
                    "tunnel {} of {}: unknown internal version {version}, is served like version 6",
                    tunnel.0,
                    self.peer(tunnel)
                ),
            ),
            Event::Trace { tunnel, flow } => self.traces.push((tunnel, flow)),
            Event::TunnelCut { tunnel, reason } => {
                self.warn(now, format_args!("tunnel {} of {} cut: {reason}", tunnel.0, self.peer(tunnel)));
                self.connections.remove(&tunnel);
            }
        }
    }

    /// The connection ended by itself.
    fn end(&mut self, now: Instant, id: TunnelId, relay: &mut Relay, error: Option<&io::Error>) {
        relay.handle_tunnel_down(id);
        let Some(connection) = self.connections.remove(&id) else { return };
        let why = error.map_or_else(|| "by its peer".to_owned(), reason);
        self.notice(now, format_args!("tunnel {} of {} closed: {why}", id.0, connection.peer));
    }

    fn peer(&self, id: TunnelId) -> SocketAddr {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        self.connections.get(&id).map_or(nobody, |connection| connection.peer)
    }

    fn notice(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        if let Some(left_out) = self.lines.admit(now) {
            info!("{line}{left_out}");
        }
    }

    fn warn(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        if let Some(left_out) = self.lines.admit(now) {
            warn!("{line}{left_out}");
        }
    }
}

fn token(id: TunnelId) -> Result<Token, io::Error> {
    usize::try_from(id.0).map(Token).map_err(io::Error::other)
}

/// Whether the connection that waited failed, and not the listener (accept(2): errors of the new socket).
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
