//! From the first packet to the last answer.

use super::{CLOSING_LIMIT, HOLE_LIMIT_AT_END, MAX_PACKETS, OfflineDriver, Phase};
use crate::offline::feed::{Feed, Next};
use crate::offline::valve::Load;
use std::time::Instant;
use tc_core::Pace;
use tracing::{error, info};

impl OfflineDriver {
    /// Does what the phase asks for, and notes when it asks again.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.phase == Phase::Waiting && self.tunnels.is_ready(now) {
            self.phase = Phase::Replaying;
        }
        self.again = match self.phase {
            Phase::Waiting | Phase::Over => None,
            Phase::Replaying => self.replay(now),
            Phase::Answering(since) => Some(self.await_answers(now, since)),
            Phase::Closing(limit) => self.await_ends(now, limit),
        };
    }

    /// Hands over the packets that are due, a bounded number.
    fn replay(&mut self, now: Instant) -> Option<Instant> {
        for _ in 0..MAX_PACKETS {
            let load = self.load();
            match self.feed.as_mut().map_or(Next::Wait(None), |feed| feed.next(now, load)) {
                Next::Packet(at, packet) => self.replayer.handle_client_packet_of(now, at, packet),
                Next::Answer(at, packet) => self.replayer.handle_online_packet(at, packet),
                Next::Wait(until) => return until,
                Next::Failed(failure) => {
                    error!("{failure}");
                    self.summary.failed_files += 1;
                }
                Next::Over(tally) => {
                    info!("the files are read; waiting for the last answers");
                    self.summary.tally = tally;
                    self.replayer.limit_holes(now, HOLE_LIMIT_AT_END);
                    self.phase = Phase::Answering(now);
                    return Some(now);
                }
            }
        }
        Some(now)
    }

    fn load(&self) -> Load {
        let counters = self.replayer.counters();
        let (sent, received) = (&counters.sent, &counters.target);
        Load {
            busy: self.busy(),
            octets: self.replayer.octets(),
            packets: sent.packets + received.headers + counters.datagrams.sent + counters.datagrams.headers,
        }
    }

    /// Sessions and datagrams that wait for the target.
    fn busy(&self) -> usize {
        let is_awaited = self.replay.pace != Pace::Unanswered;
        let datagrams = if is_awaited { self.replayer.datagrams_waiting() } else { 0 };
        self.replayer.busy().saturating_add(usize::try_from(datagrams).unwrap_or(usize::MAX))
    }

    fn await_answers(&mut self, now: Instant, since: Instant) -> Instant {
        let counters = self.replayer.counters();
        let answers = counters.target.data + counters.datagrams.answered;
        let since = if std::mem::replace(&mut self.answers, answers) == answers { since } else { now };
        self.phase = Phase::Answering(since);
        let limit = since + self.replay.answer_limit;
        if self.busy() > 0 && now < limit {
            return limit;
        }
        self.summary.end_pass(&self.replayer.counters().requests);
        self.replayer.handle_clients_gone(now);
        self.phase = Phase::Closing(now + CLOSING_LIMIT);
        now
    }

    fn await_ends(&mut self, now: Instant, limit: Instant) -> Option<Instant> {
        if self.replayer.sessions() > 0 && now < limit {
            return Some(limit);
        }
        self.passes += 1;
        if self.passes == self.config.passes {
            self.phase = Phase::Over;
            return None;
        }
        info!("pass {} of {} begins", self.passes + 1, self.config.passes);
        self.summary.begin_pass(&self.replayer.counters().requests);
        self.replayer.limit_holes(now, self.replay.hole_limit);
        self.phase = Phase::Replaying;
        Some(now)
    }

    /// When the latest packet was captured.
    pub(super) fn position(&self) -> Option<std::time::Duration> {
        self.feed.as_ref().and_then(|feed: &Feed| feed.at)
    }
}
