//! End-to-end tests of `tcpcopy` and `intercept` in network namespaces.
//!
//! A [`Lab`](lab::Lab) is three hosts in a row, client — online — target, each a network namespace of its own. The
//! target's answers would reach the clients if nobody stopped them, which is why an answer that escapes is detected.
//! On the online and the target host runs the same application, `tc-app`, which writes down every request it got; the
//! load comes from `tc-load`, which checks every answer. A [`Stage`](stage::Stage) puts these together with the two
//! programs under test; a [`Case`](cases::Case) is a load with the conditions it runs under; the
//! [`Outcome`](outcome::Outcome) says which requests the target application got.
//!
//! The programs under test are named by the environment variables `TCPCOPY_BIN` and `INTERCEPT_BIN`; by default they
//! are the ones of this workspace, found beside the test program. `tc-measure` runs the same cases, and harder ones, and
//! prints a table instead of a verdict, so that different programs can be compared.
//!
//! Nginx, Redis and MariaDB take the place of `tc-app` where a real server is wanted; what the latter two have in the end is
//! compared key by key and row by row. A [`Network`](network::Network) says what happens to packets on their way.
//!
//! Root is needed, and nginx, wrk, curl, redis, mariadb, dnsmasq, dig, tcpdump, iptables, ethtool and iproute2. Labs take turns within
//! a process. When the environment variable `TC_TRACE` is set, a failed test leaves captures of both hosts behind.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test harness stops, with a message, at the first thing that is not as it should be"
)]

pub mod app;
pub mod binaries;
pub mod capture;
pub mod cases;
pub mod content;
pub mod daemon;
pub mod datagrams;
pub mod dns;
pub mod http;
pub mod installed;
pub mod jitter;
pub mod lab;
pub mod load;
pub mod mariadb;
pub mod network;
pub mod nginx;
pub mod noise;
pub mod outcome;
pub mod pair;
pub mod pcap_file;
pub mod proc_net;
pub mod records;
pub mod redis;
pub mod scenarios;
pub mod secret;
pub mod stage;
pub mod stranger;
pub mod trials;
pub mod usage;

/// Makes each test twice, over IPv4 and over IPv6. A test is a function of the programs under test, which bring the version.
#[macro_export]
macro_rules! over_both_versions {
    ($(fn $name:ident($binaries:ident) $body:block)*) => {
        mod over_ipv4 {
            use super::*;
            $(#[test] fn $name() {
                let $binaries = &$crate::binaries::Binaries::from_environment();
                $body
            })*
        }
        mod over_ipv6 {
            use super::*;
            use $crate::lab::IpVersion::V6;
            $(#[test] fn $name() {
                let $binaries = &$crate::binaries::Binaries::from_environment().over(V6, V6);
                $body
            })*
        }
    };
}
