//! What the program tells of its work from time to time.

use crate::snapshot::{SessionGauges, Snapshot};
use std::fmt::Write;
use std::time::{Duration, Instant};
use tc_core::CloseReason;
use tc_core::counters::RequestCounters;
use tracing::{info, warn};

const INTERVAL: Duration = Duration::from_secs(30);

/// Writes the statistics every 30 s and at the end.
#[derive(Debug)]
pub(crate) struct Statistics {
    next: Instant,
    /// Packets that the capture had lost at the report before.
    lost: u64,
}

impl Statistics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, lost: 0 }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.next
    }

    /// Whether it is time to report; the next time is set.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + INTERVAL;
        }
        due
    }

    /// Writes the lines.
    pub(crate) fn report(&mut self, all: &Snapshot) {
        info!("{}", sessions_line(all));
        info!("{}", waiting_line(&all.sessions));
        info!("{}", requests_line(&all.counters.requests));
        info!("{}", captured_line(all));
        info!("{}", sent_line(all));
        info!("{}", target_line(all));
        let more = all.capture.dropped.saturating_sub(self.lost);
        self.lost = all.capture.dropped;
        if more > 0 {
            warn!("the capture lost {more} packets: this program was too slow for them, {} in all", self.lost);
        }
    }
}

fn sessions_line(all: &Snapshot) -> String {
    let sessions = &all.counters.sessions;
    let mut line = format!(
        "active:{}, kept octets:{}, opened:{}, for no syn:{}, reconnect:{}, conns:{}, no address:{}, holes:{}",
        all.sessions.active,
        all.sessions.octets,
        sessions.opened,
        sessions.joined,
        sessions.reopened,
        sessions.established,
        sessions.no_address,
        sessions.holes,
    );
    for reason in CloseReason::ALL {
        let count = sessions.closed_for(reason);
        if count > 0 {
            let _ = write!(line, ", {reason}:{count}");
        }
    }
    line
}

fn waiting_line(sessions: &SessionGauges) -> String {
    let counts: Vec<_> = sessions.waiting().map(|(reason, count)| format!("{reason}:{count}")).collect();
    format!("sessions that wait now, for {}", counts.join(", "))
}

fn requests_line(requests: &RequestCounters) -> String {
    format!(
        "requests captured:{}, sent:{}, answered:{}, sent without answer to the one before:{}, given up:{}",
        requests.captured, requests.sent, requests.answered, requests.unanswered, requests.given_up
    )
}

fn captured_line(all: &Snapshot) -> String {
    let captured = &all.counters.captured;
    let mut line = format!(
        "captured:{}, syn cnt:{}, clt cont:{}, acks:{}, fin/rst:{}, kernel dropped:{}",
        captured.packets, captured.syns, captured.data, captured.acks, captured.ends, all.capture.dropped
    );
    let seldom = [
        ("syn retransmit", captured.syn_retransmissions),
        ("cont retransmit", captured.retransmissions),
        ("behind a hole", captured.held),
        ("not joined", captured.not_joined),
        ("out of window", captured.out_of_window),
        ("overflow", captured.overflows),
        ("not mapped", captured.unmapped),
        ("replayed", captured.replayed),
        ("malformed", captured.malformed),
        ("frag", captured.fragments),
        ("reassembled", all.counters.reassembly.reassembled),
        ("frag twice", all.counters.reassembly.duplicates),
        ("frag overlapping", all.counters.reassembly.overlapping),
        ("frag late", all.counters.reassembly.expired),
        ("frag evicted", all.counters.reassembly.evicted),
        ("refused", captured.refused),
        ("not sampled", captured.not_sampled),
    ];
    for (name, count) in seldom {
        if count > 0 {
            let _ = write!(line, ", {name}:{count}");
        }
    }
    line
}

fn sent_line(all: &Snapshot) -> String {
    let sent = &all.counters.sent;
    format!(
        "send:{}, send content:{}, octets:{}, send syn:{}, ack:{}, fin:{}, reset:{}, retransmit:{}, timeouts:{}, \
         fast recoveries:{}, probes:{}, send errors:{}",
        sent.packets,
        sent.data,
        sent.octets,
        sent.syns,
        sent.acks,
        sent.fins,
        sent.resets,
        sent.retransmissions,
        sent.timeouts,
        sent.fast_recoveries,
        sent.probes,
        all.send_errors
    )
}

fn target_line(all: &Snapshot) -> String {
    let target = &all.counters.target;
    format!(
        "resp:{}, c-resp:{}, octets:{}, resp fin:{}, resp rst:{}, unknown:{}, malformed:{}, tunnels:{}/{}, lost:{}",
        target.headers,
        target.data,
        target.octets,
        target.fins,
        target.resets,
        target.unknown,
        all.tunnels.malformed,
        all.tunnels.up,
        all.tunnels.wanted,
        all.tunnels.lost
    )
}
