//! What was sent: every packet is checked, and told to the connection that it belongs to.

use super::captured::Captured;
use super::connection::Connection;
use super::settings::Settings;
use crate::checks::parse_made;
use std::collections::HashSet;
use tc_core::Transmit;
use tc_proto::{Flags, Flow, TargetHeader};

/// Everything that was sent, and to whom.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) settings: Settings,
    announced: HashSet<Flow>,
    pub(super) connections: Vec<Connection>,
    pub(super) packets: u64,
    pub(super) octets: u64,
}

impl Sent {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, announced: HashSet::new(), connections: Vec::new(), packets: 0, octets: 0 }
    }

    pub(super) fn note_route(&mut self, flow: Flow) {
        self.announced.insert(flow);
    }

    /// Notes a header that the replayer gets.
    pub(super) fn note_header(&mut self, header: &TargetHeader) {
        let flow = header.flow();
        for connection in self.connections.iter_mut().filter(|connection| connection.flow == flow) {
            connection.note_header(&header.0);
        }
    }

    /// Checks a packet.
    pub(super) fn check(&mut self, transmit: &Transmit, octets: &[u8], captured: &Captured) {
        let packet = parse_made(octets);
        let segment = packet.segment();
        assert_eq!(transmit.destination, segment.destination.ip());
        assert!(octets.len() <= self.settings.config.mtu, "{} octets", octets.len());
        self.packets += 1;
        self.octets += packet.payload().len() as u64;
        let flow = Flow { client: segment.source, target: segment.destination };
        let known = self.connections.iter_mut().find(|connection| connection.flow == flow);
        if segment.flags.contains(Flags::RST) && !segment.flags.contains(Flags::ACK) {
            // A stranger is reset, wherever it came from.
            assert!(packet.payload().is_empty());
            if let Some(known) = known {
                known.gone = true;
            }
            return;
        }
        assert_eq!(segment.destination, self.settings.target());
        assert!(self.announced.contains(&flow), "no route was announced for {segment:?}");
        if segment.flags.contains(Flags::SYN) {
            assert_eq!(segment.flags, Flags::SYN);
            assert!(packet.payload().is_empty());
            // Whatever the target said before the SYN belongs to no connection.
            let connection = Connection::new(flow, segment);
            match known {
                Some(known) => *known = connection,
                None => self.connections.push(connection),
            }
            return;
        }
        let known = known.unwrap_or_else(|| panic!("{segment:?} without a SYN"));
        known.check(segment, packet.payload(), captured, self.settings);
    }
}
