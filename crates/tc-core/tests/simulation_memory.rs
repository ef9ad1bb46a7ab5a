//! 100 000 sessions at once: what each takes, and that nothing stays.
#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

use peak_alloc::PeakAlloc;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;
use tc_core::{ClientPool, Mapping, ReplayConfig, Replayer, RouteScope};
use tc_proto::{
    Flags, IpFields, PacketRef, PacketSpec, SeqNum, TargetHeader, TcpOptions, Timestamps, Window, WindowScale,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const SESSIONS: u32 = 100_000;
/// Octets that a session may take which is open, has sent a request, has its answer, and waits for the next.
const BOUND: usize = 2304;

struct Bench {
    replayer: Replayer,
    now: Instant,
    sent: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let mapping: Mapping = "80-10.9.0.2:8080".parse().unwrap();
        let mut replayer = Replayer::new(ReplayConfig::default(), vec![mapping], ClientPool::default());
        replayer.handle_tunnel_up(RouteScope::All);
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant cannot be made otherwise; nothing is measured"
        )]
        let now = Instant::now();
        Self { replayer, now, sent: Vec::new() }
    }

    /// Takes what the replayer sends: the octets of its last packet.
    fn drain(&mut self) -> usize {
        let mut packets = 0;
        while self.replayer.poll_route().is_some() {}
        loop {
            let kept = std::mem::take(&mut self.sent);
            let Some(_) = self.replayer.poll_transmit(self.now, &mut self.sent) else {
                self.sent = kept;
                return packets;
            };
            packets += 1;
        }
    }

    /// A client opens, sends a request and goes on waiting; the target answers.
    fn play(&mut self, number: u32) {
        let client = client(number);
        let online = "192.0.2.80:80".parse().unwrap();
        let target: SocketAddr = "10.9.0.2:8080".parse().unwrap();
        let iss = SeqNum::new(number.wrapping_mul(7919));
        let stamps = TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 0 }), ..TcpOptions::default() };
        let syn_options = TcpOptions {
            mss: Some(1460),
            window_scale: Some(WindowScale::new(7)),
            sack_permitted: true,
            ..stamps
        };
        self.capture(&packet(client, online, (iss, 0), Flags::SYN, syn_options, &[]));
        self.drain();
        let answer = SeqNum::new(number);
        self.header(&packet(
            target,
            client,
            (answer, iss.value() + 1),
            Flags::SYN | Flags::ACK,
            syn_options,
            &[],
        ));
        self.capture(&packet(client, online, (iss + 1, 9), Flags::ACK, stamps, &[]));
        self.capture(&packet(client, online, (iss + 1, 9), Flags::ACK | Flags::PSH, stamps, &[7; 400]));
        self.drain();
        let ack = (iss + 401).value();
        self.header(&packet(target, client, (answer + 1, ack), Flags::ACK | Flags::PSH, stamps, &[8; 1000]));
        self.drain();
    }

    fn capture(&mut self, octets: &[u8]) {
        self.replayer.handle_client_packet(self.now, octets);
    }

    fn header(&mut self, octets: &[u8]) {
        let header = TargetHeader(*PacketRef::parse(octets).unwrap().segment());
        self.replayer.handle_target_header(self.now, &header);
    }
}

fn client(number: u32) -> SocketAddr {
    let port = 2000 + u16::try_from(number % 50_000).unwrap();
    let host = 1 + u8::try_from(number / 50_000).unwrap();
    (Ipv4Addr::new(198, 51, 100, host), port).into()
}

fn packet(
    source: SocketAddr,
    destination: SocketAddr,
    (seq, ack): (SeqNum, u32),
    flags: Flags,
    options: TcpOptions,
    payload: &[u8],
) -> Vec<u8> {
    let mut octets = Vec::new();
    let spec = PacketSpec {
        source,
        destination,
        ip: IpFields::default(),
        identification: 0,
        seq,
        ack: SeqNum::new(ack),
        flags,
        window: Window::new(29_200),
        urgent: 0,
        options,
        payload: [payload, &[]],
    };
    spec.emit(&mut octets);
    octets
}

#[test]
fn a_hundred_thousand_sessions_take_little_and_leave_nothing() {
    let mut bench = Bench::new();
    let before = PeakAlloc.current_usage();
    for number in 0..SESSIONS {
        bench.play(number);
    }
    let sessions = usize::try_from(SESSIONS).unwrap();
    assert_eq!(bench.replayer.sessions(), sessions);
    assert_eq!(bench.replayer.counters().requests.answered, u64::from(SESSIONS));
    let each = (PeakAlloc.current_usage() - before) / sessions;
    let counted = bench.replayer.octets() / sessions;
    report(&format!("{sessions} sessions: {each} octets each, {counted} by the replayer's own count"));
    assert!(each <= BOUND, "{each} octets a session");
    // Tables grow by doubling; the count takes them for something in between.
    let close = 4 * each <= 5 * counted && counted <= 2 * each;
    assert!(close, "{each} octets a session, {counted} by the replayer's own count");
    let mut wakes = 0;
    while let Some((deadline, _)) = bench.replayer.poll_timeout() {
        bench.now = deadline;
        bench.replayer.handle_timeout(deadline);
        bench.drain();
        wakes += 1;
        assert!(wakes < 20 * SESSIONS, "no end");
    }
    assert_eq!((bench.replayer.sessions(), bench.replayer.octets()), (0, 0));
    let left = PeakAlloc.current_usage().saturating_sub(before) / sessions;
    report(&format!("{left} octets each stay for the next, in the tables"));
    assert!(left <= BOUND, "{left} octets a session stay");
}

#[expect(clippy::print_stderr, reason = "a measurement is for the one who asks for it")]
fn report(line: &str) {
    eprintln!("{line}");
}
