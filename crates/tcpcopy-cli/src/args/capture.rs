//! Which packets are captured, beside what `-x` and `-i` say.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the help, where brackets mean what may be left out"
)]

use clap::Args;
use tc_sys::capture::{Accept, CaptureConfig, Promiscuity};
use tc_sys::pcap::{self, LinkType};
use tc_sys::program::number;

/// The buffer of a socket for which the ring has its default size, in MiB. With less, the ring keeps its size.
const DEFAULT_BUFFER: u32 = 64;

/// Choices of the capture.
#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// What captured packets must satisfy besides -x
    ///
    /// In the syntax of tcpdump, as in 'src net 10.0.0.0/8'; see pcap-filter(7). It runs in the kernel, on packets from
    /// their IP header on. With --mirror it sees the outermost packet.
    #[arg(short = 'F', long = "filter", value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,

    /// Memory of the kernel for captured packets that tcpcopy has not read yet, in MiB
    ///
    /// For each socket of the capture, from 1 to 1023. Make it larger when 'kernel dropped' is not 0.
    #[arg(short = 'B', long = "buffer", value_name = "MIB", default_value_t = DEFAULT_BUFFER, value_parser = buffer)]
    pub(crate) buffer: u32,

    /// Octets of each packet to capture
    ///
    /// From its IP header on, from 68 to 262144. A packet that is larger is cut, cannot be replayed and counts as malformed.
    /// The default is all of them.
    #[arg(short = 'S', long = "snap", value_name = "OCTETS", value_parser = snap)]
    pub(crate) snap: Option<u32>,

    /// Take packets for other hosts too, as a mirror port gets them
    ///
    /// Also those that come inside VXLAN, GRE, ERSPAN or IP in IP, as mirrors in clouds send them. Say in -x which
    /// address is the online server's; what answers it sends is then no request.
    #[arg(long)]
    pub(crate) mirror: bool,

    /// Make the interfaces of -i hand over frames for other hosts
    ///
    /// For a mirror port whose frames have the addresses of other hosts. Undone when tcpcopy ends.
    #[arg(long)]
    pub(crate) promiscuous: bool,
}

impl CaptureArgs {
    /// What is wrong with them together, or alone.
    pub(super) fn check(&self, interfaces: &[String]) -> Result<(), String> {
        if self.promiscuous && interfaces.is_empty() {
            return Err("--promiscuous: name the interfaces with -i".to_owned());
        }
        if self.promiscuous && !self.mirror {
            return Err("--promiscuous: what it brings is for other hosts; give --mirror too".to_owned());
        }
        let compiled = self.filter.as_deref().map(|text| pcap::compile(text, LinkType::RAW_IP)).transpose();
        compiled.map(drop).map_err(|error| format!("-F: {error}"))
    }

    /// Whether one was given.
    pub(super) fn is_set(&self) -> bool {
        let named = self.filter.is_some() || self.snap.is_some() || self.buffer != DEFAULT_BUFFER;
        named || self.mirror || self.promiscuous
    }

    /// Puts them into the configuration of a capture.
    pub(crate) fn apply(self, config: &mut CaptureConfig) {
        config.receive_buffer = (self.buffer as usize) << 20;
        config.ring = CaptureConfig::RING / DEFAULT_BUFFER as usize * self.buffer.max(DEFAULT_BUFFER) as usize;
        config.expression = self.filter;
        config.accept = if self.mirror { Accept::AnyHost } else { Accept::ThisHost };
        config.promiscuity = if self.promiscuous { Promiscuity::Promiscuous } else { Promiscuity::AsItIs };
        if let Some(snap) = self.snap {
            config.snap = snap;
        }
    }
}

fn buffer(text: &str) -> Result<u32, String> {
    number(text, 1..=1023)
}

fn snap(text: &str) -> Result<u32, String> {
    number(text, 68..=262_144)
}
