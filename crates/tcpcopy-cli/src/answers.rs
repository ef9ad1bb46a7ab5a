//! The online server's answers, in the order of time between the clients' packets.

use std::time::{Instant, SystemTime};
use tc_core::Replayer;
use tc_sys::capture::{AnswerCapture, CaptureStatistics};

/// The same moment on the clock of the program and on that of captured packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    now: Instant,
    clock: SystemTime,
}

impl Moment {
    fn new(now: Instant) -> Self {
        Self { now, clock: SystemTime::now() }
    }

    /// When something was captured, on the clock of the program.
    pub(crate) fn at(self, stamp: SystemTime) -> Instant {
        let ago = self.clock.duration_since(stamp).unwrap_or_default();
        self.now.checked_sub(ago).unwrap_or(self.now)
    }
}

/// The online server's answers. Nothing wakes the program for them: they wait until a client speaks, which it does at the
/// latest when it acknowledges them.
#[derive(Debug)]
pub(crate) struct Answers {
    capture: AnswerCapture,
    moment: Moment,
    counted: CaptureStatistics,
}

impl Answers {
    pub(crate) fn new(capture: AnswerCapture, now: Instant) -> Self {
        Self { capture, moment: Moment::new(now), counted: CaptureStatistics::default() }
    }

    /// Before packets of clients are taken: what time it is.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.moment = Moment::new(now);
    }

    /// A packet of a client comes next, captured then: what was sent before comes first. When it was captured, on the
    /// clock of the program.
    pub(crate) fn take_before(&mut self, stamp: Option<SystemTime>, replayer: &mut Replayer) -> Instant {
        let moment = self.moment;
        let limit = stamp.unwrap_or(moment.clock);
        while let Some(answer) = self.capture.next_before(limit) {
            replayer.handle_online_packet(moment.at(answer.stamp), answer.octets);
        }
        stamp.map_or(moment.now, |stamp| moment.at(stamp))
    }

    /// No packet of a client is left: all that was sent before the last look at them.
    pub(crate) fn take_rest(&mut self, replayer: &mut Replayer) {
        self.take_before(None, replayer);
    }

    /// What the kernel counted; what it counted before if it does not tell.
    pub(crate) fn statistics(&mut self) -> CaptureStatistics {
        self.counted = self.capture.statistics().unwrap_or(self.counted);
        self.counted
    }
}
