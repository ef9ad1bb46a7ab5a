//! What reaches the clients from the target application.

use std::time::Duration;

use crate::lab::{Lab, Process, TARGET};
use crate::pair::await_process;

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
            .arg(format!("src host {TARGET} and tcp src port {port}"));
        let mut capture = Self { tcpdump: lab.client.spawn("tcpdump", &mut command) };
        let errors = lab.directory().join("tcpdump.err");
        await_process(&mut capture.tcpdump, "captures on the client", READY_LIMIT, || {
            std::fs::read_to_string(&errors).is_ok_and(|text| text.contains("listening on"))
        });
        capture
    }

    /// The addresses that got packets from the target application, once for each packet.
    #[must_use]
    pub fn receivers(&self) -> Vec<String> {
        self.tcpdump.output().lines().filter_map(receiver).collect()
    }
}

/// The destination of a line such as `IP 10.198.2.1.8080 > 10.198.1.7.40000: tcp 0`.
fn receiver(line: &str) -> Option<String> {
    let destination = line.split(" > ").nth(1)?.split(':').next()?;
    Some(destination.rsplit_once('.')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_receiver() {
        let line = "IP 10.198.2.1.8080 > 10.198.1.7.40000: tcp 0";
        assert_eq!(receiver(line).as_deref(), Some("10.198.1.7"));
    }
}
