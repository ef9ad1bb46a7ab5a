//! The tunnel: the TCP connection from tcpcopy to intercept, byte-compatible with the C programs.
//!
//! tcpcopy sends [`Message`]s of 14 octets: first a version, then a route for each replayed connection. intercept
//! sends frames: a 16-bit count, then that many *records*, each the IP and TCP header of one response, padded to
//! the size of the peer's generation ([`RecordFormat`]).
//!
//! | octets | message | record |
//! |---|---|---|
//! | 0–3 | client address | IPv4 header without options, 20 octets |
//! | 4–5 | client port | |
//! | 6–7 | type, or version in the first message | |
//! | 8–11 | target address | |
//! | 12–13 | target port | |
//! | 20– | | TCP header with options, then zeros |
//!
//! All numbers are in network byte order. Decoders take any cut of the stream and keep less than one unit.

mod frame;
mod message;
mod record;

pub use frame::{FrameDecoder, MAX_RECORDS_PER_FRAME, write_frames};
pub use message::{Message, MessageDecoder};
pub use record::{RecordFormat, parse_record, write_record};

/// The version that tcpcopy 1.x announces, and ours.
pub const VERSION: u16 = 6;

/// Why a peer's octets are refused. The connection cannot go on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeError {
    /// The first message is no version message: a tcpcopy 0.9.0, or no tcpcopy at all.
    #[error("the first message is not a version: the peer is no tcpcopy, or older than 0.9.9")]
    NoVersion,
    /// A message type that no version has.
    #[error("unknown message type {0}")]
    MessageType(u16),
    /// A frame that announces more records than the protocol allows.
    #[error("a frame of {0} records: at most 16 are allowed")]
    FrameTooLong(u16),
}

/// Octets that arrived and are not yet a whole unit.
#[derive(Debug, Default)]
struct Inbox {
    octets: Vec<u8>,
    taken: usize,
}

impl Inbox {
    fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.taken);
        self.taken = 0;
        self.octets.extend_from_slice(octets);
    }

    fn peek(&self, len: usize) -> Option<&[u8]> {
        self.octets.get(self.taken..self.taken + len)
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let unit = self.octets.get(self.taken..self.taken + len)?;
        self.taken += len;
        Some(unit)
    }
}

#[cfg(test)]
mod tests;
