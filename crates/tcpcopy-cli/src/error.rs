//! Why the program ends with exit code 1.

use crate::offline::{FileError, Incomplete};
use tc_sys::SysError;
use tc_sys::capture::CaptureError;
use tc_sys::log::LogError;

/// A failure that ends the program. Each prints as one line with the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    System(#[from] SysError),
    #[error("a worker thread ended by a mistake of this program; the log names the place")]
    Panicked,
}
