//! All sessions: tcpcopy between its capture, its tunnels and the target.

mod answers;
mod datagrams;
mod entry;
mod fragments;
mod intake;
mod recording;
mod routes;
mod shedding;
mod strays;

use crate::compare::Comparison;
use crate::counters::Counters;
use crate::datagram::Datagrams;
use crate::deadlines::Deadlines;
use crate::reassembly::Reassembler;
use crate::session::{Context, Lag, StoragePool};
use crate::{ClientPool, Mapping, ReplayConfig, Timer, Waiting};
use entry::{Entries, Entry, RouteState, SESSION_OCTETS};
use routes::Routes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use strays::Strays;
use tc_proto::{Flags, Flow, TargetHeader, Transport};

pub use routes::RouteScope;

/// A packet that was appended to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where the packet goes, by its IP header.
    pub destination: IpAddr,
    /// Its octets, at the end of the buffer.
    pub len: usize,
}

/// All sessions, and nothing that does input or output.
///
/// The driver calls one `handle_*` for each thing that happens, then asks for what follows, in this order:
///
/// 1. [`poll_route`](Self::poll_route) until `None`: flows to be announced to intercept, before their SYN leaves;
/// 2. [`poll_transmit`](Self::poll_transmit) until `None`: packets to be sent;
/// 3. [`poll_ended_route`](Self::poll_ended_route) until `None`: flows of which intercept may forget the route;
/// 4. [`poll_timeout`](Self::poll_timeout): when [`handle_timeout`](Self::handle_timeout) is due.
///
/// `now` never goes back from one call to the next. No input fails and none panics; each is counted.
#[derive(Debug)]
pub struct Replayer {
    config: ReplayConfig,
    mappings: Vec<Mapping>,
    clients: ClientPool,
    entries: Entries,
    /// Memory for captured data that no session needs for now.
    storage: StoragePool,
    /// Sessions by the number of their birth, for shedding the newest.
    by_age: BTreeMap<u64, usize>,
    /// The births of sessions that are kept only to know where their clients stand.
    silent: BTreeSet<u64>,
    born: u64,
    ready: VecDeque<usize>,
    /// The earliest of each session. One that moved back stays where it is until then: to push a timeout further off
    /// costs nothing.
    deadlines: Deadlines<Timer>,
    routes: Routes,
    strays: Strays,
    reassembler: Reassembler,
    datagrams: Datagrams,
    octets: usize,
    /// Sessions that are busy.
    busy: usize,
    /// Sessions by what holds them up.
    lagging: [usize; Lag::COUNT],
    /// When the first packet was captured.
    started: Option<Instant>,
    counters: Counters,
    comparison: Option<Box<Comparison>>,
}

impl Replayer {
    /// A replayer of the packets that `mappings` take, whose clients appear under the addresses of `clients`.
    #[must_use]
    pub fn new(mut config: ReplayConfig, mappings: Vec<Mapping>, clients: ClientPool) -> Self {
        let datagrams = Datagrams::new(&config);
        if mappings.iter().any(|mapping| mapping.transport == Transport::Udp) {
            config.max_octets -= datagrams.max_octets();
        }
        Self {
            config,
            mappings,
            clients,
            entries: Entries::default(),
            storage: StoragePool::default(),
            by_age: BTreeMap::new(),
            silent: BTreeSet::new(),
            born: 0,
            ready: VecDeque::new(),
            deadlines: Deadlines::new(),
            routes: Routes::default(),
            strays: Strays::default(),
            reassembler: Reassembler::default(),
            datagrams,
            octets: 0,
            busy: 0,
            lagging: [0; Lag::COUNT],
            started: None,
            counters: Counters::default(),
            comparison: config.compare.map(|config| Box::new(Comparison::new(config))),
        }
    }

