//! What intercept says, in version 2 before the responses.

use super::auth::{Nonce, Proof};
use super::body::{Fields, write_message};
use super::{DecodeError, MAGIC, Response, Sighting, TUNNEL_VERSION, TargetDatagram};
use crate::TargetHeader;

/// Types of version 2.
mod kind {
    pub(super) const HELLO: u16 = 1;
    pub(super) const PROOF: u16 = 2;
    pub(super) const TIME: u16 = 18;
}

/// The longest body of a message before the responses.
const MAX_BODY: usize = 1024;
const NEEDS_KEY: u16 = 1;

/// What intercept says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// It speaks version 2, from here on.
    Hello(InterceptHello),
    /// It knows the key, and has seen that we do.
    Proof(Proof),
    /// The header of a response, and the first octets of its payload, as many as were asked for and were there.
    Response(TargetHeader, &'a [u8]),
    /// A datagram of the target.
    Datagram(TargetDatagram),
    /// What it saw of a flow that it was asked to trace.
    Sighting(Sighting),
    /// When intercept saw the responses that follow, up to the next of these, in microseconds on a clock of its own
    /// whose beginning nobody knows.
    Time(u64),
    /// A record that is no header. Only version 1 has it: what follows can still be understood.
    Malformed,
}

/// The first message of intercept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterceptHello {
    /// The version of the tunnel that both speak.
    pub version: u16,
    /// Whether it has a key, of which it wants a proof before anything else.
    pub lock: Lock,
    /// Its half of the challenge.
    pub nonce: Nonce,
}

/// Whether a peer wants a proof of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It has no key.
    Open,
    /// It does nothing for a peer that does not prove that it knows the key.
    Locked,
}

impl InterceptHello {
    /// Octets of the magic and the version, which come before the first message.
    pub(super) const PREAMBLE_LEN: usize = 6;

    /// Appends its octets, which begin the stream: the magic, which is no count of records, the version, the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_be_bytes());
        let flags = if self.lock == Lock::Locked { NEEDS_KEY } else { 0 };
        write_message(kind::HELLO, out, |out| {
            out.extend_from_slice(&flags.to_be_bytes());
            out.extend_from_slice(&self.nonce);
        });
    }

    pub(super) fn version_of(preamble: [u8; Self::PREAMBLE_LEN]) -> Result<u16, DecodeError> {
        let [magic @ .., high, low] = preamble;
        let version = u16::from_be_bytes([high, low]);
        if magic != MAGIC || version != TUNNEL_VERSION {
            return Err(DecodeError::NoHello);
        }
        Ok(version)
    }
}

impl<'a> Reply<'a> {
    /// Appends the proof's message.
    pub fn write_proof(proof: &Proof, out: &mut Vec<u8>) {
        write_message(kind::PROOF, out, |out| out.extend_from_slice(proof));
    }

    /// Appends the message of a time.
    pub fn write_time(micros: u64, out: &mut Vec<u8>) {
        write_message(kind::TIME, out, |out| out.extend_from_slice(&micros.to_be_bytes()));
    }

    /// The longest body of a type, or `None` if it is unknown.
    pub(super) const fn longest(kind: u16) -> Option<usize> {
        match kind {
            kind::HELLO | kind::PROOF | kind::TIME | TargetDatagram::KIND | Sighting::KIND => Some(MAX_BODY),
            Response::KIND => Some(u16::MAX as usize),
            _ => None,
        }
    }

    pub(super) fn from_body(version: u16, kind: u16, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(kind, body);
        match kind {
            kind::HELLO => {
                let locked = fields.u16()? & NEEDS_KEY != 0;
                let lock = if locked { Lock::Locked } else { Lock::Open };
                Ok(Self::Hello(InterceptHello { version, lock, nonce: fields.array()? }))
            }
            kind::PROOF => fields.array().map(Self::Proof),
            kind::TIME => fields.array().map(|octets| Self::Time(u64::from_be_bytes(octets))),
            Response::KIND => {
                let response = Response::from_body(body)?;
                Ok(Self::Response(response.header(), response.payload()))
            }
            TargetDatagram::KIND => TargetDatagram::read(&mut fields).map(Self::Datagram),
            Sighting::KIND => Sighting::from_body(body).map(Self::Sighting),
            _ => Err(fields.error()),
        }
    }
}
