//! The descriptor that nfq 0.2.5 hides.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use crate::netlink::no_other_descriptors;
use crate::syscall::{options, socket};

/// Opens nfq's socket and finds it: the `NETLINK_NETFILTER` socket that was not there before. The descriptor returned
/// is a duplicate, and nfq's own becomes close-on-exec, which nfq forgets.
pub(super) fn open() -> io::Result<(nfq::Queue, OwnedFd)> {
    let _guard = no_other_descriptors();
    let before = netfilter_sockets()?;
    let queue = nfq::Queue::open()?;
    let new: Vec<_> = netfilter_sockets()?.into_iter().filter(|fd| !before.contains(fd)).collect();
    let [fd] = new[..] else {
        return Err(io::Error::other("cannot tell which descriptor is the queue's"));
    };
    socket::close_on_exec(fd)?;
    Ok((queue, socket::duplicate(fd)?))
}

fn netfilter_sockets() -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/thread-self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if is_netfilter_socket(fd) {
            found.push(fd);
        }
    }
    Ok(found)
}

fn is_netfilter_socket(fd: RawFd) -> bool {
    // A duplicate, because another thread may close the descriptor meanwhile.
    let Ok(copy) = socket::duplicate(fd) else { return false };
    let is =
        |name, value| options::integer(copy.as_fd(), libc::SOL_SOCKET, name).is_ok_and(|found| found == value);
    is(libc::SO_DOMAIN, libc::AF_NETLINK) && is(libc::SO_PROTOCOL, libc::NETLINK_NETFILTER)
}
