//! What the user typed, checked on its own and without side effects.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the help, where brackets mean what may be left out"
)]

use crate::offline::{Input, Speed};
use clap::Parser;
use std::path::PathBuf;
use std::str::FromStr;
use tc_core::{ClientPool, LinkAddresses, LoopbackClients};
use tc_proto::DEFAULT_TUNNEL_PORT;
use tc_sys::capture::Backend;
use tc_sys::program::{Arguments, CommonArgs};

const ABOUT: &str = "Replays the packets of live clients to a test host";

const LONG_ABOUT: &str = "\
tcpcopy runs on the online host, beside the online service. It copies the packets that clients send to the service, \
rewrites their addresses, ports and acknowledgments, and injects them towards a test host, where an application under \
test answers as if the clients were its own. The online service and its clients are not touched.

intercept runs on the test host. It drops the answers there, so that no client ever sees one, and returns their headers \
to tcpcopy, which needs them to go on with each connection. Start intercept first.";

const AFTER_HELP: &str = "\
Examples:
  Replay port 80 of this host to 10.16.12.11, clients appearing as 10.16.12.12:
      tcpcopy -x 80-10.16.12.11:80 -c 10.16.12.12

  Replay what was captured before, twice as fast, on any host:
      tcpcopy -i online.pcap,more.pcap.gz -x 80-10.16.12.11:80 -a 2

  Replay one of this host's addresses, clients spread over a network, intercept on another host:
      tcpcopy -x 192.0.2.7:80-10.16.12.11:8080 -c 10.16.13.0/24 -s 10.16.12.20

  Compare the answers, and fail when the new system is slower or answers less:
      tcpcopy -x 80-10.16.12.11:80 -c 10.16.12.12 --report report.html --fail-if 'p99_ratio > 1.2' --fail-if 'missing > 0'

  Replay DNS, over UDP and TCP:
      tcpcopy -x udp:53-10.16.12.11:53,53-10.16.12.11:53 -c 10.16.12.12

Commands:
  tcpcopy check ARGUMENTS  say which station of a packet's way does not work, and what mends it; changes nothing
  tcpcopy top [PORT]...    show the counters of programs with --metrics, live in the terminal

Signals:
  SIGTERM, SIGINT  write the final statistics and stop
  SIGHUP           with -d open the log file again, for logrotate; without -d stop
  SIGUSR1          write all statistics now, zeros too
  SIGUSR2          log more: sessions and the like (info), then packets (debug), then as before (notice)

Exit status:
  0  stopped on request; with -d: started; files: all was replayed and answered
  1  failed while starting or running; files: something was lost
  2  wrong usage
  3  a condition of --fail-if holds at the end; files: even if something was lost

Privileges:
  CAP_NET_RAW for capture and injection, CAP_NET_ADMIN for large buffers: run with sudo, install setuid root, or:
      setcap cap_net_raw,cap_net_admin+ep <path of tcpcopy>
  Files are opened with the rights of the caller. What is not needed is given up once everything is open.

Routing:
  The test host's answers must leave through its OUTPUT chain towards the addresses of -c (without -c: of the clients): \
any route will do, a default route included. Let the addresses of -c be ones that nobody uses.";

mod capture;
mod compare;
mod values;

pub(crate) use capture::CaptureArgs;
pub(crate) use compare::CompareArgs;
pub(crate) use values::{MappingList, Peer};
use values::{
    backend, connections, copies, factor, interface, loopback_clients, memory, milliseconds, mss, mtu,
    percentage, port, rtt, seconds, speed, threads, times,
};

/// The command line, field by field.
#[expect(clippy::doc_markdown, reason = "the comments are the help, which is printed as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Parser)]
#[command(
    name = "tcpcopy",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_long_help = AFTER_HELP,
    disable_version_flag = true,
    max_term_width = 100
)]
pub(crate) struct Args {
    /// What to replay, and where to
    ///
    /// A comma list of [udp:][sourceIP:]sourcePort[@MAC]-targetIP:targetPort[@MAC], IPv6 addresses in brackets: what
    /// arrives at this host for the source goes to the target. Without an address, the port of any address of this host.
    /// The first entry that fits wins; IPv4 clients fit an IPv6 target, and IPv6 clients an IPv4 target, only with
    /// addresses of the target's kind in -c. Without udp: connections of TCP; with it datagrams of UDP, for which the test
    /// host needs a rule of its own: iptables-setup.sh --udp. A MAC address is of use with -o only: behind the source, the
    /// one to send from, behind the target, the one of the next hop to it.
    #[arg(short = 'x', long = "map", value_name = "LIST", required = true, value_parser = MappingList::from_str)]
    pub(crate) mappings: MappingList,

