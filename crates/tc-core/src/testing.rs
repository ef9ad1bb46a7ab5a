//! What the tests of several modules share.

use std::time::Instant;

/// A point in time to count from.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; nothing is measured")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
