//! Files of `-i`: opened once, read as often as they are replayed, whatever their compression.

use super::error::{FileError, Problem};
use super::zstd::ZstdReader;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three octets of a frame of zstd that is to be skipped; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Compressions that are not supported, and the program for each.
const OTHERS: [(&[u8], &str); 3] = [(b"\xfd7zX", "xz"), (b"BZh", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")];
/// Octets that tell the compression.
const MAGIC: usize = 4;
const BUFFER: usize = 256 << 10;

/// Where captured packets are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

impl Input {
    /// What an argument of `-i` names: standard input, something in the file system, or else an interface.
    pub(crate) fn named(argument: &str) -> Option<Self> {
        let path = PathBuf::from(argument);
        match argument {
            "-" => Some(Self::Stdin),
            _ => path.exists().then_some(Self::File(path)),
        }
    }

    /// Opens it. Nothing is read yet.
    pub(super) fn open(&self) -> Result<OpenInput, FileError> {
        let name = match self {
            Self::File(path) => format!("'{}'", path.display()),
            Self::Stdin => "standard input".to_owned(),
        };
        let opened = match self {
            Self::File(path) => File::open(path),
            Self::Stdin => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        };
        let described = opened.and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        match described {
            Ok((_, metadata)) if metadata.is_dir() => Err(FileError::new(&name, Problem::Directory)),
            Ok((file, metadata)) => {
                Ok(OpenInput { name, file, octets: metadata.is_file().then_some(metadata.len()) })
            }
            Err(error) => Err(FileError::new(&name, Problem::Unreadable(error))),
        }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenInput {
    /// As messages name it.
    pub(super) name: String,
    file: File,
    /// Its size, unless it is a pipe or the like, which can be read once.
    pub(super) octets: Option<u64>,
}

/// What is in a file, decompressed.
pub(super) type Contents = Box<dyn Read + Send>;

impl OpenInput {
    /// Begins to read it, from its first octet if it can be read more than once. What is read is counted as it stands in
    /// the file.
    pub(super) fn read(&self, counter: Arc<AtomicU64>) -> Result<Contents, FileError> {
        let failed = |error| FileError::new(&self.name, Problem::Unreadable(error));
        let mut file = self.file.try_clone().map_err(failed)?;
        if self.octets.is_some() {
            file.rewind().map_err(failed)?;
        }
        let mut raw = Counted { file, counter };
        let magic = read_magic(&mut raw).map_err(failed)?;
        if let Some((_, program)) = OTHERS.iter().find(|(other, _)| magic.starts_with(other)) {
            return Err(FileError::new(&self.name, Problem::Compression(program)));
        }
        let gzip = magic.starts_with(&GZIP);
        let zstd = magic == ZSTD || magic.get(1..) == Some(&ZSTD_SKIPPABLE[..]);
        let whole: Chain<_, _> = Cursor::new(magic).chain(raw);
        Ok(match (gzip, zstd) {
            (true, _) => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole))),
            (_, true) => Box::new(ZstdReader::new(BufReader::with_capacity(BUFFER, whole))),
            (false, false) => Box::new(whole),
        })
    }
}

/// The first octets; fewer when there are no more.
fn read_magic(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = Vec::with_capacity(MAGIC);
    let limit = u64::try_from(MAGIC).unwrap_or(0);
    file.by_ref().take(limit).read_to_end(&mut magic)?;
    Ok(magic)
}

/// A file whose octets are counted as they are read.
struct Counted {
    file: File,
    counter: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(octets) => {
                    self.counter.fetch_add(u64::try_from(octets).unwrap_or(0), Ordering::Relaxed);
                    return Ok(octets);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
