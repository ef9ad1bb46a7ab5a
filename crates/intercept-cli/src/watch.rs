//! How the descriptors of a source are waited for: at each packet, or at short intervals under load.

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::io;
use std::os::fd::RawFd;
use std::time::Instant;
use tc_proto::tunnel::Times;
use tc_sys::capture::{Alertness, Pacer};
use tc_sys::program::Readiness;

/// Descriptors that mio waits for, unless their reader naps.
#[derive(Debug)]
pub(crate) struct Watch {
    descriptors: Vec<RawFd>,
    token: Token,
    alertness: Alertness,
    times: Times,
    pacer: Pacer,
}

impl Watch {
    /// Begins to wait for the descriptors, which outlive this.
    pub(crate) fn new(
        now: Instant,
        descriptors: Vec<RawFd>,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let watch = Self {
            descriptors,
            token,
            alertness: Alertness::Awake,
            times: Times::Unwanted,
            pacer: Pacer::new(now, Pacer::SHORTEST),
        };
        watch.apply(Alertness::Awake, registry)?;
        Ok(watch)
    }

    /// Where the time of each packet is asked for, none waits for a look.
    pub(crate) const fn attend(&mut self, times: Times) {
        self.times = times;
    }

    /// Takes note of a look that found so much and left more.
    pub(crate) fn left_more(&mut self, now: Instant, found: usize) -> Readiness {
        self.pacer.record(now, found);
        Readiness::Ready
    }

    /// When to look again, after a look that found so much and then nothing.
    pub(crate) fn drained(&mut self, now: Instant, found: usize, registry: &Registry) -> Readiness {
        let alertness = match (self.pacer.record(now, found), self.times) {
            (alertness, Times::Unwanted) => alertness,
            (_, Times::Wanted) => Alertness::Awake,
        };
        // What fails is tried again at the next look; until then, all goes on as before.
        if alertness != self.alertness && self.apply(alertness, registry).is_ok() {
            self.alertness = alertness;
        }
        match self.alertness {
            Alertness::Awake => Readiness::Drained,
            Alertness::Napping => Readiness::RetryAt(now + self.pacer.nap()),
        }
    }

    /// Makes mio wait, or not. If something is there already, mio tells at once.
    fn apply(&self, alertness: Alertness, registry: &Registry) -> io::Result<()> {
        self.descriptors.iter().try_for_each(|descriptor| match alertness {
            Alertness::Awake => registry.register(&mut SourceFd(descriptor), self.token, Interest::READABLE),
            Alertness::Napping => registry.deregister(&mut SourceFd(descriptor)),
        })
    }
}
