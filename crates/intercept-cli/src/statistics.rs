//! What the program tells of its work from time to time.

use std::time::{Duration, Instant};
use tc_core::relay::Relay;
use tc_sys::queue::{Queue, QueueStatistics};
use tracing::{info, warn};

const INTERVAL: Duration = Duration::from_secs(30);

/// What the driver counts beside the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueErrors {
    /// Responses that could not be read.
    pub(crate) receive: u64,
    /// Responses whose verdict could not be given.
    pub(crate) verdict: u64,
}

/// Writes the statistics every 30 s and at the end.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) errors: QueueErrors,
    next: Instant,
    /// Responses that the kernel had lost at the report before.
    lost: u64,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { errors: QueueErrors::default(), next: now + INTERVAL, lost: 0 }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.next
    }

    /// Reports if it is time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, relay: &Relay, queue: &Queue) {
        if now >= self.next {
            self.next = now + INTERVAL;
            self.report(relay, queue);
        }
    }

    /// Writes the lines.
    pub(crate) fn report(&mut self, relay: &Relay, queue: &Queue) {
        info!("{}", relay.counters());
        let gauges = gauges(relay);
        match queue.statistics() {
            Ok(kernel) => {
                info!("{gauges}, {}", kernel_line(&kernel, self.errors));
                self.warn_of_loss(&kernel, queue.number());
            }
            Err(error) => info!("{gauges}, queue unknown: {error}"),
        }
    }

    fn warn_of_loss(&mut self, kernel: &QueueStatistics, queue: u16) {
        let lost = kernel.kernel_dropped + kernel.user_dropped;
        let more = lost.saturating_sub(self.lost);
        self.lost = lost;
        if more > 0 {
            warn!(
                "queue {queue} lost {more} responses, {} in all: it was full (-q makes it longer) {}, or its socket was {}",
                lost, kernel.kernel_dropped, kernel.user_dropped
            );
        }
    }
}

fn gauges(relay: &Relay) -> String {
    let (tunnels, routes, held) = (relay.tunnel_count(), relay.route_count(), relay.held_count());
    format!("tunnels:{tunnels}, routes:{routes}, held now:{held}")
}

fn kernel_line(kernel: &QueueStatistics, errors: QueueErrors) -> String {
    let QueueStatistics { length, kernel_dropped, user_dropped, sequence, overruns, gone, .. } = kernel;
    let QueueErrors { receive, verdict } = errors;
    format!(
        "queue total:{sequence}, waiting:{length}, kernel dropped:{kernel_dropped}, user dropped:{user_dropped}, \
         overruns:{overruns}, gone:{gone}, recv errors:{receive}, verdict errors:{verdict}"
    )
}
