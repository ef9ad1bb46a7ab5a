//! Which packets of a file are a client's: the `-x` map decides.

use super::records::Head;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tc_core::Mapping;
use tc_proto::fragment::FragmentRef;
use tc_proto::link::{Direction, Frame};
use tc_proto::{DatagramRef, Flags, PacketRef, ParseError, Transport};

const UDP: u8 = Transport::Udp.protocol();

/// Different addresses that are remembered for messages.
const MAX_NAMED: usize = 64;

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    /// The online server.
    Server,
}

/// Where a service is, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
}

impl fmt::Display for Place {
    /// As `-x` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Tcp => write!(f, "{}", self.address),
            Transport::Udp => write!(f, "{}:{}", self.transport, self.address),
        }
    }
}

/// Source and destination of a packet.
#[derive(Clone, Copy)]
struct Ends {
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
    /// Whether it opens a connection, or is a datagram.
    opens: bool,
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
    /// Connections and datagrams by what they went to: what `-x` names, and the rest.
    pub(crate) named: BTreeMap<Place, u64>,
    pub(crate) unnamed: BTreeMap<Place, u64>,
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
        let sender = match parse(frame.packet) {
            Ok((ends, whole)) => {
                let sender = self.sender(ends, sent)?;
                let cut = !whole || head.cut && is_open_ended(frame.packet);
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

    fn sender(&mut self, ends: Ends, sent: bool) -> Option<Sender> {
        let Ends { transport, source, destination, opens } = ends;
        let place = Place { transport, address: destination };
        match self.mappings.iter().find(|mapping| mapping.takes(transport, destination)) {
            // Without an address, an entry means the host of the capture, and not those that it is a client of.
            Some(Mapping { online: None, .. }) if sent => {
                self.tally.own += 1;
                None
            }
            Some(_) => {
                count(&mut self.tally.named, place, opens);
                Some(Sender::Client)
            }
            None if self.mappings.iter().any(|mapping| mapping.takes(transport, source)) => {
                Some(Sender::Server)
            }
            None => {
                let of_interest = self.mappings.iter().any(|mapping| mapping.transport == transport);
                count(&mut self.tally.unnamed, place, opens && of_interest);
                None
            }
        }
    }

    /// The ports of a fragment are unknown, and whose packet is inside those of an encapsulation.
    fn sender_of_fragment(&self, packet: &[u8]) -> Option<Sender> {
        if matches!(FragmentRef::parse(packet), Ok(Some(fragment)) if fragment.encapsulates()) {
            return Some(Sender::Client);
        }
        let [source, destination] = addresses(packet)?;
        let is_online =
            |address| self.mappings.iter().any(|mapping| mapping.online.is_none_or(|online| online == address));
        if is_online(destination) { Some(Sender::Client) } else { is_online(source).then_some(Sender::Server) }
    }
}

/// The ends of a packet of TCP or UDP, and whether its payload is there.
fn parse(packet: &[u8]) -> Result<(Ends, bool), ParseError> {
    match PacketRef::parse_headers(packet) {
        Ok(packet) => {
            let segment = packet.segment();
            let opens = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
            let (source, destination) = (segment.source, segment.destination);
            let whole = packet.payload().len() >= segment.payload_len;
            Ok((Ends { transport: Transport::Tcp, source, destination, opens }, whole))
        }
        Err(ParseError::NotTcp(UDP)) => {
            let datagram = DatagramRef::parse_headers(packet)?;
            let (source, destination) = (datagram.source(), datagram.destination());
            let whole = datagram.payload().len() >= datagram.payload_len();
            Ok((Ends { transport: Transport::Udp, source, destination, opens: true }, whole))
        }
        Err(error) => Err(error),
    }
}

fn count(places: &mut BTreeMap<Place, u64>, place: Place, opens: bool) {
    if opens && (places.len() < MAX_NAMED || places.contains_key(&place)) {
        *places.entry(place).or_default() += 1;
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
