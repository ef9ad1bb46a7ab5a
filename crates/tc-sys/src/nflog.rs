//! The netfilter log: headers of packets that a firewall rule copies to this program and lets go on by itself.
//!
//! The rule looks like `iptables -t mangle -A OUTPUT -p tcp --sport 80 -j NFLOG --nflog-group 0`. Nothing waits for this
//! program: where it is slow, headers are lost and counted. The kernel collects headers and hands over
//! [`NflogConfig::threshold`] of them together, at the latest after [`NflogConfig::flush`].
//!
//! The log does not tell how long a packet was; its IP header does, unless it is IPv4 and has more than 65 535 octets. Larger
//! ones of IPv6 have the jumbo payload option (RFC 2675).

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::SysError;
use crate::netlink::{Messages, messages, no_other_descriptors};
use crate::process::netlink_holder;
use crate::queue::Supply;
use crate::syscall::{options, receive, socket};

/// The groups of this thread's network namespace (`net/netfilter/nfnetlink_log.c`: `seq_show`).
const LIST: &str = "/proc/thread-self/net/netfilter/nfnetlink_log";
/// Octets that the kernel collects at most before it hands them over.
const COLLECTED: u32 = 64 << 10;
/// How long an answer to a configuration may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to open a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NflogConfig {
    /// The number of the group, as in `--nflog-group`.
    pub group: u16,
    /// Octets of each packet that the kernel copies, from the IP header on.
    pub copy_range: u16,
    /// Headers that are handed over together.
    pub threshold: u32,
    /// How long a header waits for others, in hundredths of a second.
    pub flush: Duration,
    /// The receive buffer of the netlink socket, in octets.
    pub receive_buffer: usize,
}

impl Default for NflogConfig {
    fn default() -> Self {
        Self {
            group: 0,
            copy_range: 128,
            threshold: 64,
            flush: Duration::from_millis(10),
            receive_buffer: 64 << 20,
        }
    }
}

/// What was counted since a group was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NflogStatistics {
    /// Headers that came.
    pub received: u64,
    /// Headers that are missing between them.
    pub lost: u64,
    /// Messages, of many headers each, that the receive buffer refused.
    pub overruns: u64,
}

/// A group bound by this program; released when dropped.
#[derive(Debug)]
pub struct Nflog {
    socket: OwnedFd,
    group: u16,
    buffer: Vec<u8>,
    /// The number that the next header has if none is lost.
    next: u32,
    statistics: NflogStatistics,
}

