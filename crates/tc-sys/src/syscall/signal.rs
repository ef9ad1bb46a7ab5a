//! Signals.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Blocks the signals in the calling thread and opens a non-blocking descriptor for them (signalfd(2)).
pub(crate) fn open(numbers: &[libc::c_int]) -> io::Result<OwnedFd> {
    // SAFETY: a set of bits, for which zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` lives during the call.
    syscall!(sigemptyset(&raw mut set))?;
    for number in numbers {
        // SAFETY: as above; the kernel's library checks the number.
        syscall!(sigaddset(&raw mut set, *number))?;
    }
    // SAFETY: `set` is initialized and only read; the old mask is not asked for.
    syscall!(sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
    // SAFETY: `set` is initialized and only read.
    let fd = syscall!(signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
    // SAFETY: the kernel just made this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The number of the next signal; `None` when none waits.
pub(crate) fn read(fd: BorrowedFd<'_>) -> io::Result<Option<libc::c_int>> {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the kernel writes at most the size of `info`.
        match syscall!(read(fd.as_raw_fd(), (&raw mut info).cast(), size_of::<libc::signalfd_siginfo>())) {
            Ok(_) => return Ok(libc::c_int::try_from(info.ssi_signo).ok()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Ignores a signal (sigaction(2)).
pub(crate) fn ignore(number: libc::c_int) -> io::Result<()> {
    // SAFETY: for this structure zero means: no flags, no mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: `action` lives during the call; the old one is not asked for.
    syscall!(sigaction(number, &raw const action, std::ptr::null_mut())).map(drop)
}
