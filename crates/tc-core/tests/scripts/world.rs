//! Who is who in one run: addresses, and the initial sequence number of each party.

use super::script::{ClientChange, Number, Options, Packet, RouteFacts};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tc_proto::{Flow, SackBlock, SackBlocks, Segment, SeqNum, TcpOptions, Timestamps, Window, WindowScale};

const ONLINE_PORT: u16 = 80;
const TARGET_PORT: u16 = 8080;
const FIRST_CLIENT_PORT: u16 = 40_000;
const LARGEST_NUMBER: u8 = 9;

/// An IP version and a choice of initial sequence numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    ipv6: bool,
    client: u32,
    online: u32,
    target: u32,
}

impl Variant {
    /// All over which a script is run. The last ones wrap within the handshake, the first request, or the answer.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        const MAX: u32 = u32::MAX;
        let choices = [
            (1_000_000, 3_700_000_000, 2_500_000_000),
            (MAX - 1, 3_700_000_000, 2_500_000_000),
            (1_000_000, MAX - 50, 2_500_000_000),
            (1_000_000, 3_700_000_000, MAX - 150),
            (MAX, MAX - 1, MAX),
            (MAX - 50, MAX - 600, MAX - 3),
            (MAX - 1500, MAX, MAX - 1700),
            ((1 << 31) - 60, (1 << 31) - 700, (1 << 31) - 2),
        ];
        let all = choices.into_iter().flat_map(|choice| [(false, choice), (true, choice)]);
        all.map(|(ipv6, (client, online, target))| Self { ipv6, client, online, target })
    }

    pub(crate) const fn is_ipv6(&self) -> bool {
        self.ipv6
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.ipv6 { 6 } else { 4 };
        let Self { client, online, target, .. } = self;
        write!(f, "IPv{version}, ISS of client {client}, online {online}, target {target}")
    }
}

/// One client connection and its replay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) flow: Flow,
    iss: SeqNum,
    online_iss: SeqNum,
    target_iss: SeqNum,
    /// Whose octets it has.
    owner: Number,
}

/// All connections of one run.
#[derive(Debug)]
pub(crate) struct World {
    variant: Variant,
    connections: Vec<Connection>,
}

impl World {
    pub(crate) fn new(variant: Variant) -> Self {
        let connections = (0..=LARGEST_NUMBER).map(|number| connection(variant, number)).collect();
        Self { variant, connections }
    }

    /// The connection of this number; the parser lets no other numbers through.
    pub(crate) fn connection(&self, number: Number) -> &Connection {
        &self.connections[number]
    }

    /// The connection with the lowest number that has this flow.
    pub(crate) fn by_flow(&self, flow: &Flow) -> Option<&Connection> {
        self.connections.iter().skip(1).find(|connection| connection.flow == *flow)
    }

    pub(crate) fn online(&self) -> SocketAddr {
        SocketAddr::new(address(self.variant, 2), ONLINE_PORT)
    }

    pub(crate) fn target(&self) -> SocketAddr {
        target(self.variant)
    }

    pub(crate) fn pool(&self) -> IpAddr {
        address(self.variant, 77)
    }

    pub(crate) fn change(&mut self, number: Number, change: ClientChange) {
        let source = |other: Number| self.connections[other];
        match change {
            ClientChange::SamePort(other) => {
                let Connection { client, flow, .. } = source(other);
                let known = self.connections[number];
                self.connections[number] = Connection { client, flow, ..known };
            }
            ClientChange::SamePortAndIss(other) => {
                let Connection { client, flow, iss, .. } = source(other);
                let known = self.connections[number];
                self.connections[number] = Connection { client, flow, iss, ..known };
            }
            ClientChange::Loopback => {
                let ip: IpAddr =
                    if self.variant.ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
                let connection = &mut self.connections[number];
                connection.client.set_ip(ip);
                connection.flow.client.set_ip(ip);
            }
        }
    }

    pub(crate) fn renew_target(&mut self, number: Number) {
        let connection = &mut self.connections[number];
        connection.target_iss += 0x4321_0777;
    }

