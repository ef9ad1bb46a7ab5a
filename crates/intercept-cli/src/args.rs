//! What the user typed, checked on its own and without side effects.

mod source;

pub(crate) use source::{SourceArgs, SourceKind};

use clap::Parser;
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use tc_proto::DEFAULT_TUNNEL_PORT;
use tc_sys::program::{Arguments, CommonArgs, number};

const ABOUT: &str = "Returns the headers of a test host's answers to tcpcopy";

const LONG_ABOUT: &str = "\
intercept runs on the test host, beside the application under test. A firewall rule hands it the packets that the \
application sends. intercept drops each of them, so that no client ever sees an answer of the test host, and streams \
its IP and TCP headers to the tcpcopy that replays the client's connection. From these headers tcpcopy learns what \
the application has acknowledged and answered.

Start intercept first, add the firewall rule next, start tcpcopy last. As long as the rule is there and intercept is \
not, the kernel drops the answers by itself, unless the rule says --queue-bypass.";

const AFTER_HELP: &str = "\
Examples:
  Serve an application on port 8080 of this host:
      intercept -d -l /var/log/intercept.log -P /run/intercept.pid
      iptables -I OUTPUT -p tcp --sport 8080 -j NFQUEUE --queue-num 0

  The same, while colleagues at 10.1.0.0/16 and one IPv6 host use the application directly:
      intercept -x 10.1.0.0/16,2001:db8::7

  On an assistant host, to which the target host 10.1.2.3 routes the answers:
      intercept -i eth1 -F 'tcp and src host 10.1.2.3 and src port 8080'

Commands:
  intercept check ARGUMENTS  say which station of a packet's way does not work, and what mends it; changes nothing

Signals:
  SIGTERM, SIGINT  write the final statistics and stop; packets still queued are dropped
  SIGHUP           with -d open the log file again, for logrotate; without -d stop
  SIGUSR1          write all statistics now, zeros too
  SIGUSR2          log more: sessions and the like (info), then packets (debug), then as before (notice)

Exit status:
  0  stopped on request; with -d: started
  1  failed while starting or running
  2  wrong usage

Privileges:
  CAP_NET_ADMIN for the queue: run with sudo, install setuid root, or:
      setcap cap_net_admin,cap_net_raw,cap_dac_read_search+ep <path of intercept>
  The last two are for tcpcopy check and for the kernel's counters of the queue; intercept works without them.
  Files are opened with the rights of the caller. What is not needed is given up once everything is open.

Security:
  Whoever reaches the port can announce connections and read the headers of their answers, unless --allow names the \
hosts of tcpcopy or --key-file a key that it must know. The tunnel is not encrypted.";

/// The command line, field by field.
#[expect(clippy::doc_markdown, reason = "the comments are the help, which is printed as it stands")]
#[derive(Debug, Parser)]
#[command(
    name = "intercept",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    disable_version_flag = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    /// Let answers to these clients pass
    ///
    /// A comma list of addresses and networks, IPv4 or IPv6: 10.1.2.3,10.8.0.0/16,2001:db8::/32. An answer to one of
    /// them goes on to its client, of whatever protocol it is, and is not reported to tcpcopy. Answers to all others
    /// are dropped.
    #[arg(short = 'x', long, value_name = "LIST", value_parser = NetworkList::from_str)]
    pub(crate) passlist: Option<NetworkList>,

    /// TCP port on which tcpcopy connects
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_TUNNEL_PORT, value_parser = port)]
    pub(crate) port: u16,

    /// Address on which tcpcopy connects
    ///
    /// An address of this host. The default is every address, IPv4 and IPv6; give 0.0.0.0 for every IPv4 address.
    #[arg(short, long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) bind: Option<IpAddr>,

    /// Hosts from which tcpcopy may connect
    ///
    /// A comma list of addresses and networks, as for -x. Connections from elsewhere are refused, and counted. The
    /// default: from everywhere.
    #[arg(long, value_name = "LIST", value_parser = NetworkList::from_str)]
    pub(crate) allow: Option<NetworkList>,

    /// File with the key that tcpcopy must know
    ///
    /// The same file as tcpcopy's: at least 16 octets that nobody can guess, as openssl rand -hex 32 makes them. Each
    /// side proves to the other that it knows the key, which is never sent. Who does not, C programs among them, is
    /// refused, and counted.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Headers that are combined in a frame at most
    ///
    /// For C programs; ours need no frames. From 1 to 16.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 16, value_parser = combined)]
    pub(crate) combine: u8,

    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Connections for which the route table has room from the start
    ///
    /// The table grows as needed, to 1000000 connections or to this number if it is larger; beyond that the connection
    /// that was silent longest makes room.
    #[arg(short = 's', long, value_name = "CONNECTIONS", default_value_t = 65_536, value_parser = table_size)]
    pub(crate) table_size: u32,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl Arguments for Args {
    const NAME: &'static str = "intercept";

    fn common(&self) -> &CommonArgs {
        &self.common
    }

    fn check(&self) -> Result<(), String> {
        self.source.check(self.passlist.is_some())
    }
}

/// The networks of `-x` and `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkList(pub(crate) Vec<IpNet>);

impl FromStr for NetworkList {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        list.split(',').map(|entry| network(entry.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl std::fmt::Display for NetworkList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<_> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&entries.join(","))
    }
}

/// The queues of `--queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl QueueRange {
    /// More queues than this are more than any host has use for.
    const MAX: u16 = 128;

    /// Their numbers.
    pub(crate) fn numbers(self) -> std::ops::RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for QueueRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (first, last) = (number(first, 0..=u16::MAX)?, number(last, 0..=u16::MAX)?);
        if first > last {
            return Err("it ends before it begins; give the smaller number first".to_owned());
        }
        if last - first >= Self::MAX {
            return Err(format!("give at most {} queues", Self::MAX));
        }
        Ok(Self { first, last })
    }
}

impl std::fmt::Display for QueueRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}:{}", self.first, self.last) }
    }
}

fn network(entry: &str) -> Result<IpNet, String> {
    let single = entry.parse::<IpAddr>().ok().map(IpNet::from);
    let network = single.or_else(|| entry.parse::<IpNet>().ok()).map(|network| network.trunc());
    network.ok_or_else(|| {
        if entry.is_empty() {
            "an entry is empty; give addresses and networks with one comma between them".to_owned()
        } else {
            format!(
                "'{entry}' is neither an address nor a network; give something like 10.1.2.3 or 10.8.0.0/16"
            )
        }
    })
}

fn port(text: &str) -> Result<u16, String> {
    number(text, 1..=u16::MAX)
}

fn combined(text: &str) -> Result<u8, String> {
    number(text, 1..=16)
}

fn table_size(text: &str) -> Result<u32, String> {
    number(text, 1..=10_000_000)
}

fn address(text: &str) -> Result<IpAddr, String> {
    let remedy = "give an IPv4 or IPv6 address of this host, without a port";
    text.parse().map_err(|_| format!("it is no address; {remedy}"))
}

#[cfg(test)]
mod tests;
