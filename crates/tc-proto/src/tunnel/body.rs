//! Messages of version 2: a type, a length, and a body of that length.

use super::{DecodeError, Inbox};

/// Octets before the body: 16 bits of type, 16 bits of length.
const PREFIX_LEN: usize = 4;
/// The longest body of a message that tcpcopy sends, apart from unknown types.
pub(super) const MAX_BODY: usize = 1024;

/// Appends a message whose body `write` appends. What does not fit 16 bits of length is cut.
#[expect(clippy::cast_possible_truncation, reason = "the body was cut to 16 bits of length")]
pub(super) fn write_message(kind: u16, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.to_be_bytes());
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    write(out);
    out.truncate(at + 2 + usize::from(u16::MAX));
    let len = (out.len() - at - 2) as u16;
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&len.to_be_bytes());
    }
}

/// Takes whole messages of known types out of a stream; others are passed over as they come, not kept.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// Octets of a message of unknown type that are still to be passed over.
    skip: usize,
}

impl Bodies {
    /// The next message's type and body. `longest` is the longest body of a type, or `None` for an unknown one.
    pub(super) fn next<'a>(
        &mut self,
        inbox: &'a mut Inbox,
        longest: impl Fn(u16) -> Option<usize>,
    ) -> Result<Option<(u16, &'a [u8])>, DecodeError> {
        loop {
            self.skip -= inbox.skip(self.skip);
            let Some(&[kind_high, kind_low, len_high, len_low]) = inbox.peek(PREFIX_LEN) else {
                return Ok(None);
            };
            let kind = u16::from_be_bytes([kind_high, kind_low]);
            let len = usize::from(u16::from_be_bytes([len_high, len_low]));
            match longest(kind) {
                None => self.skip = PREFIX_LEN + len,
                Some(longest) if len > longest => return Err(DecodeError::Body { kind, len }),
                Some(_) => {
                    let Some(octets) = inbox.take(PREFIX_LEN + len) else { return Ok(None) };
                    return Ok(Some((kind, octets.get(PREFIX_LEN..).unwrap_or_default())));
                }
            }
        }
    }
}

/// Reads the fields of a body one after the other; what a later version put behind them is left alone.
pub(super) struct Fields<'a> {
    kind: u16,
    len: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(kind: u16, body: &'a [u8]) -> Self {
        Self { kind, len: body.len(), rest: body }
    }

    pub(super) const fn error(&self) -> DecodeError {
        DecodeError::Body { kind: self.kind, len: self.len }
    }

    /// The octets that were not read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(self.error())?;
        self.rest = rest;
        Ok(field)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or(self.error())?;
        self.rest = rest;
        Ok(*field)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }
}
