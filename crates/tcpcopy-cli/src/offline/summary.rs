//! What became of everything, at the end.

use super::sieve::Tally;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use tc_core::counters::{Counters, RequestCounters};
use tc_core::{CloseReason, Mapping, Pace};
use tc_proto::Transport;
use tracing::{info, warn};

/// Addresses that a line names.
const MAX_NAMED: usize = 4;

/// What the counters of the replayer do not tell.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// What the files have; each pass counts anew.
    pub(super) tally: Tally,
    /// Files that were over before their end.
    pub(super) failed_files: u64,
    /// Requests without an answer when the answers of their pass had been waited for.
    unanswered: u64,
    /// Requests of passes before that never got one.
    leftover: u64,
}

/// Not everything in the files was replayed and answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub(crate) struct Incomplete(Vec<String>);

impl Summary {
    pub(super) fn begin_pass(&mut self, requests: &RequestCounters) {
        self.leftover = without_answer(requests);
    }

    /// All answers that were waited for are there.
    pub(super) fn end_pass(&mut self, requests: &RequestCounters) {
        self.unanswered += without_answer(requests).saturating_sub(self.leftover);
    }

    /// Writes the lines.
    pub(super) fn tell(&self, mappings: &[Mapping], counters: &Counters) {
        let Tally { packets, client, server, cut, own, not_understood, .. } = &self.tally;
        let (requests, sessions) = (&counters.requests, &counters.sessions);
        info!(
            "in the files: packets:{packets}, of clients:{client}, of the online server:{server}; connections:{}, \
             open before:{}, requests:{}",
            counters.captured.syns + sessions.joined,
            sessions.joined,
            requests.captured
        );
        info!(
            "replayed: connections:{}, requests:{}, answered:{}, left by their client before:{}",
            sessions.established,
            requests.sent,
            requests.answered,
            requests.abandoned.saturating_sub(self.unanswered)
        );
        let refused = self.refused(counters);
        if !refused.is_empty() {
            warn!("not replayed or not answered: {}", refused.join(", "));
        }
        let noted = [
            (*cut, "packets of clients were cut by the capture: capture with tcpdump -s 0"),
            (
                *own,
                "packets left the capturing host for others: to replay them, name the server's address in -x",
            ),
            (
                counters.captured.replayed,
                "packets to the target itself were left out as replayed before: to replay them, name its address in -x",
            ),
            (*not_understood, "frames were not understood: cut headers, or an unknown link type"),
        ];
        for (count, text) in noted {
            if count > 0 {
                warn!("{count} {text}");
            }
        }
        self.tell_ambiguous(mappings);
    }

    /// An entry without an address takes all servers of its port.
    fn tell_ambiguous(&self, mappings: &[Mapping]) {
        for mapping in mappings.iter().filter(|mapping| mapping.online.is_none()) {
            let taken: BTreeMap<_, _> =
                self.tally.named.iter().filter(|(to, _)| mapping.takes(Transport::Tcp, **to)).collect();
            if taken.len() > 1 {
                let named = Named(taken.into_iter().map(|(to, count)| (*to, *count)).collect());
                warn!(
                    "-x '{mapping}' takes connections to several servers: {named}; name one in -x if that is not meant"
                );
            }
        }
    }

    /// What was refused, and why.
    fn refused(&self, counters: &Counters) -> Vec<String> {
        let failures = [
            CloseReason::Refused,
            CloseReason::TimedOut,
            CloseReason::TargetReset,
            CloseReason::TargetClosed,
            CloseReason::Hole,
            CloseReason::Overflow,
            CloseReason::Idle,
            CloseReason::Shed,
        ];
        let closed = failures.map(|reason| (reason.name(), counters.sessions.closed_for(reason)));
        let more = [
            ("requests not sent", counters.requests.captured.saturating_sub(counters.requests.sent)),
            ("requests not answered", self.unanswered),
            ("requests given up", counters.requests.given_up),
            ("no address", counters.sessions.no_address),
            ("packets without room", counters.captured.refused),
            ("packets of requests begun before the capture", counters.captured.not_joined),
        ];
        let counts = more.into_iter().chain(closed).filter(|(_, count)| *count > 0);
        counts.map(|(what, count)| format!("{what}:{count}")).collect()
    }

    /// Whether all is well.
    pub(super) fn verdict(&self, counters: &Counters, pace: Pace) -> Result<(), Incomplete> {
        let requests = &counters.requests;
        let unanswered = if pace == Pace::Unanswered { 0 } else { self.unanswered };
        let lost = [
            (requests.captured.saturating_sub(requests.sent), "requests were not sent"),
            (unanswered, "requests were not answered"),
            (requests.given_up, "requests were given up"),
            (counters.captured.refused, "packets found no room or no client address"),
            (self.tally.cut, "packets were cut by the capture"),
            (self.failed_files, "files could not be read to their end"),
        ];
        let mut lost: Vec<_> = lost
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if counters.captured.syns + counters.sessions.joined == 0 {
            lost.push(self.nothing(counters.captured.replayed));
        }
        if lost.is_empty() { Ok(()) } else { Err(Incomplete(lost)) }
    }

    fn nothing(&self, to_target: u64) -> String {
        if to_target > 0 {
            return "everything in the files is for the target itself; name its address in -x to replay it"
                .to_owned();
        }
        let others = if self.tally.unnamed.is_empty() {
            String::new()
        } else {
            format!("; connections in them go to {}", Named(self.tally.unnamed.clone()))
        };
        format!("nothing in the files is for what -x names{others}")
    }
}

/// Requests that were sent and have no answer, although their client waited for one.
fn without_answer(requests: &RequestCounters) -> u64 {
    requests.sent.saturating_sub(requests.answered + requests.abandoned)
}

/// Addresses and how often each was found, the most frequent first.
struct Named(BTreeMap<SocketAddr, u64>);

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named: Vec<_> = self.0.iter().collect();
        named.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let texts: Vec<_> = named.iter().take(MAX_NAMED).map(|(to, count)| format!("{to} ({count})")).collect();
        let more = if named.len() > MAX_NAMED { " and others" } else { "" };
        write!(f, "{}{more}", texts.join(", "))
    }
}
