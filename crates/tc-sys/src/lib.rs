//! Linux for tcpcopy and intercept: capture, injection, the netfilter queue, processes and logs.
//!
//! Everything here is I/O without policy. No state machine lives here, and nothing here knows what a session or a
//! route is: the drivers move octets between these objects and `tc-core`. Each object that can become ready shows
//! its descriptors, to be registered with mio; mio is edge-triggered, so a reader calls until `None`.
//!
//! All `unsafe` of the project is in the private module `syscall`, as small safe functions over `libc`.
//!
//! ```no_run
//! use tc_sys::capture::{Capture, CaptureConfig, CaptureRule, RingCapture};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = CaptureConfig { rules: vec![CaptureRule::port(80)], ..CaptureConfig::default() };
//! let mut capture = RingCapture::open(&config)?;
//! while let Some(packet) = capture.next_packet()? {
//!     assert!(packet.len() >= 20, "a packet starts at its IP header");
//! }
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

pub mod capture;
pub mod cpu;
pub mod error;
pub mod firewall;
pub mod host;
pub mod inject;
pub mod key_file;
pub mod log;
pub mod memory;
mod netlink;
pub mod nflog;
pub mod pcap;
pub mod privilege;
pub mod process;
pub mod program;
pub mod queue;
pub mod socket;
mod syscall;
#[cfg(test)]
mod testing;
pub mod timer;

pub use error::SysError;

/// Which versions of IP an object serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Families {
    /// IPv4 only.
    #[default]
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// Both.
    Both,
}

impl Families {
    /// Whether IPv4 is served.
    #[must_use]
    pub fn has_ipv4(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Both)
    }

    /// Whether IPv6 is served.
    #[must_use]
    pub fn has_ipv6(self) -> bool {
        matches!(self, Self::Ipv6 | Self::Both)
    }
}
