//! The other ends of the tunnels.

use super::ledger::Ledger;
use std::collections::BTreeMap;
use tc_core::relay::{TunnelId, Wire};
use tc_proto::tunnel::{Message, MessageDecoder, ReplyDecoder};

/// Tunnels at once.
const PLACES: u8 = 4;

#[derive(Debug)]
struct Peer {
    place: u8,
    up: bool,
    decoder: MessageDecoder,
    /// Whether it has switched to version 2.
    switched: bool,
    /// What the relay says to it, once it was said to be ready.
    wire: Option<Wire>,
    replies: ReplyDecoder,
}

/// All tunnels that there ever were.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<TunnelId, Peer>);

impl Peers {
    /// A new tunnel, unless there is one at this place.
    pub(super) fn connect(&mut self, who: u8) -> Option<TunnelId> {
        if self.up(who).is_some() {
            return None;
        }
        let tunnel = TunnelId(self.0.len() as u64);
        let peer = Peer {
            place: who % PLACES,
            up: true,
            decoder: MessageDecoder::new(),
            switched: false,
            wire: None,
            replies: ReplyDecoder::new(),
        };
        self.0.insert(tunnel, peer);
        Some(tunnel)
    }

    pub(super) fn disconnect(&mut self, who: u8) -> Option<TunnelId> {
        let tunnel = self.up(who)?;
        self.0.get_mut(&tunnel)?.up = false;
        Some(tunnel)
    }

    fn up(&self, who: u8) -> Option<TunnelId> {
        self.last(who).filter(|tunnel| self.0[tunnel].up)
    }

    /// The tunnel that is or was at this place.
    pub(super) fn last(&self, who: u8) -> Option<TunnelId> {
        let here = self.0.iter().rev().find(|(_, peer)| peer.place == who % PLACES);
        here.map(|(tunnel, _)| *tunnel)
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().filter(|peer| peer.up).count()
    }

    pub(super) fn wire(&self, tunnel: TunnelId) -> Option<Wire> {
        self.0[&tunnel].wire
    }

    pub(super) fn replies(&mut self, tunnel: TunnelId) -> &mut ReplyDecoder {
        &mut self.0.get_mut(&tunnel).expect("a tunnel that is known").replies
    }

    /// A message in the version that the peer at this place speaks.
    pub(super) fn encode(&self, who: u8, message: &Message) -> Vec<u8> {
        let switched = self.last(who).is_some_and(|tunnel| self.0[&tunnel].switched);
        let mut octets = Vec::new();
        if switched {
            message.write(&mut octets);
        }
        if octets.is_empty() {
            // What only version 2 has is nonsense here.
            match message.encode() {
                Some(first) => octets.extend(first),
                None => message.write(&mut octets),
            }
        }
        octets
    }

    /// Reads what the tunnel says, to know what it has announced.
    pub(super) fn note_octets(&mut self, tunnel: TunnelId, octets: &[u8], ledger: &mut Ledger) {
        let Some(peer) = self.0.get_mut(&tunnel).filter(|peer| peer.up) else { return };
        peer.decoder.push(octets);
        while let Ok(Some(message)) = peer.decoder.next() {
            match message {
                Message::AddRoute(flow) => ledger.note_announcement(tunnel, flow),
                Message::AddDatagramRoute(route) => ledger.note_asked(tunnel, route.target),
                Message::Switch => peer.switched = true,
                _ => {}
            }
        }
    }

    pub(super) fn note_wire(&mut self, tunnel: TunnelId, wire: Wire) {
        let peer = self.0.get_mut(&tunnel).expect("a tunnel that is known");
        assert!(peer.up, "{tunnel:?} is ready although it is gone");
        assert_eq!(peer.wire.replace(wire), None, "{tunnel:?} is ready twice");
    }

    pub(super) fn note_cut(&mut self, tunnel: TunnelId) {
        let peer = self.0.get_mut(&tunnel).expect("a tunnel that is known");
        assert!(std::mem::replace(&mut peer.up, false), "{tunnel:?} is cut although it is gone");
    }
}
