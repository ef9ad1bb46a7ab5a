//! `tc-load`: clients that send numbered requests and check every answer.

mod client;
mod driver;
mod summary;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;

pub use driver::run;
pub use summary::Summary;

/// Clients that send numbered requests and check every answer.
///
/// Request `r` of connection `c` is named `tag-c-r`.
#[derive(Debug, Clone, Parser)]
#[command(name = "tc-load")]
pub struct Options {
    /// The server.
    #[arg(long)]
    pub to: SocketAddr,
    /// The addresses that the connections come from, in turn: `10.0.0.1`, `10.0.0.1-10.0.0.9`.
    #[arg(long, value_parser = parse_range)]
    pub from: AddressRange,
    /// How many connections in all.
    #[arg(long, default_value_t = 1)]
    pub connections: usize,
    /// How many requests on each.
    #[arg(long, default_value_t = 1)]
    pub requests: usize,
    /// How many connections may be open at once; all by default.
    #[arg(long)]
    pub concurrency: Option<usize>,
    /// How many octets of body each request carries.
    #[arg(long, default_value_t = 0)]
    pub post: usize,
    /// How many octets of body each answer shall carry.
    #[arg(long, default_value_t = crate::http::DEFAULT_ANSWER_LEN)]
    pub answer: usize,
    /// How long a client thinks before its next request, on average.
    #[arg(long, default_value_t = 0)]
    pub pause_ms: u64,
    /// The first part of each request's name.
    #[arg(long, default_value = "load")]
    pub tag: String,
    /// The `Server` that every answer must name.
    #[arg(long)]
    pub server: String,
    /// Wait for a line of greeting before the first request.
    #[arg(long)]
    pub greet: bool,
    /// After how many requests each connection waits for the hold file to appear.
    #[arg(long, requires = "hold_file")]
    pub hold_after: Option<usize>,
    /// The file that ends the waiting; when all connections wait, a file of this name with `.reached` appears.
    #[arg(long)]
    pub hold_file: Option<PathBuf>,
    /// After how long to give up.
    #[arg(long, default_value_t = 120)]
    pub limit_s: u64,
}

/// Consecutive addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    count: u32,
}

impl AddressRange {
    /// The address whose turn it is at `index`.
    #[must_use]
    pub fn nth(self, index: usize) -> IpAddr {
        let offset = u32::try_from(index % self.count as usize).unwrap_or(0);
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + offset).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + u128::from(offset)).into(),
        }
    }
}

fn parse_range(text: &str) -> Result<AddressRange, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let parse = |text: &str| text.parse::<IpAddr>().map_err(|error| error.to_string());
    let (first, last) = (parse(first)?, parse(last)?);
    let span = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => last.to_bits().checked_sub(first.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            last.to_bits().checked_sub(first.to_bits()).and_then(|span| u32::try_from(span).ok())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    };
    let span = span.ok_or("the last address does not follow the first")?;
    Ok(AddressRange { first, count: span + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns() {
        let range = parse_range("10.0.0.1-10.0.0.3").unwrap();
        let turns: Vec<_> = (0..4).map(|i| range.nth(i).to_string()).collect();
        assert_eq!(turns, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
        assert!(parse_range("10.0.0.2-10.0.0.1").is_err());
        assert_eq!(parse_range("fd00::9-fd00::b").unwrap().nth(4).to_string(), "fd00::a");
    }
}
