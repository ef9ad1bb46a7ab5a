//! Clients and their captured packets.

use super::captured::octet;
use super::settings::Settings;
use crate::steps::Step;
use tc_proto::{Flags, IpFields, PacketSpec, SackBlocks, SeqNum, TcpOptions, Timestamps, Window, WindowScale};

/// Where a client's initial sequence numbers lie.
const ISS: [u32; 4] = [1000, u32::MAX - 700, 0x7fff_fe00, u32::MAX];

/// A client and what it says next.
#[derive(Clone, Copy, Debug)]
struct Client {
    next: SeqNum,
    /// In the online server's sequence space.
    ack: SeqNum,
}

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    settings: Settings,
    clients: [Client; 4],
}

impl Clients {
    pub(super) fn new(settings: Settings) -> Self {
        let client = Client { next: SeqNum::new(1), ack: SeqNum::new(u32::MAX - 150) };
        Self { settings, clients: [client; 4] }
    }

    fn client(&mut self, step: Step) -> &mut Client {
        &mut self.clients[usize::from(step.who % 4)]
    }

    /// A SYN; the bits of `how` are its options and its initial sequence number, `much` its data.
    pub(super) fn syn(&mut self, step: Step) -> Vec<u8> {
        let spread = u32::from(step.place.cast_unsigned());
        let iss = SeqNum::new(ISS[usize::from(step.how >> 6)].wrapping_add(spread));
        self.client(step).next = iss + 1;
        let options = TcpOptions {
            mss: step.has(1).then_some(1460),
            window_scale: step.has(2).then_some(WindowScale::new(step.much)),
            sack_permitted: step.has(4),
            timestamps: step.has(8).then_some(Timestamps { value: u32::MAX - 5, echo: 0 }),
            sack: SackBlocks::default(),
        };
        let len = if step.has(0x10) { usize::from(step.much) } else { 0 };
        let octets = self.packet(step, iss, Flags::SYN, options, len);
        if step.has(0x20) { with_all_options(&octets, self.settings) } else { octets }
    }

    /// Data, by the bits of `how`: a new request, PSH, FIN, octets that are lies, a scale of 2 bits for `much`,
    /// URG, and displaced by `place`.
    pub(super) fn data(&mut self, step: Step) -> Vec<u8> {
        let mut client = *self.client(step);
        if step.has(1) {
            client.ack += 100;
        }
        let len = usize::from(step.much) * [1, 8, 64, 230][usize::from(step.how >> 4 & 3)];
        let mut flags = Flags::ACK;
        for (bit, flag) in [(2, Flags::PSH), (4, Flags::FIN), (0x40, Flags::URG)] {
            if step.has(bit) {
                flags |= flag;
            }
        }
        let displaced = if step.has(0x80) { step.place } else { 0 };
        let seq = SeqNum::new(client.next.value().wrapping_add_signed(displaced.into()));
        client.next = client.next.latest(seq + len + flags.sequence_len());
        *self.client(step) = client;
        self.packet(step, seq, flags, TcpOptions::default(), len)
    }

    /// A packet without data.
    pub(super) fn bare(&mut self, step: Step) -> Vec<u8> {
        const FLAGS: [u8; 8] = [0x10, 0x11, 0x04, 0x14, 0x00, 0x12, 0x03, 0xff];
        let mut client = *self.client(step);
        if step.has(8) {
            client.ack += usize::from(step.much);
        }
        let flags = Flags::from_bits(FLAGS[usize::from(step.how % 8)]);
        let displaced = if step.has(0x80) { step.place } else { 0 };
        let seq = SeqNum::new(client.next.value().wrapping_add_signed(displaced.into()));
        *self.client(step) = client;
        self.packet(step, seq, flags, TcpOptions::default(), 0)
    }

    fn packet(&self, step: Step, seq: SeqNum, flags: Flags, options: TcpOptions, len: usize) -> Vec<u8> {
        let source = self.settings.client(step.who);
        let lies = !step.code.is_multiple_of(16) && step.has(8);
        let first = seq + usize::from(flags.contains(Flags::SYN));
        let payload: Vec<u8> = (0..len).map(|at| octet(source.ip(), first + at) ^ u8::from(lies)).collect();
        let mut octets = Vec::new();
        let spec = PacketSpec {
            source,
            destination: self.settings.online(),
            ip: IpFields { ttl: 57, traffic_class: step.much },
            identification: 0,
            seq,
            ack: self.clients[usize::from(step.who % 4)].ack,
            flags,
            window: Window::new(step.place.cast_unsigned()),
            urgent: step.place.cast_unsigned(),
            options,
            payload: [&payload, &[]],
        };
        spec.emit(&mut octets);
        octets
    }
}

/// The packet with all options that are understood in place of its own, without padding between them. No SYN has
/// SACK blocks, but nothing keeps a client from it.
fn with_all_options(octets: &[u8], settings: Settings) -> Vec<u8> {
    const OPTIONS: [u8; 40] = [
        2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 3, 3, 7, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
        0, 0, 0, 4, 1, 1, 1,
    ];
    let ip_len = if settings.v6 { 40 } else { 20 };
    let (ip, tcp) = octets.split_at(ip_len);
    let (fixed, rest) = tcp.split_at(20);
    let payload = &rest[usize::from(tcp[12] >> 4) * 4 - 20..];
    let mut made = [ip, fixed, &OPTIONS, payload].concat();
    made[ip_len + 12] = 15 << 4;
    let len = u16::try_from(made.len() - if settings.v6 { 40 } else { 0 }).unwrap_or(u16::MAX);
    let field = if settings.v6 { 4 } else { 2 };
    made[field..field + 2].copy_from_slice(&len.to_be_bytes());
    made
}
