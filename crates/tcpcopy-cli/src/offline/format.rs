//! Records of pcap and blocks of pcapng, as pcap-parser has them, in our words.

use super::records::{Head, MAX_RECORD};
use pcap_parser::nom::{Err as NomErr, Needed};
use pcap_parser::pcapng::{Block, InterfaceDescriptionBlock};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    EnhancedPacketBlock, LegacyPcapBlock, PcapHeader, SimplePacketBlock, parse_block_be, parse_block_le,
    parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
    parse_sectionheaderblock,
};
use std::ops::Range;
use std::time::Duration;
use tc_proto::link::{Direction, LinkType};

const NANOSECONDS: u128 = 1_000_000_000;
/// The link type in a pcap header; the bits above tell of checksums behind frames.
const LINK_TYPE: u32 = 0xffff;
/// The first octets of a block of pcapng that has the byte order.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The block of packets that older programs wrote instead of the enhanced one.
const PACKET: u32 = 2;
/// The option of a packet that tells its direction.
const EPB_FLAGS: u16 = 2;

/// What stands at the beginning of the octets that are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Packet(Head),
    /// Something else of this length.
    Other(usize),
    /// More octets are needed.
    Incomplete,
    /// A file of packets of this link type only, which we do not know.
    Unsupported(u32),
    Broken,
}

/// The kind of a file, and what it said so far.
#[derive(Debug)]
pub(super) enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Format {
    /// So many octets tell the kind.
    pub(super) const RECOGNIZABLE: usize = 24;

    /// The kind of a file that begins so, and the octets that told it.
    pub(super) fn recognize(octets: &[u8]) -> Option<(Self, usize)> {
        if octets.starts_with(&SECTION) {
            return Some((Self::Pcapng(Pcapng::default()), 0));
        }
        let (_, header) = parse_pcap_header(octets).ok()?;
        Some((Self::Pcap(Pcap::new(&header)), header.size()))
    }

    pub(super) fn parse(&mut self, octets: &[u8]) -> Parsed {
        match self {
            Self::Pcap(pcap) => pcap.parse(octets),
            Self::Pcapng(pcapng) => pcapng.parse(octets),
        }
    }
}

/// A file of records.
#[derive(Debug)]
pub(super) struct Pcap {
    layout: Layout,
    /// Nanoseconds in a unit of its times.
    unit: u32,
    link_type: u32,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    LittleEndian,
    BigEndian,
    /// That of a Linux of the last century, which some tools still write.
    Modified,
}

impl Pcap {
    fn new(header: &PcapHeader) -> Self {
        let layout = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => Layout::Modified,
            (false, true) => Layout::BigEndian,
            (false, false) => Layout::LittleEndian,
        };
        let unit = if header.is_nanosecond_precision() { 1 } else { 1000 };
        Self { layout, unit, link_type: header.network.0.cast_unsigned() & LINK_TYPE }
    }

    fn parse(&self, octets: &[u8]) -> Parsed {
        let Some(link) = LinkType::from_number(self.link_type) else {
            return Parsed::Unsupported(self.link_type);
        };
        let parsed = match self.layout {
            Layout::LittleEndian => parse_pcap_frame(octets),
            Layout::BigEndian => parse_pcap_frame_be(octets),
            Layout::Modified => parse_pcap_frame_modified(octets),
        };
        match parsed {
            Ok((rest, record)) => Parsed::Packet(self.head(link, &record, octets.len() - rest.len())),
            Err(error) => unparsed(&error),
        }
    }

    fn head(&self, link: LinkType, record: &LegacyPcapBlock<'_>, len: usize) -> Head {
        let nanoseconds = u64::from(record.ts_usec) * u64::from(self.unit);
        Head {
            at: Duration::from_secs(record.ts_sec.into()) + Duration::from_nanos(nanoseconds),
            link: Some(link),
            direction: Direction::Unknown,
            cut: record.caplen < record.origlen,
            octets: len - record.data.len()..len,
            len,
        }
    }
}

/// A file of blocks, in sections of one byte order each.
#[derive(Debug, Default)]
pub(super) struct Pcapng {
    big_endian: bool,
    /// Of the section.
    interfaces: Vec<Interface>,
    /// The time of the packet before.
    last: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Option<LinkType>,
    /// Units of time in a second.
    resolution: u64,
    /// Seconds to be added to all times.
    offset: i64,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>) -> Self {
        Self {
            link: u32::try_from(block.linktype.0).ok().and_then(LinkType::from_number),
            resolution: resolution(block.if_tsresol),
            offset: block.ts_offset(),
        }
    }

    fn time(self, units: u64) -> Duration {
        let seconds = (units / self.resolution).saturating_add_signed(self.offset);
        let rest = u128::from(units % self.resolution) * NANOSECONDS / u128::from(self.resolution);
        Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(rest).unwrap_or(0))
    }
}

