//! Privileges: as root, setuid root or by file capabilities; used to open sockets, then given up for good.
//!
//! A program that was started with more rights than its caller has ([`settle`]) becomes its caller at once and keeps
//! two capabilities for sockets. So there is no file that it opens with other rights than the caller's, whoever names
//! it. When everything is open, [`give_up`] takes what is left.

mod abandon;
mod caller;
mod environment;
mod filter;

use crate::SysError;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

pub use abandon::give_up;
pub use caller::settle;

/// What opens sockets; neither lets a program open a file.
const NETWORK: CapabilitySet = CapabilitySet::NET_RAW.union(CapabilitySet::NET_ADMIN);

/// What a program still has to be able to do when everything is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: a raw socket sends without privileges once it is open.
    #[default]
    Nothing,
    /// `CAP_NET_ADMIN`, which the kernel asks for at each verdict on a queued packet.
    NetAdmin,
}

impl Needs {
    const fn capabilities(self) -> CapabilitySet {
        match self {
            Self::Nothing => CapabilitySet::empty(),
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
        }
    }
}

/// Does something with all capabilities that the calling thread may still use, those too that it keeps aside. Where it
/// keeps none, nothing is changed.
pub(crate) fn with_reserve<T>(action: impl FnOnce() -> T) -> T {
    let Ok(sets) = capabilities(None) else { return action() };
    if sets.effective == sets.permitted {
        return action();
    }
    // If the kernel refuses, the action says what it lacks.
    let _ = set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets });
    let result = action();
    let _ = set_capabilities(None, sets);
    result
}

/// Whether the calling thread may use netfilter now.
#[must_use]
pub fn has_net_admin() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

fn failed(cause: Errno) -> SysError {
    SysError::new("give up", "privileges", cause.into())
}
