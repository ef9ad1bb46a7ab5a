//! The replayer between clients, tunnels and a target that do whatever the input says.
//!
//! The input is an octet for each of the [`settings`], then [`Step`]s: captured packets, headers of the target,
//! time, tunnels. After each one everything is taken out and checked; at its end all timers run until nothing is left.
//! What holds:
//!
//! - every packet that is made parses, has right checksums and fits the MTU; its flow was announced before;
//! - each octet of payload is the one that was captured at its sequence number, and the same whenever it is sent again;
//! - what it acknowledges was sent by the target; what it sends lies within the offered window, but for a probe's octet;
//! - data follows a handshake, and nothing but a reset or a SYN follows a reset;
//! - each captured packet and each header is counted once, each sent packet by its kind;
//! - after a timeout the next deadline is later than now;
//! - sessions and memory stay within their bounds, and nothing is kept once all timers have run;
//! - with a target that works in the end, nothing is left that waits;
//! - the same input gives the same output.

mod captured;
mod client;
mod connection;
mod sent;
mod settings;
mod target;
mod totals;

use crate::steps::{Script, Step};
use crate::trace;
use captured::Captured;
use client::Clients;
use sent::Sent;
use settings::Settings;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use tc_core::{Replayer, RouteScope};
use tc_proto::{PacketRef, Segment, TargetHeader};

/// Timeouts after which something is taken for endless.
const MAX_TIMEOUTS: usize = 20_000;
/// Rounds of exchanges with a target that works, none of which makes a session send data, until nothing may wait.
const IDLE_ROUNDS: u32 = 100;
/// Memory of a session that has ended and keeps nothing of its captured data.
const ENDED_SESSION: usize = 16 << 10;

/// Plays the octets; every fourth input twice, by its length.
pub fn run(octets: &[u8]) {
    let start = Instant::now();
    let first = Bench::play(start, octets);
    if octets.len().is_multiple_of(4) {
        assert_eq!(Bench::play(start, octets), first, "the same input gives the same output");
    }
}

/// A segment in a line, as tcpdump would print it.
fn brief(segment: &Segment) -> String {
    let Segment { source, destination, seq, ack, flags, window, payload_len, options, .. } = segment;
    let window = window.field();
    let sack = options.sack.as_slice();
    format!(
        "{source} > {destination} {flags} {seq}:{payload_len} ack {ack} win {window} {:?} {sack:?}",
        options.window_scale
    )
}

/// A replayer with everything around it.
struct Bench {
    replayer: Replayer,
    settings: Settings,
    start: Instant,
    now: Instant,
    clients: Clients,
    captured: Captured,
    sent: Sent,
    captured_packets: u64,
    /// Octets of the largest packet since the target was last heard: that much may be shed at the next input only.
    fresh: usize,
    headers: u64,
    /// Whether the target has said only what a target can say.
    trusted: bool,
    digest: DefaultHasher,
    buf: Vec<u8>,
}

impl Bench {
    fn play(start: Instant, octets: &[u8]) -> u64 {
        let mut script = Script::new(octets);
        let mut bench = Self::new(start, Settings::read(&mut script));
        trace!("{:?}", bench.settings);
        while let Some(step) = script.step() {
            trace!("{step:?}");
            bench.step(step, &mut script);
            bench.settle();
        }
        bench.finish();
        format!("{:?}", bench.replayer.counters()).hash(&mut bench.digest);
        bench.digest.finish()
    }

    fn new(now: Instant, settings: Settings) -> Self {
        let mut replayer = Replayer::new(settings.config, settings.mappings(), settings.pool());
        replayer.handle_tunnel_up(RouteScope::All);
        Self {
            replayer,
            settings,
            start: now,
            now,
            clients: Clients::new(settings),
            captured: Captured::default(),
            sent: Sent::new(settings),
            captured_packets: 0,
            fresh: 0,
            headers: 0,
            trusted: true,
            digest: DefaultHasher::new(),
            buf: Vec::new(),
        }
    }

    fn step(&mut self, step: Step, script: &mut Script<'_>) {
        match step.code % 16 {
            0 => {
                let octets = self.clients.syn(step);
                self.capture(&octets);
            }
            1..=4 => {
                let octets = self.clients.data(step);
                self.capture(&octets);
            }
            5 => {
                let octets = self.clients.bare(step);
                self.capture(&octets);
            }
            6 => self.capture(script.octets(usize::from(step.much))),
            7..=10 => {
                if let Some(header) = self.sent.plausible_header(step) {
                    self.hear(&header);
                }
            }
            11 => {
                let header = self.sent.arbitrary_header(step, script);
                self.trusted = false;
                self.hear(&header);
            }
            12 | 13 => self.pass(step),
            14 if step.has(1) => self.replayer.handle_tunnel_down(self.scope(step)),
            14 => self.replayer.handle_tunnel_up(self.scope(step)),
            _ => {
                for header in self.sent.answers(step) {
                    self.hear(&header);
                }
            }
        }
    }

    fn scope(&self, step: Step) -> RouteScope {
        if step.has(2) { RouteScope::Target(self.settings.target().ip()) } else { RouteScope::All }
    }

    fn capture(&mut self, octets: &[u8]) {
        let packet = PacketRef::parse(octets);
        trace!(
            "{:?} c> {}",
            self.now - self.start,
            packet.map_or_else(|error| error.to_string(), |packet| brief(packet.segment()))
        );
        self.captured.note(octets);
        self.captured_packets += 1;
        self.fresh = self.fresh.max(octets.len());
        self.replayer.handle_client_packet(self.now, octets);
    }

