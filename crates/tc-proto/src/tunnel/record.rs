//! Records: one response header each.

use crate::{Flags, Layer, PacketRef, ParseError, Segment, SeqNum, TargetHeader, TcpOptions, Window};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::tcp::TcpPacket;
use std::net::SocketAddr;

const IP_LEN: usize = 20;
const TCP_LEN: usize = 20;

/// The size of a record, which follows from the generation of tcpcopy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RecordFormat {
    /// tcpcopy 1.x and ours: room for 24 octets of TCP options.
    #[default]
    Octets64,
    /// tcpcopy 0.9.9: room for 40 octets of TCP options.
    Octets80,
}

impl RecordFormat {
    /// The format that a tcpcopy of this version reads. Version 5 is 0.9.9, with a high bit set in its builds for
    /// direct routing.
    #[must_use]
    pub const fn for_version(version: u16) -> Self {
        if version & 0x7fff == 5 { Self::Octets80 } else { Self::Octets64 }
    }

    /// Octets of a record.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Octets64 => 64,
            Self::Octets80 => 80,
        }
    }
}

/// Appends the record of a response to `out`, or nothing for an IPv6 packet, which this version cannot carry.
///
/// The C programs look for TCP behind the IP header length that the record announces: IP options are left out
/// and the header says so. TCP options that do not fit are left out whole.
pub fn write_record(format: RecordFormat, packet: &PacketRef<'_>, out: &mut Vec<u8>) {
    let Some((fixed, _)) = packet.ip_header().split_at_checked(IP_LEN) else { return };
    if fixed[0] >> 4 != 4 {
        return;
    }
    let start = out.len();
    out.extend_from_slice(fixed);
    write_tcp_header(format.size() - IP_LEN, packet, out);
    let header_len = out.len() - start;
    out.resize(start + format.size(), 0);
    let total_len = u16::try_from(header_len + packet.segment().payload_len).unwrap_or(u16::MAX);
    if let Some([version, _, high, low, ..]) = out.get_mut(start..) {
        *version = 0x45;
        [*high, *low] = total_len.to_be_bytes();
    }
}

/// Appends the TCP header, as it is where it fits, else with as many SACK blocks as fit.
#[expect(clippy::cast_possible_truncation, reason = "a TCP header has at most 60 octets")]
fn write_tcp_header(room: usize, packet: &PacketRef<'_>, out: &mut Vec<u8>) {
    let header = packet.tcp_header();
    if header.len() <= room {
        out.extend_from_slice(header);
        return;
    }
    let mut options = packet.segment().options;
    let without_sack = TcpOptions { sack: crate::SackBlocks::default(), ..options };
    let blocks = room.saturating_sub(TCP_LEN + without_sack.emitted_len() + 4) / 8;
    options = without_sack;
    for block in packet.segment().options.sack.as_slice().iter().take(blocks) {
        options.sack.push(*block);
    }
    let start = out.len();
    out.extend_from_slice(header.get(..TCP_LEN).unwrap_or_default());
    options.emit(out);
    let words = ((out.len() - start) / 4) as u8;
    if let Some(offset) = out.get_mut(start + 12) {
        *offset = words << 4 | *offset & 0xf;
    }
}

/// Reads a record of any format.
///
/// # Errors
///
/// The record is no IPv4 header followed by a TCP header.
pub fn parse_record(record: &[u8]) -> Result<TargetHeader, ParseError> {
    let truncated = |layer, needed| ParseError::Truncated { layer, needed, got: record.len() };
    let ip = Ipv4Packet::new(record).ok_or(truncated(Layer::Ipv4, IP_LEN))?;
    if ip.get_version() != 4 {
        return Err(ParseError::Version(ip.get_version()));
    }
    if ip.get_next_level_protocol() != pnet::packet::ip::IpNextHeaderProtocols::Tcp {
        return Err(ParseError::NotTcp(ip.get_next_level_protocol().0));
    }
    let tcp_octets = record.get(IP_LEN..).unwrap_or_default();
    let tcp = TcpPacket::new(tcp_octets).ok_or(truncated(Layer::Tcp, IP_LEN + TCP_LEN))?;
    // The C intercept leaves IP options out and the length of the header that had them in.
    let ip_header_len = usize::from(ip.get_header_length()) * 4;
    let tcp_header_len = usize::from(tcp.get_data_offset()) * 4;
    if tcp_header_len < TCP_LEN {
        return Err(ParseError::HeaderLength { layer: Layer::Tcp, got: tcp_header_len });
    }
    let headers = ip_header_len + tcp_header_len;
    let payload_len = usize::from(ip.get_total_length())
        .checked_sub(headers)
        .ok_or(ParseError::HeaderLength { layer: Layer::Ipv4, got: headers })?;
    let options_end = tcp_header_len.min(tcp_octets.len());
    Ok(TargetHeader(Segment {
        source: SocketAddr::new(ip.get_source().into(), tcp.get_source()),
        destination: SocketAddr::new(ip.get_destination().into(), tcp.get_destination()),
        seq: SeqNum::new(tcp.get_sequence()),
        ack: SeqNum::new(tcp.get_acknowledgement()),
        flags: Flags::from_bits(tcp.get_flags()),
        window: Window::new(tcp.get_window()),
        urgent: tcp.get_urgent_ptr(),
        options: TcpOptions::parse(tcp_octets.get(TCP_LEN..options_end).unwrap_or_default()),
        payload_len,
    }))
}
