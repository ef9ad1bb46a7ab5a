//! Captures for tests: what tcpdump would write.

use std::time::Duration;
use tc_proto::{DatagramSpec, Flags, IpFields, PacketSpec, SeqNum, Window};

/// The byte order and the unit of time of a pcap file, as its magic number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flavour {
    pub(super) big_endian: bool,
    pub(super) nanoseconds: bool,
}

pub(super) const USUAL: Flavour = Flavour { big_endian: false, nanoseconds: false };

impl Flavour {
    pub(super) const ALL: [Self; 4] = [
        USUAL,
        Self { big_endian: true, nanoseconds: false },
        Self { big_endian: false, nanoseconds: true },
        Self { big_endian: true, nanoseconds: true },
    ];

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.word(word)).collect()
    }

    fn word(self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    /// A header of a file of packets of this link type.
    pub(super) fn header(self, link_type: u32) -> Vec<u8> {
        let magic = if self.nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let versions = if self.big_endian { 0x0002_0004 } else { 0x0004_0002 };
        self.words(&[magic, versions, 0, 0, 262_144, link_type])
    }

    /// A record of a frame of which so many octets more were not captured.
    pub(super) fn record(self, at: Duration, frame: &[u8], cut: usize) -> Vec<u8> {
        let fraction = if self.nanoseconds { at.subsec_nanos() } else { at.subsec_micros() };
        let seconds = u32::try_from(at.as_secs()).unwrap();
        let mut record = self.words(&[seconds, fraction, len(frame), len(frame) + u32::try_from(cut).unwrap()]);
        record.extend_from_slice(frame);
        record
    }

    /// A block of pcapng.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let total = u32::try_from(padded + 12).unwrap();
        let mut block = self.words(&[kind, total]);
        block.extend_from_slice(body);
        block.resize(8 + padded, 0);
        block.extend(self.word(total));
        block
    }

    /// The beginning of a section.
    pub(super) fn section(self) -> Vec<u8> {
        let version = if self.big_endian { 0x0001_0000 } else { 0x0000_0001 };
        self.block(0x0a0d_0d0a, &self.words(&[0x1a2b_3c4d, version, u32::MAX, u32::MAX]))
    }

    /// An interface whose times have this resolution, as its option has it.
    pub(super) fn interface(self, link_type: u16, resolution: u8) -> Vec<u8> {
        let half = |value: u16| if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut body = [half(link_type), half(0), half(0), half(4)].concat();
        body.extend([half(9), half(1)].concat());
        body.extend([resolution, 0, 0, 0]);
        body.extend(half(0).repeat(2));
        self.block(1, &body)
    }

    /// A packet of an interface, at so many units of its time.
    pub(super) fn packet(self, interface: u32, units: u64, frame: &[u8]) -> Vec<u8> {
        let half = |units: u64| u32::try_from(units & u64::from(u32::MAX)).unwrap();
        let (high, low) = (half(units >> 32), half(units));
        let mut body = self.words(&[interface, high, low, len(frame), len(frame)]);
        body.extend_from_slice(frame);
        self.block(6, &body)
    }

    /// The same as older programs wrote it.
    pub(super) fn old_packet(self, interface: u16, units: u64, frame: &[u8]) -> Vec<u8> {
        let half = |value: u16| if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let word = |units: u64| u32::try_from(units & u64::from(u32::MAX)).unwrap();
        let mut body = [half(interface), half(u16::MAX)].concat();
        body.extend(self.words(&[word(units >> 32), word(units), len(frame), len(frame)]));
        body.extend_from_slice(frame);
        self.block(2, &body)
    }

    /// A packet without interface and time.
    pub(super) fn simple_packet(self, frame: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.word(len(frame))[..], frame].concat())
    }
}

fn len(frame: &[u8]) -> u32 {
    u32::try_from(frame.len()).unwrap()
}

/// A packet of TCP.
pub(super) fn tcp(source: &str, destination: &str, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let spec = PacketSpec {
        identification: 1,
        seq: SeqNum::new(100),
        ack: SeqNum::new(200),
        flags,
        window: Window::new(1000),
        payload: [payload, b""],
        ..PacketSpec::between(source.parse().unwrap(), destination.parse().unwrap())
    };
    spec.octets()
}

/// A packet of UDP.
pub(super) fn udp(source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let spec = DatagramSpec { source, destination, ip: IpFields::default(), identification: 1, payload };
    spec.emit(65_535, &mut octets, |_| {});
    octets
}
