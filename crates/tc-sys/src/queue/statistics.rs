//! What the kernel tells about a queue.

use std::fs::File;
use std::io;
use std::ops::AddAssign;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::SysError;
use crate::netlink::Messages;
use crate::privilege::with_reserve;
use crate::syscall::{options, receive};

/// `NFQNL_COPY_PACKET`
const COPY_PACKET: u8 = 2;

/// The list of queues (`net/netfilter/nfnetlink_queue.c`: `seq_show`), of this thread's network namespace.
pub(super) const LIST: &str = "/proc/thread-self/net/netfilter/nfnetlink_queue";

/// The counters of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// The netlink port of the program that has the queue.
    pub owner_port: u32,
    /// Packets that wait for a verdict now.
    pub length: u32,
    /// Octets that are copied of each packet.
    pub copy_range: u32,
    /// Packets lost because the queue was as long as allowed.
    pub kernel_dropped: u64,
    /// Packets lost because they could not be handed to the program: its receive buffer was full.
    pub user_dropped: u64,
    /// Packets that went through the queue.
    pub sequence: u64,
    /// Messages that the receive buffer refused, by the socket's own counter. Zero for queues of other programs.
    pub overruns: u64,
    /// Verdicts that found their packets gone because their interface went down. Zero for queues of other programs.
    pub gone: u64,
}

/// The sum for several queues, which has no owner and no copy range.
impl AddAssign for QueueStatistics {
    fn add_assign(&mut self, more: Self) {
        self.length += more.length;
        self.kernel_dropped += more.kernel_dropped;
        self.user_dropped += more.user_dropped;
        self.sequence += more.sequence;
        self.overruns += more.overruns;
        self.gone += more.gone;
    }
}

/// Reads the counters of a queue of this program, whoever reads its packets.
#[derive(Debug)]
pub struct QueueMonitor {
    number: u16,
    socket: OwnedFd,
    /// The kernel's list, opened while that was allowed.
    list: io::Result<File>,
    copy_range: Arc<AtomicU16>,
    gone: Arc<AtomicU64>,
}

impl QueueMonitor {
    pub(super) fn new(number: u16, socket: OwnedFd, copy_range: Arc<AtomicU16>, gone: Arc<AtomicU64>) -> Self {
        let list = with_reserve(|| File::open(LIST));
        Self { number, socket, list, copy_range, gone }
    }

    /// Makes the kernel copy at least so many octets of each packet from here on.
    ///
    /// # Errors
    ///
    /// What send(2) on the netlink socket reports.
    pub fn raise_copy_range(&self, octets: u16) -> io::Result<()> {
        // The reader makes room before the kernel needs it; what the kernel copied before fits too.
        if self.copy_range.fetch_max(octets, Ordering::Relaxed) >= octets {
            return Ok(());
        }
        let [a, b, c, d] = u32::from(octets).to_be_bytes();
        let mut message = Messages::default();
        message.begin(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_CONFIG, 0, self.number);
        message.attribute(libc::NFQA_CFG_PARAMS, &[a, b, c, d, COPY_PACKET]);
        receive::send(self.socket.as_fd(), message.as_bytes())
    }

    /// The number of the queue.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// What the kernel counted for this queue since it was opened.
    ///
    /// # Errors
    ///
    /// When `/proc/net/netfilter/nfnetlink_queue` could not be opened while the program still had its privileges, or has no
    /// such queue.
    pub fn statistics(&self) -> Result<QueueStatistics, SysError> {
        let overruns = options::refused_messages(self.socket.as_fd())
            .map_err(|cause| SysError::new("read the counters of", format!("queue {}", self.number), cause))?;
        let failed =
            |cause| SysError::new("read the counters of", format!("queue {} in {LIST}", self.number), cause);
        let list = self.list.as_ref().map_err(|error| failed(copied(error)))?;
        let listed = QueueStatistics::in_list(&read_again(list).map_err(failed)?, self.number);
        let listed = listed.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let gone = self.gone.load(Ordering::Relaxed);
        Ok(QueueStatistics { overruns: u64::from(overruns), gone, ..listed })
    }
}

/// The whole file, from its beginning: as it is now, because the kernel writes it anew.
fn read_again(file: &File) -> io::Result<String> {
    let mut octets = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match file.read_at(&mut piece, octets.len() as u64)? {
            0 => return Ok(String::from_utf8_lossy(&octets).into_owned()),
            len => octets.extend_from_slice(piece.get(..len).unwrap_or_default()),
        }
    }
}

/// An error that is told again and again.
fn copied(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

impl QueueStatistics {
    /// Columns: queue, port, length, copy mode, copy range, dropped, user dropped, sequence, 1.
    pub(super) fn in_list(list: &str, number: u16) -> Option<Self> {
        list.lines().find_map(|line| {
            let columns: Vec<u64> = line.split_whitespace().map_while(|column| column.parse().ok()).collect();
            let [queue, port, length, _, range, dropped, user_dropped, sequence, ..] = columns[..] else {
                return None;
            };
            (queue == u64::from(number)).then_some(Self {
                owner_port: u32::try_from(port).ok()?,
                length: u32::try_from(length).ok()?,
                copy_range: u32::try_from(range).ok()?,
                kernel_dropped: dropped,
                user_dropped,
                sequence,
                overruns: 0,
                gone: 0,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_QUEUES: &str = "\
    3  46153     0 2   128     0     0        0  1
   12 4294963121     7 2 65531    11    22       33  1
";

    #[test]
    fn the_counters_of_a_queue_are_found_by_its_number() {
        let statistics = QueueStatistics::in_list(TWO_QUEUES, 12).expect("listed");
        let expected = QueueStatistics {
            owner_port: 4_294_963_121,
            length: 7,
            copy_range: 65_531,
            kernel_dropped: 11,
            user_dropped: 22,
            sequence: 33,
            overruns: 0,
            gone: 0,
        };
        assert_eq!(statistics, expected);
    }

    #[test]
    fn a_queue_that_is_not_listed_has_no_counters() {
        assert_eq!(QueueStatistics::in_list(TWO_QUEUES, 1), None);
        assert_eq!(QueueStatistics::in_list("", 1), None);
        assert_eq!(QueueStatistics::in_list("3 4\nnonsense", 3), None);
    }
}
