//! The loads.

use crate::latency::{self, Place};
use crate::pairs::NamedPair;
use crate::sample::{Sample, Used};
use crate::saturation::{self, Connections};
use tc_tests::lab::Host;
use tc_tests::pair::Arguments;
use tc_tests::stage::{Replay, Stage};

/// Something that clients do.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    kind: Kind,
}

enum Kind {
    /// A fixed number of requests: what tc-load does.
    Requests(&'static str),
    /// As many requests as the machine can serve.
    Saturation(Connections),
    /// Half as many, to see what the clients feel.
    Latency(Place),
}

const fn requests(name: &'static str, load: &'static str) -> Load {
    Load { name, kind: Kind::Requests(load) }
}

/// All loads.
pub(crate) const ALL: &[Load] = &[
    requests("keep-alive, 1000/s", "--connections 50 --requests 60 --pause-ms 50"),
    requests("keep-alive, 5000/s", "--connections 250 --requests 60 --pause-ms 50"),
    requests("one-request connections, 500/s", "--connections 1500 --concurrency 25 --pause-ms 50"),
    requests("one-request connections, 2000/s", "--connections 6000 --concurrency 100 --pause-ms 50"),
    requests("uploads of 20 KB, 500/s", "--connections 25 --requests 60 --pause-ms 50 --post 20000"),
    requests("uploads of 1 MB, 20/s", "--connections 5 --requests 10 --pause-ms 250 --post 1000000"),
    requests("answers of 200 KB, 200/s", "--connections 20 --requests 30 --pause-ms 100 --answer 200000"),
    requests("10 000 open", "--connections 10000 --requests 3 --pause-ms 3000"),
    requests("burst, keep-alive", "--connections 200 --requests 100"),
    requests("burst, one-request connections", "--connections 5000 --concurrency 50"),
    Load { name: "saturation, keep-alive", kind: Kind::Saturation(Connections::Kept) },
    Load { name: "saturation, short", kind: Kind::Saturation(Connections::Closed) },
    Load { name: "latency at half saturation, apart", kind: Kind::Latency(Place::Apart) },
    Load { name: "latency at half saturation, beside", kind: Kind::Latency(Place::Beside) },
];

impl Load {
    /// Runs the load through a pair.
    pub(crate) fn run(&self, pair: &NamedPair) -> Sample {
        match &self.kind {
            Kind::Requests(load) => run_requests(load, pair),
            Kind::Saturation(connections) => saturation::run(*connections, pair),
            Kind::Latency(place) => latency::run(*place, pair),
        }
    }
}

fn run_requests(load: &str, pair: &NamedPair) -> Sample {
    let mut stage = Stage::new(pair.binaries.clone());
    start(&mut stage, pair);
    let start = Used::by(&mut stage);
    stage.load(&format!("--from 10.198.1.1-10.198.1.50 {load}"));
    let outcome = stage.outcome_of(Replay::Complete(1), |_| true);
    let end = Used::of(outcome.tcpcopy, outcome.intercept);
    start.until(end, outcome.served, outcome.verdict.missing.len())
}

/// Starts the programs of a pair on a stage.
///
/// What the target host's kernel does with a packet would be charged to whoever sends it, because all hosts share one
/// kernel; here a kernel thread does it, because on real hosts another machine does.
pub(crate) fn start(stage: &mut Stage, pair: &NamedPair) {
    stage.lab.online.run("ethtool -K online1 tso off");
    receive_in_thread(&stage.lab.target, "target0");
    start_pair(stage, pair);
}

/// Lets a kernel thread receive the packets of a link (threaded NAPI).
pub(crate) fn receive_in_thread(host: &Host, link: &str) {
    host.run(&format!("ethtool -K {link} gro on"));
    let threaded =
        host.command("sh").args(["-c", &format!("echo 1 > /sys/class/net/{link}/threaded")]).status();
    assert!(threaded.is_ok_and(|status| status.success()), "packets of {link} are received by a thread");
}

/// Starts the programs of a pair on a stage, and leaves its hosts as they are.
pub(crate) fn start_pair(stage: &mut Stage, pair: &NamedPair) {
    let tcpcopy: Vec<_> = pair.tcpcopy.iter().map(String::as_str).collect();
    let intercept: Vec<_> = pair.intercept.iter().map(String::as_str).collect();
    stage.start_pair(Arguments { tcpcopy: &tcpcopy, intercept: &intercept });
}
