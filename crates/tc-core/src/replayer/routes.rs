//! Routes that are to be announced.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// The flows whose routes go to the same intercepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteScope {
    /// All flows.
    All,
    /// The flows of the target at this address.
    Target(IpAddr),
}

impl RouteScope {
    /// Whether the routes of this target's flows belong to the scope.
    #[must_use]
    pub fn covers(self, target: SocketAddr) -> bool {
        match self {
            Self::All => true,
            Self::Target(address) => address == target.ip(),
        }
    }
}

/// Sessions whose routes are to be announced, and where that can be done.
#[derive(Debug, Default)]
pub(super) struct Routes {
    up: HashSet<RouteScope>,
    queue: VecDeque<usize>,
}

impl Routes {
    pub(super) fn set_up(&mut self, scope: RouteScope) {
        self.up.insert(scope);
    }

    pub(super) fn set_down(&mut self, scope: RouteScope) {
        self.up.remove(&scope);
    }

    pub(super) fn is_up(&self, target: SocketAddr) -> bool {
        self.up.contains(&RouteScope::All) || self.up.contains(&RouteScope::Target(target.ip()))
    }

    pub(super) fn push(&mut self, index: usize) {
        self.queue.push_back(index);
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        self.queue.pop_front()
    }
}
