//! The relay: intercept between the netfilter queue and its tunnels.
//!
//! [`Relay`] decides the fate of each response of the target application and which tcpcopy gets its header. It
//! does no input or output and reads no clock. The driver
//!
//! 1. passes what arrived to a `handle_*` method, the tunnels' octets before the responses, because a route is
//!    announced before its first segment leaves tcpcopy;
//! 2. calls [`poll_ready`](Relay::poll_ready) until `None`, and for each tunnel that it names
//!    [`poll_tunnel_write`](Relay::poll_tunnel_write) for as long as the tunnel's socket takes the octets;
//! 3. calls [`poll_event`](Relay::poll_event) until `None`, and closes the tunnels that were cut;
//! 4. waits until there is input, or until [`poll_timeout`](Relay::poll_timeout), which then is passed to
//!    [`handle_timeout`](Relay::handle_timeout).
//!
//! Frames are made in step 2 only, from everything that has come by then: under load they grow by themselves,
//! and an idle relay sends at once.
//!
//! Every input is counted once, by its outcome, in [`Counters`]. No input fails.

mod config;
mod counters;
mod datagrams;
mod handshake;
mod held;
mod passlist;
mod routes;
mod tunnels;
mod wire;

pub use config::RelayConfig;
pub use counters::Counters;
pub use passlist::Passlist;
pub use wire::Wire;

use datagrams::DatagramRoutes;
use held::HeldHeaders;
use routes::{Announcement, Routes};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;
use tc_proto::tunnel::{DecodeError, Message, Response, Sighting, Times};
use tc_proto::{Flow, PacketRef, ParseError, Transport};
use tunnels::{Queued, Tunnels};

const UDP: u8 = Transport::Udp.protocol();

/// A tunnel, by a number that the driver chose and never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u64);

/// What happens to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to its destination, which is on the passlist.
    Accept,
    /// It ends here.
    Drop,
}

/// Why a tunnel is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutReason {
    /// What it said is not the protocol.
    #[error("{0}")]
    Garbage(#[from] DecodeError),
    /// It does not take the headers as fast as they come.
    #[error("it is too slow: {0} octets of headers wait for it")]
    Slow(usize),
    /// It said nothing, or not enough.
    #[error("it did not say its version, or prove that it knows the key, in time")]
    Silent,
    /// Its address is not allowed.
    #[error("its address is not in --allow")]
    NotAllowed,
    /// It speaks version 1, which knows no key.
    #[error("it has no key: a C program, or an older tcpcopy")]
    NoKey,
    /// Its proof is wrong.
    #[error("it has another key")]
    WrongKey,
    /// It made room for a newer one.
    #[error("it said nothing yet, and others wait to be heard")]
    Displaced,
    /// There are as many tunnels as there may be.
    #[error("there are {0} tunnels already")]
    TooMany(usize),
}

/// What the driver should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tunnel said its version, and proved that it knows the key if there is one.
    TunnelReady {
        /// The tunnel.
        tunnel: TunnelId,
        /// What it gets.
        wire: Wire,
    },
    /// A tunnel said a version that no known tcpcopy has; it gets records of the current format.
    UnknownVersion {
        /// The tunnel.
        tunnel: TunnelId,
        /// What it said.
        version: u16,
    },
    /// The relay has forgotten the tunnel and its routes; its connection is to be closed.
    TunnelCut {
        /// The tunnel.
        tunnel: TunnelId,
        /// Why.
        reason: CutReason,
    },
    /// A tunnel wants to know how far packets of this flow come; to be answered by [`Relay::handle_sighting`].
    Trace {
        /// The tunnel.
        tunnel: TunnelId,
        /// The flow.
        flow: Flow,
    },
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Held headers whose route did not come.
    Held,
    /// A route without responses.
    Route,
    /// A tunnel whose hand-shake is not over.
    Handshake,
}

/// Routes each response of the target to the tunnel that announced its flow.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    counters: Counters,
    datagram_routes: DatagramRoutes,
    events: VecDeque<Event>,
    held: HeldHeaders,
    /// The most octets of payload that any tunnel wants.
    payload: u16,
    /// The beginning of the clock by which tunnels are told times.
    origin: Option<Instant>,
    routes: Routes,
    tunnels: Tunnels,
}

