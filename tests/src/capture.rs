//! What reaches the clients from the target application.

use std::time::Duration;

use crate::lab::{Host, Lab, Process};
use crate::pair::{TUNNEL_PORT, await_process};

const READY_LIMIT: Duration = Duration::from_secs(5);

/// A capture on the clients' link of all packets from the target application.
pub struct Capture {
    tcpdump: Process,
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Panics
    ///
    /// The capture does not start.
    #[must_use]
    pub fn start(lab: &Lab, port: u16) -> Self {
        let mut command = lab.client.command("tcpdump");
        command
            .args(["-i", "client0", "-n", "-l", "-q", "-t", "--immediate-mode"])
            .arg(format!("src host {} and (tcp or udp) and src port {port}", lab.target_address()));
        let mut capture = Self { tcpdump: lab.client.spawn("tcpdump", &mut command) };
        await_listening(&mut capture.tcpdump, lab, "tcpdump");
        capture
    }

    /// The addresses that got packets from the target application, once for each packet.
    #[must_use]
    pub fn receivers(&self) -> Vec<String> {
        self.tcpdump.output().lines().filter_map(receiver).collect()
    }
}

/// A capture of everything that the online and the target host send and get, for whoever looks into a failure.
///
/// It is made when the environment variable `TC_TRACE` is set, and stays with the lab's directory when a test fails.
pub struct Trace {
    _tcpdumps: [Process; 2],
}

impl Trace {
    /// Starts to capture, if somebody wants it.
    #[must_use]
    pub fn start_if_wanted(lab: &Lab, port: u16) -> Option<Self> {
        std::env::var_os("TC_TRACE")?;
        let start = |host: &Host, name: &str| {
            let mut command = host.command("tcpdump");
            command.args(["-Z", "root", "-i", "any", "-n", "-B", "65536", "-U", "-w"]);
            command.arg(format!("{name}.pcap")).arg(format!("port {port} or tcp port {TUNNEL_PORT}"));
            let mut tcpdump = host.spawn(name, &mut command);
            await_listening(&mut tcpdump, lab, name);
            tcpdump
        };
        Some(Self { _tcpdumps: [start(&lab.online, "trace-online"), start(&lab.target, "trace-target")] })
    }
}

pub(crate) fn await_listening(tcpdump: &mut Process, lab: &Lab, name: &str) {
    let errors = lab.directory().join(format!("{name}.err"));
    await_process(tcpdump, "captures", READY_LIMIT, || {
        std::fs::read_to_string(&errors).is_ok_and(|text| text.contains("listening on"))
    });
}

/// The destination of a line such as `IP 10.198.2.1.8080 > 10.198.1.7.40000: tcp 0`.
fn receiver(line: &str) -> Option<String> {
    let destination = line.split(" > ").nth(1)?.split(": ").next()?;
    Some(destination.rsplit_once('.')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_receiver() {
        let line = "IP 10.198.2.1.8080 > 10.198.1.7.40000: tcp 0";
        assert_eq!(receiver(line).as_deref(), Some("10.198.1.7"));
        let line = "IP6 fd98:2::1.8080 > fd98:1::7.40000: tcp 0";
        assert_eq!(receiver(line).as_deref(), Some("fd98:1::7"));
    }
}
