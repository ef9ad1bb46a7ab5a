//! The tunnel: the TCP connection from tcpcopy to intercept.
//!
//! Version 1 is that of the C programs, octet for octet. tcpcopy sends [`Message`]s of 14 octets: first a version, then
//! a route for each replayed connection. intercept sends frames: a 16-bit count, then that many *records*, each the IP
//! and TCP header of one response, padded to the size of the peer's generation ([`RecordFormat`]).
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
//! Version 2 is ours. tcpcopy offers it in octets 8–13 of its first message, which the C programs ignore
//! ([`Message::Offer`]). An intercept that knows it begins with a hello ([`InterceptHello`]), which no frame begins
//! like; tcpcopy then says [`Message::Switch`], and what follows in both directions are messages of a type, a length
//! and a body. A type that is unknown is passed over, and so is what follows the known fields of a body.
//! `docs/tunnel.md` has all of it.
//!
//! All numbers are in network byte order. Decoders take any cut of the stream and keep less than one unit.

pub mod auth;
mod body;
mod datagram;
mod frame;
mod message;
mod message_decoder;
mod record;
mod reply;
mod reply_decoder;
mod response;
mod sighting;

pub use datagram::{DatagramRoute, TargetDatagram};
pub use frame::{FrameDecoder, MAX_RECORDS_PER_FRAME, write_frames};
pub use message::{Message, TcpcopyHello, Times};
pub use message_decoder::MessageDecoder;
pub use record::{RecordFormat, parse_record, write_records};
pub use reply::{InterceptHello, Lock, Reply};
pub use reply_decoder::ReplyDecoder;
pub use response::Response;
pub use sighting::Sighting;

/// The version of the C programs' protocol: what tcpcopy 1.x announces, and ours.
pub const VERSION: u16 = 6;

/// The version of the tunnel that we offer.
pub const TUNNEL_VERSION: u16 = 2;

/// What marks an offer, and a hello.
const MAGIC: [u8; 4] = *b"TCPR";

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
    /// Intercept begins with neither a frame nor a hello that we understand.
    #[error("it begins with neither a frame nor a hello of tunnel version {TUNNEL_VERSION}")]
    NoHello,
    /// A message of version 2 whose body cannot be one of its type.
    #[error("a message of type {kind} with an impossible body of {len} octets")]
    Body {
        /// The message's type.
        kind: u16,
        /// The length of its body.
        len: usize,
    },
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

    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|unit| unit.try_into().ok())
    }

    /// Passes over as many of `len` octets as are there, and says how many.
    fn skip(&mut self, len: usize) -> usize {
        let skipped = len.min(self.octets.len() - self.taken);
        self.taken += skipped;
        skipped
    }

    /// All that was not taken.
    fn rest(&self) -> &[u8] {
        self.octets.get(self.taken..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
