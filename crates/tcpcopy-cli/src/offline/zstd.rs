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

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn frame(octets: &[u8]) -> Vec<u8> {
        compress_to_vec(octets, CompressionLevel::Fastest)
    }

    fn decoded(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        ZstdReader::new(file).read_to_end(&mut octets).map(|_| octets)
    }

    #[test]
    fn all_frames_are_read_and_those_to_skip_are_skipped() {
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let large = vec![7; 1 << 20];
        let file = [skipped.clone(), frame(b"one"), skipped, frame(&large), frame(b"")].concat();
        assert_eq!(decoded(&file).unwrap(), [b"one", &*large].concat());
    }

    #[test]
    fn a_file_that_ends_too_early_is_told_from_a_broken_one() {
        let octets: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = frame(&octets);
        let cut = decoded(&file[..file.len() / 2]).unwrap_err();
        assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
        let broken = [frame(b"one"), vec![0; 100]].concat();
        assert_eq!(decoded(&broken).unwrap_err().kind(), ErrorKind::Other);
    }
}
