//! What the target answered, beside what the users got.
//!
//! A session's `Meter` follows each request and both of its answers; what is over becomes an [`Exchange`], and a
//! [`Comparison`] adds those up in constant memory. Comparisons of several replayers can be added.
//!
//! An answer's octets are known by their place in the stream of the server that sent them, so that what is sent twice
//! counts once. Those of the online server are captured; those of the target are known by their headers.

mod comparison;
mod exchange;
mod handshakes;
mod http;
mod latency;
mod meter;
mod routes;
mod side;
mod timeline;

use std::time::Instant;

pub use comparison::{Comparison, Mismatch, SideTotals, Speed};
pub use exchange::{Answer, Exchange, Failure};
pub use http::RequestLine;
pub use latency::{Difference, Latency};
pub(crate) use meter::{Meter, RequestPart, TargetPart};
pub use routes::{Route, Routes};
pub use timeline::{Interval, Timeline};

/// How answers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareConfig {
    /// When the comparison began: times of the [`Timeline`] count from here. The same for all that are added.
    pub origin: Instant,
    /// What of the clients' requests is kept for the report.
    pub detail: Detail,
}

/// What of the clients' requests is kept for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Method and status. Routes are told apart without their paths.
    #[default]
    Anonymous,
    /// The path as well, without its query.
    Paths,
}
