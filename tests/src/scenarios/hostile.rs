//! Strangers on the tunnel's port, while a load runs: some who know nothing of the protocol, and some who know all of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::binaries::Binaries;
use crate::lab::tell;
use crate::noise::{flood, send_segments};
use crate::outcome::Outcome;
use crate::pair::{Arguments, TUNNEL_PORT};
use crate::records::Record;
use crate::secret::{KEY, key_file};
use crate::stage::{APP_PORT, Stage, finish_load};
use crate::stranger::{self, Stranger};

/// How many requests the load sends that runs meanwhile.
pub const ATTACKED_REQUESTS: usize = 10_000;

/// The client whose connection [`slow_reader`] claims; it has none.
const NOBODY: &str = "10.198.1.60";
/// More than may wait for one tunnel, and for its sockets: 64 MiB, and some.
const ANSWERS: usize = 64_000;
const ANSWER_LEN: usize = 1400;
/// Routes that [`route_flood`] announces: more than there may be.
const FLOODED_ROUTES: u32 = 1_200_000;

/// What came of an attack.
pub struct Attack {
    /// What became of the requests.
    pub outcome: Outcome,
    /// The most memory that intercept had under the same load, before the attack, in KiB.
    pub before_kib: u64,
}

impl Attack {
    /// Demands that nothing is missing, and that intercept took at most so much memory more than before, in KiB.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub fn assert_harmless(&self, more_kib: u64) {
        self.outcome.assert_perfect(ATTACKED_REQUESTS);
        let (before, after) = (self.before_kib, self.outcome.intercept.peak_kib);
        assert!(after <= before + more_kib, "{}: {before} KiB before, {after} KiB after", self.outcome);
    }

    /// What intercept wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.outcome.stage.lab.directory().join("intercept.log")).unwrap_or_default()
    }
}

/// Runs a load, and an attack while it runs. What the attack returns is dropped at the end.
fn attacked<T>(
    mut stage: Stage,
    arguments: Arguments<'_>,
    attack: impl FnOnce(&Stage, SocketAddr) -> T,
) -> Attack {
    stage.start_pair(arguments);
    stage.load("--tag before --from 10.198.1.1 --connections 100 --requests 20");
    let before_kib = stage.pair().usage().1.peak_kib;
    let tunnel = SocketAddr::new(stage.lab.target_address(), TUNNEL_PORT);
    let load = stage.start_load("--from 10.198.1.1 --connections 100 --requests 100 --pause-ms 60");
    let strangers = attack(&stage, tunnel);
    finish_load(load);
    let outcome = stage.outcome(|record: &Record| record.id.starts_with("load-"));
    drop(strangers);
    tell(&format!("intercept: {before_kib} KiB before, {} KiB after", outcome.intercept.peak_kib));
    Attack { outcome, before_kib }
}

/// 10 000 connections of random octets to the tunnel's port, 1 000 at a time.
#[must_use]
pub fn tunnel_flood(binaries: &Binaries) -> Attack {
    attacked(Stage::new(binaries.clone()), Arguments::default(), |stage, tunnel| {
        for round in 0..10 {
            flood(&stage.lab.client, tunnel, 1000, round);
        }
    })
}

/// Where a key is wanted: connections that stop in the middle of their hello and stay, and some whose proof is wrong.
#[must_use]
pub fn half_hellos(binaries: &Binaries) -> Attack {
    let stage = Stage::new(binaries.clone());
    let key = key_file(&stage.lab, "key", KEY, 0o600).display().to_string();
    let arguments = ["--key-file", &key];
    attacked(stage, Arguments { tcpcopy: &arguments, intercept: &arguments }, |stage, tunnel| {
        let hello = stranger::hello(0);
        let stopped: Vec<_> = (0..300)
            .map(|number| Stranger::connect(&stage.lab.client, tunnel, &hello[..number % hello.len()]))
            .collect();
        for _ in 0..20 {
            let proof = stranger::message(stranger::PROOF, &[7; 32]);
            drop(Stranger::connect(&stage.lab.client, tunnel, &[hello.clone(), proof].concat()));
        }
        stopped
    })
}

/// Messages of lengths that no message of their type has, and large ones of types that nobody knows.
#[must_use]
pub fn impossible_lengths(binaries: &Binaries) -> Attack {
    attacked(Stage::new(binaries.clone()), Arguments::default(), |stage, tunnel| {
        let connect = |said: &[u8]| Stranger::connect(&stage.lab.client, tunnel, said);
        let huge = |kind: u16| [&kind.to_be_bytes()[..], &[0xff; 2], &vec![0; 0xffff]].concat();
        let mut strangers = Vec::new();
        for kind in [stranger::HELLO, stranger::PROOF, stranger::ADD_ROUTE, 17, 18, 32] {
            for said in [huge(kind), stranger::message(kind, &[4]), stranger::message(kind, &[])] {
                drop(connect(&said));
            }
            strangers.push(connect(&huge(kind)[..1000]));
        }
        strangers.extend((0..20).map(|_| connect(&huge(0x7fff).repeat(20))));
        strangers
    })
}

/// Announces more routes than there may be.
#[must_use]
pub fn route_flood(binaries: &Binaries) -> Attack {
    attacked(Stage::new(binaries.clone()), Arguments::default(), |stage, tunnel| {
        let target = SocketAddr::new(stage.lab.target_address(), APP_PORT);
        let mut stranger = Stranger::connect(&stage.lab.client, tunnel, &[]);
        for thousand in 0..FLOODED_ROUTES / 1000 {
            let routes = (0..1000)
                .map(|number| stranger::route(stranger::somebody(target, thousand * 1000 + number), target));
            stranger.say(&routes.collect::<Vec<_>>().concat());
        }
        stranger
    })
}

/// Somebody claims a connection, asks for the payload of its answers, and reads none of them.
#[must_use]
pub fn slow_reader(binaries: &Binaries) -> Attack {
    attacked(Stage::new(binaries.clone()), Arguments::default(), |stage, tunnel| {
        let target = SocketAddr::new(stage.lab.target_address(), APP_PORT);
        let client = SocketAddr::new(stage.lab.target_version.of(NOBODY), 7777);
        let said = [stranger::hello(2048), stranger::route(client, target)].concat();
        let stranger = Stranger::connect(&stage.lab.client, tunnel, &said);
        // Until it is heard, and the queue gives payload.
        std::thread::sleep(Duration::from_millis(300));
        let answer = stranger::segment(APP_PORT, client.port(), ANSWER_LEN);
        for _ in 0..ANSWERS / 500 {
            send_segments(&stage.lab.target, client.ip(), &vec![answer.clone(); 500]);
            std::thread::sleep(Duration::from_millis(10));
        }
        stranger
    })
}
