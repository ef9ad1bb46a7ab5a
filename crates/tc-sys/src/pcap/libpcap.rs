//! The real thing: libpcap through the crate `pcap`.

use std::os::fd::{AsRawFd, RawFd};

use ::pcap::{Active, Capture, Device, Direction, Error, Linktype};

use super::{DeviceConfig, DeviceStatistics, Frame, LinkType, PcapError};
use crate::capture::filter::{Filter, Instruction};

/// Compiles an expression in the syntax of pcap-filter(7) to a classic BPF program for frames of a link type. An
/// empty expression takes everything.
///
/// Names of hosts are looked up, which may take as long as a name server takes.
///
/// # Errors
///
/// [`PcapError::Expression`] with what libpcap says of it.
pub fn compile(expression: &str, link: LinkType) -> Result<Filter, PcapError> {
    let refused =
        |error: Error| PcapError::Expression { expression: expression.to_owned(), reason: reason(&error) };
    let compiler = Capture::dead(Linktype(link.0)).map_err(refused)?;
    let program = compiler.compile(expression, true).map_err(refused)?;
    let instructions: Option<_> = program.get_instructions().iter().map(instruction).collect();
    Ok(Filter::of_instructions(instructions.ok_or_else(|| refused(Error::InvalidString))?))
}

/// The crate shows an instruction's fields in no other way than printed: code, jt, jf, k.
fn instruction(printed: &::pcap::BpfInstruction) -> Option<Instruction> {
    let text = printed.to_string();
    let mut fields = text.split(' ');
    Some(Instruction {
        code: fields.next()?.parse().ok()?,
        jt: fields.next()?.parse().ok()?,
        jf: fields.next()?.parse().ok()?,
        k: fields.next()?.parse().ok()?,
    })
}

/// A capture of what comes in on a device, from its link-layer header on. Non-blocking.
pub struct DeviceCapture {
    capture: Capture<Active>,
    device: String,
    link: LinkType,
    total: Total,
}

impl std::fmt::Debug for DeviceCapture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DeviceCapture")
            .field("device", &self.device)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl DeviceCapture {
    /// Opens a device with a filter in the kernel.
    ///
    /// Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// [`PcapError::Device`] and [`PcapError::Expression`].
    pub fn open(config: &DeviceConfig) -> Result<Self, PcapError> {
        let mut capture = Self::open_device(config).map_err(|error| PcapError::Device {
            device: config.device.clone(),
            reason: reason(&error),
            devices: devices(),
        })?;
        let link = LinkType(capture.get_datalink().0);
        // Compiled first for the error; libpcap then does it again for the device.
        compile(&config.filter, link)?;
        capture.filter(&config.filter, true).map_err(|error| PcapError::Expression {
            expression: config.filter.clone(),
            reason: reason(&error),
        })?;
        Ok(Self { capture, device: config.device.clone(), link, total: Total::default() })
    }

    fn open_device(config: &DeviceConfig) -> Result<Capture<Active>, Error> {
        let int = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        let capture = Capture::from_device(config.device.as_str())?
            .snaplen(i32::try_from(config.snap).unwrap_or(i32::MAX))
            .buffer_size(int(config.buffer))
            .promisc(false)
            .immediate_mode(true)
            .open()?
            .setnonblock()?;
        capture.direction(Direction::In)?;
        Ok(capture)
    }

    /// What each frame starts with.
    #[must_use]
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// The next frame; `None` when none waits.
    ///
    /// # Errors
    ///
    /// [`PcapError::Read`], for one when the device went away. The capture stays usable; go on calling.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, PcapError> {
        match self.capture.next_packet() {
            Ok(packet) => Ok(Some(Frame { octets: packet.data, length: packet.header.len as usize })),
            Err(Error::TimeoutExpired | Error::NoMorePackets) => Ok(None),
            Err(error) => Err(PcapError::Read { device: self.device.clone(), reason: reason(&error) }),
        }
    }

    /// What was counted since the capture was opened.
    ///
    /// # Errors
    ///
    /// [`PcapError::Read`].
    pub fn statistics(&mut self) -> Result<DeviceStatistics, PcapError> {
        let stat = self
            .capture
            .stats()
            .map_err(|error| PcapError::Read { device: self.device.clone(), reason: reason(&error) })?;
        Ok(self.total.with(stat.received, stat.dropped))
    }
}

impl AsRawFd for DeviceCapture {
    fn as_raw_fd(&self) -> RawFd {
        self.capture.as_raw_fd()
    }
}

/// libpcap counts in 32 bits, which run over.
#[derive(Debug, Default)]
struct Total {
    received: u32,
    dropped: u32,
    sum: DeviceStatistics,
}

impl Total {
    fn with(&mut self, received: u32, dropped: u32) -> DeviceStatistics {
        self.sum.received += u64::from(received.wrapping_sub(self.received));
        self.sum.dropped += u64::from(dropped.wrapping_sub(self.dropped));
        (self.received, self.dropped) = (received, dropped);
        self.sum
    }
}

fn devices() -> Vec<String> {
    Device::list().unwrap_or_default().into_iter().map(|device| device.name).collect()
}

/// libpcap's own words, without the crate's around them.
fn reason(error: &Error) -> String {
    let text = if let Error::PcapError(text) = error { text.clone() } else { error.to_string() };
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_on_where_32_bits_end() {
        let mut total = Total::default();
        assert_eq!(total.with(u32::MAX, 0), DeviceStatistics { received: u64::from(u32::MAX), dropped: 0 });
        assert_eq!(total.with(4, 1), DeviceStatistics { received: u64::from(u32::MAX) + 5, dropped: 1 });
    }
}
