//! From facts to octets.

use crate::{Flags, SeqNum, TcpOptions, Window};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::{MutableTcpPacket, TcpPacket, ipv4_checksum, ipv6_checksum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Fields of the IP header that a replayed packet takes over from the captured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpFields {
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class: DSCP and ECN.
    pub traffic_class: u8,
}

impl Default for IpFields {
    /// What a Linux host sends: a TTL of 64, no traffic class.
    fn default() -> Self {
        Self { ttl: 64, traffic_class: 0 }
    }
}

/// A TCP packet that is to be made.
///
/// The payload comes in two slices, as a ring buffer has it.
#[derive(Clone, Copy, Debug)]
pub struct PacketSpec<'a> {
    /// Source address and port, of the same IP version as the destination.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// Fields of the IP header.
    pub ip: IpFields,
    /// IPv4 identification; IPv6 has none.
    pub identification: u16,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; written as 0 without [`Flags::ACK`].
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// The window field.
    pub window: Window,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options.
    pub options: TcpOptions,
    /// The payload.
    pub payload: [&'a [u8]; 2],
}

impl PacketSpec<'_> {
    /// Appends the packet to `buf`, with all checksums, and returns its length in octets.
    ///
    /// The IP length field holds 16 bits: the caller keeps the packet within its path MTU.
    pub fn emit(&self, buf: &mut Vec<u8>) -> usize {
        let start = buf.len();
        let addresses = (self.source.ip(), self.destination.ip());
        let ip_header_len = if matches!(addresses, (IpAddr::V4(_), _)) { 20 } else { 40 };
        buf.resize(start + ip_header_len + 20, 0);
        self.options.emit(buf);
        for part in self.payload {
            buf.extend_from_slice(part);
        }
        let packet = buf.get_mut(start..).unwrap_or_default();
        let len = packet.len();
        let (ip, tcp) = packet.split_at_mut(ip_header_len);
        self.fill_tcp_header(tcp);
        match addresses {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                set_checksum(tcp, |view| ipv4_checksum(view, &source, &destination));
                self.fill_ipv4_header(ip, len, source, destination);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                set_checksum(tcp, |view| ipv6_checksum(view, &source, &destination));
                self.fill_ipv6_header(ip, tcp.len(), source, destination);
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                debug_assert!(false, "a packet has one IP version");
            }
        }
        len
    }

    #[expect(clippy::cast_possible_truncation, reason = "options take at most 40 octets")]
    fn fill_tcp_header(&self, octets: &mut [u8]) {
        let Some(mut tcp) = MutableTcpPacket::new(octets) else { return };
        tcp.set_source(self.source.port());
        tcp.set_destination(self.destination.port());
        tcp.set_sequence(self.seq.value());
        if self.flags.contains(Flags::ACK) {
            tcp.set_acknowledgement(self.ack.value());
        }
        tcp.set_data_offset(5 + (self.options.emitted_len() / 4) as u8);
        tcp.set_flags(self.flags.bits());
        tcp.set_window(self.window.field());
        tcp.set_urgent_ptr(self.urgent);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the caller keeps the packet within its path MTU")]
    fn fill_ipv4_header(&self, octets: &mut [u8], total_len: usize, source: Ipv4Addr, destination: Ipv4Addr) {
        let Some(mut ip) = MutableIpv4Packet::new(octets) else { return };
        ip.set_version(4);
        ip.set_header_length(5);
        ip.set_dscp(self.ip.traffic_class >> 2);
        ip.set_ecn(self.ip.traffic_class & 0b11);
        ip.set_total_length(total_len as u16);
        ip.set_identification(self.identification);
        ip.set_flags(Ipv4Flags::DontFragment);
        ip.set_ttl(self.ip.ttl);
        ip.set_next_level_protocol(IpNextHeaderProtocols::Tcp);
        ip.set_source(source);
        ip.set_destination(destination);
        let checksum = ipv4::checksum(&ip.to_immutable());
        ip.set_checksum(checksum);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the caller keeps the packet within its path MTU")]
    fn fill_ipv6_header(&self, octets: &mut [u8], payload_len: usize, source: Ipv6Addr, destination: Ipv6Addr) {
        let Some(mut ip) = MutableIpv6Packet::new(octets) else { return };
        ip.set_version(6);
        ip.set_traffic_class(self.ip.traffic_class);
        ip.set_payload_length(payload_len as u16);
        ip.set_next_header(IpNextHeaderProtocols::Tcp);
        ip.set_hop_limit(self.ip.ttl);
        ip.set_source(source);
        ip.set_destination(destination);
    }
}

fn set_checksum(octets: &mut [u8], sum: impl FnOnce(&TcpPacket<'_>) -> u16) {
    let Some(checksum) = TcpPacket::new(octets).map(|view| sum(&view)) else { return };
    if let Some(mut tcp) = MutableTcpPacket::new(octets) {
        tcp.set_checksum(checksum);
    }
}

#[cfg(test)]
mod tests;
