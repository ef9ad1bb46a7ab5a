//! Offline replay: captured packets out of files, at the pace of the capture, faster, or as fast as the target can.
//!
//! A thread reads ([`reader`]): it decompresses, finds records ([`records`], [`mod@format`]), brings several files into the
//! order of time ([`merge`]) and keeps what clients sent ([`sieve`]). The driver hands each packet to the replayer when it
//! is due ([`timeline`]) and sessions can take it ([`valve`]).

mod driver;
mod error;
mod feed;
mod format;
mod input;
mod merge;
mod progress;
mod reader;
mod records;
mod sieve;
mod summary;
#[cfg(test)]
mod testing;
mod timeline;
mod valve;
mod zstd;

pub(crate) use driver::OfflineDriver;
pub(crate) use error::FileError;
pub(crate) use input::Input;
pub(crate) use summary::Incomplete;
pub(crate) use timeline::Speed;

use std::time::Duration;

/// What is replayed offline, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfflineConfig {
    pub(crate) inputs: Vec<Input>,
    pub(crate) speed: Speed,
    /// Longer gaps between packets are cut to this.
    pub(crate) longest_gap: Option<Duration>,
    /// How often everything is replayed.
    pub(crate) passes: u32,
}
