//! Clients, replayer, relay and target, and a clock that jumps from one event to the next.

use super::client::{Captured, Faults, captured};
use super::host::{Host, Listens, Reaction};
use super::link::{Link, Path};
use super::oracle::{Oracle, outcomes};
use super::outcome::Outcome;
use super::plan::Plan;
use super::plans;
use super::rng::Rng;
use super::trace::Trace;
use super::tunnel::{Piece, Tunnel, TunnelPath};
use super::wire;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tc_core::{ClientPool, LinkAddresses, Mapping, ReplayConfig, Replayer, RouteScope};
use tc_proto::Transport;

/// More steps than any scenario needs: one that takes them runs in circles.
const MAX_STEPS: u64 = 3_000_000;
/// The same for simulated time.
const MAX_TIME: Duration = Duration::from_hours(12);

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) plans: Vec<Plan>,
    pub(crate) faults: Faults,
    /// From the replayer to the target.
    pub(crate) forth: Path,
    /// From the target to intercept's queue.
    pub(crate) back: Path,
    pub(crate) tunnel: TunnelPath,
    /// When the tunnel breaks, and for how long.
    pub(crate) breaks: Vec<(Duration, Duration)>,
    pub(crate) listens: Listens,
    pub(crate) config: ReplayConfig,
    pub(crate) pool: ClientPool,
}

#[derive(Debug)]
enum Event {
    Capture(Captured),
    Segment(Vec<u8>),
    Response(Vec<u8>),
    Wake(usize),
    Flush,
    AtRelay(Piece),
    AtReplayer(Piece),
    TunnelUp,
    TunnelDown,
}

