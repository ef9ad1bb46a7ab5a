//! What the tests of the relay share.

use super::{Event, Relay, RelayConfig, TunnelId, Verdict};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tc_proto::tunnel::auth::Nonce;
use tc_proto::tunnel::{
    FrameDecoder, Message, RecordFormat, TUNNEL_VERSION, TcpcopyHello, Times, VERSION, parse_record,
};
use tc_proto::{Flags, Flow, IpFields, PacketSpec, Segment, SeqNum, TcpOptions, Window};

pub(super) const ONE: TunnelId = TunnelId(1);
pub(super) const TWO: TunnelId = TunnelId(2);
pub(super) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(super) const TCPCOPY_NONCE: Nonce = [9; 32];

/// The nonce of the relay for a tunnel.
#[expect(clippy::cast_possible_truncation, reason = "the tests have few tunnels")]
pub(super) fn nonce(tunnel: TunnelId) -> Nonce {
    [tunnel.0 as u8; 32]
}

/// A relay with a clock that the test moves.
pub(super) struct Bench {
    pub(super) relay: Relay,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new(config: RelayConfig) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the start of the test's own clock")]
        let now = Instant::now();
        Self { relay: Relay::new(config), now }
    }

    /// A relay of two tunnels that said the current version.
    pub(super) fn with_two_tunnels(config: RelayConfig) -> Self {
        let mut bench = Self::new(config);
        bench.connect(ONE, VERSION);
        bench.connect(TWO, VERSION);
        bench
    }

    pub(super) fn connect(&mut self, tunnel: TunnelId, version: u16) {
        self.accept(tunnel);
        self.say(tunnel, Message::Version(version));
        while self.relay.poll_event().is_some() {}
    }

    /// A connection that has said nothing yet.
    pub(super) fn accept(&mut self, tunnel: TunnelId) {
        self.relay.handle_tunnel_up(self.now, tunnel, PEER, nonce(tunnel));
    }

    /// A tunnel of ours that has said everything that comes before its routes.
    pub(super) fn connect_v2(&mut self, tunnel: TunnelId, payload: u16) {
        self.accept(tunnel);
        self.say(tunnel, Message::Offer(TUNNEL_VERSION));
        self.say(tunnel, Message::Switch);
        self.say_v2(
            tunnel,
            Message::Hello(TcpcopyHello { payload, times: Times::Unwanted, nonce: TCPCOPY_NONCE }),
        );
    }

    pub(super) fn say_v2(&mut self, tunnel: TunnelId, message: Message) {
        let mut octets = Vec::new();
        message.write(&mut octets);
        self.relay.handle_tunnel_octets(self.now, tunnel, &octets);
    }

    pub(super) fn say(&mut self, tunnel: TunnelId, message: Message) {
        self.relay.handle_tunnel_octets(self.now, tunnel, &message.encode().unwrap());
    }

    pub(super) fn announce(&mut self, tunnel: TunnelId, flow: Flow) {
        self.say(tunnel, Message::AddRoute(flow));
    }

    /// A response without payload.
    pub(super) fn respond(&mut self, flow: Flow, flags: Flags, seq: u32) -> Verdict {
        self.take(&response(flow, flags, seq, b""))
    }

    /// A response that was not cut.
    pub(super) fn take(&mut self, octets: &[u8]) -> Verdict {
        self.relay.handle_response(self.now, octets, octets.len())
    }

    /// The clock jumps, and what is due happens.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some((deadline, _)) = self.relay.poll_timeout()
            && deadline <= self.now
        {
            self.relay.handle_timeout(self.now);
        }
    }

    /// The octets for a tunnel.
    pub(super) fn stream(&mut self, tunnel: TunnelId) -> Vec<u8> {
        let mut stream = Vec::new();
        while self.relay.poll_tunnel_write(tunnel, &mut stream).is_some() {}
        stream
    }

    /// What a tunnel reads.
    pub(super) fn read(&mut self, tunnel: TunnelId, format: RecordFormat) -> Vec<Segment> {
        segments(&self.stream(tunnel), format)
    }

    /// The sequence numbers that a tunnel of the current version reads.
    pub(super) fn read_seqs(&mut self, tunnel: TunnelId) -> Vec<u32> {
        let segments = self.read(tunnel, RecordFormat::Octets64);
        segments.iter().map(|segment| segment.seq.value()).collect()
    }

    pub(super) fn ready(&mut self) -> Vec<TunnelId> {
        std::iter::from_fn(|| self.relay.poll_ready()).collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.relay.poll_event()).collect()
    }
}

/// What a tunnel's octets say.
pub(super) fn segments(stream: &[u8], format: RecordFormat) -> Vec<Segment> {
    let mut decoder = FrameDecoder::new(format);
    decoder.push(stream);
    let mut segments = Vec::new();
    while let Some(record) = decoder.next_record().unwrap() {
        segments.push(parse_record(record).unwrap().0);
    }
    segments
}

pub(super) fn client(number: u16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), 1000 + number).into()
}

/// The flow of one of many clients.
pub(super) fn flow(number: u16) -> Flow {
    Flow { client: client(number), target: "10.8.2.2:80".parse().unwrap() }
}

/// The octets of a response.
pub(super) fn response(flow: Flow, flags: Flags, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    PacketSpec {
        source: flow.target,
        destination: flow.client,
        ip: IpFields::default(),
        identification: 0,
        seq: SeqNum::new(seq),
        ack: SeqNum::new(77),
        flags: flags | Flags::ACK,
        window: Window::new(29_200),
        urgent: 0,
        options: TcpOptions::default(),
        payload: [payload, b""],
    }
    .emit(&mut octets);
    octets
}
