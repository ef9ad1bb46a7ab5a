//! The processor time of this process.

use std::time::Duration;

use crate::syscall::process::resource_usage;

/// Processor time since the start of the process, all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// In the program.
    pub user: Duration,
    /// In the kernel for the program.
    pub system: Duration,
}

/// How much processor time the process used (getrusage(2)).
#[must_use]
pub fn usage() -> CpuUsage {
    resource_usage().cpu
}

#[cfg(test)]
mod tests {
    #[test]
    fn work_takes_time() {
        let start = super::usage();
        let total = |usage: super::CpuUsage| usage.user + usage.system;
        while total(super::usage()) == total(start) {
            std::hint::black_box(vec![0_u8; 4096]);
        }
    }
}