pub(crate) struct World {
    start: Instant,
    now: Duration,
    steps: u64,
    events: BTreeMap<(Duration, u64), Event>,
    numbered: u64,
    replayer: Replayer,
    oracle: Oracle,
    tunnel: Tunnel,
    host: Host,
    forth: Link,
    back: Link,
    plans: Vec<Rc<Plan>>,
    trace: Trace,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant cannot be made otherwise; nothing is measured"
        )]
        let start = Instant::now();
        let rng = |purpose| Rng::new(scenario.seed, purpose);
        let plans: Vec<_> = scenario.plans.iter().cloned().map(Rc::new).collect();
        let mappings = plans::ADDRESSES.map(|(online, target)| Mapping {
            transport: Transport::Tcp,
            online: Some(online.ip()),
            port: online.port(),
            target,
            link: LinkAddresses::default(),
        });
        let mut world = Self {
            start,
            now: Duration::ZERO,
            steps: 0,
            events: BTreeMap::new(),
            numbered: 0,
            replayer: Replayer::new(scenario.config, mappings.into(), scenario.pool.clone()),
            oracle: Oracle::new(plans.clone(), scenario.config.mtu),
            tunnel: Tunnel::new(start, scenario.tunnel, rng("tunnel")),
            host: Host::new(scenario.listens, plans.clone(), rng("host")),
            forth: Link::new(scenario.forth, rng("forth")),
            back: Link::new(scenario.back, rng("back")),
            plans,
            trace: Trace::new(),
        };
        world.schedule(scenario, &mut rng("client"));
        world
    }

    fn schedule(&mut self, scenario: &Scenario, rng: &mut Rng) {
        self.push(Duration::ZERO, Event::TunnelUp);
        for (at, pause) in &scenario.breaks {
            self.push(*at, Event::TunnelDown);
            self.push(*at + *pause, Event::TunnelUp);
        }
        for plan in &scenario.plans {
            for packet in captured(plan, scenario.faults, rng) {
                self.push(packet.at, Event::Capture(packet));
            }
        }
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.numbered += 1;
        self.events.insert((at, self.numbered), event);
    }

    /// Runs until nothing is left to happen.
    pub(crate) fn run(mut self) -> Outcome {
        while let Some(at) = self.next() {
            self.now = self.now.max(at);
            self.steps += 1;
            assert!(self.steps < MAX_STEPS && self.now < MAX_TIME, "no end at {:?}", self.now);
            let now = self.start + self.now;
            if self.replayer.poll_timeout().is_some_and(|(deadline, _)| deadline <= now) {
                self.replayer.handle_timeout(now);
                self.drain();
            }
            if self.tunnel.relay.poll_timeout().is_some_and(|(deadline, _)| deadline <= now) {
                self.tunnel.relay.handle_timeout(now);
            }
            while let Some(event) = self.events.first_entry()
                && event.key().0 <= self.now
            {
                let event = event.remove();
                self.take(event);
                self.drain();
            }
        }
        assert_eq!(self.replayer.sessions(), 0, "sessions stay: {:?}", self.replayer.waiting());
        assert_eq!(self.replayer.octets(), 0, "memory stays");
        Outcome::new(&self.plans, &self.host, &self.replayer, self.now, self.oracle.digest())
    }

    fn next(&self) -> Option<Duration> {
        let event = self.events.first_key_value().map(|(key, _)| key.0);
        let timeout = self.replayer.poll_timeout().map(|(deadline, _)| deadline - self.start);
        [event, timeout].into_iter().flatten().min()
    }

    fn take(&mut self, event: Event) {
        let now = self.start + self.now;
        match event {
            Event::Capture(packet) => {
                self.trace.packet(self.now, "captured", &packet.octets);
                self.replayer.handle_client_packet(now, &packet.octets);
                let counted = &self.replayer.counters().captured;
                assert_eq!(outcomes(counted), counted.packets, "a packet counts once: {counted:?}");
            }
            Event::Segment(packet) => {
                self.trace.packet(self.now, "arrived", &packet);
                let facts = wire::read(&packet).unwrap();
                let reaction = self.host.receive(self.now, &facts, &packet);
                self.react(reaction);
            }
            Event::Wake(index) => {
                if self.host.wake_at(index).is_some_and(|at| at <= self.now) {
                    let reaction = self.host.wake(index, self.now);
                    self.react(reaction);
                }
            }
            Event::Response(packet) => self.take_response(&packet),
            Event::Flush => {
                for piece in self.tunnel.flush(self.now) {
                    self.push(piece.at, Event::AtReplayer(piece));
                }
            }
            Event::AtRelay(piece) => self.tunnel.arrive_at_relay(self.now, &piece),
            Event::AtReplayer(piece) => {
                for header in self.tunnel.arrive_at_replayer(&piece) {
                    self.take_header(&header);
                }
            }
            Event::TunnelUp => {
                for piece in self.tunnel.connect(self.now) {
                    self.push(piece.at, Event::AtRelay(piece));
                }
                self.replayer.handle_tunnel_up(RouteScope::All);
            }
            Event::TunnelDown => {
                self.tunnel.disconnect();
                self.replayer.handle_tunnel_down(RouteScope::All);
            }
        }
        self.flush_later();
    }

    fn flush_later(&mut self) {
        if let Some(at) = self.tunnel.flush_at(self.now) {
            self.push(at, Event::Flush);
        }
    }

    fn react(&mut self, reaction: Reaction) {
        for packet in reaction.packets {
            self.trace.packet(self.now, "response", &packet);
            for at in self.back.carry(self.now) {
                self.push(at, Event::Response(packet.clone()));
            }
        }
        if let Some(index) = reaction.connection
            && let Some(at) = self.host.wake_at(index)
        {
            self.push(at, Event::Wake(index));
        }
    }

    fn take_response(&mut self, packet: &[u8]) {
        self.tunnel.respond(self.now, packet);
    }

    /// A header reaches the replayer, and everything that follows from it leaves before the next.
    fn take_header(&mut self, header: &tc_proto::TargetHeader) {
        self.trace.header(self.now, header);
        self.oracle.on_header(header);
        self.replayer.handle_target_header(self.start + self.now, header);
        self.drain();
    }

    /// Takes everything that the replayer has to say.
    fn drain(&mut self) {
        let now = self.start + self.now;
        let mut buf = Vec::new();
        loop {
            while let Some(flow) = self.replayer.poll_route() {
                self.oracle.on_route(flow);
                for piece in self.tunnel.announce(self.now, flow) {
                    self.push(piece.at, Event::AtRelay(piece));
                }
            }
            buf.clear();
            let Some(transmit) = self.replayer.poll_transmit(now, &mut buf) else { break };
            self.trace.packet(self.now, "sent", &buf);
            self.oracle.on_transmit(self.now, transmit, &buf);
            for at in self.forth.carry(self.now) {
                self.push(at, Event::Segment(buf.clone()));
            }
        }
        let next = self.replayer.poll_timeout();
        assert!(next.is_none_or(|(deadline, _)| deadline > now), "a deadline in the past: {next:?}");
    }
}
