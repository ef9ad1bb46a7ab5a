//! Capture files as a test reads, changes and writes them: what a recording would be, had it been made elsewhere.

use std::path::{Path, PathBuf};

use crate::stage::APP_PORT;

const ETHERNET: u32 = 1;
const ETHERNET_LEN: usize = 14;
const ADDRESSES_LEN: usize = 12;
const SYN: u8 = 0x02;

/// A captured frame.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Microseconds since the epoch.
    pub at: u64,
    /// From its link-layer header on.
    pub frame: Vec<u8>,
}

impl Packet {
    /// Whether a client sent it, and data in it.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.tcp().is_some_and(|tcp| tcp.to_server && tcp.payload > 0)
    }

    /// Whether it has a SYN.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.tcp().is_some_and(|tcp| tcp.flags & SYN != 0)
    }

    /// The client's address and port, and whether the packet goes to the server.
    fn tcp(&self) -> Option<Tcp> {
        let ip = self.frame.get(ETHERNET_LEN..)?;
        let &[first, _, high, low, .., protocol, _, _] = ip.first_chunk::<12>()?;
        if first >> 4 != 4 || protocol != 6 {
            return None;
        }
        let header = usize::from(first & 15) * 4;
        let tcp = ip.get(header..)?;
        let to_server = tcp.get(2..4)? == APP_PORT.to_be_bytes();
        // Without a length the packet was put together by the kernel.
        let total = match usize::from(u16::from_be_bytes([high, low])) {
            0 => ip.len(),
            total => total,
        };
        let payload = total.saturating_sub(header + usize::from(tcp.get(12)? >> 4) * 4);
        let (address, port) =
            if to_server { (ip.get(12..16)?, tcp.get(..2)?) } else { (ip.get(16..20)?, tcp.get(2..4)?) };
        Some(Tcp { client: [address, port].concat(), to_server, flags: *tcp.get(13)?, payload })
    }

    /// Whether both were sent by one client over one connection.
    #[must_use]
    pub fn is_of_the_flow_of(&self, other: &Self) -> bool {
        matches!((self.tcp(), other.tcp()), (Some(one), Some(two)) if one.client == two.client && one.to_server == two.to_server)
    }
}

struct Tcp {
    client: Vec<u8>,
    to_server: bool,
    flags: u8,
    payload: usize,
}

/// Reads what tcpdump wrote of an Ethernet device.
///
/// # Panics
///
/// It did not.
#[must_use]
pub fn read(path: &Path) -> Vec<Packet> {
    let octets = std::fs::read(path).expect("the recording can be read");
    let word = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"));
    assert_eq!((word(0), word(20)), (0xa1b2_c3d4, ETHERNET), "microseconds, little endian, Ethernet");
    let mut packets = Vec::new();
    let mut at = 24;
    while at < octets.len() {
        let len = word(at + 8) as usize;
        let frame = octets[at + 16..at + 16 + len].to_vec();
        packets.push(Packet { at: u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4)), frame });
        at += 16 + len;
    }
    packets
}

/// Writes a pcap file of nanoseconds in big endian, beside another file.
///
/// # Panics
///
/// It cannot be written.
#[must_use]
pub fn write(beside: &Path, name: &str, link_type: u32, packets: &[Packet]) -> PathBuf {
    let mut octets = words(&[0xa1b2_3c4d, 0x0002_0004, 0, 0, 262_144, link_type]);
    for Packet { at, frame } in packets {
        octets.extend(words(&[
            number(at / 1_000_000),
            number(at % 1_000_000 * 1000),
            length(frame),
            length(frame),
        ]));
        octets.extend(frame);
    }
    save(beside, name, &octets)
}

/// Writes a pcapng file in big endian beside another file: with blocks that no reader knows, and every other packet in a
/// block as older programs wrote it.
///
/// # Panics
///
/// It cannot be written.
#[must_use]
pub fn write_pcapng(beside: &Path, name: &str, link_type: u32, packets: &[Packet]) -> PathBuf {
    let mut octets = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX]));
    octets.extend(block(1, &words(&[link_type << 16, 0])));
    for (index, Packet { at, frame }) in packets.iter().enumerate() {
        octets.extend(block(0x7fff_ffff, b"what is this?"));
        let mut body =
            words(&[0, number(at >> 32), number(at & u64::from(u32::MAX)), length(frame), length(frame)]);
        body.extend(frame);
        octets.extend(block(if index % 2 == 0 { 6 } else { 2 }, &body));
    }
    save(beside, name, &octets)
}

fn save(beside: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = beside.with_file_name(name);
    std::fs::write(&path, octets).expect("the lab's directory can be written to");
    path
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let total = number(body.len() as u64 + 12);
    [words(&[kind, total]), body, words(&[total])].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn number(value: u64) -> u32 {
    u32::try_from(value).expect("32 bits")
}

fn length(frame: &[u8]) -> u32 {
    number(frame.len() as u64)
}

/// A frame with these octets between its addresses and its type: tags of VLANs.
#[must_use]
pub fn tagged(frame: &[u8], tags: &[u8]) -> Vec<u8> {
    [&frame[..ADDRESSES_LEN], tags, &frame[ADDRESSES_LEN..]].concat()
}

/// The packet of a frame with another header in front.
#[must_use]
pub fn behind(frame: &[u8], header: &[u8]) -> Vec<u8> {
    [header, &frame[ETHERNET_LEN..]].concat()
}

/// A Linux cooked header (version 1) instead of that of Ethernet; the client's packets were received.
#[must_use]
pub fn cooked(packet: &Packet) -> Vec<u8> {
    let kind = if packet.tcp().is_some_and(|tcp| tcp.to_server) { 0 } else { 4 };
    behind(&packet.frame, &[0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0])
}

/// A frame inside a packet from one mirror to another, behind a header of UDP or GRE.
#[must_use]
pub fn mirrored(frame: &[u8], protocol: u8, header: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + header.len() + frame.len()).expect("a packet has at most 65535 octets");
    let mut outer = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    outer.extend(total.to_be_bytes());
    outer.extend([0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    [&outer, header, frame].concat()
}

/// The headers of UDP and VXLAN in front of a frame.
#[must_use]
pub fn vxlan(frame: &[u8]) -> Vec<u8> {
    let len = u16::try_from(16 + frame.len()).expect("a datagram has at most 65535 octets").to_be_bytes();
    let header = [&[0xc0, 0, 0x12, 0xb5][..], &len, &[0, 0, 8, 0, 0, 0, 0, 0, 7, 0]].concat();
    mirrored(frame, 17, &header)
}

/// The packets of an Ethernet frame that the way to its receiver broke in two.
///
/// # Panics
///
/// It holds no IPv4 packet, or a small one.
#[must_use]
pub fn fragments(frame: &[u8]) -> [Vec<u8>; 2] {
    const FIRST: usize = 64;
    const MORE: u8 = 0x20;
    let (header, payload) = frame.split_at(ETHERNET_LEN + 20);
    let part = |more: u8, offset: usize, part: &[u8]| {
        let mut fragment = [header, part].concat();
        let len = u16::try_from(20 + part.len()).expect("a packet has at most 65535 octets");
        fragment[ETHERNET_LEN + 2..ETHERNET_LEN + 4].copy_from_slice(&len.to_be_bytes());
        fragment[ETHERNET_LEN + 6] = more;
        fragment[ETHERNET_LEN + 7] = u8::try_from(offset / 8).expect("a small offset");
        fragment
    };
    [part(MORE, 0, &payload[..FIRST]), part(0, FIRST, &payload[FIRST..])]
}
