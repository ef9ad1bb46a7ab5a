//! Loads, and the conditions they run under.

use crate::binaries::Binaries;
use crate::lab::Rule;
use crate::outcome::Outcome;
use crate::pair::{Arguments, TUNNEL_PORT};
use crate::stage::{APP_PORT, Stage};

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
    /// The share of packets towards the target application that is lost.
    pub loss: f64,
    /// The share of packets of the tunnel towards tcpcopy that is lost.
    pub tunnel_loss: f64,
}

const PLAIN: Case = Case {
    name: "",
    requests: 0,
    load: "",
    tcpcopy: &[],
    online: &[],
    target: &[],
    loss: 0.0,
    tunnel_loss: 0.0,
};

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
    loss: 0.02,
    ..PLAIN
};

/// What a first version must do without loss.
pub const BASIC: &[Case] =
    &[KEEP_ALIVE, SINGLE, SMALL_UPLOADS, LARGE_UPLOADS, LARGE_ANSWERS, MANY_CLIENTS, ONE_ADDRESS, LOSS_2];

/// What a session must survive besides.
pub const HARDER: &[Case] = &[
    Case { name: "1 % loss, 400 x 20", loss: 0.01, ..LOSS_2 },
    Case { name: "5 % loss, 400 x 20", loss: 0.05, ..LOSS_2 },
    Case { name: "10 % loss, 400 x 20", loss: 0.10, ..LOSS_2 },
    Case { name: "5 % loss on the tunnel", loss: 0.0, tunnel_loss: 0.05, ..LOSS_2 },
    Case { name: "2 % loss, 1 MB POSTs", loss: 0.02, ..LARGE_UPLOADS },
    Case {
        name: "10 000 open, 3 each",
        requests: 30_000,
        load: "--from 10.198.1.1-10.198.1.50 --connections 10000 --requests 3 --pause-ms 3000",
        ..PLAIN
    },
    Case {
        name: "2 POSTs of 50 000 000",
        requests: 2,
        load: "--from 10.198.1.1 --connections 2 --post 50000000",
        ..PLAIN
    },
    Case { name: "target 30 ms slower", target: &["--delay-ms", "30"], ..KEEP_ALIVE_SHORT },
    Case { name: "target 30 ms faster", online: &["--delay-ms", "30"], ..KEEP_ALIVE_SHORT },
    Case {
        name: "target reads slowly",
        target: &["--slow-read", "8000"],
        load: "--from 10.198.1.1 --connections 5 --post 1000000",
        requests: 5,
        ..PLAIN
    },
    Case { name: "the server closes", online: &["--close-each"], target: &["--close-each"], ..SINGLE },
    Case {
        name: "the server speaks first",
        online: &["--greet"],
        target: &["--greet"],
        load: "--greet --from 10.198.1.1 --connections 200 --requests 5",
        requests: 1000,
        ..PLAIN
    },
];

const KEEP_ALIVE_SHORT: Case =
    Case { requests: 4000, load: "--from 10.198.1.1 --connections 200 --requests 20", ..PLAIN };

impl Case {
    /// Runs the case.
    #[must_use]
    pub fn run(&self, binaries: &Binaries) -> Outcome {
        let mut stage = Stage::with_apps(binaries.clone(), self.online, self.target);
        let target = &stage.lab.target;
        if self.loss > 0.0 {
            Rule::lose_requests(APP_PORT, self.loss).add(target);
        }
        if self.tunnel_loss > 0.0 {
            Rule::lose_tunnel(TUNNEL_PORT, self.tunnel_loss).add(target);
        }
        stage.start_pair(Arguments { tcpcopy: self.tcpcopy, intercept: &[] });
        stage.load(self.load);
        stage.outcome(|_| true)
    }
}
