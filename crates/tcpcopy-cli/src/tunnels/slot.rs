//! One of the connections to one intercept.

use super::{FIRST_PAUSE, PROOF_LIMIT};
use crate::greeting::Reach;
use crate::tunnel::Tunnel;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tc_core::{Replayer, RouteScope};
use tc_proto::Flow;
use tracing::info;

/// Where one connection stands.
#[derive(Debug)]
pub(super) enum State {
    /// The next attempt is due then.
    Down(Instant),
    /// An attempt that ends then.
    Connecting(Tunnel, Instant),
    /// A connection that is established, whose intercept must prove by then that it knows the key.
    Proving(Tunnel, Instant),
    Up(Tunnel),
}

/// What there is to read, as mio told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unread {
    Nothing,
    Something,
    /// Nothing follows it: mio tells no more.
    All,
}

/// One of the connections to one intercept.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) address: SocketAddr,
    pub(super) scope: RouteScope,
    /// The parts of the scope that it serves at this moment.
    pub(super) serves: Vec<RouteScope>,
    pub(super) state: State,
    /// The pause before the next attempt.
    pub(super) pause: Duration,
    pub(super) established: Instant,
    /// When intercept should have said hello at the latest, if IPv6 flows wait for it.
    pub(super) hello_due: Option<Instant>,
    /// Whether it tells of datagrams.
    pub(super) tells_datagrams: bool,
    pub(super) unread: Unread,
    pub(super) dirty: bool,
}

impl Slot {
    pub(super) const fn new(now: Instant, address: SocketAddr, scope: RouteScope, state: State) -> Self {
        Self {
            address,
            scope,
            serves: Vec::new(),
            state,
            pause: FIRST_PAUSE,
            established: now,
            hello_due: None,
            tells_datagrams: false,
            unread: Unread::Nothing,
            dirty: false,
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting(..))
    }

    pub(super) fn covers(&self, flow: &Flow) -> bool {
        self.serves.iter().any(|scope| scope.covers(flow.target))
    }

    /// The attempt has succeeded.
    pub(super) fn establish(&mut self, now: Instant) {
        if let State::Connecting(tunnel, _) = std::mem::replace(&mut self.state, State::Down(now)) {
            self.state = State::Proving(tunnel, now + PROOF_LIMIT);
            self.established = now;
            self.dirty = true;
            self.unread = self.unread.max(Unread::Something);
            info!("connect to remote server({})", self.address);
        }
    }

    /// What the tunnel serves may have grown.
    pub(super) fn extend(&mut self, now: Instant, replayer: &mut Replayer) {
        let (State::Up(tunnel) | State::Proving(tunnel, _)) = &self.state else { return };
        let reach = tunnel.reach();
        let more: Vec<_> = parts(self.scope, reach).filter(|part| !self.serves.contains(part)).collect();
        for part in more {
            replayer.handle_tunnel_up(part);
            self.serves.push(part);
        }
        if reach == Reach::All {
            self.hello_due = None;
        }
        if reach != Reach::Nothing {
            self.state = match std::mem::replace(&mut self.state, State::Down(now)) {
                State::Proving(tunnel, _) => State::Up(tunnel),
                other @ (State::Down(_) | State::Connecting(..) | State::Up(_)) => other,
            };
        }
    }
}

/// The parts of a scope that a tunnel of this reach serves.
fn parts(scope: RouteScope, reach: Reach) -> impl Iterator<Item = RouteScope> {
    let parts = match scope {
        RouteScope::All => [Some(RouteScope::Ipv4), Some(RouteScope::Ipv6)],
        RouteScope::Ipv4 | RouteScope::Ipv6 | RouteScope::Target(_) => [Some(scope), None],
    };
    let served = move |part: &RouteScope| match (reach, part) {
        (Reach::Nothing, _) | (Reach::Ipv4, RouteScope::Ipv6 | RouteScope::Target(IpAddr::V6(_))) => false,
        (Reach::Ipv4 | Reach::All, _) => true,
    };
    parts.into_iter().flatten().filter(served)
}
