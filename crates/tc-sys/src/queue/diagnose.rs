//! Why a queue cannot be opened, and what helps.
//!
//! The kernel answers `EPERM` both for a missing privilege and for a queue that another program has, and `EINVAL` for
//! a kernel without the queue (measured on Linux 6.18; see the tests). The rest is found in `/proc`.

use std::fmt;
use std::io;
use std::path::Path;

use super::Step;
use super::statistics::{LIST, QueueStatistics};
use crate::SysError;
use crate::error::{privilege_hint, reason};
use crate::privilege::has_net_admin;
use crate::process::{ProcessHolding, netlink_holder};

/// Why a queue cannot be opened. Printed as one line with the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The program may not use netfilter.
    #[error("cannot open netfilter queue {number}: {}; {}", reason(.cause), privilege_hint())]
    NoPermission {
        /// The queue.
        number: u16,
        /// `EPERM`.
        cause: io::Error,
    },
    /// Another program has bound this queue.
    #[error(
        "cannot open netfilter queue {number}: it is held by {owner}; stop that program or choose another queue"
    )]
    Held {
        /// The queue.
        number: u16,
        /// Who.
        owner: QueueOwner,
    },
    /// The kernel has no netfilter queue.
    #[error(
        "cannot open netfilter queue {number}: the kernel has no nfnetlink_queue ({}); run: modprobe nfnetlink_queue",
        reason(.cause)
    )]
    NoKernelSupport {
        /// The queue.
        number: u16,
        /// `EINVAL` or `EPROTONOSUPPORT`.
        cause: io::Error,
    },
    /// The old `ip_queue` has the kernel's queue.
    #[error(
        "cannot open netfilter queue {number}: the old ip_queue is loaded and takes its place; run: rmmod ip_queue; \
         modprobe nfnetlink_queue"
    )]
    OldIpQueue {
        /// The queue.
        number: u16,
    },
    /// Anything else.
    #[error("cannot open netfilter queue {number}: {}", reason(.cause))]
    Other {
        /// The queue.
        number: u16,
        /// What the system answered.
        cause: io::Error,
    },
}

/// The program that has a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueOwner {
    /// The port of its netlink socket.
    pub port: u32,
    /// The program, when it can be found.
    pub process: Option<ProcessHolding>,
}

impl fmt::Display for QueueOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => process.fmt(formatter),
            None => write!(formatter, "a program that cannot be seen from here (netlink port {})", self.port),
        }
    }
}

/// What was found out about this host.
struct Findings {
    owner: Option<QueueOwner>,
    queue_list: Listing,
    old_ip_queue: bool,
}

/// Whether the kernel shows a list of queues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Present,
    Absent,
}

/// Who has a queue, and its counters; nothing if nobody has.
///
/// # Errors
///
/// When the list of queues cannot be read: only root may, and there is none without `nfnetlink_queue`.
pub fn owner(number: u16) -> Result<Option<(QueueOwner, QueueStatistics)>, SysError> {
    let failed = |cause| SysError::new("read", LIST, cause);
    let list = std::fs::read_to_string(LIST).map_err(failed)?;
    Ok(QueueStatistics::in_list(&list, number).map(|queue| (owner_of(&queue), queue)))
}

fn owner_of(queue: &QueueStatistics) -> QueueOwner {
    QueueOwner { port: queue.owner_port, process: netlink_holder(queue.owner_port) }
}

pub(super) fn explain(number: u16, step: Step, cause: io::Error) -> QueueError {
    // Without the privilege the kernel refuses before it looks whose queue it is.
    let list = if has_net_admin() { std::fs::read_to_string(LIST).unwrap_or_default() } else { String::new() };
    let owner = QueueStatistics::in_list(&list, number).map(|queue| owner_of(&queue));
    let findings = Findings {
        owner,
        queue_list: if Path::new(LIST).exists() { Listing::Present } else { Listing::Absent },
        old_ip_queue: Path::new("/proc/thread-self/net/ip_queue").exists(),
    };
    classify(number, step, cause, findings)
}

fn classify(number: u16, step: Step, cause: io::Error, findings: Findings) -> QueueError {
    let errno = cause.raw_os_error().unwrap_or(0);
    match (step, errno) {
        (Step::Bind, libc::EPERM | libc::EBUSY) if findings.owner.is_some() => {
            let owner = findings.owner.unwrap_or(QueueOwner { port: 0, process: None });
            QueueError::Held { number, owner }
        }
        (_, libc::EPERM | libc::EACCES) => QueueError::NoPermission { number, cause },
        (Step::Bind, libc::EBUSY | libc::EINVAL) if findings.old_ip_queue => QueueError::OldIpQueue { number },
        (Step::Open, libc::EPROTONOSUPPORT) => QueueError::NoKernelSupport { number, cause },
        (Step::Bind, libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP)
            if findings.queue_list == Listing::Absent =>
        {
            QueueError::NoKernelSupport { number, cause }
        }
        _ => QueueError::Other { number, cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(
        step: Step,
        errno: i32,
        owner: Option<QueueOwner>,
        queue_list: Listing,
        old_ip_queue: bool,
    ) -> String {
        let findings = Findings { owner, queue_list, old_ip_queue };
        classify(7, step, io::Error::from_raw_os_error(errno), findings).to_string()
    }

    #[test]
    fn each_condition_names_its_remedy() {
        let nginx = ProcessHolding { pid: 123, command: "other-intercept".to_owned() };
        let owner = Some(QueueOwner { port: 9, process: Some(nginx) });
        let hidden = Some(QueueOwner { port: 9, process: None });
        let cases = [
            (Step::Bind, libc::EPERM, None, Listing::Present, false, "setcap"),
            (
                Step::Bind,
                libc::EPERM,
                owner.clone(),
                Listing::Present,
                false,
                "held by other-intercept (pid 123)",
            ),
            (Step::Bind, libc::EBUSY, owner, Listing::Present, false, "choose another queue"),
            (Step::Bind, libc::EPERM, hidden, Listing::Present, false, "netlink port 9"),
            (Step::Bind, libc::EINVAL, None, Listing::Absent, false, "modprobe nfnetlink_queue"),
            (Step::Open, libc::EPROTONOSUPPORT, None, Listing::Absent, false, "modprobe nfnetlink_queue"),
            (Step::Bind, libc::EBUSY, None, Listing::Absent, true, "rmmod ip_queue"),
            (Step::Configure, libc::ENOMEM, None, Listing::Present, false, "Cannot allocate memory"),
        ];
        for (step, errno, owner, list, old, expected) in cases {
            let line = classified(step, errno, owner, list, old);
            assert!(line.starts_with("cannot open netfilter queue 7: "), "{line}");
            assert!(line.contains(expected), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}
