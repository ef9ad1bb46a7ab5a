//! Loads, and the conditions they run under.

mod harder;

use crate::binaries::Binaries;
use crate::network::{CLEAN, Network};
use crate::outcome::Outcome;
use crate::pair::Arguments;
use crate::stage::{Replay, Stage};

pub use harder::*;

/// A load that is replayed from its first connection to its last.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What it is called in a table.
    pub name: &'static str,
    /// How many requests the load sends.
    pub requests: usize,
    /// Arguments of `tc-load`.
    pub load: &'static str,
    /// Arguments of `tcpcopy`.
    pub tcpcopy: &'static [&'static str],
    /// Arguments of `tc-app` online.
    pub online: &'static [&'static str],
    /// Arguments of `tc-app` at the target.
    pub target: &'static [&'static str],
    /// What happens to packets on their way.
    pub network: Network,
    /// How often the target shall get each request.
    pub copies: usize,
}

const PLAIN: Case =
    Case { name: "", requests: 0, load: "", tcpcopy: &[], online: &[], target: &[], network: CLEAN, copies: 1 };

/// 20 000 requests over 200 connections.
pub const KEEP_ALIVE: Case = Case {
    name: "keep-alive 200 x 100",
    requests: 20_000,
    load: "--from 10.198.1.1 --connections 200 --requests 100",
    ..PLAIN
};

/// 5 000 connections of one request each.
pub const SINGLE: Case = Case {
    name: "5 000 connections x 1",
    requests: 5000,
    load: "--from 10.198.1.1 --connections 5000 --concurrency 50",
    ..PLAIN
};

/// 500 requests that carry 20 000 octets each.
pub const SMALL_UPLOADS: Case = Case {
    name: "500 POSTs of 20 000",
    requests: 500,
    load: "--from 10.198.1.1 --connections 100 --requests 5 --post 20000 --concurrency 20",
    ..PLAIN
};

/// 20 requests that carry 1 000 000 octets each.
pub const LARGE_UPLOADS: Case = Case {
    name: "20 POSTs of 1 000 000",
    requests: 20,
    load: "--from 10.198.1.1 --connections 10 --requests 2 --post 1000000 --concurrency 5",
    ..PLAIN
};

/// 200 answers of 200 000 octets each.
pub const LARGE_ANSWERS: Case = Case {
    name: "200 answers of 200 000",
    requests: 200,
    load: "--from 10.198.1.1 --connections 20 --requests 10 --answer 200000",
    ..PLAIN
};

/// Connections from 50 addresses.
pub const MANY_CLIENTS: Case = Case {
    name: "50 client addresses",
    requests: 5000,
    load: "--from 10.198.1.1-10.198.1.50 --connections 1000 --requests 5 --concurrency 200",
    ..PLAIN
};

/// Connections from 50 addresses, replayed from one.
pub const ONE_ADDRESS: Case =
    Case { name: "-c one address for 50", tcpcopy: &["-c", "10.198.1.60"], ..MANY_CLIENTS };

/// One packet of 50 towards the target is lost.
pub const LOSS_2: Case = Case {
    name: "2 % loss, 400 x 20",
    requests: 8000,
    load: "--from 10.198.1.1 --connections 400 --requests 20",
    network: Network { loss: 0.02, ..CLEAN },
    ..PLAIN
};

/// What a first version must do without loss.
pub const BASIC: &[Case] =
    &[KEEP_ALIVE, SINGLE, SMALL_UPLOADS, LARGE_UPLOADS, LARGE_ANSWERS, MANY_CLIENTS, ONE_ADDRESS, LOSS_2];

impl Case {
    /// Runs the case.
    #[must_use]
    pub fn run(&self, binaries: &Binaries) -> Outcome {
        let mut stage = Stage::with_apps(binaries.clone(), self.online, self.target);
        stage.impose(&self.network);
        stage.start_pair(Arguments { tcpcopy: self.tcpcopy, intercept: &[] });
        stage.load(self.load);
        stage.outcome_of(Replay::Complete(self.copies), |_| true)
    }
}
