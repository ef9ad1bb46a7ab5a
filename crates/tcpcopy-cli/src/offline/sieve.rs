//! Which packets of a file are a client's: the `-x` map decides.

use super::records::Head;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tc_core::Mapping;
use tc_proto::link::{Direction, Frame};
use tc_proto::{Flags, PacketRef, ParseError, Segment, Transport};

/// Different addresses that are remembered for messages.
const MAX_NAMED: usize = 64;

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    /// The online server.
    Server,
}

/// What a file has, packet by packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All of them.
    pub(crate) packets: u64,
    /// Those to what `-x` names.
    pub(crate) client: u64,
    /// Those from there.
    pub(crate) server: u64,
    /// Of those of clients: the capture kept only their beginning.
    pub(crate) cut: u64,
    /// Those that the host of the capture sent itself, to another host's port.
    pub(crate) own: u64,
    /// Frames that end within a header, or of a link type that we do not know.
    pub(crate) not_understood: u64,
    /// Connections by what they were opened to: what `-x` names, and the rest.
    pub(crate) named: BTreeMap<SocketAddr, u64>,
    pub(crate) unnamed: BTreeMap<SocketAddr, u64>,
}

/// Sorts packets, and counts them.
#[derive(Debug)]
pub(super) struct Sieve {
    mappings: Vec<Mapping>,
    pub(super) tally: Tally,
}

impl Sieve {
    pub(super) fn new(mappings: Vec<Mapping>) -> Self {
        Self { mappings, tally: Tally::default() }
    }

    /// Who sent the packet in a frame, and the packet; nothing when it is of no interest.
    pub(super) fn sort<'a>(&mut self, head: &Head, octets: &'a [u8]) -> Option<(Sender, &'a [u8])> {
        self.tally.packets += 1;
        let Some(link) = head.link else {
            self.tally.not_understood += 1;
            return None;
        };
        // What is no IP is of no interest.
        let frame = Frame::parse(link, octets).ok()?;
        let sent = Direction::Sent
            == if frame.direction == Direction::Unknown { head.direction } else { frame.direction };
        let sender = match PacketRef::parse_headers(frame.packet) {
            Ok(packet) => {
                let sender = self.sender(packet.segment(), sent)?;
                let cut = packet.payload().len() < packet.segment().payload_len
                    || head.cut && is_open_ended(frame.packet);
                self.tally.cut += u64::from(cut && sender == Sender::Client);
                sender
            }
            Err(ParseError::Fragment) => self.sender_of_fragment(frame.packet)?,
            Err(_) => {
                self.tally.not_understood += u64::from(head.cut);
                return None;
            }
        };
        match sender {
            Sender::Client => self.tally.client += 1,
            Sender::Server => self.tally.server += 1,
        }
        Some((sender, frame.packet))
    }

    fn sender(&mut self, segment: &Segment, sent: bool) -> Option<Sender> {
        let opens = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
        let mapping = self.mappings.iter().find(|mapping| mapping.takes(Transport::Tcp, segment.destination));
        match mapping {
            // Without an address, an entry means the host of the capture, and not those that it is a client of.
            Some(Mapping { online: None, .. }) if sent => {
                self.tally.own += 1;
                None
            }
            Some(_) => {
                count(&mut self.tally.named, segment.destination, opens);
                Some(Sender::Client)
            }
            None if self.mappings.iter().any(|mapping| mapping.takes(Transport::Tcp, segment.source)) => {
                Some(Sender::Server)
            }
            None => {
                count(&mut self.tally.unnamed, segment.destination, opens);
                None
            }
        }
    }

    /// The ports of a fragment are unknown.
    fn sender_of_fragment(&self, packet: &[u8]) -> Option<Sender> {
        let [source, destination] = addresses(packet)?;
        let is_online =
            |address| self.mappings.iter().any(|mapping| mapping.online.is_none_or(|online| online == address));
        if is_online(destination) { Some(Sender::Client) } else { is_online(source).then_some(Sender::Server) }
    }
}

fn count(connections: &mut BTreeMap<SocketAddr, u64>, destination: SocketAddr, opens: bool) {
    if opens && (connections.len() < MAX_NAMED || connections.contains_key(&destination)) {
        *connections.entry(destination).or_default() += 1;
    }
}

/// Whether an IPv4 packet leaves its length open, as those that the kernel put together beyond 64 KiB.
fn is_open_ended(packet: &[u8]) -> bool {
    matches!(packet, [first, _, 0, 0, ..] if first >> 4 == 4)
}

/// Source and destination.
fn addresses(packet: &[u8]) -> Option<[IpAddr; 2]> {
    let v4 =
        |at: usize| packet.get(at..at + 4)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into());
    let v6 =
        |at: usize| packet.get(at..at + 16)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into());
    match packet.first()? >> 4 {
        4 => Some([v4(12)?, v4(16)?]),
        6 => Some([v6(8)?, v6(24)?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
