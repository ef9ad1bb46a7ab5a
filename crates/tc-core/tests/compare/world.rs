//! One client, one online server and one target, whose next packets follow from what was said before.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tc_core::compare::{CompareConfig, Comparison, Detail};
use tc_core::{ClientPool, Pace, ReplayConfig, Replayer, RouteScope};
use tc_proto::{Flags, IpFields, PacketRef, PacketSpec, Segment, SeqNum, TargetHeader, TcpOptions, Window};

/// Close to the wrap, each elsewhere.
const CLIENT_ISS: u32 = 0xffff_fff0;
const ONLINE_ISS: u32 = 0x7fff_fff0;
const TARGET_ISS: u32 = 0xffff_ff00;
/// How long the target takes for its SYN-ACK.
const WAY: u64 = 2;

/// Milliseconds.
pub(crate) const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Fails unless a time is as expected, within the resolution of the histograms.
#[track_caller]
pub(crate) fn assert_about(found: Option<Duration>, expected: Duration) {
    let close = found.is_some_and(|found| found.abs_diff(expected) <= expected / 500);
    assert!(close, "found {found:?} instead of {expected:?}");
}

/// A host's place in its connection.
#[derive(Clone, Copy)]
struct Place {
    nxt: SeqNum,
    /// What it has heard of the other side.
    heard: SeqNum,
}

pub(crate) struct World {
    replayer: Replayer,
    now: Instant,
    client: Place,
    online: SeqNum,
    /// The target; heard is what it got of the replay.
    target: Place,
    last: [Vec<u8>; 2],
    last_target: Option<(TargetHeader, Vec<u8>)>,
    /// A SYN of the replay waits for its answer.
    asked: bool,
}

impl World {
    /// The client's SYN was captured and the online server has answered it.
    pub(crate) fn begin(detail: Detail) -> Self {
        let mut world = Self::new(detail);
        world.client_packet(Flags::SYN, world.client.nxt - 1, b"");
        world.online_packet(Flags::SYN | Flags::ACK, world.online - 1, b"");
        world
    }

    /// The client's SYN was captured, and nothing of the online server is.
    pub(crate) fn begin_unseen() -> Self {
        let mut world = Self::new(Detail::Paths);
        world.client_packet(Flags::SYN, world.client.nxt - 1, b"");
        world
    }

    /// All connections are open.
    pub(crate) fn open() -> Self {
        Self::open_with(Detail::Paths)
    }

    pub(crate) fn open_with(detail: Detail) -> Self {
        let mut world = Self::begin(detail);
        world.shake_hands_if_asked();
        world.client_packet(Flags::ACK, world.client.nxt, b"");
        world
    }

    /// The client's connection was open before anything was captured.
    pub(crate) fn joined() -> Self {
        Self::new(Detail::Paths)
    }

    fn new(detail: Detail) -> Self {
        #[expect(clippy::disallowed_methods, reason = "only differences count")]
        let now = Instant::now();
        let config = ReplayConfig {
            pace: Pace::Heard,
            compare: Some(CompareConfig { origin: now, detail }),
            ..ReplayConfig::default()
        };
        let mapping = "80-10.0.0.2:80".parse().unwrap();
        let mut replayer = Replayer::new(config, vec![mapping], ClientPool::default());
        replayer.handle_tunnel_up(RouteScope::All);
        let client = Place { nxt: SeqNum::new(CLIENT_ISS) + 1, heard: SeqNum::new(ONLINE_ISS) + 1 };
        let target = Place { nxt: SeqNum::new(TARGET_ISS), heard: client.nxt };
        Self {
            replayer,
            now,
            client,
            online: SeqNum::new(ONLINE_ISS) + 1,
            target,
            last: [Vec::new(), Vec::new()],
            last_target: None,
            asked: false,
        }
    }

    /// Lets time pass, in milliseconds.
    pub(crate) fn pass(&mut self, milliseconds: u64) -> &mut Self {
        for _ in 0..milliseconds {
            self.now += ms(1);
            self.replayer.handle_timeout(self.now);
            self.pump();
        }
        self
    }

    /// The client says something, and acknowledges what it has heard.
    pub(crate) fn client(&mut self, text: &str) {
        self.client_packet(Flags::ACK | Flags::PSH, self.client.nxt, text.as_bytes());
        self.client.nxt += text.len();
    }

    /// The client sends its last packet once more.
    pub(crate) fn client_again(&mut self) {
        let packet = self.last[0].clone();
        self.replayer.handle_client_packet(self.now, &packet);
        self.pump();
    }

    /// The online server says something, and the client hears it.
    pub(crate) fn online(&mut self, text: &str) {
        self.online_in_flight(text);
        self.client.heard = self.online;
    }

    /// The online server says something that is still on its way to the client.
    pub(crate) fn online_in_flight(&mut self, text: &str) {
        self.online_packet(Flags::ACK | Flags::PSH, self.online, text.as_bytes());
        self.online += text.len();
    }

