//! The portable backend: pnet's datalink channel, over packet sockets that we prepare.
//!
//! pnet's own socket has no filter, the default buffers and takes every protocol; and it binds any descriptor that it
//! is given to `ETH_P_ALL`, unless the channel is `Layer3(protocol)`. So: our socket has protocol 0 and sees nothing;
//! it gets its filter and its buffer; pnet binds it to one protocol and reads. A socket of one protocol gets each
//! incoming packet once and no outgoing one (packet(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use pnet::datalink::{self, Channel, ChannelType, Config, DataLinkReceiver, NetworkInterface};

use super::fanout::{Member, open_one};
use super::filter::Filter;
use super::socket::{CaptureSocket, filters, select};
use super::{Capture, CaptureConfig, CaptureError, CaptureStatistics, Stamped, TURN};
use crate::SysError;
use crate::syscall::socket;

/// Holds the largest packet that the filter lets through, BIG TCP included.
const READ_BUFFER: usize = super::filter::SNAP as usize;

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
        open_one(config)
    }

    /// What is made of the next packet and the socket that it came from.
    fn next<'a, T>(&'a mut self, make: impl Fn(&'a [u8], &CaptureSocket) -> T) -> io::Result<Option<T>> {
        let count = self.sources.len();
        if self.taken >= TURN {
            (self.current, self.taken) = ((self.current + 1) % count, 0);
        }
        let (before, from_current) = self.sources.split_at_mut(self.current);
        for source in from_current.iter_mut().chain(before) {
            match source.receiver.next() {
                Ok(packet) => {
                    self.taken += 1;
                    return Ok(Some(make(packet, &source.socket)));
                }
                Err(error) if is_drained(&error) => {
                    (self.current, self.taken) = ((self.current + 1) % count, 0);
                }
                Err(error) => return Err(source.socket.pending_error().unwrap_or(error)),
            }
        }
        Ok(None)
    }
}

impl Member for PnetCapture {
    fn prepare(config: &CaptureConfig) -> Result<Self, CaptureError> {
        let interfaces = select(&config.interfaces)?;
        let mut sources = Vec::new();
        for (protocol, filter) in filters(config)? {
            for interface in &interfaces {
                sources.push(Source::open(interface, protocol, &filter, config)?);
            }
        }
        if sources.is_empty() {
            return Err(CaptureError::NothingToCapture);
        }
        Ok(Self { sources, current: 0, taken: 0 })
    }

    fn sockets(&self) -> Vec<&CaptureSocket> {
        self.sources.iter().map(|source| &source.socket).collect()
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
        self.next(|octets, _| octets)
    }

    fn next_stamped(&mut self) -> io::Result<Option<Stamped<'_>>> {
        self.next(|octets, socket| Stamped { octets, stamp: socket::received_at(socket.as_fd()).ok() })
    }

    fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        let mut total = CaptureStatistics::default();
        for source in &mut self.sources {
            let counted = source.socket.statistics()?;
            total.packets += counted.packets;
            total.dropped += counted.dropped;
        }
        Ok(total)
    }
}

/// One socket. pnet owns the descriptor that it reads, which is a duplicate of ours.
struct Source {
    socket: CaptureSocket,
    receiver: Box<dyn DataLinkReceiver>,
}

impl Source {
    fn open(
        interface: &NetworkInterface,
        protocol: u16,
        filter: &Filter,
        config: &CaptureConfig,
    ) -> Result<Self, SysError> {
        let socket = CaptureSocket::open(interface, protocol, filter.clone(), config)?;
        let duplicate =
            socket.as_fd().try_clone_to_owned().map_err(|cause| socket.failed("duplicate", cause))?;
        let config = Config {
            channel_type: ChannelType::Layer3(protocol),
            read_buffer_size: READ_BUFFER,
            write_buffer_size: 0,
            read_timeout: Some(Duration::ZERO),
            promiscuous: false,
            socket_fd: Some(duplicate.into_raw_fd()),
            ..Config::default()
        };
        match datalink::channel(interface, config) {
            Ok(Channel::Ethernet(_, receiver)) => Ok(Self { socket, receiver }),
            Ok(_) => Err(socket.failed("bind", io::ErrorKind::Unsupported.into())),
            Err(cause) => Err(socket.failed("bind", cause)),
        }
    }
}

/// pnet says `TimedOut` when its poll(2) found nothing, which a signal turns into `Interrupted`: never while a packet
/// waits. Another reader after a readiness that was false gets `WouldBlock`.
fn is_drained(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
