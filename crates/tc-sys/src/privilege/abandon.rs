//! Giving up what is not needed any more, and the proof of it.

use super::{NETWORK, Needs, failed, filter};
use crate::SysError;
use crate::syscall::{process, socket};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};
use std::io;
use std::path::Path;

/// Gives up all capabilities but those of `needs`, for good: the bounding set is emptied, root has no capabilities by
/// being root, no program that is executed gets any, and a filter refuses the system calls that neither program makes
/// (`filter.rs`). Then it tries to regain them.
///
/// Root keeps `CAP_DAC_OVERRIDE` aside if it needs that to open one of `files` again, or to remove it.
///
/// To be called when everything is open and before threads are started, which keep the capabilities of their own.
///
/// # Errors
///
/// What the system answers, or that privileges can be regained; the process must not go on then.
pub fn give_up(needs: Needs, files: &[&Path]) -> Result<(), SysError> {
    refuse_threads()?;
    let before = capabilities(None).map_err(failed)?;
    empty_bounding_set(before)?;
    let kept = needs.capabilities() & before.permitted;
    let reserve = reserve(files, kept, before)?;
    let sets =
        CapabilitySets { effective: kept, permitted: kept | reserve, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(failed)?;
    clear_ambient_capability_set().map_err(failed)?;
    set_no_new_privs(true).map_err(failed)?;
    prove(before, sets)?;
    filter::install()
}

/// Capabilities belong to a thread: those of a thread that runs already would stay.
fn refuse_threads() -> Result<(), SysError> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(2..) => Err(SysError::new("give up", "privileges", io::Error::other("there are threads already"))),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Needs `CAP_SETPCAP`. Without it (file capabilities) that nothing can be gained by executing a program is the
/// doing of `no_new_privs` alone.
fn empty_bounding_set(before: CapabilitySets) -> Result<(), SysError> {
    if !before.permitted.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    set_capabilities(None, CapabilitySets { effective: before.permitted, ..before }).map_err(failed)?;
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // The kernel does not know it.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(locked).map_err(failed)
}

/// `CAP_DAC_OVERRIDE`, if it is there and one of the files is out of reach without it.
fn reserve(files: &[&Path], kept: CapabilitySet, before: CapabilitySets) -> Result<CapabilitySet, SysError> {
    let reserve = CapabilitySet::DAC_OVERRIDE & before.permitted;
    if reserve.is_empty() || process::real_ids().user != 0 {
        return Ok(CapabilitySet::empty());
    }
    set_capabilities(None, CapabilitySets { effective: kept, ..before }).map_err(failed)?;
    let reachable = |path: &Path| {
        let directory = path.parent().is_none_or(process::may_change);
        directory && (!path.exists() || process::may_write(path))
    };
    let all = files.iter().all(|file| reachable(file));
    Ok(if all { CapabilitySet::empty() } else { reserve })
}

/// Tries what must not be possible any more.
fn prove(before: CapabilitySets, now: CapabilitySets) -> Result<(), SysError> {
    let regained = |what: &str| {
        let cause = io::Error::other(format!("{what} can be regained"));
        Err(SysError::new("give up", "privileges", cause))
    };
    if process::real_ids().user != 0 && process::set_user(0).is_ok() {
        return regained("root");
    }
    let old = CapabilitySets { effective: before.permitted, ..before };
    if before.permitted != now.permitted && set_capabilities(None, old).is_ok() {
        return regained("capabilities");
    }
    if capabilities(None).map_err(failed)? != now {
        return regained("some capability");
    }
    let gone = NETWORK.difference(now.permitted);
    if gone.contains(CapabilitySet::NET_RAW) && socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0).is_ok() {
        return regained("a socket that needs CAP_NET_RAW");
    }
    Ok(())
}
