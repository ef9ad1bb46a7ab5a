//! Zstandard as files have it: frame after frame.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, ErrorKind, Read};

/// The largest window that is kept: what `zstd -d` accepts without being told.
const MAX_WINDOW: u64 = 128 << 20;

/// Reads the frames of a file one behind the other.
pub(super) struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { source, decoder }
    }

    /// Decodes until something can be read, or nothing is left.
    fn decode(&mut self) -> io::Result<()> {
        while self.decoder.can_collect() == 0 {
            let decoded = if !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map(drop)
            } else if self.source.fill_buf()?.is_empty() {
                return Ok(());
            } else {
                self.decoder.init(&mut self.source)
            };
            match decoded {
                Ok(()) => {}
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(_) if self.source.fill_buf()?.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decode()?;
        self.decoder.read(buffer)
    }
}
