//! The memory of this process.

use crate::syscall::process::resource_usage;

/// The most memory that the process ever had resident, in octets (getrusage(2): `ru_maxrss`).
#[must_use]
pub fn peak_rss() -> u64 {
    resource_usage().peak_rss
}

#[cfg(test)]
mod tests {
    #[test]
    fn touched_memory_raises_the_peak() {
        let before = super::peak_rss();
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(super::peak_rss() >= before.max(64 << 20), "{before}");
        drop(touched);
    }
}
