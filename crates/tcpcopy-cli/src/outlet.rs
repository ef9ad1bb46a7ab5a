//! Where packets leave.

use std::io::ErrorKind;
use std::time::Instant;
use tc_core::Replayer;
use tc_sys::error::reason;
use tc_sys::inject::{Injector, PacketBatch, SendFailure};
use tc_sys::program::RateLimit;
use tracing::warn;

/// Packets that are sent at once.
const MAX_BATCH: usize = 256;

/// The same where it counts when each is sent: those in a batch count as sent together.
const MAX_TIMED_BATCH: usize = 16;

/// Batches that are a part of what there is to send.
const MAX_BATCHES: usize = 2;

/// What is left to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Perhaps something.
    Some,
    /// Nothing.
    None,
}

/// When packets count as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accuracy {
    /// At the beginning of the turn.
    Turn,
    /// When they are given to the kernel, a few at a time.
    Clock,
}

/// Sends what a replayer has.
pub(crate) struct Outlet {
    injector: Injector,
    batch: PacketBatch,
    accuracy: Accuracy,
    lines: RateLimit,
    /// Packets that could not be sent.
    pub(crate) errors: u64,
}

impl Outlet {
    /// An outlet through sockets that are open.
    pub(crate) fn new(injector: Injector, accuracy: Accuracy, now: Instant) -> Self {
        Self { injector, batch: PacketBatch::new(), accuracy, lines: RateLimit::new(now), errors: 0 }
    }

    /// Sends everything that the replayer has.
    pub(crate) fn transmit(&mut self, now: Instant, replayer: &mut Replayer) {
        while self.transmit_part(now, replayer) == Rest::Some {}
    }

    /// Sends a bounded part of what the replayer has.
    pub(crate) fn transmit_part(&mut self, now: Instant, replayer: &mut Replayer) -> Rest {
        self.injector.refresh(now);
        let (batches, longest) = match self.accuracy {
            Accuracy::Turn => (MAX_BATCHES, MAX_BATCH),
            Accuracy::Clock => (MAX_BATCHES * MAX_BATCH / MAX_TIMED_BATCH, MAX_TIMED_BATCH),
        };
        for _ in 0..batches {
            let sent = if self.accuracy == Accuracy::Clock { Instant::now() } else { now };
            let mut poll =
                |octets: &mut Vec<u8>| replayer.poll_transmit(sent, octets).map(|sent| sent.destination);
            while self.batch.len() < longest && self.batch.push_with(&mut poll) {}
            if self.batch.is_empty() {
                return Rest::None;
            }
            let report = self.injector.send(&self.batch);
            self.batch.clear();
            for failure in report.errors() {
                self.on_failure(now, failure);
            }
        }
        Rest::Some
    }

    /// A packet that was not sent is lost like one on the wire: it is sent again when its time comes.
    fn on_failure(&mut self, now: Instant, failure: SendFailure) {
        self.errors += failure.count as u64;
        if let Some(left_out) = self.lines.admit(now) {
            let error = failure.error();
            let hint = remedy(error.kind());
            warn!("{} packets could not be sent: {}{hint}{left_out}", failure.count, reason(&error));
        }
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    if kind == ErrorKind::PermissionDenied {
        "; look for an OUTPUT rule that forbids them: iptables -S OUTPUT"
    } else if kind == ErrorKind::NetworkUnreachable || kind == ErrorKind::HostUnreachable {
        "; look at the route to the target: ip route get <target>"
    } else {
        ""
    }
}
