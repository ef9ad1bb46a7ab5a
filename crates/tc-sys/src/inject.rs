//! Injection of whole IP packets, through raw sockets or at the link layer.
//!
//! Through raw sockets the kernel routes them as its own: routing tables, the OUTPUT chain and conntrack apply. It always fills in the
//! total length and the header checksum of IPv4 (raw(7)), nothing of IPv6. A packet larger than the MTU is refused
//! with `EMSGSIZE`, so split before.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::capture::filter::Filter;
use crate::syscall::{options, socket, transmit};
use crate::{Families, SysError};

mod batch;
mod link;
mod report;

pub use batch::PacketBatch;
pub use link::LinkTarget;
pub use report::{SendFailure, SendReport};

/// Sends packets from any source address; never blocks for longer than a few milliseconds.
///
/// Its sockets are of protocol `IPPROTO_RAW`, which is send-only; a filter refuses even the packets of protocol 255
/// that such a socket could get, so nothing piles up in them.
#[derive(Debug)]
pub struct Injector {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Raw { ipv4: Option<OwnedFd>, ipv6: Option<OwnedFd> },
    Link(link::LinkInjector),
}

impl Injector {
    /// The send buffer that is asked for, in octets: 16 MiB. Without `CAP_NET_ADMIN` it is cut to
    /// `net.core.wmem_max`.
    pub const SEND_BUFFER: usize = 16 << 20;

    /// Opens a raw socket for each version of IP. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// A missing privilege (`EPERM`), or a kernel without IPv6 (`EAFNOSUPPORT`).
    pub fn open(families: Families) -> Result<Self, SysError> {
        let open = |wanted: bool, family| wanted.then(|| open_raw(family)).transpose();
        let (ipv4, ipv6) = (open(families.has_ipv4(), Family::V4)?, open(families.has_ipv6(), Family::V6)?);
        Ok(Self { way: Way::Raw { ipv4, ipv6 } })
    }

    /// Sends frames on an Ethernet device instead, to the next hop of each target, past conntrack and the OUTPUT chain.
    /// Waits for up to two seconds for a next hop that has to be asked for its address. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// A device that is not there or no Ethernet device, a target without a route or whose next hop does not answer, a
    /// missing privilege.
    pub fn open_link(device: &str, targets: &[LinkTarget]) -> Result<Self, SysError> {
        Ok(Self { way: Way::Link(link::LinkInjector::open(device, targets)?) })
    }

    /// Looks, once in a while, whether the next hops are still where they were. Cheap; to be called often.
    pub fn refresh(&mut self, now: Instant) {
        match &mut self.way {
            Way::Raw { .. } => {}
            Way::Link(link) => link.refresh(now),
        }
    }

    /// Sends the packets, those of one version of IP in their order, with one system call for up to 64.
    ///
    /// A packet that the kernel refuses is counted under its `errno` and the others go on; one of a version of IP
    /// that has no socket counts as `EAFNOSUPPORT`. While buffers are full it waits, in all at most 4 ms.
    pub fn send(&mut self, batch: &PacketBatch) -> SendReport {
        let mut report = SendReport::default();
        let mut patience = Patience { waits: 4 };
        let (ipv4, ipv6) = match &mut self.way {
            Way::Raw { ipv4, ipv6 } => (ipv4, ipv6),
            Way::Link(link) => {
                link.send(batch, &mut patience, &mut report);
                return report;
            }
        };
        for (family, socket) in [(Family::V4, ipv4), (Family::V6, ipv6)] {
            let packets = batch.iter().filter(move |(destination, _)| family.holds(*destination));
            match socket {
                Some(socket) => {
                    let socket = socket.as_fd();
                    let send = |packets| transmit::send_many(socket, packets);
                    send_all(socket, packets, send, &mut patience, &mut report);
                }
                None => packets.for_each(|_| report.count(libc::EAFNOSUPPORT)),
            }
        }
        report
    }
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn holds(self, destination: IpAddr) -> bool {
        match self {
            Self::V4 => destination.is_ipv4(),
            Self::V6 => destination.is_ipv6(),
        }
    }
}

fn open_raw(family: Family) -> Result<OwnedFd, SysError> {
    let (domain, level, option, object) = match family {
        Family::V4 => (libc::AF_INET, libc::IPPROTO_IP, libc::IP_HDRINCL, "the raw IPv4 socket"),
        Family::V6 => (libc::AF_INET6, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, "the raw IPv6 socket"),
    };
    let failed = |operation| move |cause| SysError::new(operation, object, cause).with_privilege_hint();
    let raw = socket::open(domain, libc::SOCK_RAW, libc::IPPROTO_RAW).map_err(failed("open"))?;
    options::set(raw.as_fd(), level, option, 1).map_err(failed("include headers on"))?;
    options::attach_filter(raw.as_fd(), Filter::nothing().instructions()).map_err(failed("filter"))?;
    options::set_send_buffer(raw.as_fd(), Injector::SEND_BUFFER).map_err(failed("size"))?;
    Ok(raw)
}

/// How often a send may wait for room.
struct Patience {
    waits: u32,
}

impl Patience {
    const STEP: Duration = Duration::from_millis(1);

    /// Whether to try again. `ENOBUFS` is a lack of memory, which a socket that can be written to may have too.
    fn wait(&mut self, socket: BorrowedFd<'_>, error: &io::Error) -> bool {
        let busy = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS));
        if !busy || self.waits == 0 {
            return false;
        }
        self.waits -= 1;
        // Whatever the wait says, the next send knows better.
        let _ = socket::wait_writable(socket, Self::STEP);
        true
    }
}

/// Sends everything, as many at once as `send_some` takes.
fn send_all<I: Iterator + Clone>(
    socket: BorrowedFd<'_>,
    mut packets: I,
    send_some: impl Fn(I) -> io::Result<usize>,
    patience: &mut Patience,
    report: &mut SendReport,
) {
    while packets.clone().next().is_some() {
        let done = match send_some(packets.clone()) {
            Ok(sent) => {
                report.sent += sent;
                sent
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted || patience.wait(socket, &error) => 0,
            Err(error) => {
                report.count(error.raw_os_error().unwrap_or(libc::EIO));
                1
            }
        };
        if let Some(last) = done.checked_sub(1) {
            packets.nth(last);
        }
    }
}

#[cfg(test)]
mod tests;
