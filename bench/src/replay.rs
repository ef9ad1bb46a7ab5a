//! tcpcopy: a replayer between clients and a target.

use crate::{ONLINE, TARGET, Template, client};
use std::time::{Duration, Instant};
use tc_core::{ClientPool, Mapping, ReplayConfig, Replayer, RouteScope};
use tc_proto::{Flags, PacketRef, SeqNum, TargetHeader};

/// Octets of a request.
const REQUEST: usize = 400;
/// Octets of an answer.
const ANSWER: usize = 1000;
/// The time from one request to the next, of whatever client.
const STEP: Duration = Duration::from_micros(200);

/// One client's connection, by the numbers that come next.
#[derive(Clone, Copy, Debug)]
struct Connection {
    client: SeqNum,
    online: SeqNum,
    target: SeqNum,
}

/// A replayer with open keep-alive connections.
#[derive(Debug)]
pub struct Replay {
    /// What is measured.
    pub replayer: Replayer,
    now: Instant,
    connections: Vec<Connection>,
    sent: Vec<u8>,
    syn: Template,
    request: Template,
    ack: Template,
    syn_ack: Template,
    answer: Template,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// A replayer without connections.
    #[must_use]
    pub fn new() -> Self {
        let mapping: Mapping = format!("{}-{TARGET}", ONLINE.port()).parse().expect("a mapping");
        let mut replayer = Replayer::new(ReplayConfig::default(), vec![mapping], ClientPool::default());
        replayer.handle_tunnel_up(RouteScope::All);
        Self {
            replayer,
            now: Instant::now(),
            connections: Vec::new(),
            sent: Vec::new(),
            syn: Template::new(Flags::SYN, &[]),
            request: Template::new(Flags::ACK | Flags::PSH, &[7; REQUEST]),
            ack: Template::new(Flags::ACK, &[]),
            syn_ack: Template::new(Flags::SYN | Flags::ACK, &[]),
            answer: Template::new(Flags::ACK | Flags::PSH, &[8; ANSWER]),
        }
    }

    /// A replayer with so many connections, each of which had a request and its answer.
    #[must_use]
    pub fn with_connections(count: usize) -> Self {
        let mut replay = Self::new();
        (0..count).for_each(|_| replay.open());
        replay
    }

    /// A new client connects, and has its first request answered.
    pub fn open(&mut self) {
        let number = self.connections.len();
        let iss = SeqNum::new(u32::try_from(number).unwrap_or_default().wrapping_mul(7919));
        let irs = iss + 1_000_000;
        self.replayer
            .handle_client_packet(self.now, self.syn.with(client(number), ONLINE, iss, SeqNum::default()));
        self.drain();
        let header = header(self.syn_ack.with(TARGET, client(number), irs, iss + 1));
        self.replayer.handle_target_header(self.now, &header);
        self.drain();
        self.connections.push(Connection { client: iss + 1, online: SeqNum::new(9), target: irs + 1 });
        self.request(number);
    }

    /// A client's next request: two captured packets, one header of the target, and what is sent for them.
    pub fn request(&mut self, number: usize) {
        self.pass(STEP);
        let Connection { client: seq, online, target } = self.connections[number];
        let next = Connection { client: seq + REQUEST, online: online + ANSWER, target: target + ANSWER };
        self.connections[number] = next;
        let address = client(number);
        self.replayer.handle_client_packet(self.now, self.request.with(address, ONLINE, seq, online));
        self.drain();
        self.replayer
            .handle_target_header(self.now, &header(self.answer.with(TARGET, address, target, next.client)));
        self.replayer.handle_client_packet(self.now, self.ack.with(address, ONLINE, next.client, next.online));
        self.drain();
    }

    /// Time passes, and what is due is done.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((deadline, _)) = self.replayer.poll_timeout().filter(|(deadline, _)| *deadline <= until)
        {
            self.now = deadline.max(self.now);
            self.replayer.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// After how much time [`pass`](Self::pass) has something to do, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.replayer.poll_timeout().map(|(deadline, _)| deadline.saturating_duration_since(self.now))
    }

    fn drain(&mut self) {
        while self.replayer.poll_route().is_some() {}
        self.sent.clear();
        while self.replayer.poll_transmit(self.now, &mut self.sent).is_some() {}
        while self.replayer.poll_ended_route().is_some() {}
    }
}

fn header(octets: &[u8]) -> TargetHeader {
    TargetHeader(*PacketRef::parse(octets).expect("a packet").segment())
}
