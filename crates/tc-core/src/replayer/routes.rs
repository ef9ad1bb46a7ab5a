//! Routes that are to be announced.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use tc_proto::Flow;

/// The flows whose routes go to the same intercepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteScope {
    /// All flows.
    All,
    /// The flows of all IPv4 targets.
    Ipv4,
    /// The flows of all IPv6 targets.
    Ipv6,
    /// The flows of the target at this address.
    Target(IpAddr),
}

impl RouteScope {
    /// Whether the routes of this target's flows belong to the scope.
    #[must_use]
    pub fn covers(self, target: SocketAddr) -> bool {
        match self {
            Self::All => true,
            Self::Ipv4 => target.is_ipv4(),
            Self::Ipv6 => target.is_ipv6(),
            Self::Target(address) => address == target.ip(),
        }
    }
}

/// The scopes that cover a target.
fn scopes_of(target: SocketAddr) -> [RouteScope; 3] {
    let version = if target.is_ipv4() { RouteScope::Ipv4 } else { RouteScope::Ipv6 };
    [RouteScope::All, version, RouteScope::Target(target.ip())]
}

/// Sessions whose routes are to be announced, and where that can be done.
#[derive(Debug, Default)]
pub(super) struct Routes {
    up: HashSet<RouteScope>,
    /// What is up, or was.
    known: HashSet<RouteScope>,
    queue: VecDeque<usize>,
    /// Flows that were announced and have ended.
    ended: VecDeque<Flow>,
}

impl Routes {
    pub(super) fn set_up(&mut self, scope: RouteScope) {
        self.up.insert(scope);
        self.known.insert(scope);
    }

    pub(super) fn set_down(&mut self, scope: RouteScope) {
        self.up.remove(&scope);
    }

    pub(super) fn is_up(&self, target: SocketAddr) -> bool {
        scopes_of(target).iter().any(|scope| self.up.contains(scope))
    }

    /// Whether there ever was an intercept for this target.
    pub(super) fn was_up(&self, target: SocketAddr) -> bool {
        scopes_of(target).iter().any(|scope| self.known.contains(scope))
    }

    pub(super) fn push(&mut self, index: usize) {
        self.queue.push_back(index);
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        self.queue.pop_front()
    }

    pub(super) fn push_ended(&mut self, flow: Flow) {
        self.ended.push_back(flow);
    }

    pub(super) fn pop_ended(&mut self) -> Option<Flow> {
        self.ended.pop_front()
    }
}
