//! Network namespaces whose names contain the process id, and their removal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

const ROLES: [&str; 4] = ["client", "online", "target", "assistant"];
const DIRECTORY: &str = "/run/netns";

/// The namespaces of this process.
static LIVE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A namespace; removed, with its processes, when dropped.
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn new(number: u32, role: &str) -> Self {
        let name = format!("tc-{}-{number}-{role}", std::process::id());
        live().push(name.clone());
        let made = ip(&["netns", "add", &name]);
        let namespace = Self { name };
        if let Err(error) = made {
            panic!("cannot make a network namespace (root is needed): {error}");
        }
        namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut live = live();
        remove(&self.name);
        live.retain(|name| *name != self.name);
    }
}

fn live() -> MutexGuard<'static, Vec<String>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the namespaces of this process, which is about to end. While the result lives, no other can be made.
pub(super) fn remove_live() -> impl Sized {
    let live = live();
    live.iter().for_each(|name| remove(name));
    live
}

/// Removes the namespaces of processes that are no more.
pub(super) fn remove_stale() {
    let Ok(entries) = std::fs::read_dir(DIRECTORY) else {
        return;
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| owner(name).is_some_and(|pid| !Path::new("/proc").join(pid).exists()))
        .for_each(|name| remove(&name));
}

/// The process that made the namespace `name`, if it is a lab's.
fn owner(name: &str) -> Option<&str> {
    let mut parts = name.strip_prefix("tc-")?.split('-');
    let (pid, number, role) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_lab = is_number(pid) && is_number(number) && ROLES.contains(&role) && parts.next().is_none();
    is_lab.then_some(pid)
}

/// Kills the processes inside and removes the namespace; there is nobody to tell if that fails.
fn remove(name: &str) {
    for pid in ip(&["netns", "pids", name]).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = ip(&["netns", "del", name]);
}

fn ip(args: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(args).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_labs_have_an_owner() {
        assert_eq!(owner("tc-12-0-client"), Some("12"));
        for name in ["tc-12-client", "tc-x-0-client", "tc-12-0-client-1", "other-12-0-client", "tc--0-online"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
