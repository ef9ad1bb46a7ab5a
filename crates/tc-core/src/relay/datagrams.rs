//! Who hears of the datagrams of which target.

use super::{Relay, TunnelId};
use crate::table::Table;
use std::net::SocketAddr;
use tc_proto::tunnel::{DatagramRoute, TargetDatagram};
use tc_proto::{DatagramRef, Flow};

/// Targets of which one tunnel hears.
const MAX_TARGETS: usize = 256;

/// All routes of datagrams: of each target, at most one for each tunnel.
#[derive(Debug, Default)]
pub(super) struct DatagramRoutes {
    by_target: Table<SocketAddr, Vec<(TunnelId, DatagramRoute)>>,
    /// Of how many targets each tunnel hears.
    counts: Table<TunnelId, usize>,
}

impl DatagramRoutes {
    /// The tunnel hears of these datagrams, and of no others of the target; says whether it may.
    fn add(&mut self, tunnel: TunnelId, route: DatagramRoute) -> bool {
        let known = self.by_target.get_mut(&route.target).into_iter().flatten().find(|(to, _)| *to == tunnel);
        if let Some((_, known)) = known {
            *known = route;
            return true;
        }
        let count = self.counts.entry(tunnel).or_default();
        if *count >= MAX_TARGETS {
            return false;
        }
        *count += 1;
        self.by_target.entry(route.target).or_default().push((tunnel, route));
        true
    }

    /// Removes all routes of a tunnel.
    pub(super) fn remove_tunnel(&mut self, tunnel: TunnelId) {
        if self.counts.remove(&tunnel).is_none() {
            return;
        }
        self.by_target.retain(|_, routes| {
            routes.retain(|(to, _)| *to != tunnel);
            !routes.is_empty()
        });
    }

    /// The tunnels that hear of a flow's datagrams.
    fn tunnels(&self, flow: &Flow) -> Vec<TunnelId> {
        let routes = self.by_target.get(&flow.target).map(Vec::as_slice).unwrap_or_default();
        routes.iter().filter(|(_, route)| route.covers(flow)).map(|(tunnel, _)| *tunnel).collect()
    }
}

impl Relay {
    pub(super) fn add_datagram_route(&mut self, tunnel: TunnelId, route: DatagramRoute) {
        if !self.tunnels.is_ready(tunnel) || !self.datagram_routes.add(tunnel, route) {
            self.counters.routes_refused += 1;
        }
    }

    /// Tells of a datagram of the target whoever wants to hear of it: more than one tcpcopy may send to it.
    pub(super) fn forward_datagram(&mut self, octets: &[u8]) {
        let datagram = match DatagramRef::parse_headers(octets) {
            Ok(datagram) => TargetDatagram::from(&datagram),
            Err(error) => return self.counters.count_parse_error(error),
        };
        self.counters.datagrams += 1;
        let tunnels = self.datagram_routes.tunnels(&datagram.flow);
        self.counters.datagrams_unrouted += u64::from(tunnels.is_empty());
        for tunnel in tunnels {
            self.counters.datagrams_returned += 1;
            let queued = self.tunnels.queue_datagram(tunnel, &datagram);
            self.take_queued(tunnel, queued);
        }
    }
}
