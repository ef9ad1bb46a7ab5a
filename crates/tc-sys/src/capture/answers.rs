//! What the online server sends to its clients, by its headers and first octets.
//!
//! Outgoing packets reach sockets of all protocols only (`ETH_P_ALL`), each once for each device that it passes: through a
//! bond or a VLAN twice. What is seen is before segmentation: up to 64 KiB in one packet.

use std::os::fd::AsFd;
use std::time::SystemTime;
use std::{fmt, io};

use pnet::datalink::NetworkInterface;
use tc_proto::PortShare;

use super::filter::{Answers, Filter};
use super::socket::{CaptureSocket, select};
use super::{CaptureConfig, CaptureError, CaptureStatistics};
use crate::SysError;
use crate::syscall::ring::{FRAME, FrameRing, OFFSET};
use crate::syscall::socket;

/// `linux/if_ether.h`
const ETH_P_ALL: u16 = 0x0003;
/// Octets of memory for the rings of one capture.
const RING: usize = 4 << 20;
/// As much of a packet as fits its frame: headers, and the beginning of the payload.
const SNAP: usize = FRAME - OFFSET;

/// Whose answers to capture.
#[derive(Clone, Debug)]
pub struct AnswerConfig {
    /// What is captured the other way.
    pub capture: CaptureConfig,
    /// The clients whose answers are taken.
    pub share: PortShare,
}

/// A packet of the online server.
#[derive(Clone, Copy, Debug)]
pub struct CapturedAnswer<'a> {
    /// When the kernel sent it.
    pub stamp: SystemTime,
    /// Its first octets, from the IP header on.
    pub octets: &'a [u8],
}

/// Capture of what the online server sends, through rings of frames.
pub struct AnswerCapture {
    sources: Vec<Source>,
    /// The source whose next frame was shown to the caller, who is done with it at the next call.
    shown: Option<usize>,
}

impl AnswerCapture {
    /// Opens one socket for each version of IP and each interface.
    ///
    /// # Errors
    ///
    /// Those of [`RingCapture::open`](super::RingCapture::open).
    pub fn open(config: &AnswerConfig) -> Result<Self, CaptureError> {
        let CaptureConfig { interfaces, rules, families, .. } = &config.capture;
        let answers = Answers { share: config.share, snap: u32::try_from(SNAP).unwrap_or(u32::MAX) };
        let ipv4 = families.has_ipv4().then(|| Filter::answers_ipv4(rules, answers)).transpose()?.flatten();
        let ipv6 = families.has_ipv6().then(|| Filter::answers_ipv6(rules, answers)).transpose()?.flatten();
        let filters: Vec<_> = [ipv4, ipv6].into_iter().flatten().collect();
        let interfaces = select(interfaces)?;
        let ring = RING / usize::from(config.share.workers()) / (filters.len() * interfaces.len()).max(1);
        let mut sources = Vec::new();
        for filter in filters {
            for interface in &interfaces {
                sources.push(Source::open(interface, &filter, ring)?);
            }
        }
        if sources.is_empty() {
            return Err(CaptureError::NothingToCapture);
        }
        Ok(Self { sources, shown: None })
    }

    /// The next packet that was sent before `limit`, the earliest of all sources.
    pub fn next_before(&mut self, limit: SystemTime) -> Option<CapturedAnswer<'_>> {
        if let Some(shown) = self.shown.take().and_then(|index| self.sources.get_mut(index)) {
            shown.ring.give_back();
        }
        let waiting = self.sources.iter().enumerate();
        let stamps = waiting.filter_map(|(index, source)| Some((source.ring.frame()?.stamp(), index)));
        let (_, index) = stamps.min().filter(|(stamp, _)| *stamp < limit)?;
        self.shown = Some(index);
        let frame = self.sources.get(index)?.ring.frame()?;
        Some(CapturedAnswer { stamp: frame.stamp(), octets: frame.octets() })
    }

    /// What the kernel counted since the capture was opened.
    ///
    /// # Errors
    ///
    /// What getsockopt(2) of `PACKET_STATISTICS` reports.
    pub fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        let mut total = CaptureStatistics::default();
        for source in &mut self.sources {
            total += source.socket.statistics()?;
        }
        Ok(total)
    }
}

impl fmt::Debug for AnswerCapture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnswerCapture").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

/// One socket and its ring.
struct Source {
    ring: FrameRing,
    socket: CaptureSocket,
}

impl Source {
    fn open(interface: &NetworkInterface, filter: &Filter, ring: usize) -> Result<Self, SysError> {
        // Nothing waits in the receive buffer: what is taken of a packet fits its frame.
        let config = CaptureConfig { receive_buffer: 1 << 16, ..CaptureConfig::default() };
        let socket = CaptureSocket::open(interface, ETH_P_ALL, filter.clone(), &config)?;
        let ring =
            FrameRing::open(socket.as_fd(), ring).map_err(|cause| socket.failed("make a ring for", cause))?;
        socket::bind_packet(socket.as_fd(), ETH_P_ALL, interface.index)
            .map_err(|cause| socket.failed("bind", cause))?;
        socket.listen()?;
        Ok(Self { ring, socket })
    }
}

#[cfg(test)]
mod tests;
