//! Socket options.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `linux/if_packet.h`: what is sent begins with a `struct virtio_net_hdr`.
pub(crate) const PACKET_VNET_HDR: libc::c_int = 15;

pub(crate) fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// Sets an option that is an integer (setsockopt(2)).
pub(crate) fn set(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one `c_int` from a live one.
    syscall!(setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length_of::<libc::c_int>()))
        .map(drop)
}

/// Reads an option that is an integer (getsockopt(2)).
pub(crate) fn integer(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = length_of::<libc::c_int>();
    // SAFETY: the kernel writes at most `length` octets, the size of `value`.
    syscall!(getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length))?;
    Ok(value)
}

/// Asks for a receive buffer of `octets`: `SO_RCVBUFFORCE`, and without `CAP_NET_ADMIN` `SO_RCVBUF`, which the kernel
/// cuts to `net.core.rmem_max`. Returns what it became (the kernel doubles it for its own needs; that is undone here).
pub(crate) fn set_receive_buffer(fd: BorrowedFd<'_>, octets: usize) -> io::Result<usize> {
    set_buffer(fd, octets, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)
}

/// As [`set_receive_buffer`] for sending: `SO_SNDBUFFORCE`, `SO_SNDBUF`, `net.core.wmem_max`.
pub(crate) fn set_send_buffer(fd: BorrowedFd<'_>, octets: usize) -> io::Result<usize> {
    set_buffer(fd, octets, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)
}

fn set_buffer(fd: BorrowedFd<'_>, octets: usize, force: libc::c_int, polite: libc::c_int) -> io::Result<usize> {
    // The kernel doubles the value in an int.
    let value = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX).min(libc::c_int::MAX / 2);
    set(fd, libc::SOL_SOCKET, force, value).or_else(|_| set(fd, libc::SOL_SOCKET, polite, value))?;
    Ok(usize::try_from(integer(fd, libc::SOL_SOCKET, polite)?).unwrap_or(0) / 2)
}

/// Attaches a classic BPF program (`SO_ATTACH_FILTER`, linux/filter.h).
///
/// # Errors
///
/// `EINVAL` for a program that the kernel's checker refuses or that is longer than 4096 instructions, `ENOMEM` when it
/// passes `net.core.optmem_max`.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    set_program(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
}

fn set_program(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    program: &[libc::sock_filter],
) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `length` instructions, which it only reads, and keeps no pointer.
    syscall!(setsockopt(
        fd.as_raw_fd(),
        level,
        name,
        (&raw const program).cast(),
        length_of::<libc::sock_fprog>(),
    ))
    .map(drop)
}

/// Founds a group of packet sockets that share what comes, with an id that no other has, and joins it
/// (`PACKET_FANOUT`, packet(7)). The socket must be bound. Returns what names the group.
pub(crate) fn found_fanout(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    let unique = FANOUT_KIND | libc::PACKET_FANOUT_FLAG_UNIQUEID;
    set(fd, libc::SOL_PACKET, libc::PACKET_FANOUT, (unique << 16).cast_signed())?;
    let id = integer(fd, libc::SOL_PACKET, libc::PACKET_FANOUT)?.cast_unsigned() & 0xffff;
    Ok((id | FANOUT_KIND << 16).cast_signed())
}

/// Joins a group of sockets that are bound to the same.
pub(crate) fn join_fanout(fd: BorrowedFd<'_>, group: libc::c_int) -> io::Result<()> {
    set(fd, libc::SOL_PACKET, libc::PACKET_FANOUT, group)
}

/// Gives a group the program that picks the member for a packet: what it returns, modulo their number.
pub(crate) fn set_fanout_program(fd: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    set_program(fd, libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, program)
}

/// A program picks the member; fragments are reassembled before.
const FANOUT_KIND: libc::c_uint = libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_DEFRAG;

/// Packets that passed the filter of a packet socket, lost ones included, and lost ones, since the last call
/// (`PACKET_STATISTICS`, `linux/if_packet.h`).
pub(crate) fn packet_statistics(fd: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut value = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = length_of::<libc::tpacket_stats>();
    // SAFETY: the kernel writes at most `length` octets, the size of `value`.
    syscall!(getsockopt(
        fd.as_raw_fd(),
        libc::SOL_PACKET,
        libc::PACKET_STATISTICS,
        (&raw mut value).cast(),
        &raw mut length,
    ))?;
    Ok((value.tp_packets, value.tp_drops))
}

/// Messages that a socket's full receive buffer refused, since it was made (`SO_MEMINFO`, `linux/sock_diag.h`).
pub(crate) fn refused_messages(fd: BorrowedFd<'_>) -> io::Result<u32> {
    const SK_MEMINFO_DROPS: usize = 8;
    let mut values = [0_u32; SK_MEMINFO_DROPS + 1];
    let mut length = length_of::<[u32; SK_MEMINFO_DROPS + 1]>();
    // SAFETY: the kernel writes at most `length` octets, the size of `values`.
    syscall!(getsockopt(
        fd.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_MEMINFO,
        values.as_mut_ptr().cast(),
        &raw mut length,
    ))?;
    Ok(values[SK_MEMINFO_DROPS])
}

/// Makes a device hand over all frames, for as long as the packet socket is open (`PACKET_MR_PROMISC`, packet(7)).
pub(crate) fn make_promiscuous(fd: BorrowedFd<'_>, interface: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let request = libc::packet_mreq {
        mr_ifindex: libc::c_int::try_from(interface).map_err(invalid)?,
        mr_type: libc::c_ushort::try_from(libc::PACKET_MR_PROMISC).map_err(invalid)?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    // SAFETY: the kernel reads one request of this size.
    syscall!(setsockopt(
        fd.as_raw_fd(),
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        (&raw const request).cast(),
        length_of::<libc::packet_mreq>(),
    ))
    .map(drop)
}

/// Binds a socket to a device (`SO_BINDTODEVICE`).
pub(crate) fn bind_to_device(fd: BorrowedFd<'_>, device: &str) -> io::Result<()> {
    let length = libc::socklen_t::try_from(device.len()).unwrap_or(0);
    // SAFETY: the kernel reads `length` octets of the name.
    syscall!(setsockopt(
        fd.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        device.as_ptr().cast(),
        length,
    ))
    .map(drop)
}
