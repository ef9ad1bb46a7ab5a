//! A timer that rings on time: mio rounds its own waits up to whole milliseconds.

use crate::SysError;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A descriptor that becomes readable when its time has come (timerfd(2)). Nothing needs to be read.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// Opens a timer that does not run.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn open() -> Result<Self, SysError> {
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .map(Self)
            .map_err(|cause| SysError::new("open", "a timer", cause.into()))
    }

    /// Lets it ring once after this time, at once for none. What was set before is forgotten.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn set(&self, after: Duration) -> Result<(), SysError> {
        // A time of nothing would stop the timer.
        let after = after.max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: after.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(self.0.as_fd(), TimerfdTimerFlags::empty(), &once)
            .map(drop)
            .map_err(|cause| SysError::new("set", "a timer", cause.into()))
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};
    use std::time::Instant;

    fn rings(timer: &Timer, within: Duration) -> bool {
        let mut waited = [PollFd::new(&timer.0, PollFlags::IN)];
        let limit = Timespec { tv_sec: 0, tv_nsec: within.subsec_nanos().into() };
        poll(&mut waited, Some(&limit)).expect("a wait") == 1
    }

    #[test]
    fn a_timer_rings_after_its_time_and_not_before() {
        let timer = Timer::open().expect("a timer");
        assert!(!rings(&timer, Duration::from_millis(5)));
        let began = Instant::now();
        timer.set(Duration::from_millis(30)).expect("set");
        assert!(rings(&timer, Duration::from_millis(900)));
        assert!(began.elapsed() >= Duration::from_millis(30));
        timer.set(Duration::from_millis(500)).expect("set again");
        assert!(!rings(&timer, Duration::from_millis(5)), "what rang is forgotten");
        timer.set(Duration::ZERO).expect("set to now");
        assert!(rings(&timer, Duration::from_millis(900)));
    }
}
