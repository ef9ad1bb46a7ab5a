//! The relay between tunnels and a target that do whatever the input says.
//!
//! The input is an octet of settings, then [`Step`]s: tunnels that come, speak and go, responses, time. What holds:
//!
//! - a tunnel that offers version 2 is served in it, and one that must prove a key is served only once it has;
//! - only a response to the passlist goes on, and one that is well-formed does;
//! - a datagram is told to a tunnel that asked for those of its target;
//! - a record goes to a tunnel that announced its flow, at most once for each response, in the order of the responses;
//! - routes, held headers and what waits for a tunnel stay within their bounds;
//! - each response, each held header and each record is counted once;
//! - after a timeout the next deadline is later than now; held headers and silent tunnels do not stay;
//! - a tunnel is cut once, and nothing is written to it afterwards;
//! - the same input gives the same output.

mod ledger;
mod tunnels;

use crate::steps::{Script, Step};
use ledger::{Ledger, check_totals};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tc_core::relay::{Event, Relay, RelayConfig, TunnelId, Verdict, Wire};
use tc_proto::tunnel::auth::{Challenge, Key, Nonce, Role};
use tc_proto::tunnel::{DatagramRoute, Message, TcpcopyHello, Times};
use tc_proto::{
    DatagramSpec, Flags, Flow, IpFields, PacketRef, PacketSpec, PortShare, SackBlock, SackBlocks, SeqNum, TcpOptions, Timestamps, Window,
};
use tunnels::Peers;

/// A client that gets its responses itself.
const PASSED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);

/// Plays the octets twice.
pub fn run(octets: &[u8]) {
    let start = Instant::now();
    let first = Bench::play(start, octets);
    assert_eq!(Bench::play(start, octets), first, "the same input gives the same output");
}

struct Bench {
    relay: Relay,
    config: RelayConfig,
    now: Instant,
    peers: Peers,
    ledger: Ledger,
    responses: u32,
    digest: DefaultHasher,
}

fn config(limits: u8) -> RelayConfig {
    let small = |bit: u8, small: usize, large: usize| if limits & bit == 0 { small } else { large };
    RelayConfig {
        passlist: vec![IpAddr::from(PASSED).into(), "2001:db8:9::/48".parse().expect("a network")],
        initial_routes: 2,
        max_routes: small(1, 4, 100),
        max_held: small(2, 6, 200),
        max_held_per_flow: small(4, 3, 64),
        max_pending: small(8, 640, 64 << 10),
        key: (limits & 16 != 0).then(key),
        max_half_open: small(32, 128, 2),
        ..RelayConfig::default()
    }
}

/// The key of both sides.
fn key() -> Key {
    Key::from_file_content(b"the key of the fuzzer").expect("a long key")
}

const NONCE: Nonce = [1; 32];

/// Eight flows; the last is to a client on the passlist.
fn flow(who: u8) -> Flow {
    let last = who % 8 == 7;
    let ip = if last { PASSED } else { Ipv4Addr::new(192, 0, 2, who % 8 / 2) };
    Flow { client: (ip, 4000 + u16::from(who % 2)).into(), target: (Ipv4Addr::new(10, 0, 0, 2), 80).into() }
}

impl Bench {
    fn play(now: Instant, octets: &[u8]) -> u64 {
        let mut script = Script::new(octets);
        let config = config(script.octet());
        let mut bench = Self {
            relay: Relay::new(config.clone()),
            config,
            now,
            peers: Peers::default(),
            ledger: Ledger::default(),
            responses: 0,
            digest: DefaultHasher::new(),
        };
        while let Some(step) = script.step() {
            bench.step(step, &mut script);
            bench.check();
        }
        bench.finish();
        format!("{:?}", bench.relay.counters()).hash(&mut bench.digest);
        bench.digest.finish()
    }

