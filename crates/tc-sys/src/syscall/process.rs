//! Processes, users, files and resources.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::cpu::CpuUsage;

/// The two returns of fork(2).
pub(crate) enum Fork {
    /// In the parent, with the child's id.
    Parent(libc::pid_t),
    /// In the child.
    Child,
}

/// Splits the process. The child has only the calling thread: call it while there is one.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: no arguments. The callers' contract is to have one thread, so no lock is held by a lost one.
    match syscall!(fork())? {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// The exit code of a child when it ended; `None` when a signal ended it (waitpid(2)).
pub(crate) fn wait_for_exit(child: libc::pid_t) -> io::Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: `status` lives during the call.
    syscall!(waitpid(child, &raw mut status, 0))?;
    Ok(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)))
}

/// Leaves the session of the terminal (setsid(2)).
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: no arguments.
    syscall!(setsid()).map(drop)
}

/// Sets the mask of file modes (umask(2)).
pub(crate) fn set_umask(mask: u32) {
    // SAFETY: an integer; the call cannot fail.
    unsafe { libc::umask(mask) };
}

/// Makes `target` another descriptor of what `source` names (dup2(2)); for standard input, output and error only.
pub(crate) fn replace(source: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: integers. The three standard descriptors belong to the process as a whole, no owner is robbed.
    syscall!(dup2(source.as_raw_fd(), target)).map(drop)
}

/// Locks an open file (flock(2)); false when somebody else has the lock.
pub(crate) fn lock(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: integers.
    match syscall!(flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// An empty file without a name (`memfd_create(2)`).
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: a constant string with its NUL.
    let fd = syscall!(memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC))?;
    // SAFETY: the kernel just made this descriptor and nobody else knows it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) user: libc::uid_t,
    pub(crate) group: libc::gid_t,
}

/// Who started the process.
pub(crate) fn real_ids() -> Ids {
    // SAFETY: no arguments; the calls cannot fail.
    unsafe { Ids { user: libc::getuid(), group: libc::getgid() } }
}

/// Whose rights it has.
pub(crate) fn effective_ids() -> Ids {
    // SAFETY: no arguments; the calls cannot fail.
    unsafe { Ids { user: libc::geteuid(), group: libc::getegid() } }
}

/// Makes real, effective and saved user of all threads this one (setresuid(2)).
pub(crate) fn set_user(user: libc::uid_t) -> io::Result<()> {
    // SAFETY: integers.
    syscall!(setresuid(user, user, user)).map(drop)
}

/// Makes real, effective and saved group of all threads this one (setresgid(2)).
pub(crate) fn set_group(group: libc::gid_t) -> io::Result<()> {
    // SAFETY: integers.
    syscall!(setresgid(group, group, group)).map(drop)
}

/// Whether the program that was executed has more rights than who executed it: setuid, setgid or file capabilities
/// (getauxval(3): `AT_SECURE`).
pub(crate) fn has_more_rights_than_its_caller() -> bool {
    // SAFETY: an integer; the call cannot fail for a value that each kernel passes.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Closes all descriptors but the three standard ones (`close_range(2)`). Call it before anything is opened.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: integers. Nothing in this process owns such a descriptor, by the callers' contract.
    match syscall!(syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0)) {
        // A kernel older than 5.9.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            for descriptor in 3..1024 {
                // SAFETY: as above; most are not open, which does no harm.
                unsafe { libc::close(descriptor) };
            }
            Ok(())
        }
        result => result.map(drop),
    }
}

/// Takes everything out of the environment. Call it while there is one thread.
pub(crate) fn clear_environment() {
    for (name, _) in std::env::vars_os() {
        // SAFETY: no other thread reads the environment, by the callers' contract.
        unsafe { std::env::remove_var(name) };
    }
}

/// Puts a variable into the environment. Call it while there is one thread.
pub(crate) fn set_environment(name: &str, value: &OsStr) {
    // SAFETY: as above.
    unsafe { std::env::set_var(name, value) };
}

/// Whether the file may be written to with the effective rights of the calling thread (faccessat(2)).
pub(crate) fn may_write(path: &Path) -> bool {
    may(path, libc::W_OK)
}

/// Whether files of the directory may be made and removed with the effective rights of the calling thread.
pub(crate) fn may_change(directory: &Path) -> bool {
    may(directory, libc::W_OK | libc::X_OK)
}

fn may(path: &Path, mode: libc::c_int) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: a string with its NUL, which lives during the call.
    syscall!(faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS)).is_ok()
}

/// What the process used (getrusage(2)).
pub(crate) struct ResourceUsage {
    pub(crate) cpu: CpuUsage,
    /// In octets.
    pub(crate) peak_rss: u64,
}

/// Zeros, should the call fail; it has no reason to.
pub(crate) fn resource_usage() -> ResourceUsage {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` lives during the call.
    let _ = syscall!(getrusage(libc::RUSAGE_SELF, &raw mut usage));
    let cpu = CpuUsage { user: duration(usage.ru_utime), system: duration(usage.ru_stime) };
    ResourceUsage { cpu, peak_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024 }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// A moment as the clock on the wall shows it here, without its fraction of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

/// Seconds since 1970 in the time zone of the process (`localtime_r(3)`).
pub(crate) fn local_time(seconds: i64) -> LocalTime {
    // SAFETY: integers and a pointer, for which zero is a value.
    let mut broken: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both live during the call. A year beyond the range leaves zeros.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut broken) };
    LocalTime {
        year: broken.tm_year + 1900,
        month: broken.tm_mon + 1,
        day: broken.tm_mday,
        hour: broken.tm_hour,
        minute: broken.tm_min,
        second: broken.tm_sec,
    }
}
