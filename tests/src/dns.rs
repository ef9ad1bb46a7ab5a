//! A DNS server, its log as records, and queries for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::{CLIENT_NET, Host, Lab, ONLINE, Process};
use crate::pair::await_process;
use crate::proc_net::Sockets;
use crate::records::{Kind, Record};
use crate::stage::APP_PORT;

const READY_LIMIT: Duration = Duration::from_secs(10);
const QUERIES_LIMIT: Duration = Duration::from_mins(1);
/// The types of records that clients ask for in turn.
const TYPES: [&str; 2] = ["A", "AAAA"];

/// A running dnsmasq.
pub struct DnsServer {
    log: PathBuf,
    process: Process,
}

impl DnsServer {
    /// Starts dnsmasq on a host, with an answer for each name, and waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not listen in time.
    #[must_use]
    pub fn start(host: &Host, directory: &Path, name: &str) -> Self {
        let log = directory.join(format!("{name}.queries"));
        let mut command = host.command("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=root"]);
        command.args(["--no-resolv", "--no-hosts", "--pid-file", "--log-queries=extra"]);
        command.args(["--address=/#/192.0.2.1", "--address=/#/2001:db8::1"]);
        command.args([format!("--port={APP_PORT}"), format!("--log-facility={}", log.display())]);
        let mut process = host.spawn(name, &mut command);
        // Its socket of TCP comes after that of UDP. To try the port would take it from the server.
        let sockets = Sockets::of(host);
        await_process(&mut process, "listens as DNS server", READY_LIMIT, || sockets.listens(APP_PORT));
        Self { log, process }
    }

    /// The queries that it got.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter_map(query).collect()
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process.stop(READY_LIMIT);
    }
}

/// The query of a line such as `… 7 10.198.1.1/40000 query[A] name.example from 10.198.1.1`.
fn query(line: &str) -> Option<Record> {
    let (kind, rest) = line.split_once(" query[")?.1.split_once("] ")?;
    let name = rest.split(' ').next()?;
    Some(Record { kind: Kind::Whole, id: format!("{name}/{kind}"), len: 0, hash: 0, at_ms: 0 })
}

/// Runs `dig` for so many clients at once, each with its own address and so many queries, over UDP or, with `transport`
/// `+tcp`, over TCP. Each query comes from a port of its own; no name is asked for twice in rounds of different numbers.
///
/// # Panics
///
/// A query was not answered: the online service was disturbed.
pub fn dig(lab: &Lab, round: usize, clients: u8, queries: usize, transport: &str) {
    let start = |client: u8| {
        let batch = lab.directory().join(format!("dig-{round}-{client}{transport}.batch"));
        let mut lines = String::new();
        for number in 0..queries {
            let kind = TYPES[number % TYPES.len()];
            writeln!(lines, "q{number}.c{client}.r{round}.{}.example {kind}", &transport[1..])
                .expect("a string grows");
        }
        std::fs::write(&batch, lines).expect("the lab's directory can be written to");
        let mut command = lab.client.command("dig");
        command.args([
            "-b",
            &format!("{CLIENT_NET}.{client}"),
            &format!("@{ONLINE}"),
            "-p",
            &APP_PORT.to_string(),
        ]);
        command.args([transport, "+tries=1", "+timeout=5", "+noall", "+comments", "-f"]).arg(batch);
        lab.client.spawn(&format!("dig-{round}-{client}{transport}"), &mut command)
    };
    for mut process in (1..=clients).map(start).collect::<Vec<_>>() {
        let ended = process.wait(QUERIES_LIMIT).is_some_and(|status| status.success());
        let answers = process.output().matches("status: NOERROR").count();
        assert!(
            ended && answers == queries,
            "{answers} of {queries} queries are answered: {}",
            process.errors()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_a_query() {
        let line = "Nov 25 17:00:00 dnsmasq[7]: 12 10.198.1.1/40000 query[TXT] q1.c2.example from 10.198.1.1";
        assert_eq!(query(line).unwrap().id, "q1.c2.example/TXT");
        let line = "Nov 25 17:00:00 dnsmasq[7]: 12 10.198.1.1/40000 config q1.c2.example is 192.0.2.1";
        assert_eq!(query(line), None);
    }
}
