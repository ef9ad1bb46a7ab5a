//! Signals as something to read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::SysError;
use crate::syscall::signal;

/// A signal that the programs handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `SIGTERM`.
    Terminate,
    /// `SIGINT`.
    Interrupt,
    /// `SIGHUP`.
    Hangup,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Terminate, Self::Interrupt, Self::Hangup, Self::User1, Self::User2];

    /// The number of the signal.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::Hangup => libc::SIGHUP,
            Self::User1 => libc::SIGUSR1,
            Self::User2 => libc::SIGUSR2,
        }
    }
}

/// Receives the signals of [`Signal`] (signalfd(2)), non-blocking.
#[derive(Debug)]
pub struct SignalFd {
    descriptor: OwnedFd,
}

impl SignalFd {
    /// Blocks the signals for the calling thread and the threads it starts from now on, and opens the descriptor.
    /// Call it before there are other threads and after [`daemonize`](super::daemonize).
    ///
    /// # Errors
    ///
    /// What sigprocmask(2) and signalfd(2) report.
    pub fn open() -> Result<Self, SysError> {
        let numbers = Signal::ALL.map(Signal::number);
        let descriptor =
            signal::open(&numbers).map_err(|cause| SysError::new("open", "the signal descriptor", cause))?;
        Ok(Self { descriptor })
    }

    /// The next signal that came; `None` when none waits. Several of a kind may come as one.
    ///
    /// # Errors
    ///
    /// What read(2) reports.
    pub fn next_signal(&mut self) -> io::Result<Option<Signal>> {
        let number = signal::read(self.descriptor.as_fd())?;
        Ok(number.and_then(|number| Signal::ALL.into_iter().find(|signal| signal.number() == number)))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for SignalFd {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// Makes a write to a closed connection an error (`EPIPE`) instead of the end of the process.
///
/// # Errors
///
/// What signal(2) reports; it has no reason to.
pub fn ignore_sigpipe() -> Result<(), SysError> {
    signal::ignore(libc::SIGPIPE).map_err(|cause| SysError::new("ignore", "SIGPIPE", cause))
}
