//! Filter expressions as tcpdump's (pcap-filter(7)), and captures at the link layer with such a filter in the kernel.
//!
//! libpcap compiles the expressions and reads the devices; it is linked when the feature `pcap` is on. Without the
//! feature everything here is still there, and each call fails with [`PcapError::NotBuilt`].

#[cfg(not(feature = "pcap"))]
#[path = "pcap/absent.rs"]
mod library;
#[cfg(feature = "pcap")]
#[path = "pcap/libpcap.rs"]
mod library;

pub use library::{DeviceCapture, compile};

use crate::error::privilege_hint;

/// What a frame starts with: a `DLT_` value of libpcap (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub i32);

impl LinkType {
    /// An Ethernet header.
    pub const ETHERNET: Self = Self(1);
    /// Nothing: an IP header of either version comes first, as on packet sockets of type `SOCK_DGRAM`. This is
    /// Linux's `DLT_RAW`; files say 101 (`LINKTYPE_RAW`).
    pub const RAW_IP: Self = Self(12);
    /// The pseudo header of the device "any" before libpcap 1.10 (`DLT_LINUX_SLL`).
    pub const LINUX_SLL: Self = Self(113);
    /// The pseudo header of the device "any" (`DLT_LINUX_SLL2`).
    pub const LINUX_SLL2: Self = Self(276);
}

/// How to capture on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Its name, or "any".
    pub device: String,
    /// What to take, in the syntax of pcap-filter(7).
    pub filter: String,
    /// Octets of each frame that are kept, the link-layer header included.
    pub snap: u32,
    /// Octets that the kernel keeps for this program; resident at once.
    pub buffer: usize,
}

impl DeviceConfig {
    /// A capture of headers, with room for some 60 000 of them.
    #[must_use]
    pub fn headers(device: impl Into<String>, filter: impl Into<String>) -> Self {
        Self { device: device.into(), filter: filter.into(), snap: 192, buffer: 16 << 20 }
    }
}

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// It starts with the link-layer header and may be cut.
    pub octets: &'a [u8],
    /// The octets before the cut.
    pub length: usize,
}

/// Frames since the capture was opened, counted by libpcap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatistics {
    /// Frames that passed the filter, the dropped ones perhaps included.
    pub received: u64,
    /// Frames lost because the kernel's buffer was full.
    pub dropped: u64,
}

/// Why an expression cannot be compiled, or a device not be captured on.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    /// The program was built without libpcap.
    #[error("cannot use -F: this program was built without libpcap; build it with the cargo feature pcap")]
    NotBuilt,
    /// The expression is wrong.
    #[error("cannot compile the filter '{expression}': {reason}; see pcap-filter(7) for its syntax")]
    Expression {
        /// What was given.
        expression: String,
        /// What libpcap says of it.
        reason: String,
    },
    /// The device cannot be opened.
    #[error("cannot capture on {device}: {reason}; {}", remedy(.reason, .devices))]
    Device {
        /// What was given.
        device: String,
        /// What libpcap says of it.
        reason: String,
        /// The devices there are.
        devices: Vec<String>,
    },
    /// The capture broke.
    #[error("cannot read from {device}: {reason}")]
    Read {
        /// The device.
        device: String,
        /// What libpcap says of it.
        reason: String,
    },
}

fn remedy(reason: &str, devices: &[String]) -> String {
    if reason.to_ascii_lowercase().contains("permi") {
        privilege_hint()
    } else if devices.is_empty() {
        "choose another device".to_owned()
    } else {
        format!("this host has: {}", devices.join(", "))
    }
}

#[cfg(test)]
mod tests;
