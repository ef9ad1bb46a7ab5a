//! The route table: flow → tunnel.

use super::{Counters, RelayConfig, TunnelId};
use crate::deadlines::Deadlines;
use crate::index::Index;
use slab::Slab;
use std::time::{Duration, Instant};
use tc_proto::{Flags, Flow, Segment, TargetHeader};

/// The maximum segment size over Ethernet with IPv4.
const ETHERNET_MSS: u16 = 1460;

#[derive(Debug)]
struct Route {
    flow: Flow,
    tunnel: TunnelId,
    /// The maximum segment size that the target named, if its SYN-ACK was seen.
    mss: Option<u16>,
    stage: Stage,
    last_used: Instant,
}

/// How far the connection is: by the target's FIN or RST, and by its tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    /// Its tunnel took it back.
    Removed,
}

/// What became of an announced route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It is new.
    New,
    /// It is new, and another one made room for it.
    Evicted,
    /// The tunnel had announced it before.
    Renewed,
    /// Another tunnel had announced it.
    TakenOver,
}

/// All routes. A route has exactly one deadline at a time.
#[derive(Debug)]
pub(super) struct Routes {
    by_flow: Index<Flow>,
    table: Slab<Route>,
    /// One may be earlier than the route's true one: a response moves only `last_used`, and the deadline is put right when
    /// it comes.
    deadlines: Deadlines<()>,
    max: usize,
    idle: Duration,
    closing: Duration,
    removed: Duration,
}

impl Routes {
    pub(super) fn new(config: &RelayConfig) -> Self {
        let room = config.initial_routes.min(config.max_routes);
        Self {
            by_flow: Index::with_capacity(room),
            table: Slab::with_capacity(room),
            deadlines: Deadlines::new(),
            max: config.max_routes.max(1),
            idle: config.route_idle,
            closing: config.route_closing,
            removed: config.route_removed,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next().map(|(deadline, ())| deadline)
    }

    /// From here on `flow` belongs to `tunnel`: of two tunnels that announce it, the later one has it.
    pub(super) fn add(&mut self, now: Instant, flow: Flow, tunnel: TunnelId) -> Announcement {
        if let Some(key) = self.of_flow(&flow) {
            return self.renew(now, key, tunnel);
        }
        let outcome = if self.table.len() < self.max { Announcement::New } else { self.evict() };
        let route = Route { flow, tunnel, mss: None, stage: Stage::Open, last_used: now };
        let key = self.table.insert(route);
        self.by_flow.insert(&flow, key, |key| flow_at(&self.table, key));
        self.deadlines.set(key, now + self.idle, ());
        outcome
    }

    /// The tunnel of a response, and the octets of payload that a packet on the wire has at most.
    pub(super) fn find(&mut self, now: Instant, segment: &Segment) -> Option<(TunnelId, usize)> {
        let key = self.of_flow(&TargetHeader(*segment).flow())?;
        let route = self.table.get_mut(key)?;
        route.last_used = now;
        route.mss = segment.options.mss.or(route.mss);
        let found = (route.tunnel, payload_limit(route.mss, segment));
        let ends = segment.flags.intersects(Flags::FIN | Flags::RST);
        match (route.stage, ends) {
            (Stage::Open, true) => self.set_stage(key, Stage::Closing),
            // A connection of the same ports that was opened anew.
            (Stage::Closing, false) if segment.flags.contains(Flags::SYN) => self.set_stage(key, Stage::Open),
            (Stage::Open | Stage::Closing | Stage::Removed, _) => {}
        }
        Some(found)
    }

    /// The route goes once no response has come for a while, if it is this tunnel's; says whether it is.
    pub(super) fn remove(&mut self, now: Instant, tunnel: TunnelId, flow: &Flow) -> bool {
        let Some(key) = self.of_flow(flow) else { return false };
        let Some(route) = self.table.get_mut(key).filter(|route| route.tunnel == tunnel) else { return false };
        route.last_used = now;
        self.set_stage(key, Stage::Removed);
        true
    }

    /// Removes all routes of a tunnel and says how many.
    pub(super) fn remove_tunnel(&mut self, tunnel: TunnelId) -> u64 {
        let before = self.table.len();
        let Self { by_flow, table, deadlines, .. } = self;
        table.retain(|key, route| {
            let stays = route.tunnel != tunnel;
            if !stays {
                by_flow.remove(&route.flow, key);
                deadlines.stop(key);
            }
            stays
        });
        (before - self.table.len()) as u64
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, counters: &mut Counters) {
        while let Some(key) = self.deadlines.pop_due(now) {
            let Some(stage) = self.table.get(key).map(|route| route.stage) else { continue };
            if self.reset_deadline(key) > now {
                continue;
            }
            self.discard(key);
            match stage {
                Stage::Open => counters.routes_idle += 1,
                Stage::Closing => counters.routes_closed += 1,
                Stage::Removed => counters.routes_removed += 1,
            }
        }
    }

    fn of_flow(&self, flow: &Flow) -> Option<usize> {
        self.by_flow.find(flow, |key| flow_at(&self.table, key))
    }

    fn renew(&mut self, now: Instant, key: usize, tunnel: TunnelId) -> Announcement {
        let Some(route) = self.table.get_mut(key) else { return Announcement::New };
        let same = route.tunnel == tunnel;
        route.tunnel = tunnel;
        route.last_used = now;
        self.set_stage(key, Stage::Open);
        if same { Announcement::Renewed } else { Announcement::TakenOver }
    }

    fn set_stage(&mut self, key: usize, stage: Stage) {
        if let Some(route) = self.table.get_mut(key)
            && route.stage != stage
        {
            route.stage = stage;
            self.reset_deadline(key);
        }
    }

    /// Sets the true deadline of a route, and returns it.
    fn reset_deadline(&mut self, key: usize) -> Instant {
        let route = &self.table[key];
        let patience = match route.stage {
            Stage::Open => self.idle,
            Stage::Closing => self.closing,
            Stage::Removed => self.removed,
        };
        let deadline = route.last_used + patience;
        self.deadlines.set(key, deadline, ());
        deadline
    }

    /// Removes the route that idled longest. Each deadline that is put right on the way had a response since it was set.
    fn evict(&mut self) -> Announcement {
        while let Some((was, key)) = self.deadlines.pop() {
            if self.reset_deadline(key) == was {
                self.discard(key);
                break;
            }
        }
        Announcement::Evicted
    }

    fn discard(&mut self, key: usize) {
        if let Some(route) = self.table.try_remove(key) {
            self.by_flow.remove(&route.flow, key);
            self.deadlines.stop(key);
        }
    }
}

fn flow_at(routes: &Slab<Route>, key: usize) -> Option<Flow> {
    routes.get(key).map(|route| route.flow)
}

/// Octets of payload in the largest packet on the wire: by the MSS that the target named in its SYN-ACK, which follows
/// from its MTU, less this segment's options (RFC 6691).
fn payload_limit(mss: Option<u16>, segment: &Segment) -> usize {
    usize::from(mss.unwrap_or(ETHERNET_MSS)).saturating_sub(segment.options.emitted_len()).max(1)
}
