//! Clients of all kinds, drawn by a seed.

use super::plan::{Answer, Closes, Conduct, Ending, Follows, Plan, Reads, Request};
use super::rng::Rng;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use tc_proto::{SeqNum, TcpOptions, Timestamps, WindowScale};

/// The online server and the target, over both IP versions.
pub(crate) const ADDRESSES: [(SocketAddr, SocketAddr); 2] = [
    (v4([192, 0, 2, 80], 80), v4([10, 9, 0, 2], 8080)),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80], 80), v6([0xfd00, 0, 0, 0, 0, 0, 0, 2], 8080)),
];

const fn v4(address: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from_octets(address), port))
}

const fn v6(address: [u16; 8], port: u16) -> SocketAddr {
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from_segments(address), port, 0, 0))
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Request after request, each behind the answer to the one before.
    KeepAlive,
    /// One request.
    Single,
    /// Several requests at once.
    Pipelined,
    /// Requests of many segments.
    Upload,
    /// The server greets first.
    ServerFirst,
}

/// All styles.
pub(crate) const STYLES: [Style; 5] =
    [Style::KeepAlive, Style::Single, Style::Pipelined, Style::Upload, Style::ServerFirst];

/// Draws plans whose sequence numbers lie far apart.
pub(crate) struct Plans {
    rng: Rng,
    drawn: usize,
    ports: u16,
}

impl Plans {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, "plans"), drawn: 0, ports: 20_000 }
    }

    /// A client that sends so many requests, each behind the answer to the one before, and ends with a FIN.
    pub(crate) fn steady(&mut self, requests: usize) -> Plan {
        let mut plan = self.draw(Style::KeepAlive);
        let rng = &mut self.rng;
        plan.requests = (0..requests).map(|index| request(rng, Style::KeepAlive, index)).collect();
        plan.ending = Ending::Fin;
        plan.conduct.reads = Reads::Eagerly;
        plan
    }

    /// A client of any kind.
    pub(crate) fn any(&mut self) -> Plan {
        let style = self.rng.pick(&STYLES);
        self.draw(style)
    }

    /// A client that speaks like this.
    pub(crate) fn draw(&mut self, style: Style) -> Plan {
        let rng = &mut self.rng;
        let id = self.drawn;
        self.drawn += 1;
        self.ports += 1;
        let (online, target) = ADDRESSES[usize::from(rng.chance(250))];
        let client = if online.is_ipv4() {
            v4([198, 51, 100, 7], self.ports)
        } else {
            v6([0x2001, 0xdb8, 1, 0, 0, 0, 0, 7], self.ports)
        };
        let greeting =
            (style == Style::ServerFirst).then(|| Answer { len: rng.len(1..200), delay: rng.millis(0..40) });
        let mut plan = Plan {
            id,
            client,
            online,
            target,
            iss: iss(rng, id),
            online_iss: SeqNum::new(rng.number()),
            syn: syn_options(rng),
            start: rng.millis(0..2000),
            rtt: rng.micros(50..60_000),
            greeting,
            requests: requests(rng, style),
            ending: rng.pick(&[
                Ending::Fin,
                Ending::Fin,
                Ending::Fin,
                Ending::HalfClose,
                Ending::FinAfterServer,
                Ending::Reset,
            ]),
            joined: None,
            hole: None,
            conduct: conduct(rng),
        };
        if plan.ending == Ending::Reset {
            // What an application has not read when the reset comes is lost to it, and nobody can tell from outside.
            plan.conduct.reads = Reads::Eagerly;
        }
        if plan.syn.mss.is_none() {
            // Super-segments are made of full ones.
            plan.requests.iter_mut().for_each(|request| request.segment = request.segment.min(536));
        }
        plan
    }
}

/// Far from those of the other clients, and one in four just before the wrap.
fn iss(rng: &mut Rng, id: usize) -> SeqNum {
    let id = u32::try_from(id).unwrap();
    if id == 0 && rng.chance(700) {
        SeqNum::new(0_u32.wrapping_sub(1 + rng.number() % 3000))
    } else {
        SeqNum::new(id << 25) + (1 << 24) + rng.len(0..1 << 16)
    }
}

fn syn_options(rng: &mut Rng) -> TcpOptions {
    let mut options = TcpOptions::default();
    if rng.chance(900) {
        options.mss = Some(rng.pick(&[536, 1200, 1460, 1460, 1460, 8960]));
    }
    if rng.chance(700) {
        options.window_scale = Some(WindowScale::new(rng.pick(&[0, 3, 7, 14])));
    }
    options.sack_permitted = rng.chance(700);
    if rng.chance(700) {
        options.timestamps = Some(Timestamps { value: rng.number(), echo: 0 });
    }
    options
}

fn requests(rng: &mut Rng, style: Style) -> Vec<Request> {
    let count = match style {
        Style::Single => 1,
        Style::Upload => rng.len(1..3),
        Style::KeepAlive | Style::ServerFirst => rng.len(2..8),
        Style::Pipelined => rng.len(2..12),
    };
    (0..count).map(|index| request(rng, style, index)).collect()
}

fn request(rng: &mut Rng, style: Style, index: usize) -> Request {
    let len = match style {
        Style::Upload => rng.len(20_000..150_000),
        Style::Single | Style::KeepAlive | Style::ServerFirst => {
            rng.pick(&[1, 80, 400, 1448, 1460, 3000, 9000])
        }
        Style::Pipelined => rng.len(10..600),
    };
    let follows = if style == Style::Pipelined && index > 0 && rng.chance(800) {
        Follows::Pipelined
    } else {
        Follows::Answer
    };
    let think = match follows {
        Follows::Pipelined => rng.micros(0..500),
        Follows::Answer if rng.chance(100) => rng.millis(1000..20_000),
        Follows::Answer => rng.millis(0..150),
    };
    let segment = match style {
        Style::Upload => rng.pick(&[1448, 1448, 8960, 60_000]),
        Style::Single | Style::KeepAlive | Style::ServerFirst | Style::Pipelined => {
            rng.pick(&[1448, 1460, 536])
        }
    };
    Request { len, follows, think, segment, online: answer(rng), target: answer(rng) }
}

fn answer(rng: &mut Rng) -> Answer {
    let len = if rng.chance(100) { rng.len(10_000..60_000) } else { rng.len(1..4000) };
    let delay = if rng.chance(50) { rng.millis(300..3000) } else { rng.micros(20..40_000) };
    Answer { len, delay }
}

fn conduct(rng: &mut Rng) -> Conduct {
    let reads =
        if rng.chance(150) { Reads::Slowly(rng.len(1000..8000), rng.millis(1..40)) } else { Reads::Eagerly };
    Conduct {
        closes: Closes::AfterClient,
        reads,
        receive_buffer: rng.pick(&[2048, 8192, 65_535, 65_535, 262_144]),
        mtu: rng.pick(&[1500, 1500, 1500, 1280]),
        wraps: rng.chance(300),
    }
}
