//! The process: daemon, PID file, signals, and who else is on this host.

use std::net::IpAddr;

mod command;
mod daemon;
mod holder;
mod pid_file;
mod signals;

pub use command::output_within;
pub use daemon::{Daemon, daemonize};
pub use holder::{ProcessHolding, netlink_holder, port_holder};
pub use pid_file::PidFile;
pub use signals::{Signal, SignalFd, ignore_sigpipe};

/// The addresses of this host's interfaces, loopback included, of the network namespace of the calling thread.
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    pnet::datalink::interfaces()
        .into_iter()
        .flat_map(|interface| interface.ips)
        .map(|network| network.ip())
        .collect()
}

#[cfg(test)]
mod tests;
