//! The netfilter log: the firewall copies headers and lets nothing out by itself, so there are no verdicts.

use super::{Report, Served, Source};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;
use tc_core::relay::Relay;
use tc_sys::nflog::{Nflog, NflogStatistics};
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

    fn serve(&mut self, now: Instant, relay: &mut Relay) -> Served {
        let mut taken = 0;
        for _ in 0..MAX_MESSAGES {
            let received = self.log.recv(|packet| {
                relay.handle_response(now, packet, packet.len());
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

    fn report(&mut self) -> Report {
        let NflogStatistics { received, lost, overruns } = self.log.statistics();
        let more = lost.saturating_sub(std::mem::replace(&mut self.lost, lost));
        let warning = (more > 0).then(|| {
            format!("log group {} lost {more} headers, {lost} in all: its socket was full", self.log.group())
        });
        Report {
            line: format!(
                "log received:{received}, lost:{lost}, overruns:{overruns}, recv errors:{}",
                self.errors
            ),
            warnings: warning.into_iter().collect(),
        }
    }
}
