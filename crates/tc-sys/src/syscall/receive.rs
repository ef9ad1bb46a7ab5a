//! Receiving many datagrams with one call.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The most datagrams that one [`receive_many`] takes.
pub(crate) const BATCH: usize = 64;

/// Receives the datagrams that wait, each into one part of `slot` octets of `octets`, and notes their true lengths
/// (recvmmsg(2)); how many, at most [`BATCH`]. Fewer than there was room for means that none is left. An error
/// speaks of the first datagram; one that hits a later one shows at the next call.
pub(crate) fn receive_many(
    fd: BorrowedFd<'_>,
    octets: &mut [u8],
    slot: usize,
    lengths: &mut [usize; BATCH],
) -> io::Result<usize> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count: libc::c_uint = 0;
    for ((part, header), place) in parts.iter_mut().zip(&mut headers).zip(octets.chunks_exact_mut(slot.max(1)))
    {
        let part = part.write(libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() });
        // SAFETY: integers and pointers, for which zero is a value.
        let header = header.write(unsafe { std::mem::zeroed() });
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the first `count` headers were written above; what they point to lives until the end of this function,
    // the parts of `octets` longer, and the kernel writes to no more than those. A null timeout is allowed.
    let received = syscall!(recvmmsg(
        fd.as_raw_fd(),
        headers.as_mut_ptr().cast(),
        count,
        flags as _,
        std::ptr::null_mut()
    ))?;
    let received = usize::try_from(received).unwrap_or(0);
    for (length, header) in lengths.iter_mut().zip(&headers).take(received) {
        // SAFETY: one of the first `count`, which were written above.
        *length = unsafe { header.assume_init_ref() }.msg_len as usize;
    }
    Ok(received)
}

/// Sends one datagram to where the socket is connected; a netlink socket that is not, to the kernel (send(2)).
pub(crate) fn send(fd: BorrowedFd<'_>, octets: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `octets.len()` octets.
    syscall!(send(fd.as_raw_fd(), octets.as_ptr().cast(), octets.len(), libc::MSG_DONTWAIT)).map(drop)
}