    fn step(&mut self, step: Step, script: &mut Script<'_>) {
        match step.code % 12 {
            0 => self.connect(step),
            1 => self.speak(step, script.octets(usize::from(step.much))),
            2..=4 => {
                let message = self.peers.encode(step.who, &message(step));
                // Cut where the step says, the rest may come later or never.
                let until = if step.has(0x80) { usize::from(step.much) % message.len() } else { message.len() };
                self.speak(step, &message[..until]);
                if step.has(0x40) {
                    self.speak(step, &message[until..]);
                }
            }
            5 => self.disconnect(step),
            6 => self.respond(script.octets(usize::from(step.much))),
            7..=9 => {
                let octets = self.response(step);
                self.respond(&octets);
            }
            10 => self.pass(step),
            _ => self.read(usize::from(step.much)),
        }
    }

    fn connect(&mut self, step: Step) {
        if let Some(tunnel) = self.peers.connect(step.who) {
            self.relay.handle_tunnel_up(self.now, tunnel, PASSED.into(), NONCE);
            self.take_events();
            if step.has(4) {
                self.speak(step, &greeting(step));
            } else if step.has(1) {
                let version = if step.has(2) { 5 } else { step.place.cast_unsigned() };
                let octets = Message::Version(version).encode().expect("no flow");
                self.speak(step, &octets);
            }
        }
    }

    fn disconnect(&mut self, step: Step) {
        if let Some(tunnel) = self.peers.disconnect(step.who) {
            self.relay.handle_tunnel_down(tunnel);
        }
    }

    fn speak(&mut self, step: Step, octets: &[u8]) {
        // What a driver read before it learned that the relay has cut the tunnel is spoken, too.
        let Some(tunnel) = self.peers.last(step.who) else { return };
        self.peers.note_octets(tunnel, octets, &mut self.ledger);
        self.relay.handle_tunnel_octets(self.now, tunnel, octets);
        self.take_events();
    }

    fn response(&mut self, step: Step) -> Vec<u8> {
        self.responses += 1;
        let flow = flow(step.who);
        let payload = vec![0; usize::from(step.much) * 4];
        if step.has(0x10) {
            return datagram(flow, &payload);
        }
        let mut sack = SackBlocks::default();
        for number in 0..step.place.cast_unsigned() % 5 {
            sack.push(SackBlock { start: SeqNum::new(number.into()), end: SeqNum::new(9) });
        }
        let timestamps =
            (step.has(0x20) && sack.as_slice().len() < 4).then_some(Timestamps { value: 1, echo: 2 });
        let spec = PacketSpec {
            source: flow.target,
            destination: flow.client,
            ip: IpFields::default(),
            identification: 0,
            seq: SeqNum::new(self.responses),
            ack: SeqNum::new(0),
            flags: Flags::from_bits(step.how & 7) | Flags::ACK,
            window: Window::MAX,
            urgent: 0,
            options: TcpOptions { sack, timestamps, ..TcpOptions::default() },
            payload: [&payload, &[]],
        };
        let mut octets = Vec::new();
        spec.emit(&mut octets);
        if step.has(0x80) {
            // As the queue cuts it.
            octets.truncate(80.max(octets.len() / 4));
        }
        octets
    }

    fn respond(&mut self, octets: &[u8]) {
        let packet = PacketRef::parse_headers(octets).ok();
        let passes = passes(octets);
        if !passes && let Some(packet) = &packet {
            self.ledger.note_response(packet.segment());
        }
        let verdict = self.relay.handle_response(self.now, octets, octets.len());
        assert_eq!(verdict == Verdict::Accept, passes, "only the passlist passes, and all of it");
        self.take_events();
    }

    fn pass(&mut self, step: Step) {
        const SECONDS: [u64; 8] = [0, 1, 3, 10, 30, 300, 900, 7200];
        let seconds = SECONDS[usize::from(step.how % 8)] * u64::from(1 + step.much % 3);
        self.now += Duration::from_millis(seconds * 1000 + u64::from(step.much));
        self.timeout();
    }

    fn timeout(&mut self) {
        self.relay.handle_timeout(self.now);
        self.take_events();
        if let Some((deadline, timer)) = self.relay.poll_timeout() {
            assert!(deadline > self.now, "{timer:?} is due again at once");
        }
    }

    /// Takes what is ready, from so many tunnels.
    fn read(&mut self, tunnels: usize) {
        for _ in 0..tunnels {
            let Some(tunnel) = self.relay.poll_ready() else { return };
            self.read_one(tunnel);
        }
    }

