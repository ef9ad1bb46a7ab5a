//! Captured fragments of IP packets.

use super::Replayer;
use super::intake::UDP;
use std::net::IpAddr;
use std::time::Instant;
use tc_proto::fragment::FragmentRef;
use tc_proto::link::{Frame, LinkType};
use tc_proto::{PacketRef, ParseError};

const TCP: u8 = 6;
/// Extension headers of IPv6 that may stand behind a fragment header.
const EXTENSIONS: [u8; 3] = [0, 43, 60];

impl Replayer {
    /// Takes a fragment. The whole packet, once nothing of it is missing, counts as the fragment that completed it.
    pub(super) fn handle_fragment(&mut self, now: Instant, at: Instant, octets: &[u8]) {
        let whole = match self.reassemble(now, octets) {
            Ok(Some(whole)) => whole,
            Ok(None) => return self.counters.captured.fragments += 1,
            Err(error) => return self.counters.captured.count_unparsed(error),
        };
        let octets = Frame::parse(LinkType::RawIp, &whole).map_or(whole.as_slice(), |frame| frame.packet);
        match PacketRef::parse(octets) {
            Ok(packet) => self.handle_packet(now, at, &packet),
            Err(ParseError::NotTcp(UDP)) => self.handle_datagram(now, octets),
            Err(error) => self.counters.captured.count_unparsed(error),
        }
    }

    fn reassemble(&mut self, now: Instant, octets: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
        let Some(fragment) = FragmentRef::parse(octets)? else { return Ok(None) };
        let extended = fragment.id.protocol.is_none() && EXTENSIONS.contains(&fragment.protocol);
        let encapsulates = fragment.encapsulates();
        if ![TCP, UDP].contains(&fragment.protocol) && !extended && !encapsulates {
            return Err(ParseError::NotTcp(fragment.protocol));
        }
        if !encapsulates && !self.maps(fragment.id.destination) {
            return Ok(None);
        }
        Ok(self.reassembler.handle_fragment(now, &fragment, &mut self.counters.reassembly))
    }

    /// Whether anything to this address of the online host is replayed.
    fn maps(&self, destination: IpAddr) -> bool {
        self.mappings.iter().any(|mapping| mapping.online.is_none_or(|online| online == destination))
    }
}
