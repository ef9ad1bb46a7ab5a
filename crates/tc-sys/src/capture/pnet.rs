//! The portable backend: pnet's datalink channel, over packet sockets that we prepare.
//!
//! pnet's own socket has no filter, the default buffers and takes every protocol; and it binds any descriptor that it
//! is given to `ETH_P_ALL`, unless the channel is `Layer3(protocol)`. So: our socket has protocol 0 and sees nothing;
//! it gets its filter and its buffer; pnet binds it to one protocol and reads. A socket of one protocol gets each
//! incoming packet once and no outgoing one (packet(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use pnet::datalink::{self, Channel, ChannelType, Config, DataLinkReceiver, NetworkInterface};

use super::filter::Filter;
use super::{Capture, CaptureConfig, CaptureError, CaptureStatistics};
use crate::SysError;
use crate::syscall::{options, socket};

/// Holds the largest packet that the filter lets through, BIG TCP included.
const READ_BUFFER: usize = super::filter::SNAP as usize;

/// After so many packets of one source the others get their turn.
const TURN: u32 = 64;

/// Capture through pnet's datalink channel, one system call for waiting and one for reading each packet.
pub struct PnetCapture {
    sources: Vec<Source>,
    current: usize,
    taken: u32,
}

impl PnetCapture {
    /// Opens one socket for each version of IP and each interface, all non-blocking.
    ///
    /// Needs `CAP_NET_RAW`; the receive buffer is as large as asked for only with `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// Interfaces that do not exist, rules that do not fit, a missing privilege.
    pub fn open(config: &CaptureConfig) -> Result<Self, CaptureError> {
        let interfaces = select(&config.interfaces)?;
        let mut sources = Vec::new();
        for (protocol, filter) in filters(config)? {
            for interface in &interfaces {
                sources.push(Source::open(interface, protocol, &filter, config.receive_buffer)?);
            }
        }
        if sources.is_empty() {
            return Err(CaptureError::NothingToCapture);
        }
        Ok(Self { sources, current: 0, taken: 0 })
    }
}

impl std::fmt::Debug for PnetCapture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PnetCapture").field("raw_fds", &self.raw_fds()).finish_non_exhaustive()
    }
}

impl Capture for PnetCapture {
    fn raw_fds(&self) -> Vec<RawFd> {
        self.sources.iter().map(|source| source.socket.as_raw_fd()).collect()
    }

    fn next_packet(&mut self) -> io::Result<Option<&[u8]>> {
        let count = self.sources.len();
        if self.taken >= TURN {
            (self.current, self.taken) = ((self.current + 1) % count, 0);
        }
        let (before, from_current) = self.sources.split_at_mut(self.current);
        for source in from_current.iter_mut().chain(before) {
            match source.receiver.next() {
                Ok(packet) => {
                    self.taken += 1;
                    return Ok(Some(packet));
                }
                Err(error) if is_drained(&error) => {
                    (self.current, self.taken) = ((self.current + 1) % count, 0);
                }
                Err(error) => return Err(pending_error(&source.socket).unwrap_or(error)),
            }
        }
        Ok(None)
    }

    fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        let mut total = CaptureStatistics::default();
        for source in &mut self.sources {
            // The kernel starts again from zero at each reading.
            let (packets, dropped) = options::packet_statistics(source.socket.as_fd())?;
            source.counted.packets += u64::from(packets);
            source.counted.dropped += u64::from(dropped);
            total.packets += source.counted.packets;
            total.dropped += source.counted.dropped;
        }
        Ok(total)
    }
}

/// One socket. pnet owns the descriptor that it reads; ours is a duplicate of it.
struct Source {
    socket: OwnedFd,
    receiver: Box<dyn DataLinkReceiver>,
    counted: CaptureStatistics,
}

impl Source {
    fn open(
        interface: &NetworkInterface,
        protocol: u16,
        filter: &Filter,
        buffer: usize,
    ) -> Result<Self, SysError> {
        let failed = |operation, cause| {
            let name = if interface.index == 0 { "all interfaces" } else { &interface.name };
            SysError::new(operation, format!("the capture socket on {name}"), cause).with_privilege_hint()
        };
        let prepared =
            socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0).map_err(|cause| failed("open", cause))?;
        options::attach_filter(prepared.as_fd(), filter.instructions())
            .map_err(|cause| filter_refused(failed("filter", cause)))?;
        options::set_receive_buffer(prepared.as_fd(), buffer).map_err(|cause| failed("size", cause))?;
        let socket = prepared.try_clone().map_err(|cause| failed("duplicate", cause))?;
        let config = Config {
            channel_type: ChannelType::Layer3(protocol),
            read_buffer_size: READ_BUFFER,
            write_buffer_size: 0,
            read_timeout: Some(Duration::ZERO),
            promiscuous: false,
            socket_fd: Some(prepared.into_raw_fd()),
            ..Config::default()
        };
        match datalink::channel(interface, config) {
            Ok(Channel::Ethernet(_, receiver)) => {
                Ok(Self { socket, receiver, counted: CaptureStatistics::default() })
            }
            Ok(_) => Err(failed("bind", io::ErrorKind::Unsupported.into())),
            Err(cause) => Err(failed("bind", cause)),
        }
    }
}

fn filter_refused(error: SysError) -> SysError {
    if error.cause.raw_os_error() == Some(libc::ENOMEM) {
        return error.with_hint("name fewer addresses, or raise it: sysctl net.core.optmem_max=131072");
    }
    error
}

fn filters(config: &CaptureConfig) -> Result<Vec<(u16, Filter)>, CaptureError> {
    let mut filters = Vec::new();
    if config.families.has_ipv4() {
        let filter = Filter::ipv4(&config.rules, &config.exclude)?;
        filters.extend(filter.map(|filter| (ETH_P_IP, filter)));
    }
    if config.families.has_ipv6() {
        let filter = Filter::ipv6(&config.rules, &config.exclude)?;
        filters.extend(filter.map(|filter| (ETH_P_IPV6, filter)));
    }
    Ok(filters)
}

/// `linux/if_ether.h`
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// The interfaces of these names, each once; for no names the interface of index 0, which means all.
fn select(names: &[String]) -> Result<Vec<NetworkInterface>, CaptureError> {
    if names.is_empty() {
        return Ok(vec![NetworkInterface {
            name: String::new(),
            description: String::new(),
            index: 0,
            mac: None,
            ips: Vec::new(),
            flags: 0,
        }]);
    }
    let existing = datalink::interfaces();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !existing.iter().any(|interface| interface.name == **name))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(existing.into_iter().filter(|interface| names.contains(&interface.name)).collect());
    }
    let existing = existing.into_iter().map(|interface| interface.name).collect();
    Err(CaptureError::NoSuchInterface { missing, existing })
}

/// pnet says `TimedOut` when its poll(2) found nothing, which a signal turns into `Interrupted`: never while a packet
/// waits. Another reader after a readiness that was false gets `WouldBlock`.
fn is_drained(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Takes the error that waits on a socket. pnet only says "Unexpected poll event" and leaves it there for ever.
fn pending_error(socket: &OwnedFd) -> Option<io::Error> {
    match options::integer(socket.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR) {
        Ok(0) | Err(_) => None,
        Ok(errno) => Some(io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(test)]
mod tests;
