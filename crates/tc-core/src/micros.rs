//! Short times in little memory.

use std::num::NonZeroU32;
use std::time::Duration;

/// A time in microseconds, up to an hour and eleven minutes: what is longer counts as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(NonZeroU32);

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        // One more than it is, so that none takes no room.
        Self(NonZeroU32::MIN.saturating_add(micros))
    }
}

impl From<Micros> for Duration {
    fn from(Micros(one_more): Micros) -> Self {
        Self::from_micros((one_more.get() - 1).into())
    }
}