    /// Takes a flow that was announced, or tells what is wrong with it.
    pub(crate) fn route(&mut self, number: Number, facts: RouteFacts, flow: Flow) -> Result<(), String> {
        if let Some(original) = facts.copy_of {
            let Connection { client, iss, owner, .. } = self.connections[original];
            let known = self.connections[number];
            self.connections[number] = Connection { client, iss, owner, ..known };
        }
        let client = self.connections[number].client;
        let ip = if facts.pooled { self.pool() } else { client.ip() };
        if flow.target != self.target() || flow.client.ip() != ip {
            return Err(format!("expected a route from {ip} to {}", self.target()));
        }
        if facts.new_port == (flow.client.port() == client.port()) {
            let kind = if facts.new_port { "another port than" } else { "the port" };
            return Err(format!("expected {kind} {}", client.port()));
        }
        self.connections[number].flow = flow;
        Ok(())
    }
}

fn connection(variant: Variant, number: u8) -> Connection {
    let client = SocketAddr::new(address(variant, 1), FIRST_CLIENT_PORT + u16::from(number));
    // Far enough apart that no connection takes another's numbers for its own, and near to a wrap all the same.
    let iss = |first: u32| SeqNum::new(first) + usize::from(number - number.min(1)) * 7;
    Connection {
        client,
        flow: Flow { client, target: target(variant) },
        iss: iss(variant.client),
        online_iss: iss(variant.online),
        target_iss: iss(variant.target),
        owner: usize::from(number),
    }
}

fn target(variant: Variant) -> SocketAddr {
    SocketAddr::new(address(variant, 3), TARGET_PORT)
}

fn address(variant: Variant, host: u8) -> IpAddr {
    if variant.ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into()
    } else {
        Ipv4Addr::new(192, 0, 2, host).into()
    }
}

/// A party of a connection, in whose numbers a packet is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The client towards the online server.
    Client,
    /// tcpcopy towards the target.
    Replay,
    /// The target.
    Target,
}

impl Connection {
    /// The initial sequence numbers of SEG.SEQ and SEG.ACK.
    pub(crate) const fn origins(&self, speaker: Speaker) -> (SeqNum, SeqNum) {
        match speaker {
            Speaker::Client => (self.iss, self.online_iss),
            Speaker::Replay => (self.iss, self.target_iss),
            Speaker::Target => (self.target_iss, self.iss),
        }
    }

    /// The payload at a sequence number of the client: another octet at each, in no short period.
    pub(crate) fn octet_at(&self, seq: SeqNum) -> u8 {
        let place = seq.value().wrapping_sub(self.iss.value());
        let mixed = place.wrapping_mul(0x9e37_79b1).rotate_left(11) ^ place;
        mixed.to_le_bytes()[1].wrapping_add(u8::try_from(self.owner).unwrap_or(0))
    }

    /// The facts of a packet as written, with the numbers of this run.
    pub(crate) fn segment(&self, packet: &Packet, speaker: Speaker, online: SocketAddr) -> Segment {
        let (source, destination) = match speaker {
            Speaker::Client => (self.client, online),
            Speaker::Replay => (self.flow.client, self.flow.target),
            Speaker::Target => (self.flow.target, self.flow.client),
        };
        let (own, other) = self.origins(speaker);
        let options = packet.options.clone().unwrap_or_default();
        Segment {
            source,
            destination,
            seq: at(own, packet.seq),
            ack: packet.ack.map_or(SeqNum::default(), |ack| at(other, ack)),
            flags: packet.flags,
            window: Window::new(packet.window.unwrap_or(u16::MAX)),
            urgent: packet.urgent,
            options: tcp_options(&options, other),
            payload_len: packet.len,
        }
    }
}

fn at(origin: SeqNum, relative: i64) -> SeqNum {
    let octets = usize::try_from(relative.unsigned_abs()).unwrap_or(0);
    if relative < 0 { origin - octets } else { origin + octets }
}

fn tcp_options(options: &Options, other: SeqNum) -> TcpOptions {
    let mut sack = SackBlocks::default();
    for (start, end) in &options.sack {
        sack.push(SackBlock { start: at(other, *start), end: at(other, *end) });
    }
    TcpOptions {
        mss: options.mss,
        window_scale: options.window_scale.map(WindowScale::new),
        sack_permitted: options.sack_permitted,
        timestamps: options.timestamps.map(|(value, echo)| Timestamps { value, echo }),
        sack,
    }
}