    /// Addresses under which clients appear at the target
    ///
    /// A comma list of addresses, ranges as 10.16.12.x (.1 to .254) and networks as 10.16.12.0/24 or 2001:db8:7::/64. A
    /// client keeps its port where it can; two connections never share address and port. The default: clients keep
    /// their own addresses.
    #[arg(short, long, value_name = "LIST", value_parser = ClientPool::from_str)]
    pub(crate) clients: Option<ClientPool>,

    /// Interfaces on which to capture, or files to replay
    ///
    /// A comma list of names. The default is all interfaces, loopback included. What exists as a file is replayed from
    /// there, - is standard input: pcap and pcapng as tcpdump writes them, compressed by gzip or zstd or not, several
    /// files in the order of their times. tcpcopy then ends by itself, with a summary.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_parser = interface)]
    pub(crate) interfaces: Vec<String>,

    /// How fast to replay files
    ///
    /// A factor from 0.001 to 1000, or max: as fast as the target can. The default is the speed of the capture.
    #[arg(short, long, value_name = "FACTOR", default_value = "1", value_parser = speed)]
    pub(crate) acceleration: Speed,

    /// Shorten longer gaps between packets of files to so many milliseconds
    ///
    /// As they were captured, before -a.
    #[arg(short = 'I', long, value_name = "MS", value_parser = milliseconds)]
    pub(crate) interval: Option<u32>,

    /// Replay files so many times
    ///
    /// One time after the other, over new connections each. From 1 to 1000000.
    #[arg(short = 'T', long, value_name = "NUMBER", default_value_t = 1, value_parser = times)]
    pub(crate) times: u32,

    #[command(flatten)]
    pub(crate) choices: CaptureArgs,

    /// How to capture: ring or pnet
    ///
    /// With ring, packets come through memory that the kernel shares with tcpcopy; with pnet, through a system call
    /// each, which costs more. The default is ring where the kernel has it.
    #[arg(long, value_name = "BACKEND", value_parser = backend)]
    pub(crate) capture: Option<Backend>,

    /// Interface on which to inject, at the link layer
    ///
    /// Frames go to the next hop of the target, found in the kernel's tables of routes and neighbours, or given in -x.
    /// They pass no rule of OUTPUT and no conntrack. An Ethernet device. The default: the kernel sends.
    #[arg(short = 'o', long = "output", value_name = "INTERFACE")]
    pub(crate) output: Option<String>,

    /// Hosts on which intercept runs
    ///
    /// A comma list of host[:port], names or addresses, IPv6 addresses with a port in brackets. Every route is announced
    /// to each of them. The default is the target of each -x entry.
    #[arg(short = 's', long = "intercept", value_name = "LIST", value_delimiter = ',', value_parser = Peer::from_str)]
    pub(crate) intercepts: Vec<Peer>,