impl Pcapng {
    fn parse(&mut self, octets: &[u8]) -> Parsed {
        if octets.starts_with(&SECTION) {
            return self.begin_section(octets);
        }
        let parsed = if self.big_endian { parse_block_be(octets) } else { parse_block_le(octets) };
        match parsed {
            Ok((rest, block)) => self.on_block(&block, octets, octets.len() - rest.len()),
            Err(error) => unparsed(&error),
        }
    }

    fn begin_section(&mut self, octets: &[u8]) -> Parsed {
        match parse_sectionheaderblock(octets) {
            Ok((rest, section)) => {
                self.big_endian = section.big_endian();
                self.interfaces.clear();
                Parsed::Other(octets.len() - rest.len())
            }
            Err(error) => unparsed(&error),
        }
    }

    fn on_block(&mut self, block: &Block<'_>, octets: &[u8], len: usize) -> Parsed {
        // The parser takes the type of an unknown block for little endian.
        let packet_block = if self.big_endian { PACKET.swap_bytes() } else { PACKET };
        match block {
            Block::InterfaceDescription(described) => self.interfaces.push(Interface::new(described)),
            Block::EnhancedPacket(packet) => return self.enhanced_packet(packet, octets, len),
            Block::SimplePacket(packet) => return self.simple_packet(packet, octets, len),
            Block::Unknown(unknown) if unknown.block_type == packet_block => {
                return self.packet(unknown.data, octets, len).unwrap_or(Parsed::Broken);
            }
            Block::SectionHeader(_)
            | Block::NameResolution(_)
            | Block::InterfaceStatistics(_)
            | Block::SystemdJournalExport(_)
            | Block::DecryptionSecrets(_)
            | Block::ProcessInformation(_)
            | Block::Custom(_)
            | Block::Unknown(_) => {}
        }
        Parsed::Other(len)
    }

    fn enhanced_packet(&mut self, packet: &EnhancedPacketBlock<'_>, octets: &[u8], len: usize) -> Parsed {
        let place = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
        let Some(interface) = self.interfaces.get(place) else { return Parsed::Broken };
        self.last = interface.time(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
        let flags = packet.options.iter().find(|option| option.code.0 == EPB_FLAGS);
        let flags = flags.and_then(|option| option.value.first_chunk::<4>());
        let direction = match flags.map(|octets| if self.big_endian { octets[3] } else { octets[0] } & 0b11) {
            Some(1) => Direction::Received,
            Some(2) => Direction::Sent,
            _ => Direction::Unknown,
        };
        Parsed::Packet(Head {
            at: self.last,
            link: interface.link,
            direction,
            cut: packet.caplen < packet.origlen,
            octets: within(octets, packet.packet_data()),
            len,
        })
    }

    /// A packet of older programs: 16 bits of its interface and of losses, its time, its lengths.
    fn packet(&mut self, body: &[u8], octets: &[u8], len: usize) -> Option<Parsed> {
        let word = |at: usize| {
            let word = *body.get(at..)?.first_chunk::<4>()?;
            Some(if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
        };
        let place = if self.big_endian { word(0)? >> 16 } else { word(0)? & 0xffff };
        let interface = self.interfaces.get(usize::try_from(place).ok()?)?;
        let (units, captured, original) =
            (u64::from(word(4)?) << 32 | u64::from(word(8)?), word(12)?, word(16)?);
        let data = body.get(20..)?.get(..usize::try_from(captured).ok()?)?;
        self.last = interface.time(units);
        Some(Parsed::Packet(Head {
            at: self.last,
            link: interface.link,
            direction: Direction::Unknown,
            cut: captured < original,
            octets: within(octets, data),
            len,
        }))
    }

    /// A packet without a time: it comes together with the one before.
    fn simple_packet(&self, packet: &SimplePacketBlock<'_>, octets: &[u8], len: usize) -> Parsed {
        let Some(interface) = self.interfaces.first() else { return Parsed::Broken };
        let data = packet.packet_data();
        Parsed::Packet(Head {
            at: self.last,
            link: interface.link,
            direction: Direction::Unknown,
            cut: data.len() < usize::try_from(packet.origlen).unwrap_or(usize::MAX),
            octets: within(octets, data),
            len,
        })
    }
}

/// Why nothing was parsed. A length beyond all measure is no length.
fn unparsed<E>(error: &NomErr<E>) -> Parsed {
    match error {
        NomErr::Incomplete(Needed::Size(octets)) if octets.get() > MAX_RECORD => Parsed::Broken,
        NomErr::Incomplete(_) => Parsed::Incomplete,
        NomErr::Error(_) | NomErr::Failure(_) => Parsed::Broken,
    }
}

/// Units in a second: a power of ten, or of two if the first bit is set.
fn resolution(option: u8) -> u64 {
    let power = u32::from(option & 0x7f);
    let base: u64 = if option & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power).unwrap_or(u64::MAX)
}

/// Where a part of the octets stands in them.
fn within(octets: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(octets.as_ptr().addr());
    start..start.saturating_add(part.len())
}
