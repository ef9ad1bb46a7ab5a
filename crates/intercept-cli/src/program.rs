//! Opening what the program needs.

use crate::args::QueueRange;
use crate::config::{Config, SourceConfig};
use crate::driver::Driver;
use crate::error::Error;
use crate::listener;
use crate::source::{DeviceSource, NflogSource, QueueSource, QueueThreads, Source};
use std::net::{Ipv6Addr, SocketAddr};
use tc_core::relay::RelayConfig;
use tc_proto::tunnel::VERSION;
use tc_sys::key_file;
use tc_sys::nflog::{Nflog, NflogConfig};
use tc_sys::pcap::DeviceConfig;
use tc_sys::privilege::Needs;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, MetricsServer, Program};
use tc_sys::queue::{FirewallRules, Overflow, Queue, QueueConfig};
use tracing::{info, warn};

impl Program for Driver {
    type Config = Config;
    type Error = Error;

    const NEEDS: Needs = Needs::NetAdmin;

    fn open(config: &Config) -> Result<Self, Error> {
        let source = open_source(config)?;
        let listener = listener::open(config.bind, config.port)?;
        let key = config.key_file.as_deref().map(key_file::read).transpose()?;
        let relay = RelayConfig { key, ..config.relay.clone() };
        let signals = SignalFd::open()?;
        tell_configuration(config);
        Self::new(source, listener, signals, relay)
    }

    fn run(
        &mut self,
        on_signal: impl FnMut(Signal) -> Flow,
        metrics: Option<MetricsServer>,
    ) -> Result<(), Error> {
        self.run_until_stopped(on_signal, metrics)
    }
}

fn open_source(config: &Config) -> Result<Box<dyn Source>, Error> {
    Ok(match &config.source {
        SourceConfig::Queues(range, queue) => open_queues(*range, *queue, config)?,
        SourceConfig::Devices(devices) => Box::new(DeviceSource::open(devices)?),
        SourceConfig::Nflog(nflog) => Box::new(NflogSource::new(Nflog::open(*nflog)?)),
    })
}

/// One queue is read by the event loop, several by threads of their own.
fn open_queues(range: QueueRange, queue: QueueConfig, config: &Config) -> Result<Box<dyn Source>, Error> {
    let open = |number| Queue::open(QueueConfig { number, ..queue });
    let mut queues = range.numbers().map(open).collect::<Result<Vec<_>, _>>()?;
    if queues.len() == 1
        && let Some(queue) = queues.pop()
    {
        return Ok(Box::new(QueueSource::new(queue)?));
    }
    Ok(Box::new(QueueThreads::new(queues, config.relay.passlist.clone().into())?))
}

fn tell_configuration(config: &Config) {
    info!("intercept version:{}", env!("CARGO_PKG_VERSION"));
    info!("intercept internal version:{VERSION}");
    if let Some(passlist) = &config.passlist {
        info!("-x para:{passlist}");
    }
    match &config.source {
        SourceConfig::Queues(range, queue) => tell_of_queues(*range, queue),
        SourceConfig::Devices(devices) => tell_of_devices(devices),
        SourceConfig::Nflog(nflog) => tell_of_log(nflog),
    }
    let everywhere = config.bind.is_none_or(|address| address.is_unspecified());
    let address = config.bind.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
    info!("msg listen socket:{}", SocketAddr::new(address, config.port));
    if everywhere && config.relay.allow.is_empty() && config.key_file.is_none() {
        warn!(
            "whoever reaches port {} can read the headers of answers; name the hosts of tcpcopy with --allow, or give \
             --key-file",
            config.port
        );
    }
}

/// Also says what the firewall does not yet do, or does in an old way.
fn tell_of_queues(range: QueueRange, queue: &QueueConfig) {
    info!("nfq queue:{range}, length:{}", queue.max_len);
    if queue.overflow == Overflow::Accept {
        warn!("--fail-open: answers that find a queue full go to the addresses of the real clients");
    }
    let (rules, first) = (FirewallRules::current(), range.first);
    for rule in &rules.old_queue {
        warn!(
            "an ip_queue rule feeds queue 0 only; replace -j QUEUE by -j NFQUEUE --queue-num {first}: {rule}"
        );
    }
    if !range.numbers().all(|queue| rules.queues.binary_search(&queue).is_ok()) {
        let target = if range.first == range.last { "--queue-num" } else { "--queue-balance" };
        info!(
            "no iptables rule feeds queue {range} yet: iptables -I OUTPUT -p tcp --sport <application's port> \
             -j NFQUEUE {target} {range}"
        );
    }
}

fn tell_of_devices(devices: &[DeviceConfig]) {
    for DeviceConfig { device, filter, .. } in devices {
        info!("device:{device}");
        info!("user filter:{filter}");
    }
    for setting in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
        let path = format!("/proc/sys/{}", setting.replace('.', "/"));
        if std::fs::read_to_string(path).is_ok_and(|value| value.trim() != "0") {
            warn!(
                "{setting} is on: this host passes the answers on to the real clients; sysctl -w {setting}=0"
            );
        }
    }
}

fn tell_of_log(nflog: &NflogConfig) {
    let NflogConfig { group, threshold, flush, .. } = nflog;
    info!("nflog group:{group}, threshold:{threshold}, flush:{} ms", flush.as_millis());
    if FirewallRules::current().log_groups.binary_search(group).is_err() {
        info!(
            "no iptables rule feeds group {group} yet: scripts/iptables-setup.sh add --nflog --port <application's port>"
        );
    }
}
