//! Captures of mirrored traffic, which may come inside other packets.

use std::io;
use std::os::fd::RawFd;

use tc_proto::link::{Frame, LinkType};

use super::{Capture, CaptureStatistics};

/// A capture whose packets are taken out of what carries them (VXLAN, GRE, IP in IP).
pub(super) struct Unwrapped(pub(super) Box<dyn Capture>);

impl Capture for Unwrapped {
    fn raw_fds(&self) -> Vec<RawFd> {
        self.0.raw_fds()
    }

    fn next_packet(&mut self) -> io::Result<Option<&[u8]>> {
        let packet = self.0.next_packet()?;
        // What cannot be unwrapped is left to whoever counts what is malformed.
        Ok(packet.map(|octets| Frame::parse(LinkType::RawIp, octets).map_or(octets, |frame| frame.packet)))
    }

    fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        self.0.statistics()
    }
}
