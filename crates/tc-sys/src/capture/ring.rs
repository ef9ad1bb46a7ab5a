//! The ring backend: packets come through memory that the kernel shares with this program, without a system call.
//!
//! The ring is of version 2 (`TPACKET_V2`): a packet can be read as soon as it is written, and whether each one wakes
//! the reader is the reader's choice (see [`Pacer`](super::Pacer)). A ring of version 3 shows packets in blocks, a
//! fixed time after the first one; it has to spend a block on each such time, so that a small ring holds milliseconds of
//! traffic, however little there is; and its timer runs while nothing comes.
//!
//! Frames hold what most requests are: some hundred octets. A larger packet waits whole in the receive buffer of the socket, in the
//! same order, and its frame says so. The frames are resident memory of this program; the receive buffer is not.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::SystemTime;

use pnet::datalink::NetworkInterface;

use super::fanout::{Member, open_one};
use super::filter::{Filter, SNAP};
use super::socket::{CaptureSocket, filters, select};
use super::{Capture, CaptureConfig, CaptureError, CaptureStatistics, Stamped, TURN};
use crate::SysError;
use crate::syscall::ring::{Frame, FrameRing};
use crate::syscall::socket;

/// Capture through rings of frames, one for each socket; no system call for a packet that fits into a frame.
pub struct RingCapture {
    sources: Vec<Source>,
    /// The last packet that did not fit into a frame.
    large: Vec<u8>,
    current: usize,
    taken: u32,
}

impl RingCapture {
    /// Opens one socket for each version of IP and each interface, with an equal part of [`CaptureConfig::ring`] each.
    ///
    /// Needs `CAP_NET_RAW`; the receive buffer is as large as asked for only with `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// Interfaces that do not exist, rules that do not fit, a missing privilege, a kernel without rings.
    pub fn open(config: &CaptureConfig) -> Result<Self, CaptureError> {
        open_one(config)
    }
}

impl Member for RingCapture {
    fn prepare(config: &CaptureConfig) -> Result<Self, CaptureError> {
        let interfaces = select(&config.interfaces)?;
        let filters = filters(config)?;
        let octets = config.ring / (interfaces.len() * filters.len()).max(1);
        let mut sources = Vec::new();
        for (protocol, filter) in filters {
            for interface in &interfaces {
                sources.push(Source::open(interface, protocol, &filter, octets, config)?);
            }
        }
        if sources.is_empty() {
            return Err(CaptureError::NothingToCapture);
        }
        Ok(Self { sources, large: vec![0; SNAP as usize], current: 0, taken: 0 })
    }

    fn sockets(&self) -> Vec<&CaptureSocket> {
        self.sources.iter().map(|source| &source.socket).collect()
    }
}

impl std::fmt::Debug for RingCapture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let frames: Vec<_> = self.sources.iter().map(|source| source.ring.frames()).collect();
        formatter
            .debug_struct("RingCapture")
            .field("raw_fds", &self.raw_fds())
            .field("frames", &frames)
            .finish_non_exhaustive()
    }
}

impl Capture for RingCapture {
    fn raw_fds(&self) -> Vec<RawFd> {
        self.sources.iter().map(|source| source.socket.as_raw_fd()).collect()
    }

    fn next_packet(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.next_stamped()?.map(|packet| packet.octets))
    }

    fn next_stamped(&mut self) -> io::Result<Option<Stamped<'_>>> {
        let count = self.sources.len();
        if self.taken >= TURN {
            (self.current, self.taken) = ((self.current + 1) % count, 0);
        }
        for _ in 0..count {
            if let Some(place) = self.sources[self.current].advance(&mut self.large)? {
                self.taken += 1;
                let source = &self.sources[self.current];
                let octets = match place {
                    Place::Frame => source.packet(),
                    Place::Large(length) => self.large.get(..length),
                };
                return Ok(octets.map(|octets| Stamped { octets, stamp: source.stamp }));
            }
            (self.current, self.taken) = ((self.current + 1) % count, 0);
        }
        Ok(None)
    }

    fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        let mut total = CaptureStatistics::default();
        for source in &mut self.sources {
            let counted = source.socket.statistics()?;
            total.packets += counted.packets;
            total.dropped += counted.dropped + source.cut;
        }
        Ok(total)
    }
}

/// Where the next packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the next frame of the ring.
    Frame,
    /// Among the large ones, with this length.
    Large(usize),
}

/// One socket and its ring.
struct Source {
    ring: FrameRing,
    socket: CaptureSocket,
    /// Whether the next frame was shown to the caller, who is done with it at the next call.
    shown: bool,
    /// Whether nothing came since the source was empty.
    silent: bool,
    /// When the kernel got the packet that was found last.
    stamp: Option<SystemTime>,
    /// Packets of which the kernel kept only a part: too large for a frame, and the receive buffer was full.
    cut: u64,
}

impl Source {
    fn open(
        interface: &NetworkInterface,
        protocol: u16,
        filter: &Filter,
        ring: usize,
        config: &CaptureConfig,
    ) -> Result<Self, SysError> {
        let socket = CaptureSocket::open(interface, protocol, filter.clone(), config)?;
        let ring =
            FrameRing::open(socket.as_fd(), ring).map_err(|cause| socket.failed("make a ring for", cause))?;
        socket::bind_packet(socket.as_fd(), protocol, interface.index)
            .map_err(|cause| socket.failed("bind", cause))?;
        Ok(Self { ring, socket, shown: false, silent: true, stamp: None, cut: 0 })
    }

    /// Finds the next packet. What is too large for a frame goes to `large`.
    fn advance(&mut self, large: &mut [u8]) -> io::Result<Option<Place>> {
        if std::mem::take(&mut self.shown) {
            self.ring.give_back();
        }
        while let Some(frame) = self.ring.frame() {
            self.silent = false;
            self.stamp = Some(frame.stamp());
            if frame.is_in_receive_buffer() {
                // An error here is one that waited on the socket; the frame stays the next.
                let received = match socket::receive(self.socket.as_fd(), large) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    received => received.ok().filter(|length| *length <= large.len()),
                };
                self.ring.give_back();
                match received {
                    Some(length) => return Ok(Some(Place::Large(length))),
                    None => self.cut += 1,
                }
            } else if frame.packet().is_some() {
                self.shown = true;
                return Ok(Some(Place::Frame));
            } else {
                self.ring.give_back();
                self.cut += 1;
            }
        }
        // Who was woken and finds nothing was woken by an error.
        if std::mem::replace(&mut self.silent, true) {
            return self.socket.pending_error().map_or(Ok(None), Err);
        }
        Ok(None)
    }

    fn packet(&self) -> Option<&[u8]> {
        self.ring.frame().and_then(Frame::packet)
    }
}

#[cfg(test)]
mod tests;