    /// All counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Client connections that are kept, with those that have just ended.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.entries.len()
    }

    /// Octets of memory that sessions and flows of datagrams take, with what they keep of captured data.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets + self.datagrams.octets()
    }

    /// Whether something waits for the target's next word: what was captured, or the time of a datagram's answer.
    #[must_use]
    pub fn awaits_target(&self) -> bool {
        self.lagging[Lag::None as usize] < self.entries.len() || self.datagrams.len() > 0
    }

    /// Whether a client is ahead of its replay by more than a request: then the target's next word is waited for.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.lagging[Lag::Answer as usize] > 0
    }

    /// Whether an upload waits for room in a window: the target's acknowledgments may wait for each other, but not long.
    #[must_use]
    pub const fn is_throttled(&self) -> bool {
        self.lagging[Lag::Window as usize] > 0
    }

    /// The client's port belongs to another connection from here on; the session finishes by itself.
    fn detach(&mut self, now: Instant, index: usize) {
        self.entries.detach(index);
        let Some(entry) = self.entries.get_mut(index) else { return };
        let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
        entry.session.handle_client_gone(&mut cx);
        if entry.session.is_live() {
            self.settle(now, index);
        } else {
            self.remove(index);
        }
    }

    /// How many sessions wait at this moment, by what they wait for. Looks at each session.
    #[must_use]
    pub fn waiting(&self) -> [(Waiting, usize); Waiting::ALL.len()] {
        let mut counts = Waiting::ALL.map(|reason| (reason, 0));
        for (_, entry) in self.entries.iter() {
            if let Some((_, count)) = entry.session.waiting().and_then(|reason| counts.get_mut(reason as usize))
            {
                *count += 1;
            }
        }
        counts
    }

    /// Takes a header of the target.
    pub fn handle_target_header(&mut self, now: Instant, header: &TargetHeader) {
        self.handle_target_answer(now, header, &[]);
    }

    /// Takes a header of the target, with the first octets of the payload behind it.
    pub fn handle_target_answer(&mut self, now: Instant, header: &TargetHeader, payload: &[u8]) {
        self.handle_target_answer_of(now, now, header, payload);
    }

    /// Takes a header of the target that was seen `at` some moment, with the first octets of the payload behind it.
    /// Nothing but the comparison of answers asks for that moment.
    pub fn handle_target_answer_of(
        &mut self,
        now: Instant,
        at: Instant,
        header: &TargetHeader,
        payload: &[u8],
    ) {
        let target = &mut self.counters.target;
        target.headers += 1;
        target.data += u64::from(header.0.payload_len > 0);
        target.octets += header.0.payload_len as u64;
        target.fins += u64::from(header.0.flags.contains(Flags::FIN));
        target.resets += u64::from(header.0.flags.contains(Flags::RST));
        let Some(index) = self.entries.of_flow(&header.flow()) else {
            target.unknown += 1;
            self.strays.push(header);
            return;
        };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
        entry.session.handle_target_header(&mut cx, at, header, payload);
        self.settle(now, index);
    }

    /// A tunnel over which routes of this scope go is there: all of them are to be announced, again.
    pub fn handle_tunnel_up(&mut self, scope: RouteScope) {
        self.routes.set_up(scope);
        for (index, entry) in self.entries.iter() {
            if scope.covers(target_of(&self.mappings, entry)) && entry.session.is_live() {
                self.routes.push(index);
            }
        }
    }

    /// No tunnel for routes of this scope is left: sessions wait for the next.
    pub fn handle_tunnel_down(&mut self, scope: RouteScope) {
        self.routes.set_down(scope);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.reassembler.handle_timeout(now, &mut self.counters.reassembly);
        self.datagrams.handle_timeout(now, &mut self.counters.datagrams);
        while let Some(index) = self.deadlines.pop_due(now) {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
            entry.session.handle_timeout(&mut cx);
            self.settle(now, index);
        }
    }

    /// The next flow to announce, if any. Changes after `handle_client_packet`, `handle_timeout` and
    /// `handle_tunnel_up`.
    #[must_use]
    pub fn poll_route(&mut self) -> Option<Flow> {
        while let Some(index) = self.routes.pop() {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            if !entry.session.is_live() || !self.routes.is_up(target_of(&self.mappings, entry)) {
                continue;
            }
            if let Some(flow) = entry.session.flow() {
                entry.route = RouteState::Announced;
                entry.session.handle_routed(&self.config);
                self.make_ready(index);
                return Some(flow);
            }
        }
        None
    }

    /// The next flow whose announcement is to be taken back, if any: no session has it any more. Changes after every
    /// `handle_*` and `poll_transmit`.
    #[must_use]
    pub fn poll_ended_route(&mut self) -> Option<Flow> {
        while let Some(flow) = self.routes.pop_ended() {
            // Another session may have taken it since.
            if self.entries.of_flow(&flow).is_none() {
                return Some(flow);
            }
        }
        None
    }

    /// Appends the next packet to `buf`, if there is one. Changes after every `handle_*`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        if let Some(transmit) = self.datagrams.poll_transmit(buf) {
            return Some(transmit);
        }
        if let Some(transmit) = self.strays.poll_transmit(buf) {
            self.counters.sent.packets += 1;
            self.counters.sent.resets += 1;
            return Some(transmit);
        }
        while let Some(&index) = self.ready.front() {
            if let Some(entry) = self.entries.get_mut(index) {
                let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
                if let Some(transmit) = entry.session.poll_transmit(&mut cx, buf) {
                    return Some(transmit);
                }
                entry.ready = false;
            }
            self.ready.pop_front();
            self.after_transmit(index);
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, and for what. Changes after every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let reassembly = self.reassembler.poll_timeout().map(|deadline| (deadline, Timer::Reassembly));
        let datagrams = self.datagrams.poll_timeout().map(|deadline| (deadline, Timer::Datagrams));
        self.deadlines
            .next()
            .into_iter()
            .chain(reassembly)
            .chain(datagrams)
            .min_by_key(|(deadline, _)| *deadline)
    }

    /// Counts the memory of a session anew, and whether it is busy.
    fn account(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let busy = entry.session.is_busy();
        self.busy = self.busy + usize::from(busy) - usize::from(std::mem::replace(&mut entry.busy, busy));
        let octets = entry.session.memory() + SESSION_OCTETS;
        self.octets = self.octets + octets - std::mem::replace(&mut entry.octets, octets);
    }

    /// After an input: gives the session what it wants and notes what it has to send.
    fn settle(&mut self, now: Instant, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if entry.session.wants_flow() {
            self.open(now, index);
        }
        self.take_compared(index);
        self.make_ready(index);
        self.account(index);
        if self.octets > self.config.max_octets {
            self.shed(now);
        }
    }

    /// Opens a connection to the target, under the same flow as before when there was one.
    fn open(&mut self, now: Instant, index: usize) {
        let Some(entry) = self.entries.get(index) else { return };
        let known = entry.session.flow();
        let client = self.config.admission.appearance(entry.connection.client, entry.connection.copy);
        let target = target_of(&self.mappings, entry);
        let in_use = |flow: &Flow| self.entries.of_flow(flow).is_some();
        let allocate = || self.clients.allocate(client, target, self.config.ports, in_use);
        // The kernel takes packets between the loopback interface and others for forged ones.
        let routable = |flow: &Flow| flow.client.ip().is_loopback() == target.ip().is_loopback();
        let Some(flow) = known.or_else(allocate).filter(routable) else {
            self.counters.sessions.no_address += 1;
            self.remove(index);
            return;
        };
        let mut cx = Context { now, config: &self.config, counters: &mut self.counters };
        self.entries.open(&mut cx, index, flow);
        if self.routes.is_up(target) {
            self.routes.push(index);
        }
    }

    fn make_ready(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if !std::mem::replace(&mut entry.ready, true) {
            self.ready.push_back(index);
        }
    }

    /// After all its packets were taken: the session's timer and memory, or its end.
    fn after_transmit(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let done = entry.detached && !entry.session.is_live();
        if entry.session.is_closed() || done {
            self.remove(index);
            return;
        }
        entry.session.give_back_storage(&mut self.storage);
        self.account(index);
        let Some(entry) = self.entries.get_mut(index) else { return };
        self.lagging[entry.lag as usize] -= 1;
        entry.lag = entry.session.lag();
        self.lagging[entry.lag as usize] += 1;
        if entry.session.is_silent() {
            self.silent.insert(entry.born);
        }
        if let Some((deadline, timer)) = entry.session.poll_timeout() {
            self.deadlines.set_if_earlier(index, deadline, timer);
        }
    }

    fn remove(&mut self, index: usize) {
        let Some(mut entry) = self.entries.remove(index) else { return };
        self.end_compared(&mut entry);
        self.octets -= entry.octets;
        self.busy -= usize::from(entry.busy);
        self.lagging[entry.lag as usize] -= 1;
        self.deadlines.stop(index);
        self.by_age.remove(&entry.born);
        self.silent.remove(&entry.born);
        if let (Some(flow), RouteState::Announced) = (entry.session.flow(), entry.route) {
            self.routes.push_ended(flow);
        }
    }
}

/// Where a session's connection goes.
fn target_of(mappings: &[Mapping], entry: &Entry) -> SocketAddr {
    mappings[entry.mapping()].target
}
