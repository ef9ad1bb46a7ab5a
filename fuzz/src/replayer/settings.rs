//! Settings of the replayer, by three octets.

use crate::steps::Script;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tc_core::compare::{CompareConfig, Detail};
use tc_core::{Admission, ClientPool, Join, LinkAddresses, LoopbackClients, Mapping, Pace, Ramp, ReplayConfig};
use tc_proto::Transport;

/// Settings of one run.
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the input")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) config: ReplayConfig,
    /// Whether clients and target have IPv6 addresses.
    pub(super) v6: bool,
    pooled: bool,
    /// Whether the second client has an address from which the target cannot be reached.
    misplaced: bool,
    /// Whether the target works in the end, or is silent.
    pub(super) served: bool,
}

/// Whether one of the bits is set.
const fn has(octet: u8, bit: u8) -> bool {
    octet & bit != 0
}

impl Settings {
    pub(super) fn read(script: &mut Script<'_>) -> Self {
        let (limits, times, who) = (script.octet(), script.octet(), script.octet());
        let config = ReplayConfig {
            pace: pace(limits, who),
            answer_limit: Duration::from_millis([30_000, 500, 5000, 50][usize::from(times >> 4 & 3)]),
            admission: admission(who),
            mtu: if has(limits, 2) { 576 } else { 1500 },
            mss: has(limits, 4).then_some(700),
            initial_rtt: has(times, 0x80).then_some(Duration::from_millis(300)),
            session_timeout: Duration::from_secs([600, 1, 5, 60][usize::from(times & 3)]),
            keepalive_timeout: Duration::from_secs([720, 1, 30, 600][usize::from(times >> 2 & 3)]),
            max_sessions: if has(limits, 8) { 3 } else { 100 },
            max_session_octets: if has(limits, 0x10) { 20_000 } else { 128 << 20 },
            max_octets: if has(limits, 0x20) { 60_000 } else { 2 << 30 },
            compare: has(who, 0x80).then(|| CompareConfig { origin: Instant::now(), detail: Detail::Paths }),
            ..ReplayConfig::default()
        };
        Self {
            config,
            v6: has(limits, 0x40),
            pooled: has(limits, 0x80),
            misplaced: has(who, 0x20),
            served: has(times, 0x40),
        }
    }

    fn address(self, v4: &str, v6: &str) -> SocketAddr {
        let text = if self.v6 { v6 } else { v4 };
        text.parse().expect("an address")
    }

    /// The online server.
    pub(super) fn online(self) -> SocketAddr {
        self.address("192.0.2.1:80", "[2001:db8::1]:80")
    }

    /// The application under test.
    pub(super) fn target(self) -> SocketAddr {
        self.address("10.0.0.2:8080", "[2001:db8:2::2]:8080")
    }

    /// Four clients; the last shares the third one's address.
    pub(super) fn client(self, index: u8) -> SocketAddr {
        match index % 4 {
            0 => self.address("198.51.100.10:4000", "[2001:db8:7::10]:4000"),
            1 if self.misplaced => self.address("127.0.0.1:4000", "[::1]:4000"),
            1 => self.address("198.51.100.11:4000", "[2001:db8:7::11]:4000"),
            2 => self.address("198.51.100.12:5000", "[2001:db8:7::12]:5000"),
            _ => self.address("198.51.100.12:5001", "[2001:db8:7::12]:5001"),
        }
    }

    pub(super) fn mappings(self) -> Vec<Mapping> {
        vec![Mapping {
            transport: Transport::Tcp,
            online: None,
            port: self.online().port(),
            target: self.target(),
            link: LinkAddresses::default(),
        }]
    }

    /// One address for all clients, or their own.
    pub(super) fn pool(self) -> ClientPool {
        let pool = if self.pooled { "10.0.0.9,2001:db8:2::9".parse() } else { Ok(ClientPool::default()) };
        pool.expect("a list of addresses")
    }
}

fn pace(limits: u8, who: u8) -> Pace {
    match (has(limits, 1), has(who, 0x80)) {
        (true, _) => Pace::Unanswered,
        (false, true) => Pace::Heard,
        (false, false) => Pace::Answered,
    }
}

fn admission(who: u8) -> Admission {
    Admission {
        percentage: if has(who, 1) { 50 } else { 100 },
        ramp: if has(who, 2) { Ramp::OneEachSecond } else { Ramp::None },
        join: if has(who, 4) { Join::Never } else { Join::AtNextRequest },
        copies: if has(who, 8) { 3 } else { 1 },
        port_shift: if has(who, 0x10) { 1023 } else { 0 },
        loopback: LoopbackClients { v4: has(who, 0x40).then_some(Ipv4Addr::new(198, 51, 100, 20)), v6: None },
    }
}
