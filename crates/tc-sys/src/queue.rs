//! The netfilter queue: packets that a firewall rule hands to this program for a verdict.
//!
//! The rule looks like `iptables -I OUTPUT -p tcp --sport 80 -j NFQUEUE --queue-num 0`. Open the queue first and add
//! the rule afterwards: packets that arrive while the queue is being configured are lost in nfq and wait for a
//! verdict until the queue is closed.
//!
//! The numbers that decide loss are the netlink receive buffer (64 MiB; the crate `nfq` sets none) and the length of
//! the queue. The kernel copies only the first [`QueueConfig::copy_range`] octets of each packet.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::SysError;
use crate::syscall::{options, socket};

mod descriptor;
mod diagnose;
mod firewall;
mod statistics;

pub use diagnose::{QueueError, QueueOwner};
pub use firewall::FirewallRules;
pub use statistics::QueueStatistics;

/// How to open a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The number of the queue, as in `--queue-num`.
    pub number: u16,
    /// Packets that may wait for a verdict in the kernel.
    pub max_len: u32,
    /// Octets of each packet that the kernel copies, from the IP header on.
    pub copy_range: u16,
    /// Whether large packets come whole or as segments.
    pub offload: Offload,
    /// What becomes of packets that the queue cannot take.
    pub overflow: Overflow,
    /// The receive buffer of the netlink socket, in octets. Without `CAP_NET_ADMIN` in the initial user namespace it
    /// is cut to `net.core.rmem_max`.
    pub receive_buffer: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            number: 0,
            max_len: 65_536,
            copy_range: 128,
            offload: Offload::Whole,
            overflow: Overflow::Drop,
            receive_buffer: 64 << 20,
        }
    }
}

/// How packets that are larger than the wire allows arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offload {
    /// As one packet of up to 64 KiB (`NFQA_CFG_F_GSO`); twenty times cheaper for bulk.
    #[default]
    Whole,
    /// Cut into segments by the kernel, each with its own verdict.
    Segmented,
}

/// What becomes of packets that the queue cannot take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// They are dropped.
    #[default]
    Drop,
    /// They pass as if accepted (`NFQA_CFG_F_FAIL_OPEN`).
    Accept,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is dropped.
    Drop,
}

/// A packet that waits for its verdict in the kernel. Dropped without one, it waits until the queue is closed.
#[derive(Debug)]
#[must_use = "the packet waits in the kernel until Queue::verdict"]
pub struct QueuedPacket {
    message: nfq::Message,
}

impl QueuedPacket {
    /// The packet from its IP header on, cut to the copy range.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.message.get_payload()
    }

    /// The length of the packet before the cut, in octets.
    #[must_use]
    pub fn original_len(&self) -> usize {
        self.message.get_original_len()
    }
}

/// A queue bound by this program. It is released when dropped; the packets in it are dropped then.
pub struct Queue {
    nfq: nfq::Queue,
    socket: OwnedFd,
    number: u16,
    gone: u64,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Queue {
    /// Binds the queue and configures it: copy range, length, GSO, overflow, receive buffer, non-blocking.
    ///
    /// Needs `CAP_NET_ADMIN`. The queue exists for the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`QueueError`] says which condition it is and what helps.
    pub fn open(config: QueueConfig) -> Result<Self, QueueError> {
        Self::open_step(config).map_err(|(step, cause)| diagnose::explain(config.number, step, cause))
    }

    fn open_step(config: QueueConfig) -> Result<Self, (Step, io::Error)> {
        let number = config.number;
        let (mut nfq, socket) = descriptor::open().map_err(|cause| (Step::Open, cause))?;
        nfq.bind(number).map_err(|cause| (Step::Bind, cause))?;
        let configured = |cause| (Step::Configure, cause);
        nfq.set_copy_range(number, config.copy_range).map_err(configured)?;
        nfq.set_queue_max_len(number, config.max_len).map_err(configured)?;
        match nfq.set_recv_gso(number, config.offload == Offload::Whole) {
            // A kernel older than 3.10 does not know the flag and always segments.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            result => result.map_err(configured)?,
        }
        nfq.set_fail_open(number, config.overflow == Overflow::Accept).map_err(configured)?;
        options::set_receive_buffer(socket.as_fd(), config.receive_buffer).map_err(configured)?;
        nfq.set_nonblocking(true);
        Ok(Self { nfq, socket, number, gone: 0 })
    }

    /// The next packet, IPv4 or IPv6; `None` when none waits.
    ///
    /// # Errors
    ///
    /// What recv(2) on the netlink socket reports, except what is survived and counted: see [`Queue::statistics`].
    pub fn recv(&mut self) -> io::Result<Option<QueuedPacket>> {
        loop {
            let error = match self.nfq.recv() {
                Ok(message) => return Ok(Some(QueuedPacket { message })),
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(None),
                // The receive buffer ran over; nfq asks the kernel not to say so, and the kernel counts it anyway.
                Some(libc::EINTR | libc::ENOBUFS) => {}
                // The answer to a verdict on a packet that is no longer there: its interface went down.
                Some(libc::ENOENT) => self.gone += 1,
                _ => return Err(error),
            }
        }
    }

    /// Decides a packet.
    ///
    /// # Errors
    ///
    /// What sendto(2) on the netlink socket reports.
    pub fn verdict(&mut self, packet: QueuedPacket, verdict: Verdict) -> io::Result<()> {
        let mut message = packet.message;
        message.set_verdict(match verdict {
            Verdict::Accept => nfq::Verdict::Accept,
            Verdict::Drop => nfq::Verdict::Drop,
        });
        self.nfq.verdict(message)
    }

    /// What the kernel counted for this queue since it was opened.
    ///
    /// # Errors
    ///
    /// When `/proc/net/netfilter/nfnetlink_queue` cannot be read or has no such queue.
    pub fn statistics(&self) -> Result<QueueStatistics, SysError> {
        let overruns = options::refused_messages(self.socket.as_fd())
            .map_err(|cause| SysError::new("read the counters of", format!("queue {}", self.number), cause))?;
        let listed = QueueStatistics::of_queue(self.number)?;
        Ok(QueueStatistics { overruns: u64::from(overruns), gone: self.gone, ..listed })
    }

    /// The number of the queue.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port of our netlink socket, which [`QueueStatistics::owner_port`] names.
    ///
    /// # Errors
    ///
    /// What getsockname(2) reports.
    pub fn port(&self) -> io::Result<u32> {
        socket::netlink_port(self.socket.as_fd())
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The steps of opening; they fail for different reasons with the same `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Bind,
    Configure,
}

#[cfg(test)]
mod tests;
