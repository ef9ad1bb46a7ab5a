//! A response of the target, as the tunnel carries it.

use super::DecodeError;
use super::body::{Fields, write_message};
use super::message::{read_address, write_address};
use crate::{Flags, Flow, IpFields, PacketRef, Segment, SeqNum, TargetHeader, TcpOptions, Window};
use pnet::packet::tcp::TcpPacket;
use std::net::SocketAddr;

const TCP_LEN: usize = 20;

/// The header of a response, borrowed, with the first octets of its payload where they are there.
///
/// What [`PacketRef`] is for the wire, this is for the tunnel: there, a packet may be longer than an IP header can say.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    segment: Segment,
    ip: IpFields,
    tcp_header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> From<&PacketRef<'a>> for Response<'a> {
    fn from(packet: &PacketRef<'a>) -> Self {
        Self {
            segment: *packet.segment(),
            ip: packet.ip(),
            tcp_header: packet.tcp_header(),
            payload: packet.payload(),
        }
    }
}

impl<'a> Response<'a> {
    /// The type of the message in version 2.
    pub(super) const KIND: u16 = 16;

    /// What the headers say.
    #[must_use]
    pub const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The header without the octets.
    #[must_use]
    pub const fn header(&self) -> TargetHeader {
        TargetHeader(self.segment)
    }

    /// The flow that it belongs to.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.header().flow()
    }

    /// Fields of the IP header.
    #[must_use]
    pub const fn ip(&self) -> IpFields {
        self.ip
    }

    /// The TCP header with its options.
    #[must_use]
    pub const fn tcp_header(&self) -> &'a [u8] {
        self.tcp_header
    }

    /// The first octets of the payload, as many as are there.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Appends the message of version 2 to `out`, with at most `payload` octets of the payload.
    pub fn write(&self, payload: u16, out: &mut Vec<u8>) {
        write_message(Self::KIND, out, |out| self.write_body(payload, out));
    }

    /// Appends the message's body.
    #[expect(clippy::cast_possible_truncation, reason = "a TCP header has at most 60 octets")]
    fn write_body(&self, payload: u16, out: &mut Vec<u8>) {
        let version = if self.segment.source.is_ipv4() { 4 } else { 6 };
        let payload_len = u32::try_from(self.segment.payload_len).unwrap_or(u32::MAX);
        out.extend_from_slice(&[version, self.ip.ttl, self.ip.traffic_class, self.tcp_header.len() as u8]);
        out.extend_from_slice(&payload_len.to_be_bytes());
        write_address(self.segment.source.ip(), out);
        write_address(self.segment.destination.ip(), out);
        out.extend_from_slice(self.tcp_header);
        let wanted = usize::from(payload).min(self.payload.len());
        out.extend_from_slice(self.payload.get(..wanted).unwrap_or_default());
    }

    /// Reads the message's body.
    pub(super) fn from_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(Self::KIND, body);
        let [version, ttl, traffic_class, header_len] = fields.array()?;
        let payload_len = fields.u32()? as usize;
        let source = read_address(version, &mut fields)?;
        let destination = read_address(version, &mut fields)?;
        let tcp_header = fields.slice(header_len.into())?;
        let tcp = TcpPacket::new(tcp_header).ok_or(fields.error())?;
        let segment = Segment {
            source: SocketAddr::new(source, tcp.get_source()),
            destination: SocketAddr::new(destination, tcp.get_destination()),
            seq: SeqNum::new(tcp.get_sequence()),
            ack: SeqNum::new(tcp.get_acknowledgement()),
            flags: Flags::from_bits(tcp.get_flags()),
            window: Window::new(tcp.get_window()),
            urgent: tcp.get_urgent_ptr(),
            options: TcpOptions::parse(tcp_header.get(TCP_LEN..).unwrap_or_default()),
            payload_len,
        };
        let payload = fields.rest().get(..payload_len).unwrap_or(fields.rest());
        Ok(Self { segment, ip: IpFields { ttl, traffic_class }, tcp_header, payload })
    }

    /// Reads a whole message that [`write`](Self::write) made, and says how many octets it has.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<(Self, usize)> {
        let &[_, _, high, low] = message.first_chunk::<4>()?;
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        let response = Self::from_body(message.get(4..end)?).ok()?;
        Some((response, end))
    }
}
