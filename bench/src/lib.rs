//! Both programs without a network: clients, an online server and a target that answer at once. Benchmarks and
//! measurements of the parts work with them.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a measurement stops, with a message, at the first thing that is not as it should be"
)]

mod replay;
mod returns;
mod template;

pub use replay::Replay;
pub use returns::Returns;
pub use template::Template;

use std::net::{Ipv4Addr, SocketAddr};

/// The online server.
pub const ONLINE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), 80);
/// The application under test.
pub const TARGET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)), 8080);

/// So many clients have one address.
const PORTS: u32 = 50_000;

/// The address and port of a client.
#[must_use]
pub fn client(number: usize) -> SocketAddr {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number / PORTS);
    let port = u16::try_from(10_000 + number % PORTS).unwrap_or(u16::MAX);
    (address, port).into()
}

/// How many sessions or routes a benchmark makes: so many when it is measured, by `cargo bench`, and no more than a thousand
/// when it is tried out, by `cargo test`.
#[must_use]
pub fn scale(count: usize) -> usize {
    let measured = std::env::args().any(|argument| argument == "--bench");
    if measured { count } else { count.min(1000) }
}
