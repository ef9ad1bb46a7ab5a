//! Why a file cannot be replayed, or not to its end.

use std::io;
use tc_sys::error::reason;

/// A file and what is wrong with it, in one line.
#[derive(Debug, thiserror::Error)]
#[error("cannot replay {name}: {problem}")]
pub(crate) struct FileError {
    name: String,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is broken behind octet {0} of its contents; what comes before is replayed")]
    Broken(u64),
    #[error("it is compressed; give what '{0} -dc' makes of it to tcpcopy -i -")]
    Compression(&'static str),
    #[error("its compressed contents are broken; what comes before is replayed")]
    Corrupt,
    #[error("it is a directory; name the files in it")]
    Directory,
    #[error("it is empty")]
    Empty,
    #[error("packets of link type {0} are not understood; capture on an Ethernet device, or on any")]
    LinkType(u32),
    #[error("it is no pcap or pcapng file; make one with tcpdump -w")]
    NotACapture,
    #[error("it can be read only once; leave out -T")]
    Once,
    #[error("it ends within a packet; what comes before is replayed")]
    Truncated,
    #[error("{}", reason(.0))]
    Unreadable(io::Error),
}

impl FileError {
    pub(super) fn new(name: &str, problem: Problem) -> Self {
        Self { name: name.to_owned(), problem }
    }
}
