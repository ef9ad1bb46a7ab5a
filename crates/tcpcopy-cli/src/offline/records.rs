//! The packets of one file, streamed: pcap and pcapng, in both byte orders.

use super::error::{FileError, Problem};
use super::format::{Format, Parsed};
use super::input::Contents;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Duration;
use tc_proto::link::{Direction, LinkType};

const FIRST_CAPACITY: usize = 256 << 10;
/// A larger record is none: the snap length of tcpdump is 256 KiB at most, other blocks of pcapng are seldom larger.
pub(super) const MAX_RECORD: usize = 32 << 20;

/// A captured frame; its octets are still in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// When it was captured, since the epoch.
    pub(super) at: Duration,
    /// Its link type, if we know it.
    pub(super) link: Option<LinkType>,
    /// Which way it went, if the record says so.
    pub(super) direction: Direction,
    /// Whether octets at its end were not captured.
    pub(super) cut: bool,
    /// Where its octets are in the record.
    pub(super) octets: Range<usize>,
    /// The length of the record.
    pub(super) len: usize,
}

/// What can be done next with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the packet.
    Take,
    /// Read more, which may take a while.
    Read,
    /// Nothing is left.
    End,
}

/// One file.
pub(super) struct Records {
    name: String,
    source: Contents,
    buffer: Vec<u8>,
    /// What of the buffer is filled, and not yet done.
    filled: Range<usize>,
    ended: bool,
    format: Option<Format>,
    head: Option<Head>,
    /// Octets of the contents that are done.
    done: u64,
}

impl Records {
    pub(super) fn new(name: &str, source: Contents) -> Self {
        Self {
            name: name.to_owned(),
            source,
            buffer: vec![0; FIRST_CAPACITY],
            filled: 0..0,
            ended: false,
            format: None,
            head: None,
            done: 0,
        }
    }

    /// Looks for the next packet. After an error nothing is left.
    pub(super) fn step(&mut self) -> Result<Step, FileError> {
        while self.head.is_none() {
            let parsed = match &mut self.format {
                Some(format) => format.parse(self.buffer.get(self.filled.clone()).unwrap_or_default()),
                None => self.begin()?,
            };
            match parsed {
                Parsed::Packet(head) => self.head = Some(head),
                Parsed::Other(len) => self.skip(len),
                Parsed::Incomplete if self.filled.len() >= MAX_RECORD => return Err(self.broken()),
                Parsed::Incomplete if !self.ended => return Ok(Step::Read),
                Parsed::Incomplete if self.filled.is_empty() => return Ok(Step::End),
                Parsed::Incomplete => return Err(self.fail(Problem::Truncated)),
                Parsed::Unsupported(number) => return Err(self.fail(Problem::LinkType(number))),
                Parsed::Broken => return Err(self.broken()),
            }
        }
        Ok(Step::Take)
    }

    /// Finds out what kind of file it is.
    fn begin(&mut self) -> Result<Parsed, FileError> {
        let octets = self.buffer.get(self.filled.clone()).unwrap_or_default();
        match Format::recognize(octets) {
            Some((format, len)) => {
                self.format = Some(format);
                Ok(Parsed::Other(len))
            }
            None if !self.ended && octets.len() < Format::RECOGNIZABLE => Ok(Parsed::Incomplete),
            None if octets.is_empty() => Err(self.fail(Problem::Empty)),
            None => Err(self.fail(Problem::NotACapture)),
        }
    }

    /// Reads more, which blocks while nothing is there.
    pub(super) fn read(&mut self) -> Result<(), FileError> {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        if self.filled.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
        match self.source.read(room) {
            Ok(octets) => {
                self.ended = octets == 0;
                self.filled.end += octets;
                Ok(())
            }
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn unreadable(&mut self, error: io::Error) -> FileError {
        let corrupt =
            matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other);
        self.fail(if error.kind() == ErrorKind::UnexpectedEof {
            Problem::Truncated
        } else if corrupt {
            Problem::Corrupt
        } else {
            Problem::Unreadable(error)
        })
    }

    /// The packet that was found.
    pub(super) fn head(&self) -> Option<(&Head, &[u8])> {
        let head = self.head.as_ref()?;
        let record = self.buffer.get(self.filled.clone())?;
        Some((head, record.get(head.octets.clone())?))
    }

    /// Goes on behind the packet that was found.
    pub(super) fn take(&mut self) {
        if let Some(head) = self.head.take() {
            self.skip(head.len);
        }
    }

    fn skip(&mut self, len: usize) {
        self.filled.start += len;
        self.done += len as u64;
    }

    fn broken(&mut self) -> FileError {
        self.fail(Problem::Broken(self.done))
    }

    /// The file is over.
    fn fail(&mut self, problem: Problem) -> FileError {
        self.ended = true;
        self.filled = 0..0;
        FileError::new(&self.name, problem)
    }
}

#[cfg(test)]
mod tests;
