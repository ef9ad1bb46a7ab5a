//! Where the answers come from, as the user typed it.

use super::QueueRange;
use clap::{Args, ValueEnum};
use std::str::FromStr;
use std::time::Duration;
use tc_sys::program::number;

/// What feeds intercept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceKind {
    /// The netfilter queue: the kernel waits for a verdict on each answer
    #[default]
    Queue,
    /// The netfilter log: the firewall copies headers and lets no answer out by itself
    Nflog,
}

/// The options of all sources.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// What feeds intercept on the target host
    ///
    /// With nflog, the target host never waits for intercept: where intercept is slow, headers are lost and counted, and
    /// each header is up to --nflog-flush late. Its rules, clients that shall get answers included, are made by
    /// scripts/iptables-setup.sh add --nflog. IPv4 packets of more than 65535 octets (BIG TCP) need the queue.
    #[arg(long, value_name = "SOURCE", value_enum, default_value_t, hide_possible_values = true)]
    pub(crate) source: SourceKind,

    /// Number of the netfilter queue, or numbers of several
    ///
    /// The number in the firewall rule: -j NFQUEUE --queue-num NUMBER. With FIRST:LAST, each queue is read by a thread
    /// of its own, and the rule spreads the connections: -j NFQUEUE --queue-balance FIRST:LAST.
    #[arg(long, value_name = "FIRST[:LAST]", default_value = "0", value_parser = QueueRange::from_str)]
    pub(crate) queue: QueueRange,

    /// Packets that may wait in the netfilter queue
    ///
    /// The kernel drops answers that find this many waiting. A longer queue outlasts a longer burst.
    #[arg(short, long, value_name = "PACKETS", default_value_t = 65_536, value_parser = queue_length)]
    pub(crate) queue_length: u32,

    /// Let answers pass that find the queue full
    ///
    /// They go to the addresses of the real clients then. Without it the kernel drops them.
    #[arg(long)]
    pub(crate) fail_open: bool,

    /// Number of the group of the netfilter log
    ///
    /// The number in the firewall rule: -j NFLOG --nflog-group GROUP.
    #[arg(long, value_name = "GROUP", default_value_t = 0, value_parser = group)]
    pub(crate) nflog_group: u16,

    /// Headers that the netfilter log hands over together
    #[arg(long, value_name = "HEADERS", default_value_t = 64, value_parser = threshold)]
    pub(crate) nflog_threshold: u32,

    /// How long a header waits in the netfilter log for others, in milliseconds
    ///
    /// The kernel counts in steps of 10 ms.
    #[arg(long, value_name = "MS", default_value = "10", value_parser = flush)]
    pub(crate) nflog_flush: Duration,

    /// Capture the answers on these devices of an assistant host
    ///
    /// A comma list of names, or any. The target host routes its answers, those to the -c addresses of tcpcopy for
    /// instance, to this host, which must not forward them: it warns when forwarding is on.
    /// Needs -F; no firewall rule and no passlist is involved: who shall get answers is not routed this way.
    #[arg(short = 'i', long, value_name = "DEVICES", value_delimiter = ',', requires = "filter",
        conflicts_with_all = ["source", "queue", "queue_length", "fail_open", "passlist"])]
    pub(crate) device: Vec<String>,

    /// Which packets on the devices are answers
    ///
    /// An expression as tcpdump's, see pcap-filter(7): 'tcp and src host 10.1.2.3 and src port 80'. The kernel applies
    /// it.
    #[arg(short = 'F', long, value_name = "EXPRESSION", requires = "device")]
    pub(crate) filter: Option<String>,

    /// Octets of each frame that are captured on the devices
    ///
    /// The default has room for all headers. Give more when tcpcopy asks for payload, to compare answers.
    #[arg(long, value_name = "OCTETS", default_value_t = 192, value_parser = snap, requires = "device")]
    pub(crate) snap: u16,
}

impl SourceArgs {
    /// What no argument can tell alone.
    pub(super) fn check(&self, passlist_given: bool) -> Result<(), String> {
        if self.device.iter().any(String::is_empty) {
            return Err(
                "-i, --device <DEVICES>: a name is empty; give names with one comma between them".to_owned()
            );
        }
        if self.source == SourceKind::Nflog && passlist_given {
            return Err("-x cannot be used with --source nflog: the firewall rules decide who gets answers; \
                        see scripts/iptables-setup.sh --pass"
                .to_owned());
        }
        Ok(())
    }
}

fn queue_length(text: &str) -> Result<u32, String> {
    number(text, 1..=u32::MAX)
}

fn group(text: &str) -> Result<u16, String> {
    number(text, 0..=u16::MAX)
}

fn threshold(text: &str) -> Result<u32, String> {
    number(text, 1..=1024)
}

fn snap(text: &str) -> Result<u16, String> {
    number(text, 192..=u16::MAX)
}

fn flush(text: &str) -> Result<Duration, String> {
    number(text, 10..=1000).map(Duration::from_millis)
}