impl Nflog {
    /// Binds and configures a group.
    ///
    /// Needs `CAP_NET_ADMIN`. The group exists for the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// A missing privilege, a group that another program has, a kernel without the log.
    pub fn open(config: NflogConfig) -> Result<Self, SysError> {
        let failed = |cause| explain(config.group, cause);
        let socket = {
            let _guard = no_other_descriptors();
            socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER).map_err(failed)?
        };
        socket::bind_netlink(socket.as_fd()).map_err(failed)?;
        let buffer = vec![0; COLLECTED as usize * 2];
        let mut log =
            Self { socket, group: config.group, buffer, next: 0, statistics: NflogStatistics::default() };
        log.configure(config).map_err(failed)?;
        Ok(log)
    }

    fn configure(&mut self, config: NflogConfig) -> io::Result<()> {
        const BIND: u8 = 1; // NFULNL_CFG_CMD_BIND
        const COPY_PACKET: u8 = 2; // NFULNL_COPY_PACKET
        const NUMBERED: u16 = 1; // NFULNL_CFG_F_SEQ
        options::set_receive_buffer(self.socket.as_fd(), config.receive_buffer)?;
        // The numbers tell of losses.
        options::set(self.socket.as_fd(), libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, 1)?;
        let [a, b, c, d] = u32::from(config.copy_range).to_be_bytes();
        let hundredths = u32::try_from(config.flush.as_millis().div_ceil(10)).unwrap_or(u32::MAX);
        for (kind, value) in [
            (libc::NFULA_CFG_CMD, &[BIND][..]),
            (libc::NFULA_CFG_MODE, &[a, b, c, d, COPY_PACKET, 0]),
            (libc::NFULA_CFG_NLBUFSIZ, &COLLECTED.to_be_bytes()),
            (libc::NFULA_CFG_TIMEOUT, &hundredths.to_be_bytes()),
            (libc::NFULA_CFG_QTHRESH, &config.threshold.to_be_bytes()),
            (libc::NFULA_CFG_FLAGS, &NUMBERED.to_be_bytes()),
        ] {
            self.set(kind, value)?;
        }
        Ok(())
    }

    /// Sends an attribute of the configuration and waits for the answer.
    fn set(&mut self, kind: libc::c_int, value: &[u8]) -> io::Result<()> {
        let mut out = Messages::default();
        out.begin(libc::NFNL_SUBSYS_ULOG, libc::NFULNL_MSG_CONFIG, libc::NLM_F_ACK, self.group);
        out.attribute(kind, value);
        receive::send(self.socket.as_fd(), out.as_bytes())?;
        while socket::wait_readable(self.socket.as_fd(), PATIENCE)? {
            let length = socket::receive(self.socket.as_fd(), &mut self.buffer)?;
            let received = self.buffer.get(..length).unwrap_or_default();
            match messages(received).find_map(crate::netlink::Message::answer) {
                Some(0) => return Ok(()),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                // A packet that the rule sent already: before we began.
                None => {}
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Copies another number of octets of each packet from now on.
    ///
    /// # Errors
    ///
    /// What send(2) on the netlink socket reports.
    pub fn set_copy_range(&mut self, octets: u16) -> io::Result<()> {
        const COPY_PACKET: u8 = 2;
        let [a, b, c, d] = u32::from(octets).to_be_bytes();
        let mut out = Messages::default();
        out.begin(libc::NFNL_SUBSYS_ULOG, libc::NFULNL_MSG_CONFIG, 0, self.group);
        out.attribute(libc::NFULA_CFG_MODE, &[a, b, c, d, COPY_PACKET, 0]);
        receive::send(self.socket.as_fd(), out.as_bytes())
    }

    /// Reads headers that were handed over together and passes each, from the IP header on, to `on_packet`; how many.
    ///
    /// # Errors
    ///
    /// What recv(2) on the netlink socket reports.
    pub fn recv(&mut self, mut on_packet: impl FnMut(&[u8])) -> io::Result<(usize, Supply)> {
        let length = match socket::receive(self.socket.as_fd(), &mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((0, Supply::Drained)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOBUFS)) => {
                return Ok((0, Supply::More));
            }
            Err(error) => return Err(error),
        };
        let received = self.buffer.get(..length).unwrap_or(&self.buffer);
        let mut count = 0;
        for message in messages(received) {
            if !message.is(libc::NFNL_SUBSYS_ULOG, libc::NFULNL_MSG_PACKET) {
                continue;
            }
            for (kind, value) in message.attributes() {
                match (kind, value.first_chunk()) {
                    (libc::NFULA_PAYLOAD, _) => on_packet(value),
                    (libc::NFULA_SEQ, Some(number)) => {
                        let number = u32::from_be_bytes(*number);
                        self.statistics.lost += u64::from(number.wrapping_sub(self.next));
                        self.next = number.wrapping_add(1);
                    }
                    _ => {}
                }
            }
            count += 1;
        }
        self.statistics.received += count as u64;
        Ok((count, Supply::More))
    }

    /// What was counted.
    #[must_use]
    pub fn statistics(&self) -> NflogStatistics {
        let overruns = options::refused_messages(self.socket.as_fd()).unwrap_or_default();
        NflogStatistics { overruns: overruns.into(), ..self.statistics }
    }

    /// The number of the group.
    #[must_use]
    pub fn group(&self) -> u16 {
        self.group
    }
}

impl AsRawFd for Nflog {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn explain(group: u16, cause: io::Error) -> SysError {
    let object = format!("netfilter log group {group}");
    // The kernel answers EPERM both for a missing privilege and for a group of another program.
    let list = std::fs::read_to_string(LIST).unwrap_or_default();
    if matches!(cause.raw_os_error(), Some(libc::EPERM | libc::EBUSY))
        && let Some(port) = holder(&list, group)
    {
        let holder = netlink_holder(port).map_or_else(|| "another program".to_owned(), |held| held.to_string());
        return SysError::new("open", object, io::ErrorKind::ResourceBusy.into())
            .with_hint(format!("it is held by {holder}; stop that program or choose another group"));
    }
    if matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)) {
        return SysError::new("open", object, cause).with_hint("run: modprobe nfnetlink_log");
    }
    SysError::new("open", object, cause).with_privilege_hint()
}

/// The netlink port that has a group. Columns: group, port, waiting, copy mode, copy range, flush time, users.
fn holder(list: &str, group: u16) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let (listed, port) = (columns.next()?.parse::<u16>().ok()?, columns.next()?.parse().ok()?);
        (listed == group).then_some(port)
    })
}

#[cfg(test)]
mod tests;
