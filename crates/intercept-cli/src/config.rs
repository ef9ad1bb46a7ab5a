//! What the program does with the arguments.

use crate::args::{Args, NetworkList, QueueRange, SourceArgs, SourceKind};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;
use tc_core::relay::RelayConfig;
use tc_sys::nflog::NflogConfig;
use tc_sys::pcap::DeviceConfig;
use tc_sys::queue::{Overflow, QueueConfig};

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen; nothing for all addresses.
    pub(crate) bind: Option<IpAddr>,
    pub(crate) port: u16,
    /// Where the key is, if tcpcopy must know one.
    pub(crate) key_file: Option<PathBuf>,
    /// What `-x` said, for the log.
    pub(crate) passlist: Option<String>,
    pub(crate) source: SourceConfig,
    pub(crate) relay: RelayConfig,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        Self {
            bind: args.bind,
            port: args.port,
            key_file: args.key_file,
            passlist: args.passlist.as_ref().map(ToString::to_string),
            source: args.source.into(),
            relay: RelayConfig {
                passlist: networks(args.passlist),
                allow: networks(args.allow),
                records_per_frame: args.combine.into(),
                ..relay_config(args.table_size)
            },
        }
    }
}

/// Where the answers come from.
#[derive(Debug)]
pub(crate) enum SourceConfig {
    /// Netfilter queues, and what they have in common.
    Queues(QueueRange, QueueConfig),
    /// Devices of an assistant host, each with the same filter.
    Devices(Vec<DeviceConfig>),
    /// The netfilter log.
    Nflog(NflogConfig),
}

impl From<SourceArgs> for SourceConfig {
    fn from(args: SourceArgs) -> Self {
        if let Some(filter) = args.filter {
            let snap = args.snap.into();
            let device = |name| DeviceConfig { snap, ..DeviceConfig::headers(name, &filter) };
            return Self::Devices(args.device.into_iter().map(device).collect());
        }
        match args.source {
            SourceKind::Queue => {
                let overflow = if args.fail_open { Overflow::Accept } else { Overflow::Drop };
                let queue = QueueConfig { max_len: args.queue_length, overflow, ..QueueConfig::default() };
                Self::Queues(args.queue, queue)
            }
            SourceKind::Nflog => Self::Nflog(NflogConfig {
                group: args.nflog_group,
                threshold: args.nflog_threshold,
                flush: args.nflog_flush,
                ..NflogConfig::default()
            }),
        }
    }
}

fn networks(list: Option<NetworkList>) -> Vec<IpNet> {
    list.map(|list| list.0).unwrap_or_default()
}

fn relay_config(table_size: u32) -> RelayConfig {
    let initial_routes = table_size as usize;
    let defaults = RelayConfig::default();
    RelayConfig { initial_routes, max_routes: defaults.max_routes.max(initial_routes), ..defaults }
}
