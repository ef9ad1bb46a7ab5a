//! What the program tells of its work from time to time.

use crate::source::Source;
use std::time::{Duration, Instant};
use tc_core::relay::Relay;
use tracing::{info, warn};

const INTERVAL: Duration = Duration::from_secs(30);

/// Writes the statistics every 30 s and at the end.
#[derive(Debug)]
pub(crate) struct Statistics {
    next: Instant,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.next
    }

    /// Reports if it is time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, relay: &Relay, source: &mut dyn Source) {
        if now >= self.next {
            self.next = now + INTERVAL;
            report(relay, source);
        }
    }
}

/// Writes the lines.
pub(crate) fn report(relay: &Relay, source: &mut dyn Source) {
    info!("{}", relay.counters());
    let (tunnels, routes, held) = (relay.tunnel_count(), relay.route_count(), relay.held_count());
    let source = source.report();
    info!("tunnels:{tunnels}, routes:{routes}, held now:{held}, {}", source.line);
    for warning in source.warnings {
        warn!("{warning}");
    }
}