impl Relay {
    /// A relay without tunnels and routes.
    #[must_use]
    pub fn new(config: RelayConfig) -> Self {
        Self {
            counters: Counters::default(),
            datagram_routes: DatagramRoutes::default(),
            events: VecDeque::new(),
            held: HeldHeaders::new(&config),
            payload: 0,
            origin: None,
            routes: Routes::new(&config),
            tunnels: Tunnels::new(&config),
            config,
        }
    }

    /// Octets of a tunnel. Those of a tunnel that was cut are passed over.
    pub fn handle_tunnel_octets(&mut self, now: Instant, tunnel: TunnelId, octets: &[u8]) {
        self.tunnels.push(tunnel, octets);
        loop {
            match self.tunnels.next_message(tunnel) {
                Ok(None) => return,
                Ok(Some(message)) => self.handle_message(now, tunnel, message),
                Err(error) => {
                    self.counters.tunnels_refused += 1;
                    return self.cut(tunnel, CutReason::Garbage(error));
                }
            }
        }
    }

    /// A tunnel's connection has ended: its routes go, and headers that wait for it are lost.
    pub fn handle_tunnel_down(&mut self, tunnel: TunnelId) {
        let Some(pending) = self.tunnels.remove(tunnel) else { return };
        self.payload = self.tunnels.payload();
        self.counters.tunnels_down += 1;
        self.counters.lost_with_tunnel += pending;
        self.counters.routes_orphaned += self.routes.remove_tunnel(tunnel);
        self.datagram_routes.remove_tunnel(tunnel);
    }

    /// A response of the target, from its IP header on; its payload may be cut off. It had `len` octets before, 0 if
    /// nobody knows: then one whose IP header does not tell either is malformed.
    ///
    /// Only the passlist makes a response go on. Whatever else it is, malformed or without a route, it is dropped.
    pub fn handle_response(&mut self, now: Instant, octets: &[u8], len: usize) -> Verdict {
        self.counters.responses += 1;
        if destination(octets).is_some_and(|address| self.config.passes(address)) {
            self.counters.passed += 1;
            return Verdict::Accept;
        }
        match PacketRef::parse_cut(octets, len) {
            Ok(packet) => self.forward(now, &Response::from(&packet)),
            Err(ParseError::NotTcp(UDP)) => self.forward_datagram(octets),
            Err(error) => self.counters.count_parse_error(error),
        }
        Verdict::Drop
    }

    /// What was seen of a flow that a tunnel wanted to be traced.
    pub fn handle_sighting(&mut self, tunnel: TunnelId, sighting: &Sighting) {
        self.tunnels.queue(tunnel, |out| sighting.write(out));
    }

