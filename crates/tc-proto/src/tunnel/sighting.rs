//! What intercept's host saw of a connection.

use super::DecodeError;
use super::body::{Fields, write_message};
use super::message::{read_flow, write_flow};
use crate::Flow;

const WATCHED: u16 = 1;
const ARRIVED: u16 = 2;
const CONNECTED: u16 = 4;
const REVERSE_PATH: u16 = 8;

/// How far the packets of a flow came on intercept's host, while it looked for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The flow that was asked about.
    pub flow: Flow,
    /// Whether a packet of its client came to an interface; `None` if intercept may not look there.
    pub arrived: Option<bool>,
    /// Whether the kernel has a connection of this flow, half open or open: the listener took its SYN.
    pub connected: bool,
    /// Whether the host's reverse path filter refused packets meanwhile, of whatever flow.
    pub reverse_path: bool,
}

impl Sighting {
    /// The type of the message in version 2.
    pub(super) const KIND: u16 = 32;

    /// Appends the message of version 2 to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = bit(self.arrived.is_some(), WATCHED)
            | bit(self.arrived == Some(true), ARRIVED)
            | bit(self.connected, CONNECTED)
            | bit(self.reverse_path, REVERSE_PATH);
        write_message(Self::KIND, out, |out| {
            write_flow(&self.flow, out);
            out.extend_from_slice(&flags.to_be_bytes());
        });
    }

    /// Reads the message's body.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(Self::KIND, body);
        let flow = read_flow(&mut fields)?;
        let flags = fields.u16()?;
        let has = |bit: u16| flags & bit != 0;
        Ok(Self {
            flow,
            arrived: has(WATCHED).then_some(has(ARRIVED)),
            connected: has(CONNECTED),
            reverse_path: has(REVERSE_PATH),
        })
    }
}
