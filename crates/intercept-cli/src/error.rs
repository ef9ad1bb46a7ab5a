//! Why the program ends with exit code 1.

use tc_sys::SysError;
use tc_sys::log::LogError;
use tc_sys::pcap::PcapError;
use tc_sys::queue::QueueError;

/// A failure that ends the program. Each prints as one line with the remedy.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum Error {
    Log(#[from] LogError),
    Pcap(#[from] PcapError),
    Queue(#[from] QueueError),
    System(#[from] SysError),
}
