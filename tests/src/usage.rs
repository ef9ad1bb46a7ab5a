//! What a process has used, as the kernel counts it.

use std::fs;
use std::ops::Add;
use std::time::Duration;

/// The kernel's unit of processor time in `/proc/<pid>/stat`.
const TICK: Duration = Duration::from_millis(10);

/// Processor time and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its threads, in the kernel as well.
    pub cpu: Duration,
    /// The most memory it had at any time, in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// What the process `pid` has used so far; nothing if it does not exist.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self { cpu: ticks(pid).max(scheduled(pid)), peak_kib: peak(pid).unwrap_or(0) }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, peak_kib: self.peak_kib.max(other.peak_kib) }
    }
}

/// Coarse, but with the threads that have ended.
fn ticks(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse().ok()).map(|ticks: u32| TICK * ticks).sum()
}

/// Exact, but of living threads only.
fn scheduled(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    tasks
        .filter_map(|task| {
            let line = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            line.split(' ').next()?.parse().ok()
        })
        .map(Duration::from_nanos)
        .sum()
}

fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_used_something() {
        let usage = Usage::of(std::process::id());
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.peak_kib > 100);
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }
}
