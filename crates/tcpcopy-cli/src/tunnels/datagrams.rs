//! Asking intercepts to tell of the target's datagrams.

use super::Tunnels;
use super::slot::{Slot, State};
use crate::greeting::Reach;
use tc_core::Mapping;
use tc_proto::tunnel::{DatagramRoute, Message};
use tc_proto::{PortShare, Transport};
use tracing::info;

/// A route for each target of datagrams.
pub(super) fn routes(mappings: &[Mapping], share: PortShare) -> Vec<DatagramRoute> {
    let mut routes: Vec<DatagramRoute> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.transport == Transport::Udp) {
        let route = DatagramRoute { target: mapping.target, share };
        if !routes.contains(&route) {
            routes.push(route);
        }
    }
    routes
}

impl Tunnels {
    /// One connection to each intercept tells of datagrams; another one takes over when it is lost.
    pub(super) fn ask_for_datagrams(&mut self) {
        for slots in self.slots.chunks_mut(self.per_intercept) {
            if slots.iter().any(|slot| slot.tells_datagrams) {
                continue;
            }
            if let Some(slot) = slots.iter_mut().find(|slot| slot.speaks_version_2()) {
                slot.ask_for_datagrams(&self.datagram_routes);
            }
        }
    }
}

impl Slot {
    pub(super) fn speaks_version_2(&self) -> bool {
        matches!(&self.state, State::Up(tunnel) if tunnel.reach() == Reach::All)
    }

    fn ask_for_datagrams(&mut self, routes: &[DatagramRoute]) {
        let State::Up(tunnel) = &mut self.state else { return };
        for route in routes.iter().filter(|route| self.scope.covers(route.target)) {
            tunnel.say(&Message::AddDatagramRoute(*route));
            info!("datagrams of {} are told by {}", route.target, self.address);
            self.dirty = true;
        }
        self.tells_datagrams = true;
    }
}
