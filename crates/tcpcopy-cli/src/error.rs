//! Why the program ends with exit code 1.

use tc_sys::SysError;
use tc_sys::capture::CaptureError;
use tc_sys::log::LogError;

/// A failure that ends the program. Each prints as one line with the remedy.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum Error {
    Capture(#[from] CaptureError),
    Log(#[from] LogError),
    System(#[from] SysError),
}
