//! Messages from tcpcopy to intercept.

use super::{DecodeError, Inbox};
use crate::Flow;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

const ADD_ROUTE: u16 = 1;
const REMOVE_ROUTE: u16 = 2;

/// What tcpcopy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message: the version of tcpcopy.
    Version(u16),
    /// Responses of this flow go to this connection from here on.
    AddRoute(Flow),
    /// The flow has ended. The C programs never send it and ignore it.
    RemoveRoute(Flow),
}

impl Message {
    /// Octets of each message.
    pub const LEN: usize = 14;

    /// The message's octets, or `None` for an IPv6 flow, which this version of the protocol cannot carry.
    #[must_use]
    pub fn encode(&self) -> Option<[u8; Self::LEN]> {
        let unspecified = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let (client, kind, target) = match *self {
            Self::Version(version) => (unspecified, version, unspecified),
            Self::AddRoute(flow) => (v4(flow.client)?, ADD_ROUTE, v4(flow.target)?),
            Self::RemoveRoute(flow) => (v4(flow.client)?, REMOVE_ROUTE, v4(flow.target)?),
        };
        let mut octets = [0; Self::LEN];
        octets[..4].copy_from_slice(&client.ip().octets());
        octets[4..6].copy_from_slice(&client.port().to_be_bytes());
        octets[6..8].copy_from_slice(&kind.to_be_bytes());
        octets[8..12].copy_from_slice(&target.ip().octets());
        octets[12..].copy_from_slice(&target.port().to_be_bytes());
        Some(octets)
    }
}

fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(v4) => Some(v4),
        SocketAddr::V6(_) => None,
    }
}

/// Reads messages from a stream that may be cut anywhere.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    inbox: Inbox,
    version: Option<u16>,
}

impl MessageDecoder {
    /// A decoder that waits for the version message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets of the stream.
    pub fn push(&mut self, octets: &[u8]) {
        self.inbox.push(octets);
    }

    /// The next whole message, or `None` until more octets have come.
    ///
    /// # Errors
    ///
    /// The peer does not speak this protocol; nothing that follows can be understood.
    #[expect(clippy::should_implement_trait, reason = "it fails, and goes on after None")]
    pub fn next(&mut self) -> Result<Option<Message>, DecodeError> {
        let Some(octets) = self.inbox.take(Message::LEN).and_then(|unit| unit.try_into().ok()) else {
            return Ok(None);
        };
        let (flow, kind) = fields(octets);
        if self.version.is_some() {
            return match kind {
                ADD_ROUTE => Ok(Some(Message::AddRoute(flow))),
                REMOVE_ROUTE => Ok(Some(Message::RemoveRoute(flow))),
                unknown => Err(DecodeError::MessageType(unknown)),
            };
        }
        if octets[..6] != [0; 6] {
            return Err(DecodeError::NoVersion);
        }
        self.version = Some(kind);
        Ok(Some(Message::Version(kind)))
    }
}

fn fields(octets: [u8; Message::LEN]) -> (Flow, u16) {
    let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let address =
        |at: usize| Ipv4Addr::from_octets([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    let flow = Flow { client: (address(0), number(4)).into(), target: (address(8), number(12)).into() };
    (flow, number(6))
}
