//! Asking intercepts to tell of the target's datagrams.

use super::slot::{Slot, State};
use super::{PROOF_LIMIT, Tunnels};
use crate::greeting::Reach;
use std::time::Instant;
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

    /// Whether replay may begin: an intercept is there, and nobody who might tell of datagrams still has to be asked.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        let asked = |slots: &[Slot]| {
            let is_old = |slot: &Slot| slot.is_up() && now >= slot.established + PROOF_LIMIT;
            slots.iter().any(|slot| slot.tells_datagrams || is_old(slot)) || !slots.iter().any(Slot::is_up)
        };
        let all_asked = || self.slots.chunks(self.per_intercept).all(asked);
        self.counts().up > 0 && (self.datagram_routes.is_empty() || all_asked())
    }
}

impl Slot {
    fn speaks_version_2(&self) -> bool {
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
