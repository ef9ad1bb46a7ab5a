//! What the program does with the arguments.

use crate::args::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tc_core::relay::RelayConfig;
use tc_sys::log::LogTarget;
use tc_sys::queue::QueueConfig;

/// Where the log of a daemon goes unless told otherwise, as with the original.
const DAEMON_LOG: &str = "error_intercept.log";

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Daemon,
    Foreground,
}

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) log: LogTarget,
    pub(crate) mode: Mode,
    /// What `-x` said, for the log.
    pub(crate) passlist: Option<String>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) queue: QueueConfig,
    pub(crate) relay: RelayConfig,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let mode = if args.daemon { Mode::Daemon } else { Mode::Foreground };
        Self {
            listen: SocketAddr::new(args.bind, args.port),
            log: log_target(args.log_file, mode),
            mode,
            passlist: args.passlist.as_ref().map(ToString::to_string),
            pid_file: args.pid_file,
            queue: QueueConfig { number: args.queue, max_len: args.queue_length, ..QueueConfig::default() },
            relay: relay_config(args.passlist.map(|list| list.0).unwrap_or_default(), args.table_size),
        }
    }
}

fn log_target(file: Option<PathBuf>, mode: Mode) -> LogTarget {
    match (file, mode) {
        (Some(file), _) => LogTarget::File(file),
        (None, Mode::Daemon) => LogTarget::File(Path::new(DAEMON_LOG).to_owned()),
        (None, Mode::Foreground) => LogTarget::Stderr,
    }
}

fn relay_config(passlist: Vec<ipnet::IpNet>, table_size: u32) -> RelayConfig {
    let initial_routes = table_size as usize;
    let defaults = RelayConfig::default();
    RelayConfig { passlist, initial_routes, max_routes: defaults.max_routes.max(initial_routes), ..defaults }
}
