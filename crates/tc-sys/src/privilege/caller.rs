//! The start of a program that has more rights than whoever calls it.

use super::{NETWORK, environment, failed};
use crate::SysError;
use crate::syscall::process;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities,
};

/// What is kept until everything is open, besides the capabilities for sockets, and put to use for a moment only: to
/// empty the bounding set, and to read the kernel's list of queues.
const ASIDE: CapabilitySet = CapabilitySet::SETPCAP.union(CapabilitySet::DAC_READ_SEARCH);

/// Becomes the caller, when the program is installed setuid or with file capabilities: real, effective and saved
/// user and group are the caller's from here on, the environment is emptied and inherited descriptors are closed. What
/// is left are the capabilities that open sockets. Changes nothing for a program that has no more rights than its
/// caller.
///
/// To be called first, while there is one thread.
///
/// # Errors
///
/// What the system answers; the process must not go on then.
pub fn settle() -> Result<(), SysError> {
    if !process::has_more_rights_than_its_caller() {
        return Ok(());
    }
    process::close_inherited().map_err(|cause| SysError::new("close", "inherited descriptors", cause))?;
    environment::clean();
    become_caller()
}

fn become_caller() -> Result<(), SysError> {
    let caller = process::real_ids();
    if process::effective_ids() != caller {
        set_keep_capabilities(true).map_err(failed)?;
        let change =
            |cause| SysError::new("become", format!("user {} group {}", caller.user, caller.group), cause);
        // The group first: without root it could not be changed.
        process::set_group(caller.group).map_err(change)?;
        process::set_user(caller.user).map_err(change)?;
        set_keep_capabilities(false).map_err(failed)?;
    }
    let permitted = capabilities(None).map_err(failed)?.permitted & (NETWORK | ASIDE);
    let sets =
        CapabilitySets { effective: permitted & NETWORK, permitted, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(failed)?;
    clear_ambient_capability_set().map_err(failed)
}
