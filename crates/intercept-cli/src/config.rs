//! What the program does with the arguments.

use crate::args::{Args, QueueRange};
use std::net::SocketAddr;
use tc_core::relay::RelayConfig;
use tc_sys::queue::{Overflow, QueueConfig};

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// What `-x` said, for the log.
    pub(crate) passlist: Option<String>,
    pub(crate) queues: QueueRange,
    /// What the queues have in common.
    pub(crate) queue: QueueConfig,
    pub(crate) relay: RelayConfig,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        Self {
            listen: SocketAddr::new(args.bind, args.port),
            passlist: args.passlist.as_ref().map(ToString::to_string),
            queues: args.queue,
            queue: QueueConfig {
                max_len: args.queue_length,
                overflow: if args.fail_open { Overflow::Accept } else { Overflow::Drop },
                ..QueueConfig::default()
            },
            relay: relay_config(args.passlist.map(|list| list.0).unwrap_or_default(), args.table_size),
        }
    }
}

fn relay_config(passlist: Vec<ipnet::IpNet>, table_size: u32) -> RelayConfig {
    let initial_routes = table_size as usize;
    let defaults = RelayConfig::default();
    RelayConfig { passlist, initial_routes, max_routes: defaults.max_routes.max(initial_routes), ..defaults }
}