    /// TCP port on which intercept listens
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_TUNNEL_PORT, value_parser = port)]
    pub(crate) port: u16,

    /// Connections to each intercept, at least one for each thread
    #[arg(short = 'C', long, value_name = "NUMBER", default_value_t = 2, value_parser = connections)]
    pub(crate) connections: u8,

    /// Threads that work
    ///
    /// Clients are divided among them by their ports; each thread captures, replays and sends on its own. One is enough
    /// for some ten thousand requests a second. From 1 to 64.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = threads)]
    pub(crate) threads: u16,

    /// Start even if intercept cannot be reached yet
    ///
    /// Connections of clients wait until it can. Without -L, tcpcopy ends at once when an intercept cannot be reached
    /// at the start. In both cases a connection that is lost later is opened again for as long as tcpcopy runs.
    #[arg(short = 'L', long)]
    pub(crate) lonely: bool,

    /// Do not wait for answers
    ///
    /// A request goes to the target as soon as it was captured. The default: when the target has begun to answer the
    /// request before it, at the latest after 30 s.
    #[arg(short = 'W', long)]
    pub(crate) no_wait: bool,

    /// Replay each connection so many times
    ///
    /// Each copy is a connection of its own, from a client port of its own. From 1 to 1023.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1, value_parser = copies)]
    pub(crate) copies: u16,

    /// Move client ports by this factor
    ///
    /// For several tcpcopy that replay the same clients to one target: give each a factor of its own, from 0 to 1023.
    /// Ports are moved by 63 times the factor.
    #[arg(short = 'f', long, value_name = "FACTOR", default_value_t = 0, value_parser = factor)]
    pub(crate) port_factor: u16,

    /// Replay this percentage of the connections
    ///
    /// From 1 to 100. A client's address and port decide whether a connection belongs to them.
    #[arg(short, long = "rate", value_name = "PERCENT", default_value_t = 100, value_parser = percentage)]
    pub(crate) rate: u8,

    /// Begin with one percent of the connections, and one more each second
    #[arg(short, long)]
    pub(crate) gradually: bool,

    /// Replay only connections whose beginning was seen
    ///
    /// The default: connections that are open when tcpcopy starts join at their next request.
    #[arg(short = 'O', long)]
    pub(crate) only_full: bool,

    /// As whom clients on the loopback interface appear
    ///
    /// Packets from 127.0.0.1 and ::1 cannot be sent to another host. Without -H or -c such connections are not
    /// replayed. An IPv4 address for those from 127.0.0.1, an IPv6 address for those from ::1, or both with a comma
    /// between them.
    #[arg(short = 'H', long, value_name = "ADDRESS", value_parser = loopback_clients)]
    pub(crate) host: Option<LoopbackClients>,

    /// File with the key that intercept must know
    ///
    /// The same file as intercept's: at least 16 octets that nobody can guess, as openssl rand -hex 32 makes them. Each
    /// side proves to the other that it knows the key, which is never sent. An intercept that does not is not used.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// End a session with something left to send after so many seconds of silence
    #[arg(short = 't', long, value_name = "SECONDS", default_value_t = 600, value_parser = seconds)]
    pub(crate) session_timeout: u32,

    /// End a session with nothing left to send after so many seconds of silence
    ///
    /// The default is 120 s more than the session timeout.
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) keepalive_timeout: Option<u32>,

    /// Memory for sessions and what they keep, in MiB
    ///
    /// When it is used up, the newest sessions are shed, and counted. From 1 to 1048576.
    #[arg(short, long, value_name = "MIB", default_value_t = 2048, value_parser = memory)]
    pub(crate) memory: u32,

    /// Octets of the largest packet sent to the target
    ///
    /// The smallest MTU on the way to the target, from 576 to 65535. Larger captured packets are split.
    #[arg(short = 'M', long, value_name = "OCTETS", default_value_t = 1500, value_parser = mtu)]
    pub(crate) mtu: u16,

    /// Maximum segment size to name when joining
    ///
    /// For the SYN in place of a client's own that was not seen, from 64 to 65495. The default follows from the MTU.
    #[arg(short = 'D', long, value_name = "OCTETS", value_parser = mss)]
    pub(crate) mss: Option<u16>,

    /// Round-trip time to the target to assume before the first measurement, in milliseconds
    ///
    /// The first retransmission comes after three times this, or 200 ms if that is more. The default is 1000 ms for
    /// the first retransmission.
    #[arg(short = 'R', long, value_name = "MS", value_parser = rtt)]
    pub(crate) rtt: Option<u16>,

    #[command(flatten)]
    pub(crate) compare: CompareArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl Arguments for Args {
    const NAME: &'static str = "tcpcopy";

    fn common(&self) -> &CommonArgs {
        &self.common
    }

    fn check(&self) -> Result<(), String> {
        self.choices.check(&self.interfaces)?;
        for mapping in &self.mappings.0 {
            if self.output.is_none() && mapping.link != LinkAddresses::default() {
                return Err(format!(
                    "-x '{mapping}': a MAC address is of use with -o only; name the interface with -o"
                ));
            }
            let version = if mapping.target.is_ipv4() { "IPv4" } else { "IPv6" };
            if self.clients.as_ref().is_some_and(|clients| !clients.serves(mapping.target)) {
                return Err(format!(
                    "-c has no {version} address, which target {} needs; add one",
                    mapping.target
                ));
            }
            let keep = self.clients.is_none();
            if keep && mapping.online.is_some_and(|online| online.is_ipv4() != mapping.target.is_ipv4()) {
                return Err(format!(
                    "-x '{mapping}': clients cannot keep their addresses on the way to an {version} target; give -c with \
                     {version} addresses"
                ));
            }
        }
        self.check_files()?;
        if self.keepalive_timeout.is_some_and(|keepalive| keepalive < self.session_timeout) {
            return Err("-k is less than -t; give it the same or more".to_owned());
        }
        self.compare.check(&self.common)
    }
}

impl Args {
    /// What goes with files, and with nothing else.
    fn check_files(&self) -> Result<(), String> {
        let files = self.interfaces.iter().filter(|name| Input::named(name).is_some()).count();
        // No interface has such a name.
        if let Some(absent) = self.interfaces.iter().find(|name| files == 0 && name.contains('/')) {
            return Err(format!("-i '{absent}': there is no such file or interface"));
        }
        if files == 0 {
            let set = self.acceleration != Speed::ORIGINAL || self.interval.is_some() || self.times != 1;
            return if set { Err("-a, -I and -T are for files; name one with -i".to_owned()) } else { Ok(()) };
        }
        if let Some(other) = self.interfaces.iter().find(|name| Input::named(name).is_none()) {
            return Err(format!("-i '{other}': there is no such file; give either files or interfaces"));
        }
        if self.interfaces.iter().filter(|name| *name == "-").count() > 1 {
            return Err("-i names standard input twice".to_owned());
        }
        if self.choices.is_set() {
            return Err("-F, -B, -S, --mirror and --promiscuous are for interfaces; files are replayed whole"
                .to_owned());
        }
        if self.threads > 1 {
            return Err("--threads is for live traffic; files are replayed by one".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
