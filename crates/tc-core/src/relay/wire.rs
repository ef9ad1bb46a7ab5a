//! The two versions of the tunnel, as the relay writes them.

use std::fmt;
use tc_proto::tunnel::{RecordFormat, Response, TUNNEL_VERSION, write_frames, write_records};

/// The most octets of a header in version 2, with a time before it.
const HEADER_OCTETS: usize = 4 + 8 + 2 * 16 + 60 + 4 + 8;

/// What a tunnel's peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Version 1, that of the C programs: frames of records.
    Version1(RecordFormat),
    /// Version 2: messages.
    Version2,
}

impl Default for Wire {
    fn default() -> Self {
        Self::Version1(RecordFormat::default())
    }
}

/// Headers that wait together: records of version 1, or messages of version 2.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) octets: Vec<u8>,
    pub(super) headers: u64,
}

impl Batch {
    pub(super) fn with_room(octets: usize) -> Self {
        Self { octets: Vec::with_capacity(octets), headers: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.headers = 0;
    }
}

impl Wire {
    /// Octets for which there must be room before a header is queued.
    pub(super) const fn least(self, payload: u16) -> usize {
        match self {
            Self::Version1(format) => format.size(),
            Self::Version2 => HEADER_OCTETS + payload as usize,
        }
    }

    /// Appends a header to a batch.
    pub(super) fn queue(self, response: &Response<'_>, payload: u16, mss: usize, batch: &mut Batch) {
        match self {
            Self::Version1(format) => _ = write_records(format, response, mss, &mut batch.octets),
            Self::Version2 => response.write(payload, &mut batch.octets),
        }
        batch.headers += 1;
    }

    /// Appends a batch to what goes to the peer, and says how many frames it was.
    pub(super) fn write(self, batch: &Batch, per_frame: usize, out: &mut Vec<u8>) -> u64 {
        match self {
            Self::Version1(format) => write_frames(format, &batch.octets, per_frame, out) as u64,
            Self::Version2 => {
                out.extend_from_slice(&batch.octets);
                1
            }
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version1(format) => write!(f, "tunnel version 1, records of {} octets", format.size()),
            Self::Version2 => write!(f, "tunnel version {TUNNEL_VERSION}"),
        }
    }
}
