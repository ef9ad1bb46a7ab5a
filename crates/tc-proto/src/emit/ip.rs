//! IP headers.

use crate::IpFields;
use pnet::packet::ip::IpNextHeaderProtocol;
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a packet carries of its datagram (RFC 791, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All, and nobody may fragment it.
    Unfragmentable,
    /// All.
    Whole,
    /// What begins at so many octets, a multiple of 8; more follows.
    Fragment(usize),
    /// What begins there, to the end.
    LastFragment(usize),
}

impl Place {
    #[expect(clippy::cast_possible_truncation, reason = "a datagram has at most 65535 octets")]
    const fn offset(self) -> u16 {
        match self {
            Self::Unfragmentable | Self::Whole => 0,
            Self::Fragment(octets) | Self::LastFragment(octets) => (octets / 8) as u16,
        }
    }

    const fn flags(self) -> u8 {
        match self {
            Self::Unfragmentable => Ipv4Flags::DontFragment,
            Self::Fragment(_) => Ipv4Flags::MoreFragments,
            Self::Whole | Self::LastFragment(_) => 0,
        }
    }

    /// The fragment header of IPv6 (RFC 8200, section 4.5).
    pub(crate) fn ipv6_header(self, next_header: u8, identification: u32) -> [u8; 8] {
        let offset = self.offset() << 3 | u16::from(matches!(self, Self::Fragment(_)));
        let [high, low] = offset.to_be_bytes();
        let [a, b, c, d] = identification.to_be_bytes();
        [next_header, 0, high, low, a, b, c, d]
    }
}

/// An IPv4 header without options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ipv4Header {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ip: IpFields,
    pub(crate) protocol: u8,
    pub(crate) identification: u16,
    pub(crate) place: Place,
}

impl Ipv4Header {
    pub(crate) const LEN: usize = 20;

    /// Writes the header of a packet of `total_len` octets, with its checksum, into the first 20 of `octets`, which
    /// are zeros.
    #[expect(clippy::cast_possible_truncation, reason = "the caller keeps the packet within its path MTU")]
    pub(crate) fn fill(&self, octets: &mut [u8], total_len: usize) {
        let Some(mut header) = MutableIpv4Packet::new(octets) else { return };
        header.set_version(4);
        header.set_header_length(5);
        header.set_dscp(self.ip.traffic_class >> 2);
        header.set_ecn(self.ip.traffic_class & 0b11);
        header.set_total_length(total_len as u16);
        header.set_identification(self.identification);
        header.set_flags(self.place.flags());
        header.set_fragment_offset(self.place.offset());
        header.set_ttl(self.ip.ttl);
        header.set_next_level_protocol(IpNextHeaderProtocol(self.protocol));
        header.set_source(self.source);
        header.set_destination(self.destination);
        let checksum = ipv4::checksum(&header.to_immutable());
        header.set_checksum(checksum);
    }
}

/// The fixed header of IPv6.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ipv6Header {
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) ip: IpFields,
    pub(crate) next_header: u8,
}

impl Ipv6Header {
    pub(crate) const LEN: usize = 40;

    /// Writes the header of a packet with `payload_len` octets behind it into the first 40 of `octets`, which are
    /// zeros.
    #[expect(clippy::cast_possible_truncation, reason = "the caller keeps the packet within its path MTU")]
    pub(crate) fn fill(&self, octets: &mut [u8], payload_len: usize) {
        let Some(mut header) = MutableIpv6Packet::new(octets) else { return };
        header.set_version(6);
        header.set_traffic_class(self.ip.traffic_class);
        header.set_payload_length(payload_len as u16);
        header.set_next_header(IpNextHeaderProtocol(self.next_header));
        header.set_hop_limit(self.ip.ttl);
        header.set_source(self.source);
        header.set_destination(self.destination);
    }
}
