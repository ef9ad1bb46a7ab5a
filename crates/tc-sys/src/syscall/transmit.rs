//! Sending many packets with one call.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::options::length_of;

/// The most packets that one [`send_many`] takes.
pub(crate) const BATCH: usize = 64;

#[derive(Clone, Copy)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// The field has 16 bits for what is an `int` elsewhere.
pub(super) fn family(family: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(family).unwrap_or(0)
}

impl Address {
    /// The port stays zero: a raw IPv6 socket refuses any other (net/ipv6/raw.c).
    fn new(destination: IpAddr) -> (Self, libc::socklen_t) {
        // SAFETY: addresses of integers, for which zero is a value.
        let mut address: Self = unsafe { std::mem::zeroed() };
        match destination {
            IpAddr::V4(destination) => {
                address.v4 = libc::sockaddr_in {
                    sin_family: family(libc::AF_INET),
                    sin_port: 0,
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(destination.octets()) },
                    sin_zero: [0; 8],
                };
                (address, length_of::<libc::sockaddr_in>())
            }
            IpAddr::V6(destination) => {
                address.v6 = libc::sockaddr_in6 {
                    sin6_family: family(libc::AF_INET6),
                    sin6_port: 0,
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: destination.octets() },
                    sin6_scope_id: 0,
                };
                (address, length_of::<libc::sockaddr_in6>())
            }
        }
    }
}

/// Sends the first packets of `packets`, at most [`BATCH`], each to its destination (sendmmsg(2)); how many the
/// kernel took. An error speaks of the first packet; one that hits a later packet shows at the next call.
pub(crate) fn send_many<'a>(
    fd: BorrowedFd<'_>,
    packets: impl Iterator<Item = (IpAddr, &'a [u8])>,
) -> io::Result<usize> {
    let mut addresses = [const { MaybeUninit::<Address>::uninit() }; BATCH];
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count: libc::c_uint = 0;
    let places = addresses.iter_mut().zip(&mut parts).zip(&mut messages);
    for (((address, part), message), (destination, octets)) in places.zip(packets) {
        let (value, length) = Address::new(destination);
        let part =
            part.write(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() });
        // SAFETY: integers and pointers, for which zero is a value.
        let message = message.write(unsafe { std::mem::zeroed() });
        message.msg_hdr.msg_name = std::ptr::from_mut(address.write(value)).cast();
        message.msg_hdr.msg_namelen = length;
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: the first `count` messages were written above; what they point to lives until the end of this function
    // (the packets longer), and the kernel only reads it.
    let sent =
        syscall!(sendmmsg(fd.as_raw_fd(), messages.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT as _))?;
    Ok(usize::try_from(sent).unwrap_or(0))
}

/// The header of an Ethernet frame: destination, source, protocol.
pub(crate) type FrameHeader = [u8; 14];

/// The most parts that all frames of one [`send_frames`] have together.
pub(crate) const MOST_PARTS: usize = 4 * BATCH;

/// Sends the first frames of `frames`, at most [`BATCH`] of at most [`MOST_PARTS`], on the device that the packet socket is
/// bound to (sendmmsg(2)); how many the kernel took. A frame comes in parts. Errors are as those of [`send_many`].
pub(crate) fn send_frames<'a, Parts: Iterator<Item = &'a [u8]>>(
    fd: BorrowedFd<'_>,
    frames: impl Iterator<Item = Parts>,
) -> io::Result<usize> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; MOST_PARTS];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count: libc::c_uint = 0;
    let mut free = parts.as_mut_slice();
    for (message, frame) in messages.iter_mut().zip(frames) {
        let mut taken = 0;
        let mut whole = true;
        for octets in frame {
            let Some(part) = free.get_mut(taken) else {
                whole = false;
                break;
            };
            part.write(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() });
            taken += 1;
        }
        if !whole {
            break;
        }
        let (own, rest) = std::mem::take(&mut free).split_at_mut(taken);
        free = rest;
        // SAFETY: integers and pointers, for which zero is a value.
        let message = message.write(unsafe { std::mem::zeroed() });
        message.msg_hdr.msg_iov = own.as_mut_ptr().cast();
        message.msg_hdr.msg_iovlen = own.len() as _;
        count += 1;
    }
    // SAFETY: the first `count` messages and their parts were written above; what they point to lives until the end of
    // this function (the octets longer), and the kernel only reads it.
    let sent =
        syscall!(sendmmsg(fd.as_raw_fd(), messages.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT as _))?;
    Ok(usize::try_from(sent).unwrap_or(0))
}
