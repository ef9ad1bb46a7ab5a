//! What all backends share: which sockets there are, and how one is made before it is bound.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use pnet::datalink::{self, NetworkInterface};

use super::filter::Filter;
use super::{CaptureConfig, CaptureError};
use crate::SysError;
use crate::syscall::{options, socket};

/// `linux/if_ether.h`
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// A packet socket of protocol 0, which sees nothing until it is bound, with its filter and its receive buffer.
pub(super) fn prepare(
    interface: &NetworkInterface,
    filter: &Filter,
    buffer: usize,
) -> Result<OwnedFd, SysError> {
    let failed = |operation, cause| failed(interface, operation, cause);
    let prepared = socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0).map_err(|cause| failed("open", cause))?;
    options::attach_filter(prepared.as_fd(), filter.instructions())
        .map_err(|cause| filter_refused(failed("filter", cause)))?;
    options::set_receive_buffer(prepared.as_fd(), buffer).map_err(|cause| failed("size", cause))?;
    Ok(prepared)
}

/// The error of an operation on the socket of an interface.
pub(super) fn failed(interface: &NetworkInterface, operation: &'static str, cause: io::Error) -> SysError {
    let name = if interface.index == 0 { "all interfaces" } else { &interface.name };
    SysError::new(operation, format!("the capture socket on {name}"), cause).with_privilege_hint()
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

/// Takes the error that waits on a socket, such as `ENETDOWN`.
pub(super) fn pending_error(socket: &OwnedFd) -> Option<io::Error> {
    match options::integer(socket.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR) {
        Ok(0) | Err(_) => None,
        Ok(errno) => Some(io::Error::from_raw_os_error(errno)),
    }
}
