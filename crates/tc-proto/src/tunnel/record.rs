//! Records: one response header each.

use super::Response;
use crate::{
    Flags, IpFields, Layer, ParseError, SackBlocks, Segment, SeqNum, TargetHeader, TcpOptions, Window,
};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::tcp::TcpPacket;
use std::net::{IpAddr, SocketAddr};

const IP_LEN: usize = 20;
const TCP_LEN: usize = 20;
const TCP_PROTOCOL: u8 = 6;

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

/// Appends the record of a response to `out`, or nothing for an IPv6 one, which version 1 cannot carry.
///
/// The peer cannot know of packets that are larger than the wire allows: for one with more than `mss` octets of
/// payload, there are several records. Returns how many there are.
///
/// The C programs look for TCP behind the IP header length that the record announces: IP options are left out
/// and the header says so. TCP options that do not fit are left out whole.
pub fn write_records(format: RecordFormat, response: &Response<'_>, mss: usize, out: &mut Vec<u8>) -> usize {
    let segment = response.segment();
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (segment.source.ip(), segment.destination.ip()) else {
        return 0;
    };
    let mut sent = 0;
    let mut records = 0;
    while sent < segment.payload_len || records == 0 {
        let len = (segment.payload_len - sent).min(mss.max(1));
        let start = out.len();
        let IpFields { ttl, traffic_class } = response.ip();
        // Version and header length, the total length below, don't fragment.
        out.extend_from_slice(&[0x45, traffic_class, 0, 0, 0, 0, 0x40, 0, ttl, TCP_PROTOCOL, 0, 0]);
        out.extend_from_slice(&source.octets());
        out.extend_from_slice(&destination.octets());
        write_tcp_header(format.size() - IP_LEN, response, out);
        let header_len = out.len() - start;
        out.resize(start + format.size(), 0);
        let part = Part { at: sent, is_last: sent + len == segment.payload_len, total_len: header_len + len };
        part.write(segment, out.get_mut(start..).unwrap_or_default());
        sent += len;
        records += 1;
    }
    records
}

/// One of the records of a response.
struct Part {
    /// Octets of payload before it.
    at: usize,
    is_last: bool,
    /// Octets of the packet that it stands for.
    total_len: usize,
}

impl Part {
    /// Puts what differs from part to part into a record. PSH and FIN belong to the last of them.
    fn write(&self, segment: &Segment, record: &mut [u8]) {
        let total_len = u16::try_from(self.total_len).unwrap_or(u16::MAX);
        if let Some(field) = record.get_mut(2..4) {
            field.copy_from_slice(&total_len.to_be_bytes());
        }
        if let Some(field) = record.get_mut(IP_LEN + 4..IP_LEN + 8) {
            field.copy_from_slice(&(segment.seq + self.at).value().to_be_bytes());
        }
        if !self.is_last
            && let Some(flags) = record.get_mut(IP_LEN + 13)
        {
            *flags &= !(Flags::PSH | Flags::FIN).bits();
        }
    }
}

/// Appends the TCP header, as it is where it fits, else with as many SACK blocks as fit.
#[expect(clippy::cast_possible_truncation, reason = "a TCP header has at most 60 octets")]
fn write_tcp_header(room: usize, response: &Response<'_>, out: &mut Vec<u8>) {
    let header = response.tcp_header();
    if header.len() <= room {
        out.extend_from_slice(header);
        return;
    }
    let all = response.segment().options;
    let mut options = TcpOptions { sack: SackBlocks::default(), ..all };
    let blocks = room.saturating_sub(TCP_LEN + options.emitted_len() + 4) / 8;
    for block in all.sack.as_slice().iter().take(blocks) {
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