    fn read_one(&mut self, tunnel: TunnelId) {
        let mut octets = Vec::new();
        while let Some(len) = self.relay.poll_tunnel_write(tunnel, &mut octets) {
            assert!(len > 0, "a write of nothing");
        }
        // One more packet of several records, and a greeting, may go beyond the bound.
        assert!(
            octets.len() <= self.config.max_pending + self.config.max_pending / 32 + 4096,
            "{}",
            octets.len()
        );
        assert!(!octets.is_empty(), "{tunnel:?} is ready with nothing");
        octets.hash(&mut self.digest);
        match self.peers.wire(tunnel) {
            Some(Wire::Version1(format)) => self.ledger.take_frames(tunnel, format, &octets),
            Some(Wire::Version2) | None => {
                self.ledger.take_replies(tunnel, self.peers.replies(tunnel), &octets)
            }
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.relay.poll_event() {
            format!("{event:?}").hash(&mut self.digest);
            match event {
                Event::TunnelCut { tunnel, .. } => {
                    self.peers.note_cut(tunnel);
                    assert_eq!(self.relay.poll_tunnel_write(tunnel, &mut Vec::new()), None);
                }
                Event::TunnelReady { tunnel, wire } => self.peers.note_wire(tunnel, wire),
                Event::UnknownVersion { .. } | Event::Trace { .. } => {}
            }
        }
    }

    fn check(&self) {
        assert!(self.relay.route_count() <= self.config.max_routes);
        assert!(self.relay.held_count() <= self.config.max_held);
        assert_eq!(self.relay.tunnel_count(), self.peers.count());
        check_totals(self.relay.counters(), self.relay.held_count(), self.relay.route_count());
    }

    fn finish(&mut self) {
        self.read(usize::MAX);
        self.check();
        self.ledger.check_end(self.relay.counters());
        for _ in 0..10_000 {
            let Some((deadline, _)) = self.relay.poll_timeout() else { break };
            self.now = deadline.max(self.now);
            self.timeout();
        }
        assert_eq!(self.relay.poll_timeout(), None, "timers end");
        assert_eq!((self.relay.route_count(), self.relay.held_count()), (0, 0), "nothing is kept");
        self.check();
    }
}

/// What a peer of ours says first, with a proof where the step says so, and perhaps a wrong one.
fn greeting(step: Step) -> Vec<u8> {
    let mut octets =
        [Message::Offer(2), Message::Switch].map(|message| message.encode().expect("version 1")).concat();
    let times = if step.has(32) { Times::Wanted } else { Times::Unwanted };
    Message::Hello(TcpcopyHello { payload: step.much.into(), times, nonce: NONCE }).write(&mut octets);
    if step.has(8) {
        let challenge = Challenge { intercept: NONCE, tcpcopy: if step.has(16) { [0; 32] } else { NONCE } };
        Message::Proof(key().prove(Role::Tcpcopy, &challenge)).write(&mut octets);
    }
    octets
}

/// A datagram of the target.
fn datagram(flow: Flow, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let (source, destination) = (flow.target, flow.client);
    let spec = DatagramSpec { source, destination, ip: IpFields::default(), identification: 0, payload };
    spec.emit(usize::MAX, &mut octets, |_| {});
    octets
}

fn message(step: Step) -> Message {
    match step.how & 0xf {
        0 => Message::RemoveRoute(flow(step.much)),
        1 => Message::Version(step.place.cast_unsigned()),
        2 => Message::AddDatagramRoute(DatagramRoute {
            target: flow(step.much).target,
            share: PortShare::new(step.place.cast_unsigned() % 2, 2).expect("a worker"),
        }),
        _ => Message::AddRoute(flow(step.much)),
    }
}

/// Whether the destination of a packet is on the passlist.
fn passes(octets: &[u8]) -> bool {
    match octets.first().map(|first| first >> 4) {
        Some(4) => octets.get(16..20) == Some(&PASSED.octets()),
        Some(6) => octets.len() >= 40 && octets.get(24..30) == Some(&[0x20, 0x01, 0x0d, 0xb8, 0, 9]),
        _ => false,
    }
}
