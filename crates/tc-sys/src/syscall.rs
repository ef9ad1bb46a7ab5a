//! The system calls, as safe functions: the only module of the project with `unsafe` in it.
//!
//! Contract of everything below: a descriptor is an [`OwnedFd`](std::os::fd::OwnedFd) from its first moment and
//! close-on-exec, a failure is the [`io::Error`](std::io::Error) of its `errno`, and nothing keeps a pointer into
//! its arguments after it returned.
#![expect(unsafe_code, reason = "system calls; this module is where the project keeps them")]

/// Calls a function of libc and turns its `-1` into the error that `errno` names.
macro_rules! syscall {
    ($function:ident ( $($argument:expr),* $(,)? )) => {{
        // SAFETY: each use states, just above it, why its arguments are valid for this call.
        let result = unsafe { libc::$function($($argument),*) };
        if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
    }};
}

pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod receive;
pub(crate) mod ring;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod transmit;

#[cfg(test)]
pub(crate) mod namespace;
