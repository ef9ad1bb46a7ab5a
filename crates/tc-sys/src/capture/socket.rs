//! What all backends share: which sockets there are, and how one is made before it is bound.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use pnet::datalink::{self, NetworkInterface};

use tc_proto::Transport;

use super::filter::Filter;
use super::{Accept, CaptureConfig, CaptureError, CaptureStatistics, Promiscuity};
use crate::SysError;
use crate::pcap::{self, LinkType};
use crate::syscall::{options, socket};

/// `linux/if_ether.h`
pub(super) const ETH_P_IP: u16 = 0x0800;
pub(super) const ETH_P_IPV6: u16 = 0x86dd;

/// One packet socket, and what is to be captured from it. It takes nothing until [`listen`](Self::listen).
pub(super) struct CaptureSocket {
    descriptor: OwnedFd,
    object: String,
    pub(super) protocol: u16,
    filter: Filter,
    counted: CaptureStatistics,
}

impl CaptureSocket {
    /// A socket of protocol 0, which sees nothing until it is bound, with a filter that takes nothing, and its receive
    /// buffer.
    pub(super) fn open(
        interface: &NetworkInterface,
        protocol: u16,
        filter: Filter,
        config: &CaptureConfig,
    ) -> Result<Self, SysError> {
        let name = if interface.index == 0 { "all interfaces" } else { &interface.name };
        let object = format!("the capture socket on {name}");
        let failed = |operation, cause| SysError::new(operation, &object, cause).with_privilege_hint();
        let descriptor =
            socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0).map_err(|cause| failed("open", cause))?;
        options::attach_filter(descriptor.as_fd(), Filter::nothing().instructions())
            .map_err(|cause| failed("filter", cause))?;
        options::set_receive_buffer(descriptor.as_fd(), config.receive_buffer)
            .map_err(|cause| failed("size", cause))?;
        if config.promiscuity == Promiscuity::Promiscuous && interface.index != 0 {
            options::make_promiscuous(descriptor.as_fd(), interface.index)
                .map_err(|cause| failed("make promiscuous", cause))?;
        }
        Ok(Self { descriptor, object, protocol, filter, counted: CaptureStatistics::default() })
    }

    /// Lets packets in.
    pub(super) fn listen(&self) -> Result<(), SysError> {
        options::attach_filter(self.as_fd(), self.filter.instructions())
            .map_err(|cause| filter_refused(self.failed("filter", cause)))
    }

    /// What the kernel counted since the socket was opened.
    pub(super) fn statistics(&mut self) -> io::Result<CaptureStatistics> {
        // The kernel starts again from zero at each reading.
        let (packets, dropped) = options::packet_statistics(self.as_fd())?;
        self.counted.packets += u64::from(packets);
        self.counted.dropped += u64::from(dropped);
        Ok(self.counted)
    }

    /// Takes the error that waits on the socket, such as `ENETDOWN`.
    pub(super) fn pending_error(&self) -> Option<io::Error> {
        match options::integer(self.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR) {
            Ok(0) | Err(_) => None,
            Ok(errno) => Some(io::Error::from_raw_os_error(errno)),
        }
    }

    /// The error of an operation on the socket.
    pub(super) fn failed(&self, operation: &'static str, cause: io::Error) -> SysError {
        SysError::new(operation, &self.object, cause).with_privilege_hint()
    }
}

impl AsFd for CaptureSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for CaptureSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

fn filter_refused(error: SysError) -> SysError {
    if error.cause.raw_os_error() == Some(libc::ENOMEM) {
        return error.with_hint("name fewer addresses, or raise it: sysctl net.core.optmem_max=131072");
    }
    error
}

/// The protocols to bind to, each with its filter.
pub(super) fn filters(config: &CaptureConfig) -> Result<Vec<(u16, Filter)>, CaptureError> {
    let mut filters = Vec::new();
    for transport in Transport::ALL {
        if config.families.has_ipv4() {
            let filter = Filter::ipv4(transport, &config.rules, &config.exclude)?;
            filters.extend(filter.map(|filter| (ETH_P_IP, filter.accepting(config.accept))));
        }
        if config.families.has_ipv6() {
            let filter = Filter::ipv6(transport, &config.rules, &config.exclude)?;
            filters.extend(filter.map(|filter| (ETH_P_IPV6, filter.accepting(config.accept))));
        }
    }
    if config.accept == Accept::AnyHost && config.families.has_ipv4() {
        filters.push((ETH_P_IP, Filter::encapsulated()));
    }
    let expression = config.expression.as_deref();
    let expression = expression.map(|text| pcap::compile(text, LinkType::RAW_IP)).transpose()?;
    for (_, filter) in &mut filters {
        let whole = std::mem::replace(filter, Filter::nothing());
        let whole = match &expression {
            Some(expression) => whole.and(expression),
            None => whole,
        };
        *filter = whole.cut_to(config.snap);
    }
    Ok(filters)
}

/// The interfaces of these names, each once; for no names the interface of index 0, which means all.
pub(super) fn select(names: &[String]) -> Result<Vec<NetworkInterface>, CaptureError> {
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