    /// Lets go of what has waited or idled too long. Does nothing if it is called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.held.handle_timeout(now, &mut self.counters);
        self.routes.handle_timeout(now, &mut self.counters);
        while let Some(tunnel) = self.tunnels.pop_silent(now) {
            self.counters.tunnels_silent += 1;
            self.cut(tunnel, CutReason::Silent);
        }
    }

    /// The next deadline, and what it is for. May change after each `handle_*`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let deadlines = [
            (self.held.next_deadline(), Timer::Held),
            (self.routes.next_deadline(), Timer::Route),
            (self.tunnels.next_deadline(), Timer::Handshake),
        ];
        let set = deadlines.into_iter().filter_map(|(deadline, timer)| Some((deadline?, timer)));
        set.min_by_key(|(deadline, _)| *deadline)
    }

    /// The next tunnel for which headers wait. It is not named again before
    /// [`poll_tunnel_write`](Self::poll_tunnel_write) has returned `None` for it.
    #[must_use]
    pub fn poll_ready(&mut self) -> Option<TunnelId> {
        self.tunnels.poll_ready()
    }

    /// Appends some of the frames that wait for a tunnel to `out` and returns how many octets, or `None` when
    /// nothing waits.
    #[must_use]
    pub fn poll_tunnel_write(&mut self, tunnel: TunnelId, out: &mut Vec<u8>) -> Option<usize> {
        let start = out.len();
        self.counters.frames += self.tunnels.write(tunnel, out)?;
        Some(out.len() - start)
    }

    /// The next event. May become `Some` after each `handle_*`.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What has been counted since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Routes at this moment.
    #[must_use]
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// Tunnels at this moment.
    #[must_use]
    pub fn tunnel_count(&self) -> usize {
        self.tunnels.len()
    }

    /// Headers that are held at this moment, because their route has not come.
    #[must_use]
    pub const fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Octets of each response's payload that [`handle_response`](Self::handle_response) should get, behind the
    /// headers: what the tunnels asked for. Changes after `handle_tunnel_octets` and `handle_tunnel_down`.
    #[must_use]
    pub const fn payload_wanted(&self) -> u16 {
        self.payload
    }

    /// Whether a tunnel asked for the times at which responses are seen: then
    /// [`handle_response`](Self::handle_response) should get them without delay. Changes when
    /// [`payload_wanted`](Self::payload_wanted) does.
    #[must_use]
    pub fn times_wanted(&self) -> Times {
        self.tunnels.times()
    }

    fn handle_message(&mut self, now: Instant, tunnel: TunnelId, message: Message) {
        match message {
            Message::Version(version) => self.handle_version(tunnel, version),
            Message::Offer(offered) => self.handle_offer(tunnel, offered),
            Message::Hello(hello) => self.handle_hello(tunnel, hello),
            Message::Proof(proof) => self.handle_proof(tunnel, &proof),
            Message::AddRoute(flow) if self.tunnels.is_ready(tunnel) => self.add_route(now, tunnel, flow),
            Message::AddRoute(_) => self.counters.routes_refused += 1,
            Message::Trace(flow) if self.tunnels.is_ready(tunnel) => {
                self.events.push_back(Event::Trace { tunnel, flow });
            }
            // The decoder has seen the one; the other is not for everybody.
            Message::Switch | Message::Trace(_) => {}
            Message::RemoveRoute(flow) => {
                if !self.routes.remove(now, tunnel, &flow) {
                    self.counters.removals_unknown += 1;
                }
            }
            Message::AddDatagramRoute(route) => self.add_datagram_route(tunnel, route),
        }
    }

    fn add_route(&mut self, now: Instant, tunnel: TunnelId, flow: Flow) {
        self.counters.routes_announced += 1;
        match self.routes.add(now, flow, tunnel) {
            Announcement::New => {}
            Announcement::Evicted => self.counters.routes_evicted += 1,
            Announcement::Renewed => self.counters.routes_renewed += 1,
            Announcement::TakenOver => self.counters.routes_taken_over += 1,
        }
        let Some(held) = self.held.take(&flow) else { return };
        for (seen, response) in held.responses() {
            self.counters.held_delivered += 1;
            if let Some((tunnel, mss)) = self.routes.find(now, response.segment()) {
                self.queue_header(seen, tunnel, &response, mss);
            } else {
                self.counters.lost_with_tunnel += 1;
            }
        }
    }

    fn forward(&mut self, now: Instant, response: &Response<'_>) {
        if let Some((tunnel, mss)) = self.routes.find(now, response.segment()) {
            self.counters.forwarded += 1;
            self.queue_header(now, tunnel, response, mss);
        } else {
            self.held.hold(now, response, self.payload, &mut self.counters);
        }
    }

    fn queue_header(&mut self, seen: Instant, tunnel: TunnelId, response: &Response<'_>, mss: usize) {
        // What is held may have been seen before the first that went on; no reader minds where a clock begins.
        let age = seen.saturating_duration_since(*self.origin.get_or_insert(seen));
        let queued = self.tunnels.queue_header(tunnel, age, response, mss);
        self.take_queued(tunnel, queued);
    }

    fn take_queued(&mut self, tunnel: TunnelId, queued: Queued) {
        match queued {
            Queued::Waits => {
                if let Some((slowest, octets)) = self.tunnels.slowest() {
                    self.cut_slow(slowest, octets);
                }
            }
            Queued::NoTunnel => self.counters.lost_with_tunnel += 1,
            Queued::Overflow { octets } => {
                self.counters.lost_with_tunnel += 1;
                self.cut_slow(tunnel, octets);
            }
        }
    }

    fn cut_slow(&mut self, tunnel: TunnelId, octets: usize) {
        self.counters.tunnels_slow += 1;
        self.cut(tunnel, CutReason::Slow(octets));
    }

    fn cut(&mut self, tunnel: TunnelId, reason: CutReason) {
        self.handle_tunnel_down(tunnel);
        self.events.push_back(Event::TunnelCut { tunnel, reason });
    }
}

/// The destination address, of whatever protocol the packet is.
fn destination(octets: &[u8]) -> Option<IpAddr> {
    match octets.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*octets.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*octets.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
