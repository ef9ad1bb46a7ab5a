//! Network namespaces, for tests.

use std::io;

/// Moves the calling thread into a new, empty network namespace (unshare(2)).
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: an integer.
    syscall!(unshare(libc::CLONE_NEWNET)).map(drop)
}

/// Takes all capabilities from the calling thread, and from no other (capset(2)).
pub(crate) fn drop_capabilities() -> io::Result<()> {
    const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    let header = [LINUX_CAPABILITY_VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: a header of two words and two sets of three words, as this version wants; both are only read.
    syscall!(syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr())).map(drop)
}

/// Sends a signal to the calling thread (raise(3)).
pub(crate) fn raise(number: libc::c_int) {
    // SAFETY: an integer.
    unsafe { libc::raise(number) };
}
