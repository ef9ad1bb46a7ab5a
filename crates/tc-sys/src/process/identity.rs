//! Who started this program.

use std::io;

use crate::SysError;
use crate::syscall::process;

/// Runs `action` with the user and group that started the program, when it is installed setuid root: the files that
/// a user names on the command line are opened with what that user may do. The privileges are back afterwards.
///
/// Call it before there are other threads: they change their identity along (setresuid(2) of glibc).
///
/// # Errors
///
/// When the identity cannot be changed; the process must not go on then, for it has the wrong one.
pub fn as_invoker<T>(action: impl FnOnce() -> T) -> Result<T, SysError> {
    let (real, effective) = (process::real_ids(), process::effective_ids());
    if real == effective {
        return Ok(action());
    }
    let failed = |cause: io::Error| {
        SysError::new("change", format!("to user {} group {}", real.user, real.group), cause)
    };
    // The group first: without root it could not be changed.
    process::set_effective_group(real.group).map_err(failed)?;
    process::set_effective_user(real.user).map_err(failed)?;
    let result = action();
    process::set_effective_user(effective.user).map_err(failed)?;
    process::set_effective_group(effective.group).map_err(failed)?;
    Ok(result)
}
