//! Octets: of captured packets, and of what was sent.

use super::script::{Manner, Packet};
use super::world::{Connection, Speaker};
use std::net::SocketAddr;
use tc_proto::{Flags, IpFields, PacketRef, PacketSpec, Segment};

/// TCP Fast Open with a cookie of eight octets (RFC 7413), and padding.
const FAST_OPEN: [u8; 12] = [34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1];
/// Router alert (RFC 2113), and a hop-by-hop header with padding (RFC 8200) that leads to TCP.
const IPV4_OPTIONS: [u8; 4] = [148, 4, 0, 0];
const IPV6_EXTENSION: [u8; 8] = [6, 0, 1, 4, 0, 0, 0, 0];
/// A fragment header that leads to TCP, with more fragments to come.
const IPV6_FRAGMENT: [u8; 8] = [6, 0, 0, 1, 0, 0, 0, 9];

/// The octets of a client's packet as the capture hands them over.
pub(crate) fn captured(
    connection: &Connection,
    packet: &Packet,
    manner: Manner,
    online: SocketAddr,
) -> (Segment, Vec<u8>) {
    let mut segment = connection.segment(packet, Speaker::Client, online);
    if manner == Manner::Unmapped {
        segment.destination.set_port(online.port() + 1);
    } else if manner == Manner::Replayed {
        segment.destination = connection.flow.target;
    }
    let first = segment.seq + usize::from(segment.flags.contains(Flags::SYN));
    let payload: Vec<u8> = (0..packet.len).map(|index| connection.octet_at(first + index)).collect();
    let defaults = IpFields::default();
    let spec = PacketSpec {
        source: segment.source,
        destination: segment.destination,
        ip: IpFields {
            ttl: packet.ttl.unwrap_or(defaults.ttl),
            traffic_class: packet.traffic_class.unwrap_or(defaults.traffic_class),
        },
        // Fragments of one packet belong together, those of others do not.
        identification: u16::try_from(packet.seq & 0xffff).unwrap_or(0),
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        urgent: segment.urgent,
        options: segment.options,
        payload: [&payload, &[]],
    };
    let mut octets = Vec::new();
    spec.emit(&mut octets);
    spoil(&mut octets, manner, segment.source.is_ipv6());
    (segment, octets)
}

fn spoil(octets: &mut Vec<u8>, manner: Manner, ipv6: bool) {
    match manner {
        Manner::Whole | Manner::Unmapped | Manner::Replayed | Manner::Pieces(_) | Manner::Piece(..) => {}
        Manner::Cut(len) => octets.truncate(len),
        Manner::Padded => octets.extend([0xaa; 7]),
        Manner::Udp => octets[if ipv6 { 6 } else { 9 }] = 17,
        Manner::Fragment if ipv6 => insert_ipv6_header(octets, 44, &IPV6_FRAGMENT),
        Manner::Fragment => octets[6] |= 0x20,
        Manner::IpOptions if ipv6 => insert_ipv6_header(octets, 0, &IPV6_EXTENSION),
        Manner::IpOptions => {
            octets.splice(20..20, IPV4_OPTIONS);
            octets[0] += 1;
            grow_ip_length(octets, IPV4_OPTIONS.len(), ipv6);
        }
        Manner::FastOpen => {
            let tcp = if ipv6 { 40 } else { 20 };
            let header_len = usize::from(octets[tcp + 12] >> 4) * 4;
            octets.splice(tcp + header_len..tcp + header_len, FAST_OPEN);
            octets[tcp + 12] += 3 << 4;
            grow_ip_length(octets, FAST_OPEN.len(), ipv6);
        }
        Manner::Offloaded => {
            let field = if ipv6 { 4 } else { 2 };
            octets[field..field + 2].fill(0);
        }
    }
}

fn insert_ipv6_header(octets: &mut Vec<u8>, kind: u8, header: &[u8]) {
    octets.splice(40..40, header.iter().copied());
    octets[6] = kind;
    grow_ip_length(octets, header.len(), true);
}

fn grow_ip_length(octets: &mut [u8], by: usize, ipv6: bool) {
    let field = if ipv6 { 4 } else { 2 };
    let len = usize::from(u16::from_be_bytes([octets[field], octets[field + 1]])) + by;
    octets[field..field + 2].copy_from_slice(&u16::try_from(len).unwrap_or(0).to_be_bytes());
}

/// Parses what was sent and checks what holds for each packet: it is whole, nothing stands behind it, its checksums
/// are right, it has no options but those that are understood.
pub(crate) fn parse_sent(octets: &[u8]) -> Result<PacketRef<'_>, String> {
    let packet = PacketRef::parse(octets).map_err(|error| format!("what was sent is no packet: {error}"))?;
    let segment = packet.segment();
    let ip_len = packet.ip_header().len();
    let whole = ip_len + packet.tcp_header().len() + packet.payload().len();
    if whole != octets.len() {
        return Err(format!("the packet says that it has {whole} octets, and has {}", octets.len()));
    }
    if segment.source.is_ipv4() && sum(packet.ip_header(), 0) != 0xffff {
        return Err("the checksum of the IP header is wrong".to_owned());
    }
    let pseudo_header = pseudo_sum(segment, octets.len() - ip_len);
    if sum(octets.get(ip_len..).unwrap_or_default(), pseudo_header) != 0xffff {
        return Err("the TCP checksum is wrong".to_owned());
    }
    if packet.tcp_header().len() != 20 + segment.options.emitted_len() {
        return Err("the packet has options that nobody understands".to_owned());
    }
    Ok(packet)
}

/// The sum of the pseudo header (RFC 9293, section 3.1).
fn pseudo_sum(segment: &Segment, tcp_len: usize) -> u64 {
    let address = |ip: std::net::IpAddr| match ip {
        std::net::IpAddr::V4(v4) => words(&v4.octets()),
        std::net::IpAddr::V6(v6) => words(&v6.octets()),
    };
    address(segment.source.ip()) + address(segment.destination.ip()) + 6 + tcp_len as u64
}

fn words(octets: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    };
    octets.chunks(2).map(word).sum()
}

/// The ones' complement sum of RFC 1071; 0xffff when the checksum in it is right.
fn sum(octets: &[u8], start: u64) -> u64 {
    let mut sum = start + words(octets);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
