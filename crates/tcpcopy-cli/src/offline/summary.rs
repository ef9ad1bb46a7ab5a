//! What became of everything, at the end.

use super::sieve::{Place, Tally};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use tc_core::counters::{Counters, DatagramCounters, ReassemblyCounters, RequestCounters};
use tc_core::{CloseReason, Mapping, Pace};
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
        tell_datagrams(&counters.datagrams);
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
                counters.captured.replayed + counters.datagrams.replayed,
                "packets to the target itself were left out as replayed before: to replay them, name its address in -x",
            ),
            (
                unused(&counters.reassembly),
                "fragments of packets that are not whole: let the capture's filter take all, as in 'port 53 or ip[6:2] & 0x1fff != 0'",
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
                self.tally.named.iter().filter(|(to, _)| mapping.takes(to.transport, to.address)).collect();
            if taken.len() > 1 {
                let named = Named(taken.into_iter().map(|(to, count)| (*to, *count)).collect());
                warn!(
                    "-x '{mapping}' takes what goes to several servers: {named}; name one in -x if that is not meant"
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
            ("datagrams not sent", not_sent(&counters.datagrams)),
            ("datagrams not answered", not_answered(&counters.datagrams)),
        ];
        let counts = more.into_iter().chain(closed).filter(|(_, count)| *count > 0);
        counts.map(|(what, count)| format!("{what}:{count}")).collect()
    }

    /// Whether all is well.
    pub(super) fn verdict(&self, counters: &Counters, pace: Pace) -> Result<(), Incomplete> {
        let requests = &counters.requests;
        let awaited = |count: u64| if pace == Pace::Unanswered { 0 } else { count };
        let datagrams = &counters.datagrams;
        let lost = [
            (requests.captured.saturating_sub(requests.sent), "requests were not sent"),
            (awaited(self.unanswered), "requests were not answered"),
            (requests.given_up, "requests were given up"),
            (counters.captured.refused, "packets found no room or no client address"),
            (not_sent(datagrams), "datagrams were not sent"),
            (awaited(not_answered(datagrams)), "datagrams were not answered"),
            (self.tally.cut, "packets were cut by the capture"),
            (self.failed_files, "files could not be read to their end"),
        ];
        let mut lost: Vec<_> = lost
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if counters.captured.syns + counters.sessions.joined + datagrams.captured == 0 {
            lost.push(self.nothing(counters.captured.replayed + datagrams.replayed));
        }
        if lost.is_empty() { Ok(()) } else { Err(Incomplete(lost)) }
    }

    fn nothing(&self, to_target: u64) -> String {
        if to_target > 0 {
            return "everything in the files is for the target itself; name its address in -x to replay it"
                .to_owned();
        }
        if self.tally.client > 0 {
            let packets = self.tally.client;
            return format!(
                "of {packets} packets of clients none begins a connection, or a request that is to be replayed"
            );
        }
        let others = if self.tally.unnamed.is_empty() {
            String::new()
        } else {
            format!("; what is in them goes to {}", Named(self.tally.unnamed.clone()))
        };
        format!("nothing in the files is for what -x names{others}")
    }
}

/// Requests that were sent and have no answer, although their client waited for one.
fn without_answer(requests: &RequestCounters) -> u64 {
    requests.sent.saturating_sub(requests.answered + requests.abandoned)
}

/// Fragments of packets that are not in the files whole, as far as their addresses tell.
const fn unused(counters: &ReassemblyCounters) -> u64 {
    counters.fragments - counters.used - counters.duplicates
}

fn tell_datagrams(counters: &DatagramCounters) {
    let DatagramCounters { captured, sent, answered, unanswered, headers, .. } = counters;
    if *captured > 0 {
        info!(
            "datagrams: in the files:{captured}, replayed:{sent}, answered:{answered}, unanswered:{unanswered}; \
             datagrams of the target:{headers}"
        );
    }
}

/// Datagrams that were to be sent, or copies of them.
const fn not_sent(counters: &DatagramCounters) -> u64 {
    let DatagramCounters { no_intercept, no_address, overflows, .. } = counters;
    *no_intercept + *no_address + *overflows
}

/// Datagrams that were sent and have no answer.
const fn not_answered(counters: &DatagramCounters) -> u64 {
    counters.sent.saturating_sub(counters.answered)
}

/// Where things went and how often, the most frequent first.
struct Named(BTreeMap<Place, u64>);

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named: Vec<_> = self.0.iter().collect();
        named.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let texts: Vec<_> = named.iter().take(MAX_NAMED).map(|(to, count)| format!("{to} ({count})")).collect();
        let more = if named.len() > MAX_NAMED { " and others" } else { "" };
        write!(f, "{}{more}", texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tc_proto::Transport;

    fn lost(change: impl FnOnce(&mut DatagramCounters), pace: Pace) -> Option<String> {
        let mut datagrams =
            DatagramCounters { captured: 9, sent: 9, answered: 9, ..DatagramCounters::default() };
        change(&mut datagrams);
        let counters = Counters { datagrams, ..Counters::default() };
        Summary::default().verdict(&counters, pace).err().map(|incomplete| incomplete.to_string())
    }

    #[test]
    fn datagrams_that_were_not_sent_or_not_answered_are_lost() {
        assert_eq!(lost(|_| (), Pace::Answered), None);
        assert_eq!(
            lost(|counters| counters.answered = 7, Pace::Answered).unwrap(),
            "2 datagrams were not answered"
        );
        assert_eq!(lost(|counters| counters.answered = 0, Pace::Unanswered), None, "nobody asked for answers");
        let unsent = lost(|counters| counters.no_address = 3, Pace::Unanswered);
        assert_eq!(unsent.unwrap(), "3 datagrams were not sent");
        let nothing = lost(|counters| *counters = DatagramCounters::default(), Pace::Answered);
        assert_eq!(nothing.unwrap(), "nothing in the files is for what -x names");
    }

    #[test]
    fn what_was_begun_before_the_capture_is_told_from_nothing() {
        let tally = Tally { client: 7, ..Tally::default() };
        let summary = Summary { tally, ..Summary::default() };
        let told = summary.verdict(&Counters::default(), Pace::Answered).unwrap_err().to_string();
        assert!(told.starts_with("of 7 packets of clients none begins a connection"), "{told}");
    }

    #[test]
    fn what_nothing_was_asked_of_is_named_as_in_the_map() {
        let place = |transport, address: &str| Place { transport, address: address.parse().unwrap() };
        let named = [(place(Transport::Udp, "10.0.0.5:53"), 7), (place(Transport::Tcp, "10.0.0.5:80"), 2)];
        assert_eq!(Named(named.into()).to_string(), "udp:10.0.0.5:53 (7), 10.0.0.5:80 (2)");
    }
}
