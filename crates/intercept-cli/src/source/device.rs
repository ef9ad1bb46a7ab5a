//! Devices of an assistant host, to which the target host routes its answers: captured at the link layer. The answers
//! end here because this host does not forward; nobody waits for a verdict.

use super::{Served, Source};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;
use tc_core::relay::Relay;
use tc_proto::link::{Frame, LinkType};
use tc_sys::pcap::{DeviceCapture, DeviceConfig, PcapError};
use tc_sys::program::Figure;

/// Frames that are taken from one device before the others have their turn.
const MAX_FRAMES: usize = 512;

/// Octets before the IP header, at most: of Ethernet with two VLAN tags, or of the device "any".
const LINK_HEADERS: u32 = 22;

/// All devices.
#[derive(Debug)]
pub(crate) struct DeviceSource {
    devices: Vec<Device>,
    /// Octets of each frame that are captured.
    snap: u32,
    /// Frames that came.
    captured: u64,
    /// Those without an IP packet.
    foreign: u64,
    /// Frames that the kernel had lost at the report before.
    lost: u64,
}

#[derive(Debug)]
struct Device {
    capture: DeviceCapture,
    link: LinkType,
}

impl DeviceSource {
    /// Opens all devices.
    pub(crate) fn open(configs: &[DeviceConfig]) -> Result<Self, PcapError> {
        let devices = configs.iter().map(Device::open).collect::<Result<_, _>>()?;
        let snap = configs.iter().map(|config| config.snap).min().unwrap_or(0);
        Ok(Self { devices, snap, captured: 0, foreign: 0, lost: 0 })
    }

    /// Frames that the kernel could not hand over.
    fn dropped(&mut self) -> Result<u64, PcapError> {
        self.devices.iter_mut().map(|device| Ok(device.capture.statistics()?.dropped)).sum()
    }
}

impl Device {
    fn open(config: &DeviceConfig) -> Result<Self, PcapError> {
        let capture = DeviceCapture::open(config)?;
        let number = capture.link().0;
        let link = u32::try_from(number).ok().and_then(LinkType::from_number);
        let link = link.ok_or_else(|| PcapError::Device {
            device: config.device.clone(),
            reason: format!("its frames are of link type {number}, which is not supported"),
            devices: Vec::new(),
        })?;
        Ok(Self { capture, link })
    }

    /// Passes what waits to the relay; how many frames those were, and how many of them were not IP.
    fn serve(&mut self, seen: Instant, relay: &mut Relay) -> Result<(usize, u64), PcapError> {
        let mut foreign = 0;
        for taken in 0..MAX_FRAMES {
            let Some(frame) = self.capture.next_frame()? else { return Ok((taken, foreign)) };
            match Frame::parse(self.link, frame.octets) {
                Ok(found) => {
                    let before = frame.octets.len() - found.packet.len();
                    relay.handle_response(seen, found.packet, frame.length.saturating_sub(before));
                }
                Err(_) => foreign += 1,
            }
        }
        Ok((MAX_FRAMES, foreign))
    }
}

impl Source for DeviceSource {
    fn raw_fds(&self) -> Vec<RawFd> {
        self.devices.iter().map(|device| device.capture.as_raw_fd()).collect()
    }

    fn serve(&mut self, seen: Instant, relay: &mut Relay) -> Served {
        let (mut total, mut more, mut failure) = (0, false, None);
        for device in &mut self.devices {
            match device.serve(seen, relay) {
                Ok((taken, foreign)) => {
                    total += taken;
                    more |= taken == MAX_FRAMES;
                    self.foreign += foreign;
                }
                Err(error) => failure = Some(error),
            }
        }
        self.captured += total as u64;
        if let Some(error) = failure {
            return Served::Failed("capture", io::Error::other(error.to_string()));
        }
        if more { Served::More(total) } else { Served::Drained(total) }
    }

    /// What is captured was decided when the devices were opened, by a program that had the privilege.
    fn give(&mut self, octets: u16) -> io::Result<()> {
        let wanted = u32::from(octets) + LINK_HEADERS;
        if wanted <= self.snap {
            return Ok(());
        }
        let snap = self.snap;
        Err(io::Error::other(format!(
            "{snap} octets of each frame are captured; start intercept with --snap {wanted}"
        )))
    }

    fn warnings(&mut self) -> Vec<String> {
        let dropped = match self.dropped() {
            Ok(dropped) => dropped,
            Err(error) => return vec![error.to_string()],
        };
        let more = dropped.saturating_sub(std::mem::replace(&mut self.lost, dropped));
        (more > 0).then(|| format!("the devices lost {more} answers, {dropped} in all")).into_iter().collect()
    }

    fn figures(&mut self) -> Vec<Figure> {
        let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
        let lost = |value| {
            count("intercept_device_lost_total", "Frames that the kernel lost.", "kernel dropped", value)
        };
        let mut figures = vec![count(
            "intercept_device_captured_total",
            "Frames that the devices gave.",
            "captured",
            self.captured,
        )];
        figures.extend(self.dropped().ok().map(lost));
        figures.push(count(
            "intercept_device_foreign_total",
            "Frames without an IP packet.",
            "not IP",
            self.foreign,
        ));
        figures
    }
}
