//! The state machines of tcpcopy. They do no input or output and read no clock: octets and time are arguments,
//! and what is to be sent is asked for.
//!
//! - [`Replayer`]: tcpcopy between its capture, its tunnels and the target.
//! - [`Reassembler`]: IP packets from their fragments.
//! - [`relay`]: intercept between the netfilter queue and its tunnels.
#![forbid(unsafe_code)]

mod clients;
mod close;
pub mod compare;
mod config;
pub mod counters;
mod datagram;
mod deadlines;
mod index;
mod mapping;
mod micros;
mod reassembly;
pub mod relay;
mod replayer;
mod session;
mod table;
#[cfg(test)]
mod testing;
mod timer;
mod waiting;

pub use clients::{ClientPool, ClientPoolError};
pub use close::CloseReason;
pub use config::{Admission, Join, LoopbackClients, Origin, Pace, Ramp, ReplayConfig};
pub use mapping::{LinkAddresses, Mapping, MappingError};
pub use reassembly::{Reassembler, ReassemblyLimits};
pub use replayer::{Replayer, RouteScope, Transmit};
pub use timer::Timer;
pub use waiting::Waiting;
