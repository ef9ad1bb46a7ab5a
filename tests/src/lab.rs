//! Three hosts in a row, client — online — target, and perhaps an assistant, each a network namespace.

mod address;
mod directory;
mod firewall;
mod host;
mod namespace;
mod process;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

pub use address::IpVersion;
pub use firewall::Rule;
pub use host::Host;
pub use process::Process;

use directory::Directory;
use namespace::Namespace;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The first 24 bits of the addresses of the clients and the online host.
pub const CLIENT_NET: &str = "10.198.1";
/// The first 24 bits of the addresses between the online and the target host.
pub const TARGET_NET: &str = "10.198.2";
/// The online host as its clients see it.
pub const ONLINE: &str = "10.198.1.254";
/// The target host.
pub const TARGET: &str = "10.198.2.1";
/// The online host as the target sees it.
pub const GATEWAY: &str = "10.198.2.254";
/// The first 24 bits of the addresses between the target and the assistant host.
pub const ASSISTANT_NET: &str = "10.198.3";
/// The assistant host as the online host sees it.
pub const ASSISTANT: &str = "10.198.4.1";
/// Networks that nobody has and that the target routes to the assistant host, if there is one, each with its address.
const ASSISTED_NETS: [(&str, &str); 2] = [("10.198.5.0/24", "10.198.3.2"), ("fd98:5::/64", "fd98:3::2")];
/// How many addresses the client host has: `CLIENT_NET.1` and so on.
pub const CLIENTS: u8 = 60;

/// Labs are taken in turn, so that tests that run at the same time do not disturb each other's time.
static TURN: Mutex<()> = Mutex::new(());
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Three hosts, a directory for what they write, and everything removed at the end.
///
/// Processes of the hosts are ended first, whoever started them; then the namespaces go, and with them the links. The
/// directory stays if the test fails. What a killed run left is removed by the next one.
pub struct Lab {
    /// The host of all clients.
    pub client: Host,
    /// The host whose traffic is replayed; it forwards between the others.
    pub online: Host,
    /// The host that the traffic is replayed to; its default route goes to the online host.
    pub target: Host,
    assistant: Option<Host>,
    number: u32,
    /// The IP version of the clients; the links carry both.
    pub version: IpVersion,
    /// The IP version of the target.
    pub target_version: IpVersion,
    directory: Directory,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// Builds the hosts and their links.
    ///
    /// # Panics
    ///
    /// Something could not be built, most likely because the caller is not root.
    #[must_use]
    pub fn new() -> Self {
        Self::over(IpVersion::V4, IpVersion::V4)
    }

    /// The same for clients and a target of these IP versions.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    pub fn over(version: IpVersion, target_version: IpVersion) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        remove_all_on_signals();
        namespace::remove_stale();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Directory::new(number);
        let host = |role: &str| Host::new(Namespace::new(number, role), directory.path().to_owned());
        let lab = Self {
            client: host("client"),
            online: host("online"),
            target: host("target"),
            assistant: None,
            number,
            version,
            target_version,
            directory,
            _turn: turn,
        };
        lab.join();
        lab
    }

    /// Adds a fourth host, to which the target routes its answers to `10.198.5.0/24`. intercept runs there.
    pub fn add_assistant(&mut self) {
        let assistant = Host::new(Namespace::new(self.number, "assistant"), self.directory.path().to_owned());
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            assistant.write_setting(&format!("net/{setting}"), "0");
        }
        self.target.link_to(&assistant, "target1", "assistant0");
        self.online.link_to(&assistant, "online2", "assistant1");
        self.target.configure("target1", ASSISTANT_NET, "fd98:3::", &[1], None);
        assistant.configure("assistant0", ASSISTANT_NET, "fd98:3::", &[2], None);
        self.online.configure("online2", "10.198.4", "fd98:4::", &[254], None);
        assistant.configure("assistant1", "10.198.4", "fd98:4::", &[1], None);
        for (net, via) in ASSISTED_NETS {
            self.target.run(&format!("ip route add {net} via {via}"));
        }
        self.assistant = Some(assistant);
    }

    /// The host that intercept runs on, and its address for the online host.
    #[must_use]
    pub fn intercept_host(&self) -> (&Host, IpAddr) {
        let assistant = self.assistant.as_ref().map(|assistant| (assistant, self.target_version.of(ASSISTANT)));
        assistant.unwrap_or((&self.target, self.target_address()))
    }

    /// The online host as its clients see it.
    #[must_use]
    pub fn online_address(&self) -> IpAddr {
        self.version.of(ONLINE)
    }

    /// The target host.
    #[must_use]
    pub fn target_address(&self) -> IpAddr {
        self.target_version.of(TARGET)
    }

    /// Where the hosts write.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Lets hosts hand over no packets larger than the links carry.
    pub fn switch_offloads_off(&self) {
        let links = [
            (&self.client, "client0"),
            (&self.online, "online0"),
            (&self.online, "online1"),
            (&self.target, "target0"),
        ];
        for (host, link) in links {
            host.run(&format!("ethtool -K {link} gro off gso off tso off"));
        }
    }

    fn join(&self) {
        for host in [&self.client, &self.online, &self.target] {
            host.write_setting("net/ipv4/conf/all/rp_filter", "0");
            host.write_setting("net/ipv4/conf/default/rp_filter", "0");
            host.write_setting("net/ipv4/ip_local_port_range", "10000 65000");
        }
        self.online.write_setting("net/ipv4/ip_forward", "1");
        self.online.write_setting("net/ipv6/conf/all/forwarding", "1");
        self.client.link_to(&self.online, "client0", "online0");
        self.online.link_to(&self.target, "online1", "target0");
        let clients: Vec<_> = (1..=CLIENTS).collect();
        self.client.configure("client0", CLIENT_NET, "fd98:1::", &clients, Some(254));
        self.online.configure("online0", CLIENT_NET, "fd98:1::", &[254], None);
        self.online.configure("online1", TARGET_NET, "fd98:2::", &[254], None);
        self.target.configure("target0", TARGET_NET, "fd98:2::", &[1], Some(254));
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes sure that a signal that ends this process removes what it made first.
fn remove_all_on_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).expect("signals can be watched");
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // Held to the end, so that the threads that still run cannot make anything new.
                let _namespaces = namespace::remove_live();
                let _directories = directory::remove_live();
                std::process::exit(128 + signal);
            }
        });
    });
}

/// Says something to whoever watches the tests.
#[expect(clippy::print_stderr, reason = "the test runner shows what a failed test wrote there")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
