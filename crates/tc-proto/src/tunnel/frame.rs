//! Frames from intercept to tcpcopy.

use super::{DecodeError, Inbox, RecordFormat};

/// Records that a frame may hold, by the C programs' buffers.
pub const MAX_RECORDS_PER_FRAME: usize = 16;
const COUNT_LEN: usize = 2;

/// Appends `records`, back to back as [`write_records`](super::write_records) made them, to `out` as frames of at most
/// `per_frame` records, which is from 1 to [`MAX_RECORDS_PER_FRAME`]. Returns how many frames there are.
#[expect(clippy::cast_possible_truncation, reason = "a chunk holds at most 16 records")]
pub fn write_frames(format: RecordFormat, records: &[u8], per_frame: usize, out: &mut Vec<u8>) -> usize {
    let per_frame = per_frame.clamp(1, MAX_RECORDS_PER_FRAME);
    let chunks = records.chunks(format.size() * per_frame);
    let frames = chunks.len();
    for chunk in chunks {
        let count = (chunk.len() / format.size()) as u16;
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(chunk);
    }
    frames
}

/// Reads frames from a stream that may be cut anywhere.
#[derive(Debug)]
pub struct FrameDecoder {
    inbox: Inbox,
    format: RecordFormat,
    /// Records of the current frame that are still to come.
    left: u16,
}

impl FrameDecoder {
    /// A decoder of frames whose records have this format.
    #[must_use]
    pub fn new(format: RecordFormat) -> Self {
        Self { inbox: Inbox::default(), format, left: 0 }
    }

    /// Takes octets of the stream.
    pub fn push(&mut self, octets: &[u8]) {
        self.inbox.push(octets);
    }

    /// The next whole record, for [`parse_record`](super::parse_record), or `None` until more octets have come.
    ///
    /// # Errors
    ///
    /// The peer does not speak this protocol; nothing that follows can be understood.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        while self.left == 0 {
            let Some(&[high, low]) = self.inbox.peek(COUNT_LEN) else { return Ok(None) };
            let count = u16::from_be_bytes([high, low]);
            if usize::from(count) > MAX_RECORDS_PER_FRAME {
                return Err(DecodeError::FrameTooLong(count));
            }
            self.left = count;
            self.inbox.take(COUNT_LEN);
        }
        let record = self.inbox.take(self.format.size());
        if record.is_some() {
            self.left -= 1;
        }
        Ok(record)
    }
}
