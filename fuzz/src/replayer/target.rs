//! Headers of the target.

use super::connection::Connection;
use super::sent::Sent;
use crate::steps::{Script, Step};
use tc_proto::{
    Flags, SackBlock, SackBlocks, Segment, SeqNum, TargetHeader, TcpOptions, Timestamps, Window, WindowScale,
};

const ACK: Flags = Flags::ACK;

/// A header of a connection without anything in it.
fn header(connection: &Connection, seq: SeqNum, ack: SeqNum, flags: Flags) -> Segment {
    Segment {
        source: connection.flow.target,
        destination: connection.flow.client,
        seq,
        ack,
        flags,
        window: Window::MAX,
        urgent: 0,
        options: TcpOptions::default(),
        payload_len: 0,
    }
}

/// The target's answer to a SYN.
fn syn_ack(connection: &Connection, step: Step) -> Segment {
    let irs = SeqNum::new(u32::from(step.place.cast_unsigned()).wrapping_sub(0x8000));
    let mut segment = header(connection, irs, connection.iss + 1, Flags::SYN | ACK);
    segment.options = TcpOptions {
        mss: step.has(0x10).then_some(u16::from(step.much) * 6),
        window_scale: step.has(0x20).then_some(WindowScale::new(step.much)),
        sack_permitted: true,
        timestamps: step.has(0x40).then_some(Timestamps { value: 7, echo: 0 }),
        sack: SackBlocks::default(),
    };
    if step.has(0x80) {
        segment.window = Window::new(step.much.into());
    }
    segment
}

impl Sent {
    fn connection(&self, step: Step) -> Option<&Connection> {
        let count = self.connections.len();
        if count == 0 { None } else { self.connections.get(usize::from(step.who) % count) }
    }

    /// A header that the target of a connection may send.
    pub(super) fn plausible_header(&self, step: Step) -> Option<TargetHeader> {
        let connection = self.connection(step)?;
        let Some(irs) = connection.irs else {
            let refused = header(connection, SeqNum::new(0), connection.iss + 1, Flags::RST | ACK);
            let segment = if step.how % 16 == 7 { refused } else { syn_ack(connection, step) };
            return Some(TargetHeader(segment));
        };
        let next = connection.said;
        let ack = connection.end;
        let place = SeqNum::new(ack.value().wrapping_add_signed(i32::from(step.place)));
        let len = usize::from(step.much) * if step.has(0x10) { 64 } else { 4 };
        let with_data = |seq, ack| Segment { payload_len: len, ..header(connection, seq, ack, ACK) };
        let mut segment = match step.how % 16 {
            0 => header(connection, next, ack, ACK),
            1 => header(connection, next, place.earliest(ack), ACK),
            2 | 3 => with_data(next, ack),
            4 => with_data(next + usize::from(step.place.unsigned_abs()), ack),
            5 => header(connection, SeqNum::new(next.value().wrapping_sub(1)), ack, ACK),
            6 => header(connection, next, ack, ACK | Flags::FIN),
            7 => header(connection, next, ack, Flags::RST),
            8 => Segment { window: Window::new(0), ..header(connection, next, place.earliest(ack), ACK) },
            9 => Segment { window: Window::new(step.much.into()), ..header(connection, next, ack, ACK) },
            10 => duplicate(connection, next, place, usize::from(step.much) * 8),
            11 => syn_ack(connection, step),
            12 => header(connection, irs, place, Flags::SYN | ACK),
            13 => header(connection, next, place, ACK),
            14 => with_data(SeqNum::new(next.value().wrapping_add_signed(-i32::from(step.place))), ack),
            _ => Segment { flags: ACK | Flags::FIN | Flags::PSH, ..with_data(next, place.earliest(ack)) },
        };
        if step.has(0x40) {
            segment.options.timestamps = Some(Timestamps { value: u32::from(step.much), echo: 1 });
        }
        Some(TargetHeader(segment))
    }

    /// A header with nothing in it that holds together.
    pub(super) fn arbitrary_header(&self, step: Step, script: &mut Script<'_>) -> TargetHeader {
        let mut number = || SeqNum::new(u32::from_be_bytes([0; 4].map(|_: u8| script.octet())));
        let (seq, ack) = (number(), number());
        let client = self.connection(step).map(|connection| connection.flow.client);
        let mut sack = SackBlocks::default();
        if step.has(0x80) {
            sack.push(SackBlock { start: number(), end: number() });
        }
        TargetHeader(Segment {
            source: self.settings.target(),
            destination: client.unwrap_or_else(|| self.settings.client(step.who)),
            seq,
            ack,
            flags: Flags::from_bits(step.much),
            window: Window::new(step.place.cast_unsigned()),
            urgent: 0,
            options: TcpOptions { sack, ..TcpOptions::default() },
            payload_len: usize::from(step.how) * 257,
        })
    }

    /// What a target that works says to each connection: it takes everything, and answers if `how` says so.
    pub(super) fn answers(&self, step: Step) -> Vec<TargetHeader> {
        let answer = |connection: &Connection| {
            TargetHeader(connection.irs.map_or_else(
                || syn_ack(connection, step),
                |_| {
                    let seq = connection.said;
                    let payload_len = if step.has(1) { 1 + usize::from(step.much) } else { 0 };
                    Segment { payload_len, ..header(connection, seq, connection.end, ACK) }
                },
            ))
        };
        self.connections.iter().filter(|connection| !connection.gone).map(answer).collect()
    }
}

/// A duplicate acknowledgment with a SACK block.
fn duplicate(connection: &Connection, next: SeqNum, place: SeqNum, len: usize) -> Segment {
    let mut segment = header(connection, next, place.earliest(connection.end), ACK);
    segment
        .options
        .sack
        .push(SackBlock { start: segment.ack + 1, end: (segment.ack + 1 + len).earliest(connection.end) });
    segment
}
