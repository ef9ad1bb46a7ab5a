//! Datagrams in version 2: who wants to hear of them, and what is told.

use super::DecodeError;
use super::body::{Fields, write_message};
use super::message::{read_address, read_flow, write_address, write_flow};
use crate::{DatagramRef, Flow, PortShare};
use std::net::SocketAddr;

/// Which datagrams of a target a tunnel hears of: those to clients whose port belongs to the share.
///
/// Flows of datagrams are too many and too short to be announced one by one, as connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramRoute {
    /// Where the application under test listens.
    pub target: SocketAddr,
    /// The ports that the tunnel's worker gives to clients.
    pub share: PortShare,
}

impl DatagramRoute {
    /// Whether the tunnel hears of datagrams of this flow.
    #[must_use]
    pub fn covers(&self, flow: &Flow) -> bool {
        self.target == flow.target && self.share.owns(flow.client.port())
    }

    /// Appends the message's body.
    pub(super) fn write_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[if self.target.is_ipv4() { 4 } else { 6 }, 0]);
        for number in [self.target.port(), self.share.index(), self.share.workers()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        write_address(self.target.ip(), out);
    }

    /// Reads the message's body.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let [version, _] = fields.array()?;
        let (port, index, workers) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let share = PortShare::new(index, workers).ok_or(fields.error())?;
        Ok(Self { target: SocketAddr::new(read_address(version, fields)?, port), share })
    }
}

/// A datagram that the target sent, and which stayed on the test host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetDatagram {
    /// The replayed flow that it belongs to.
    pub flow: Flow,
    /// Octets of its payload.
    pub payload_len: usize,
}

impl From<&DatagramRef<'_>> for TargetDatagram {
    fn from(datagram: &DatagramRef<'_>) -> Self {
        let flow = Flow { client: datagram.destination(), target: datagram.source() };
        Self { flow, payload_len: datagram.payload_len() }
    }
}

impl TargetDatagram {
    /// The type of the message in version 2.
    pub(super) const KIND: u16 = 17;

    /// The most octets of the message.
    pub const MAX_LEN: usize = 4 + 6 + 2 * 16 + 4;

    /// Appends the message of version 2 to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let payload_len = u32::try_from(self.payload_len).unwrap_or(u32::MAX);
        write_message(Self::KIND, out, |out| {
            write_flow(&self.flow, out);
            out.extend_from_slice(&payload_len.to_be_bytes());
        });
    }

    /// Reads the message's body.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { flow: read_flow(fields)?, payload_len: fields.u32()? as usize })
    }
}