    /// The online server sends its last packet once more.
    pub(crate) fn online_again(&mut self) {
        let packet = self.last[1].clone();
        self.replayer.handle_online_packet(self.now, &packet);
    }

    /// The online server sends a segment without text.
    pub(crate) fn online_flags(&mut self, flags: Flags) {
        self.online_packet(flags, self.online, b"");
    }

    /// The target says something.
    pub(crate) fn target(&mut self, text: &str) {
        self.target_packet(Flags::ACK | Flags::PSH, text.as_bytes());
        self.target.nxt += text.len();
    }

    /// What the target has heard by now.
    pub(crate) fn heard_by_target(&self) -> SeqNum {
        self.target.heard
    }

    /// The target says something when it has heard only so much.
    pub(crate) fn target_at(&mut self, heard: SeqNum, text: &str) {
        let now = std::mem::replace(&mut self.target.heard, heard);
        self.target(text);
        self.target.heard = now;
    }

    /// The target says something, and the end of what it said before, when it had heard only so much, comes behind it.
    pub(crate) fn target_overtakes(&mut self, text: &str, heard: SeqNum, before: &str) {
        let begin = self.target.nxt;
        self.target.nxt += before.len();
        self.target(text);
        let end = std::mem::replace(&mut self.target.nxt, begin);
        self.pass(2);
        self.target_at(heard, before);
        self.target.nxt = end;
    }

    /// The target sends its last packet once more.
    pub(crate) fn target_again(&mut self) {
        if let Some((header, payload)) = self.last_target.clone() {
            self.replayer.handle_target_answer(self.now, &header, &payload);
            self.pump();
        }
    }

    /// The target acknowledges all it got.
    pub(crate) fn target_acknowledges(&mut self) {
        self.target_packet(Flags::ACK, b"");
    }

    /// The target sends a segment without text.
    pub(crate) fn target_flags(&mut self, flags: Flags) {
        self.target_packet(flags, b"");
    }

    /// The target accepts a connection of the replay, if there is a new one.
    pub(crate) fn shake_hands_if_asked(&mut self) {
        if std::mem::take(&mut self.asked) {
            self.pass(WAY);
            self.target_packet(Flags::SYN | Flags::ACK, b"");
            self.target.nxt += 1;
        }
    }

    /// The longest way to the target and back that was measured.
    pub(crate) fn longest_way(&mut self) -> Option<Duration> {
        self.replayer.comparison().unwrap().way.quantile(1.0)
    }

    /// Ends the comparison.
    pub(crate) fn end(mut self) -> Box<Comparison> {
        self.replayer.end_comparison(self.now).unwrap()
    }

    fn client_packet(&mut self, flags: Flags, seq: SeqNum, payload: &[u8]) {
        let packet = packet([client(), online()], flags, seq, self.client.heard, payload);
        self.replayer.handle_client_packet(self.now, &packet);
        self.last[0] = packet;
        self.pump();
    }

    fn online_packet(&mut self, flags: Flags, seq: SeqNum, payload: &[u8]) {
        let mut packet = packet([online(), client()], flags, seq, self.client.nxt, payload);
        // The capture keeps the beginning of each packet.
        packet.truncate(112);
        self.replayer.handle_online_packet(self.now, &packet);
        self.last[1] = packet;
    }

    fn target_packet(&mut self, flags: Flags, payload: &[u8]) {
        let octets = packet([target(), client()], flags, self.target.nxt, self.target.heard, payload);
        let segment: Segment = *PacketRef::parse(&octets).unwrap().segment();
        let header = TargetHeader(segment);
        self.replayer.handle_target_answer(self.now, &header, payload);
        self.last_target = Some((header, payload.to_vec()));
        self.pump();
    }

    /// Takes what the replay sends; the target hears it at once.
    fn pump(&mut self) {
        while self.replayer.poll_route().is_some() {}
        let mut octets = Vec::new();
        while self.replayer.poll_transmit(self.now, &mut octets).is_some() {
            let packet = PacketRef::parse(&octets).unwrap();
            let segment = packet.segment();
            self.asked |= segment.flags.contains(Flags::SYN);
            self.target.heard = if segment.flags.contains(Flags::SYN) {
                segment.end()
            } else {
                self.target.heard.latest(segment.end())
            };
            octets.clear();
        }
    }
}

fn client() -> SocketAddr {
    "192.0.2.7:40000".parse().unwrap()
}

fn online() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

fn target() -> SocketAddr {
    "10.0.0.2:80".parse().unwrap()
}

fn packet(
    [source, destination]: [SocketAddr; 2],
    flags: Flags,
    seq: SeqNum,
    ack: SeqNum,
    payload: &[u8],
) -> Vec<u8> {
    let mut octets = Vec::new();
    let spec = PacketSpec {
        source,
        destination,
        ip: IpFields::default(),
        identification: 0,
        seq,
        ack,
        flags,
        window: Window::MAX,
        urgent: 0,
        options: TcpOptions::default(),
        payload: [payload, &[]],
    };
    spec.emit(&mut octets);
    octets
}
