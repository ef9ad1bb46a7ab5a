//! The netfilter log: the firewall copies headers and lets nothing out by itself, so there are no verdicts.

use super::{Served, Source};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;
use tc_core::relay::Relay;
use tc_sys::nflog::{Nflog, NflogStatistics};
use tc_sys::program::Figure;
use tc_sys::queue::Supply;

/// Messages, of many headers each, that are taken before the other sources have their turn.
const MAX_MESSAGES: usize = 32;

/// A group of the log.
#[derive(Debug)]
pub(crate) struct NflogSource {
    log: Nflog,
    errors: u64,
    /// Headers that were lost at the report before.
    lost: u64,
}

impl NflogSource {
    pub(crate) fn new(log: Nflog) -> Self {
        Self { log, errors: 0, lost: 0 }
    }
}

impl Source for NflogSource {
    fn raw_fds(&self) -> Vec<RawFd> {
        vec![self.log.as_raw_fd()]
    }

    fn serve(&mut self, seen: Instant, relay: &mut Relay) -> Served {
        let mut taken = 0;
        for _ in 0..MAX_MESSAGES {
            let received = self.log.recv(|packet| {
                // The log does not tell how long a packet was.
                relay.handle_response(seen, packet, 0);
            });
            match received {
                Ok((count, supply)) => {
                    taken += count;
                    if supply == Supply::Drained {
                        return Served::Drained(taken);
                    }
                }
                Err(error) => {
                    self.errors += 1;
                    return Served::Failed("read from the netfilter log", error);
                }
            }
        }
        Served::More(taken)
    }

    fn give(&mut self, octets: u16) -> io::Result<()> {
        self.log.set_copy_range(octets)
    }

    fn warnings(&mut self) -> Vec<String> {
        let NflogStatistics { lost, .. } = self.log.statistics();
        let more = lost.saturating_sub(std::mem::replace(&mut self.lost, lost));
        let warning = (more > 0).then(|| {
            format!("log group {} lost {more} headers, {lost} in all: its socket was full", self.log.group())
        });
        warning.into_iter().collect()
    }

    fn figures(&mut self) -> Vec<Figure> {
        let NflogStatistics { received, lost, overruns } = self.log.statistics();
        let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
        vec![
            count(
                "intercept_log_received_total",
                "Headers that the netfilter log gave.",
                "log received",
                received,
            ),
            count("intercept_log_lost_total", "Headers that the netfilter log lost.", "lost", lost),
            count("intercept_log_overruns_total", "Messages that a full socket refused.", "overruns", overruns),
            count(
                "intercept_log_errors_total",
                "Failed calls on the netfilter log.",
                "recv errors",
                self.errors,
            ),
        ]
    }
}
