//! What there is without libpcap: the same names, which say so.

use std::convert::Infallible;
use std::os::fd::{AsRawFd, RawFd};

use super::{DeviceConfig, DeviceStatistics, Frame, LinkType, PcapError};
use crate::capture::filter::Filter;

/// Compiles an expression; fails in this build.
///
/// # Errors
///
/// [`PcapError::NotBuilt`].
pub fn compile(_expression: &str, _link: LinkType) -> Result<Filter, PcapError> {
    Err(PcapError::NotBuilt)
}

/// A capture on a device; there are none in this build.
#[derive(Debug)]
pub struct DeviceCapture(Infallible);

impl DeviceCapture {
    /// Opens a device; fails in this build.
    ///
    /// # Errors
    ///
    /// [`PcapError::NotBuilt`].
    pub fn open(_config: &DeviceConfig) -> Result<Self, PcapError> {
        Err(PcapError::NotBuilt)
    }

    /// What each frame starts with.
    #[must_use]
    pub fn link(&self) -> LinkType {
        match self.0 {}
    }

    /// The next frame.
    ///
    /// # Errors
    ///
    /// None.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, PcapError> {
        match self.0 {}
    }

    /// What was counted.
    ///
    /// # Errors
    ///
    /// None.
    pub fn statistics(&mut self) -> Result<DeviceStatistics, PcapError> {
        match self.0 {}
    }
}

impl AsRawFd for DeviceCapture {
    fn as_raw_fd(&self) -> RawFd {
        match self.0 {}
    }
}
