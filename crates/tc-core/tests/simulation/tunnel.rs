//! intercept and the tunnel: the relay, and octets that come late, in batches, cut anywhere.

use super::rng::Rng;
use std::time::{Duration, Instant};
use tc_core::relay::{Event, Relay, RelayConfig, TunnelId, Verdict};
use tc_proto::tunnel::{Message, Reply, ReplyDecoder, TUNNEL_VERSION};
use tc_proto::{Flow, TargetHeader};

/// How the tunnel delivers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TunnelPath {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    /// How long the driver lets headers gather.
    pub(crate) gather: Duration,
}

/// Octets on their way through the tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) at: Duration,
    pub(crate) connection: u64,
    pub(crate) octets: Vec<u8>,
}

/// Both ends of the tunnel and what is behind the far one.
pub(crate) struct Tunnel {
    start: Instant,
    path: TunnelPath,
    pub(crate) relay: Relay,
    connection: u64,
    decoder: ReplyDecoder,
    rng: Rng,
    /// When the last octets arrive, at intercept and at tcpcopy.
    last: [Duration; 2],
    ready: bool,
}

impl Tunnel {
    pub(crate) fn new(start: Instant, path: TunnelPath, rng: Rng) -> Self {
        let config = RelayConfig { initial_routes: 16, ..RelayConfig::default() };
        Self {
            start,
            path,
            relay: Relay::new(config),
            connection: 0,
            decoder: ReplyDecoder::new(),
            rng,
            last: [Duration::ZERO; 2],
            ready: false,
        }
    }

    /// A connection to intercept is there; what it says first.
    pub(crate) fn connect(&mut self, now: Duration) -> Vec<Piece> {
        self.connection += 1;
        self.decoder = ReplyDecoder::new();
        self.relay.handle_tunnel_up(
            self.start + now,
            TunnelId(self.connection),
            [192, 0, 2, 1].into(),
            [0; 32],
        );
        let first = [Message::Offer(TUNNEL_VERSION), Message::Switch].map(|message| message.encode().unwrap());
        self.send(now, 0, first.concat())
    }

    /// The connection breaks: what is on its way is lost.
    pub(crate) fn disconnect(&mut self) {
        self.relay.handle_tunnel_down(TunnelId(self.connection));
        self.connection += 1;
        self.ready = false;
    }

    /// A route is announced.
    pub(crate) fn announce(&mut self, now: Duration, flow: Flow) -> Vec<Piece> {
        let mut message = Vec::new();
        Message::AddRoute(flow).write(&mut message);
        self.send(now, 0, message)
    }

    /// Octets arrive at intercept.
    pub(crate) fn arrive_at_relay(&mut self, now: Duration, piece: &Piece) {
        let id = TunnelId(piece.connection);
        self.relay.handle_tunnel_octets(self.start + now, id, &piece.octets);
        while let Some(event) = self.relay.poll_event() {
            assert!(matches!(event, Event::TunnelReady { .. }), "the relay says {event:?}");
        }
    }

    /// Octets arrive at tcpcopy.
    pub(crate) fn arrive_at_replayer(&mut self, piece: &Piece) -> Vec<TargetHeader> {
        if piece.connection != self.connection {
            return Vec::new();
        }
        self.decoder.push(&piece.octets);
        let mut headers = Vec::new();
        while let Some(reply) = self.decoder.next().unwrap() {
            match reply {
                Reply::Response(header, _) => headers.push(header),
                Reply::Hello(_) => {}
                Reply::Datagram(_)
                | Reply::Malformed
                | Reply::Proof(_)
                | Reply::Sighting(_)
                | Reply::Time(_) => {
                    panic!("the relay says {reply:?}")
                }
            }
        }
        headers
    }

    /// A response of the target is in intercept's queue.
    pub(crate) fn respond(&mut self, now: Duration, packet: &[u8]) {
        // The queue copies headers only.
        let copied = &packet[..packet.len().min(128)];
        let verdict = self.relay.handle_response(self.start + now, copied, packet.len());
        assert_eq!(verdict, Verdict::Drop, "a response left the target host");
    }

    /// When the driver flushes what has gathered, if something has since it last did.
    pub(crate) fn flush_at(&mut self, now: Duration) -> Option<Duration> {
        let named = self.relay.poll_ready()?;
        let flush = !std::mem::replace(&mut self.ready, true);
        (flush && named == TunnelId(self.connection)).then_some(now + self.path.gather)
    }

    /// Writes what has gathered.
    pub(crate) fn flush(&mut self, now: Duration) -> Vec<Piece> {
        self.ready = false;
        let mut octets = Vec::new();
        while self.relay.poll_tunnel_write(TunnelId(self.connection), &mut octets).is_some() {}
        self.send(now, 1, octets)
    }

    fn delay(&mut self) -> Duration {
        let jitter = u64::try_from(self.path.jitter.as_micros()).unwrap();
        self.path.delay + self.rng.micros(0..jitter + 1)
    }

    /// Cuts octets into pieces, each of which arrives behind the one before.
    fn send(&mut self, now: Duration, end: usize, octets: Vec<u8>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            let cut = if self.rng.chance(300) { self.rng.len(1..rest.len() + 1) } else { rest.len() };
            let tail = rest.split_off(cut);
            let at = (now + self.delay()).max(self.last[end]);
            self.last[end] = at;
            pieces.push(Piece { at, connection: self.connection, octets: rest });
            rest = tail;
        }
        pieces
    }
}
