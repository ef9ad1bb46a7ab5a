//! What intercept returns.

use crate::{Flow, Segment};

/// The header of one response of the target: a [`Segment`] whose payload stayed on the test host, its length
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetHeader(pub Segment);

impl TargetHeader {
    /// The replayed connection that the response belongs to.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        Flow { client: self.0.destination, target: self.0.source }
    }
}
