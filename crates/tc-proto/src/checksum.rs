//! The checksum of IP, TCP and UDP (RFC 1071).

use crate::Transport;
use std::net::IpAddr;

/// A sum of octets, taken as numbers of 16 bits, whose carries are still to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of these octets; of an odd number, as if a zero followed.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        // Numbers of any size and in this machine's order of octets come to the same (RFC 1071, section 2).
        let (words, rest) = octets.as_chunks::<4>();
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(place, octet)| *place = *octet);
        let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        Self(sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// The sum of the pseudo-header of a segment or datagram of `len` octets (RFC 9293, section 3.1; RFC 8200, section
    /// 8.1). It is the same for IPv4 and IPv6 but for the addresses.
    #[must_use]
    pub fn of_pseudo_header(source: IpAddr, destination: IpAddr, transport: Transport, len: usize) -> Self {
        let of_address = |address: IpAddr| match address {
            IpAddr::V4(address) => Self::of(&address.octets()),
            IpAddr::V6(address) => Self::of(&address.octets()),
        };
        of_address(source).and(of_address(destination)).and(Self::of_protocol(transport, len))
    }

    /// The part of the pseudo-header behind the addresses.
    #[must_use]
    pub fn of_protocol(transport: Transport, len: usize) -> Self {
        let protocol = Self::of(&u16::from(transport.protocol()).to_be_bytes());
        protocol.and(Self::of(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()))
    }

    /// Both together. The octets of all but the last are even in number.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum with its carries added.
    #[expect(clippy::cast_possible_truncation, reason = "folded until it fits")]
    #[must_use]
    pub const fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > u16::MAX as u64 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::from_be_bytes((sum as u16).to_ne_bytes())
    }

    /// The checksum: the ones' complement of the sum.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use crate::Transport;
    use pnet::packet::tcp::{TcpPacket, ipv4_checksum, ipv6_checksum};
    use pnet::packet::util::checksum;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::of(&octets).folded(), 0xddf2);
        assert_eq!(Sum::of(&octets).checksum(), !0xddf2);
    }

    proptest! {
        #[test]
        fn any_octets_have_the_checksum_that_pnet_finds(octets in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(Sum::of(&octets).checksum(), checksum(&octets, usize::MAX));
        }

        #[test]
        fn a_segment_has_the_checksum_that_pnet_finds(
            mut octets in prop::collection::vec(any::<u8>(), 20..3000),
            addresses: ([u8; 4], [u8; 4], [u8; 16], [u8; 16]),
        ) {
            octets[16..18].fill(0);
            let view = TcpPacket::new(&octets).expect("long enough");
            let sum = |source, destination| {
                Sum::of_pseudo_header(source, destination, Transport::Tcp, octets.len()).and(Sum::of(&octets))
            };
            let (source, destination) = (Ipv4Addr::from(addresses.0), Ipv4Addr::from(addresses.1));
            let ours = sum(source.into(), destination.into()).checksum();
            prop_assert_eq!(ours, ipv4_checksum(&view, &source, &destination));
            let (source, destination) = (Ipv6Addr::from(addresses.2), Ipv6Addr::from(addresses.3));
            let ours = sum(source.into(), destination.into()).checksum();
            prop_assert_eq!(ours, ipv6_checksum(&view, &source, &destination));
        }
    }
}
