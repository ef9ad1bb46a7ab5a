//! From facts to octets.

use crate::checksum::Sum;
use crate::{Flags, SeqNum, TcpOptions, Transport, Window};
use ip::{Ipv4Header, Ipv6Header, Place};
use pnet::packet::tcp::MutableTcpPacket;
use std::net::{IpAddr, SocketAddr};

pub(crate) mod ip;

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
    /// A packet between these ends that says nothing: all numbers are 0, and it has no flags, options and payload.
    #[must_use]
    pub fn between(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source,
            destination,
            ip: IpFields::default(),
            identification: 0,
            seq: SeqNum::default(),
            ack: SeqNum::default(),
            flags: Flags::NONE,
            window: Window::default(),
            urgent: 0,
            options: TcpOptions::default(),
            payload: [&[], &[]],
        }
    }

    /// The packet's octets, as [`emit`](Self::emit) makes them.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.emit(&mut octets);
        octets
    }

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
        let pseudo = Sum::of_pseudo_header(addresses.0, addresses.1, Transport::Tcp, tcp.len());
        let checksum = pseudo.and(Sum::of(tcp)).checksum();
        if let Some(mut tcp) = MutableTcpPacket::new(tcp) {
            tcp.set_checksum(checksum);
        }
        match addresses {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = Ipv4Header {
                    source,
                    destination,
                    ip: self.ip,
                    protocol: Transport::Tcp.protocol(),
                    identification: self.identification,
                    place: Place::Unfragmentable,
                };
                header.fill(ip, len);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let next_header = Transport::Tcp.protocol();
                Ipv6Header { source, destination, ip: self.ip, next_header }.fill(ip, tcp.len());
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
}

#[cfg(test)]
mod tests;
