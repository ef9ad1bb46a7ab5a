//! Sockets and descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A new close-on-exec, non-blocking socket (socket(2)).
pub(crate) fn open(domain: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: three integers.
    let fd = syscall!(socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol))?;
    // SAFETY: the kernel just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds a packet socket to one protocol (`linux/if_ether.h`) and one interface, or to all for index 0 (packet(7)).
pub(crate) fn bind_packet(fd: BorrowedFd<'_>, protocol: u16, interface: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    // SAFETY: an address of integers, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = super::transmit::family(libc::AF_PACKET);
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = libc::c_int::try_from(interface).map_err(invalid)?;
    let length = super::options::length_of::<libc::sockaddr_ll>();
    // SAFETY: an address of `length` octets, which is only read.
    syscall!(bind(fd.as_raw_fd(), (&raw const address).cast(), length)).map(drop)
}

/// The next datagram, or the start of one that is larger than `buffer`, if one waits; its true length (recv(2)).
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the kernel writes at most `buffer.len()` octets.
    let length = syscall!(recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags))?;
    Ok(usize::try_from(length).unwrap_or(0))
}

/// When the kernel got what was received last (`SIOCGSTAMPNS`, socket(7)). It keeps stamps from the first question on.
///
/// # Errors
///
/// `ENOENT` when nothing was received since then.
pub(crate) fn received_at(fd: BorrowedFd<'_>) -> io::Result<SystemTime> {
    // `SIOCGSTAMPNS_NEW` of linux/sockios.h, which libc does not have: seconds and nanoseconds in 64 bits each.
    const SIOCGSTAMPNS: libc::Ioctl = 0x8010_8907u32 as libc::Ioctl;
    let mut stamp = [0_i64; 2];
    // SAFETY: the kernel writes 16 octets, the size of `stamp`.
    syscall!(ioctl(fd.as_raw_fd(), SIOCGSTAMPNS, stamp.as_mut_ptr()))?;
    let [seconds, nanoseconds] = stamp.map(|number| u64::try_from(number).unwrap_or(0));
    Ok(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds))
}

/// A second, close-on-exec descriptor of what `fd` names.
///
/// # Errors
///
/// `EBADF` when `fd` is not open.
pub(crate) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: integers; the kernel checks the descriptor.
    let copy = syscall!(fcntl(fd, libc::F_DUPFD_CLOEXEC, 0))?;
    // SAFETY: as in `open`.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Marks `fd` close-on-exec.
pub(crate) fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: integers; the kernel checks the descriptor.
    syscall!(fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC)).map(drop)
}

/// Waits until `fd` can be written to, at most for `timeout` (poll(2)); whether it can.
pub(crate) fn wait_writable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    wait(fd, libc::POLLOUT, timeout)
}

fn wait(fd: BorrowedFd<'_>, events: libc::c_short, timeout: Duration) -> io::Result<bool> {
    let milliseconds = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one valid entry that outlives the call.
    Ok(syscall!(poll(&raw mut entry, 1, milliseconds))? > 0)
}

/// Gives a netlink socket a port of its own (bind(2), netlink(7)).
pub(crate) fn bind_netlink(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an address of integers, for which zero is a value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = super::transmit::family(libc::AF_NETLINK);
    let length = super::options::length_of::<libc::sockaddr_nl>();
    // SAFETY: an address of `length` octets, which is only read.
    syscall!(bind(fd.as_raw_fd(), (&raw const address).cast(), length)).map(drop)
}

/// The port that the kernel gave to a bound netlink socket (getsockname(2)).
pub(crate) fn netlink_port(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: an address of integers, for which zero is a value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    let mut length = super::options::length_of::<libc::sockaddr_nl>();
    // SAFETY: `address` has `length` octets to write to.
    syscall!(getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut length))?;
    Ok(address.nl_pid)
}

/// As [`wait_writable`] for reading.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    wait(fd, libc::POLLIN, timeout)
}
