//! What holds for every packet that is made, checked without the code that made it.

use std::net::IpAddr;
use tc_proto::PacketRef;

/// The sum of RFC 1071 over octets, not folded.
fn sum(octets: &[u8]) -> u64 {
    octets.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap_or_default()
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    }
}

/// Parses a packet that was made: it is whole, nothing follows it, and its checksums are right.
pub(crate) fn parse_made(octets: &[u8]) -> PacketRef<'_> {
    let packet = PacketRef::parse(octets).unwrap_or_else(|error| panic!("a packet that was made: {error}"));
    let segment = packet.segment();
    let tcp_len = packet.tcp_header().len() + packet.payload().len();
    assert_eq!(packet.ip_header().len() + tcp_len, octets.len(), "the length fields say the packet's length");
    assert_eq!(packet.payload().len(), segment.payload_len);
    if segment.source.is_ipv4() {
        assert_eq!(fold(sum(packet.ip_header())), 0xffff, "IPv4 header checksum");
    }
    let pseudo = address_sum(segment.source.ip()) + address_sum(segment.destination.ip()) + 6 + tcp_len as u64;
    let tcp = sum(packet.tcp_header()) + sum(packet.payload());
    assert_eq!(fold(pseudo + tcp), 0xffff, "TCP checksum");
    packet
}