    fn hear(&mut self, header: &TargetHeader) {
        trace!("{:?} t> {}", self.now - self.start, brief(&header.0));
        self.sent.note_header(header);
        self.headers += 1;
        let known = self.replayer.counters().target.unknown;
        self.replayer.handle_target_header(self.now, header);
        if self.replayer.counters().target.unknown == known {
            self.fresh = 0;
        }
    }

    /// Time passes: at once, so that all deadlines within are late, or from deadline to deadline.
    fn pass(&mut self, step: Step) {
        const MILLIS: [u64; 8] = [1, 5, 20, 40, 200, 1000, 10_000, 60_000];
        let millis = MILLIS[usize::from(step.how % 8)] * (1 + u64::from(step.much % 8));
        let end = self.now + Duration::from_millis(millis);
        if step.has(0x80) {
            self.drain();
            for _ in 0..64 {
                let Some((deadline, _)) = self.replayer.poll_timeout().filter(|(at, _)| *at < end) else {
                    break;
                };
                self.now = deadline.max(self.now);
                self.timeout();
            }
        }
        self.now = end;
    }

    /// After a step: everything is taken out, and what is due is done.
    fn settle(&mut self) {
        self.drain();
        if self.replayer.poll_timeout().is_some_and(|(deadline, _)| deadline <= self.now) {
            self.timeout();
        }
        self.check();
    }

    fn timeout(&mut self) {
        self.replayer.handle_timeout(self.now);
        self.drain();
        if let Some((deadline, timer)) = self.replayer.poll_timeout() {
            assert!(deadline > self.now, "{timer:?} is due again at once");
        }
    }

    fn drain(&mut self) {
        while let Some(flow) = self.replayer.poll_route() {
            trace!("{:?} >r {flow}", self.now - self.start);
            flow.hash(&mut self.digest);
            self.sent.note_route(flow);
        }
        self.buf.clear();
        let mut start = 0;
        while let Some(transmit) = self.replayer.poll_transmit(self.now, &mut self.buf) {
            assert_eq!(self.buf.len(), start + transmit.len);
            if let Ok(packet) = PacketRef::parse(&self.buf[start..]) {
                trace!("{:?} >t {}", self.now - self.start, brief(packet.segment()));
            }
            self.sent.check(&transmit, &self.buf[start..], &self.captured);
            start = self.buf.len();
            assert!(start < 64 << 20, "there is an end to what is sent");
        }
        self.buf.hash(&mut self.digest);
    }

    fn check(&self) {
        let counters = self.replayer.counters();
        assert_eq!(counters.captured.packets, self.captured_packets);
        assert_eq!(totals::captured(&counters.captured), self.captured_packets, "{:?}", counters.captured);
        assert_eq!(counters.target.headers, self.headers);
        totals::check_sent(&counters.sent, &self.sent);
        let (sessions, octets) = (self.replayer.sessions(), self.replayer.octets());
        let config = &self.settings.config;
        assert!(sessions <= config.max_sessions + usize::from(config.admission.copies));
        // The newest are shed at the next input, once the last one was counted.
        let fresh = self.fresh * usize::from(config.admission.copies) * 2;
        let bound = config.max_octets + sessions * ENDED_SESSION + fresh;
        assert!(octets <= bound, "{octets} octets of {sessions} sessions, {bound} allowed");
        let waiting: usize = self.replayer.waiting().iter().map(|(_, count)| count).sum();
        assert!(waiting <= sessions);
    }

    /// A target that works takes everything that was captured: nothing is left that waits.
    fn serve(&mut self) {
        const ANSWER: Step = Step { code: 15, who: 0, how: 0x31, much: 240, place: 0 };
        self.replayer.handle_tunnel_up(RouteScope::All);
        let (mut idle, mut sent) = (0, 0);
        while idle < IDLE_ROUNDS {
            for exchange in 0..4 {
                // It falls silent in between: what waits for that may go on.
                let payload = u8::from(exchange == 0 && idle % 3 == 0);
                for header in self.sent.answers(Step { how: 0x30 | payload, ..ANSWER }) {
                    self.hear(&header);
                }
                self.settle();
            }
            let soon = self.now + Duration::from_secs(40);
            let due = self.replayer.poll_timeout().map(|(at, _)| at).filter(|at| *at < soon);
            self.now = due.unwrap_or(self.now).max(self.now);
            self.settle();
            idle = if self.sent.octets > sent { 0 } else { idle + 1 };
            sent = self.sent.octets;
        }
        let waiting = self.replayer.waiting();
        assert!(
            waiting.iter().all(|(_, count)| *count == 0),
            "the target works, but sessions wait: {waiting:?}"
        );
    }

    /// The target works, or nobody says anything any more.
    fn finish(&mut self) {
        if self.settings.served && self.trusted {
            self.serve();
        }
        for _ in 0..MAX_TIMEOUTS {
            let Some((deadline, _)) = self.replayer.poll_timeout() else { break };
            self.now = deadline.max(self.now);
            self.timeout();
        }
        assert_eq!(self.replayer.poll_timeout(), None, "timers end");
        assert_eq!((self.replayer.sessions(), self.replayer.octets()), (0, 0), "nothing is kept");
        self.check();
    }
}
