//! The netfilter queue: packets that a firewall rule hands to this program for a verdict.
//!
//! The rule looks like `iptables -I OUTPUT -p tcp --sport 80 -j NFQUEUE --queue-num 0`. Open the queue first and add
//! the rule afterwards: packets that arrive while the queue is being configured are lost in nfq and wait for a
//! verdict until the queue is closed.
//!
//! The numbers that decide loss are the netlink receive buffer (64 MiB; the crate `nfq` sets none) and the length of
//! the queue. The kernel copies only the first [`QueueConfig::copy_range`] octets of each packet.
//!
//! The crate `nfq` opens, binds and configures the queue. Packets are read, many with one call, and decided, many with one
//! message, on the same descriptor: [`Queue::recv`] and [`Queue::decide`]. nfq takes two system calls for each packet.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::netlink::{Messages, no_other_descriptors};
use crate::syscall::{options, receive, socket};

mod batch;
mod descriptor;
mod diagnose;
mod firewall;
mod statistics;

pub use batch::{Batch, QueuedPacket};
pub use diagnose::{QueueError, QueueOwner, owner};
pub use firewall::FirewallRules;
pub use statistics::{QueueMonitor, QueueStatistics};

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

/// A queue bound by this program. It is released when dropped; the packets in it are dropped then.
pub struct Queue {
    /// Holds the binding.
    _nfq: nfq::Queue,
    socket: OwnedFd,
    number: u16,
    copy_range: Arc<AtomicU16>,
    verdicts: Messages,
    gone: Arc<AtomicU64>,
    /// The last packet of those whose verdicts could not be sent.
    owed: Option<u32>,
    /// An answer of the kernel that has not been told yet.
    refusal: Option<io::Error>,
}

/// Whether more packets wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// None did when the last one was read.
    Drained,
    /// There may be more.
    More,
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
        Ok(Self {
            _nfq: nfq,
            socket,
            number,
            copy_range: Arc::new(config.copy_range.into()),
            verdicts: Messages::default(),
            gone: Arc::default(),
            owed: None,
            refusal: None,
        })
    }

    /// Reads the packets that wait, IPv4 and IPv6, as many as one call gives, in the place of those in `batch`. Decide
    /// them by [`Queue::decide`], or they wait in the kernel.
    ///
    /// # Errors
    ///
    /// What recvmmsg(2) on the netlink socket reports, and what the kernel answered to verdicts, except what is survived
    /// and counted: see [`QueueStatistics`]. The batch is empty then.
    pub fn recv(&mut self, batch: &mut Batch) -> io::Result<Supply> {
        let (octets, slot) = batch.room(self.copy_range.load(Ordering::Relaxed));
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let mut lengths = [0; receive::BATCH];
        let count = match receive::receive_many(self.socket.as_fd(), octets, slot, &mut lengths) {
            Ok(count) => count,
            Err(error) => return survived(error),
        };
        for (place, length) in lengths.into_iter().enumerate().take(count) {
            batch.add(place, length, |errno| match errno {
                0 => {}
                // A verdict on packets that are no longer there: their interface went down.
                libc::ENOENT => _ = self.gone.fetch_add(1, Ordering::Relaxed),
                _ => self.refusal = Some(io::Error::from_raw_os_error(errno)),
            });
        }
        Ok(if count < receive::BATCH { Supply::Drained } else { Supply::More })
    }

    /// Decides the packets of a batch, in their order, all with one call.
    ///
    /// # Errors
    ///
    /// What send(2) on the netlink socket reports. The packets wait then, and the next call drops them.
    pub fn decide(&mut self, batch: &Batch, decide: impl FnMut(QueuedPacket<'_>) -> Verdict) -> io::Result<()> {
        self.verdicts.clear();
        if let Some(last) = self.owed {
            batch::write_verdict(self.number, Verdict::Drop, last, &mut self.verdicts);
        }
        batch.write_verdicts(self.number, decide, &mut self.verdicts);
        if self.verdicts.as_bytes().is_empty() {
            return Ok(());
        }
        let sent = receive::send(self.socket.as_fd(), self.verdicts.as_bytes());
        self.owed = if sent.is_ok() { None } else { batch.last().or(self.owed) };
        sent
    }

    /// What counts, for whoever does not have the queue.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be duplicated.
    pub fn monitor(&self) -> io::Result<QueueMonitor> {
        let _guard = no_other_descriptors();
        let (copy_range, gone) = (Arc::clone(&self.copy_range), Arc::clone(&self.gone));
        Ok(QueueMonitor::new(self.number, self.socket.try_clone()?, copy_range, gone))
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

/// The errors of reading that mean that there is nothing to read now.
fn survived(error: io::Error) -> io::Result<Supply> {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(Supply::Drained),
        // The receive buffer ran over; nfq asks the kernel not to say so, and the kernel counts it anyway.
        Some(libc::EINTR | libc::ENOBUFS) => Ok(Supply::More),
        _ => Err(error),
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
