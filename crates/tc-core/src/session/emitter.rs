//! Replayed and synthesized packets: the only place that makes octets.

use crate::counters::SentCounters;
use crate::{ReplayConfig, Transmit};
use std::time::{Duration, Instant};
use tc_proto::{
    Flags, Flow, IpFields, PacketSpec, Segment, SeqNum, TcpOptions, Timestamps, Window, WindowScale,
};

/// An echo of our `TSval` that is older than this is not ours.
const LONGEST_ECHO: Duration = Duration::from_mins(1);

/// The SYN with which a connection is opened: the client's own, or one in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: Option<WindowScale>,
    sack_permitted: bool,
    /// The first `TSval`, where timestamps are offered.
    pub(crate) timestamp: Option<u32>,
    pub(crate) window: Window,
    pub(crate) ip: IpFields,
}

impl Opening {
    /// As the client opened. Options that are not understood are left out, TCP Fast Open among them.
    pub(crate) fn captured(segment: &Segment, ip: IpFields) -> Self {
        Self {
            mss: segment.options.mss,
            window_scale: segment.options.window_scale,
            sack_permitted: segment.options.sack_permitted,
            timestamp: segment.options.timestamps.map(|stamps| stamps.value),
            window: segment.window,
            ip,
        }
    }

    /// For a client whose SYN was not seen: what a Linux client offers.
    pub(crate) fn synthesized(config: &ReplayConfig, flow: &Flow, ip: IpFields) -> Self {
        let fitting = config.mtu.saturating_sub(headers_len(flow));
        Self {
            mss: config.mss.or_else(|| u16::try_from(fitting).ok()),
            window_scale: Some(WindowScale::new(7)),
            sack_permitted: true,
            timestamp: Some(1),
            window: Window::MAX,
            ip,
        }
    }
}

/// Octets of IP and TCP headers without options.
pub(crate) const fn headers_len(flow: &Flow) -> usize {
    if flow.target.is_ipv4() { 40 } else { 60 }
}

/// One packet that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) seq: SeqNum,
    /// What it acknowledges, in the target's sequence space; none in a SYN.
    pub(crate) ack: Option<SeqNum>,
    pub(crate) flags: Flags,
    pub(crate) urgent: u16,
    pub(crate) payload: [&'a [u8]; 2],
}

impl Outgoing<'_> {
    /// A packet without payload.
    pub(crate) const fn bare(seq: SeqNum, ack: Option<SeqNum>, flags: Flags) -> Self {
        Self { seq, ack, flags, urgent: 0, payload: [&[], &[]] }
    }

    fn payload_len(&self) -> usize {
        self.payload.iter().map(|part| part.len()).sum()
    }
}

/// Our clock for `TSval`, in milliseconds, counted from a first value on (RFC 7323, section 4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    first: u32,
}

impl Clock {
    /// A clock that begins with the client's own value.
    pub(crate) fn starting_from(opening: &Opening, now: Instant) -> Self {
        Self { start: now, first: opening.timestamp.unwrap_or(1) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the clock wraps")]
    fn value(self, now: Instant) -> u32 {
        self.first.wrapping_add(now.saturating_duration_since(self.start).as_millis() as u32)
    }
}

/// Makes the packets of one replayed connection.
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) flow: Flow,
    opening: Opening,
    identification: u16,
    clock: Clock,
    /// The target's `TSval` to echo, once timestamps were agreed upon.
    echo: Option<u32>,
}

impl Emitter {
    pub(crate) fn new(flow: Flow, opening: Opening, clock: Clock) -> Self {
        Self { flow, opening, identification: 1, clock, echo: None }
    }

    /// The clock of the flow's connections.
    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// The time since we sent `echo` as our `TSval`; none without timestamps, or for a value that is not ours.
    pub(crate) fn since(&self, now: Instant, echo: u32) -> Option<Duration> {
        self.opening.timestamp?;
        let elapsed = Duration::from_millis(self.clock.value(now).wrapping_sub(echo).into());
        (echo != 0 && elapsed < LONGEST_ECHO).then_some(elapsed)
    }

    /// Octets of payload in a full segment of the target (RMSS of RFC 5681): by the size that our SYN named.
    pub(crate) fn named_mss(&self) -> usize {
        let named = self.opening.mss.map_or(536, usize::from);
        named.saturating_sub(self.options_len()).max(1)
    }

    pub(crate) const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Timestamps were agreed upon (RFC 7323, section 3.2): each packet echoes the latest of the target's.
    pub(crate) fn set_echo(&mut self, ts_recent: u32) {
        self.echo = Some(ts_recent);
    }

    /// Octets of options in each packet with data.
    pub(crate) const fn options_len(&self) -> usize {
        if self.echo.is_some() { 12 } else { 0 }
    }

    /// Appends the SYN.
    pub(crate) fn emit_syn(
        &mut self,
        now: Instant,
        iss: SeqNum,
        sent: &mut SentCounters,
        buf: &mut Vec<u8>,
    ) -> Transmit {
        let Opening { mss, window_scale, sack_permitted, timestamp, window, .. } = self.opening;
        let timestamps = timestamp.map(|_| Timestamps { value: self.clock.value(now), echo: 0 });
        let options = TcpOptions { mss, window_scale, sack_permitted, timestamps, ..TcpOptions::default() };
        self.write(&Outgoing::bare(iss, None, Flags::SYN), window, options, sent, buf)
    }

    /// Appends a packet of an open connection.
    ///
    /// The window is the largest that can be said: the octets stay on the test host, nothing fills up.
    pub(crate) fn emit(
        &mut self,
        now: Instant,
        packet: &Outgoing<'_>,
        sent: &mut SentCounters,
        buf: &mut Vec<u8>,
    ) -> Transmit {
        let timestamps = self.echo.map(|echo| Timestamps { value: self.clock.value(now), echo });
        let options = TcpOptions { timestamps, ..TcpOptions::default() };
        self.write(packet, Window::MAX, options, sent, buf)
    }

    fn write(
        &mut self,
        packet: &Outgoing<'_>,
        window: Window,
        options: TcpOptions,
        sent: &mut SentCounters,
        buf: &mut Vec<u8>,
    ) -> Transmit {
        let ack = if packet.ack.is_some() { Flags::ACK } else { Flags::NONE };
        let spec = PacketSpec {
            source: self.flow.client,
            destination: self.flow.target,
            ip: self.opening.ip,
            identification: self.identification,
            seq: packet.seq,
            ack: packet.ack.unwrap_or_default(),
            flags: packet.flags | ack,
            window,
            urgent: packet.urgent,
            options,
            payload: packet.payload,
        };
        self.identification = self.identification.wrapping_add(1);
        count(packet, sent);
        Transmit { destination: self.flow.target.ip(), len: spec.emit(buf) }
    }
}

fn count(packet: &Outgoing<'_>, sent: &mut SentCounters) {
    sent.packets += 1;
    let octets = packet.payload_len();
    sent.octets += octets as u64;
    let kind = if packet.flags.contains(Flags::SYN) {
        &mut sent.syns
    } else if packet.flags.contains(Flags::RST) {
        &mut sent.resets
    } else if packet.flags.contains(Flags::FIN) {
        &mut sent.fins
    } else if octets > 0 {
        &mut sent.data
    } else {
        &mut sent.acks
    };
    *kind += 1;
}
