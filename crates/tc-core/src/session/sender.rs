//! The sending side towards the target: SND variables, loss recovery and the congestion window.

use super::ranges::SeqRanges;
use super::rtt::RttEstimator;
use std::time::{Duration, Instant};
use tc_proto::{Segment, SeqNum, WindowScale};

/// Initial window in segments (RFC 6928).
const INITIAL_WINDOW: usize = 10;
/// Duplicate acknowledgments that mean a loss (RFC 5681, section 3.2).
const DUP_THRESHOLD: usize = 3;

/// After so many timeouts in a row segments have at most so many octets: the path may not carry larger ones, and nobody
/// tells us (RFC 4821, sections 5.2 and 7.7; RFC 2923, section 2.1).
const BLACK_HOLE: [(u32, usize); 2] = [(3, 1200), (6, 500)];

/// How a loss was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Duplicate acknowledgments: what was sacked arrived, what lies below it did not.
    DuplicateAcks,
    /// The timeout: everything that was sent may be lost.
    Timeout,
}

/// A loss that is being repaired (RFC 6582, RFC 6675).
#[derive(Clone, Copy, Debug)]
struct Recovery {
    cause: Cause,
    /// SND.NXT when the loss was noticed: recovery ends when it is acknowledged.
    point: SeqNum,
    /// What is sent again next.
    cursor: SeqNum,
}

/// What an acknowledgment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// New octets were acknowledged.
    Advanced,
    /// Nothing new, nothing meant by it.
    Same,
    /// It was one duplicate too many: a loss was noticed.
    Loss,
}

/// SND variables of RFC 9293 and the state of RFC 5681, 6582, 6675 (in its simple parts) and 6298 around them.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    wnd: usize,
    wl1: SeqNum,
    wl2: SeqNum,
    scale: WindowScale,
    /// Octets of payload that a segment may have.
    pub(crate) mss: usize,
    cwnd: usize,
    ssthresh: usize,
    dup_acks: usize,
    recovery: Option<Recovery>,
    sacked: SeqRanges,
    rtt: RttEstimator,
    /// A segment that was sent once: what acknowledges it, and when it was sent (Karn's algorithm).
    timed: Option<(SeqNum, Instant)>,
    /// Timeouts since the target was last heard of.
    pub(crate) timeouts: u32,
    /// Whether the only octet on its way probes a closed window.
    probing: bool,
}

impl Sender {
    /// The sender behind a SYN-ACK: the SYN is acknowledged, nothing else was sent.
    pub(crate) fn new(syn_ack: &Segment, scale: WindowScale, mss: usize, rtt: RttEstimator) -> Self {
        Self {
            una: syn_ack.ack,
            nxt: syn_ack.ack,
            // RFC 7323, section 2.2: the window of a SYN is not scaled.
            wnd: syn_ack.window.octets(WindowScale::NONE),
            wl1: syn_ack.seq,
            wl2: syn_ack.ack,
            scale,
            mss,
            cwnd: INITIAL_WINDOW * mss,
            ssthresh: usize::MAX,
            dup_acks: 0,
            recovery: None,
            sacked: SeqRanges::default(),
            rtt,
            timed: None,
            timeouts: 0,
            probing: false,
        }
    }

    /// The SYN was lost (RFC 5681, section 3.1; RFC 6298, 5.7).
    pub(crate) fn begin_after_lost_syn(&mut self) {
        self.cwnd = self.mss;
        self.rtt.begin_after_lost_syn();
    }

    /// Octets sent and not acknowledged.
    pub(crate) fn flight(&self) -> usize {
        self.nxt.octets_since(self.una)
    }

    /// Octets that the target's window leaves beyond what was sent.
    pub(crate) fn usable_window(&self) -> usize {
        (self.una + self.wnd).octets_since(self.nxt)
    }

    /// Octets that the congestion window leaves.
    pub(crate) fn usable_congestion_window(&self) -> usize {
        self.cwnd.saturating_sub(self.pipe())
    }

    /// The retransmission timeout.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.rto()
    }

    /// Octets believed to be on the way (RFC 6675, section 4, `SetPipe`).
    fn pipe(&self) -> usize {
        let arrived = self.sacked.octets().max(self.dup_acks * self.mss);
        self.flight().saturating_sub(arrived + self.lost())
    }

    /// Octets that are believed lost and were not sent again.
    fn lost(&self) -> usize {
        self.recovery.map_or(0, |recovery| {
            let all = self.loss_limit(recovery).octets_since(recovery.cursor);
            all.saturating_sub(self.sacked.octets_from(Some(recovery.cursor)))
        })
    }

    /// Whether the congestion window was ever cut.
    pub(crate) const fn had_losses(&self) -> bool {
        self.ssthresh != usize::MAX
    }

    /// Where the part that is believed lost ends.
    fn loss_limit(&self, recovery: Recovery) -> SeqNum {
        match recovery.cause {
            Cause::Timeout => recovery.point,
            Cause::DuplicateAcks => {
                // Without SACK, one segment is known to be lost: the first.
                let first = if recovery.cursor == self.una { self.una + self.mss } else { recovery.cursor };
                self.sacked.highest().unwrap_or(first).earliest(recovery.point)
            }
        }
    }

    /// Processes SEG.ACK, which lies between SND.UNA and SND.NXT, and its SACK blocks. `echoed` is the round-trip
    /// time by the timestamps option, which is not ambiguous even for what was sent again (RFC 7323, section 4).
    pub(crate) fn on_ack(&mut self, now: Instant, segment: &Segment, echoed: Option<Duration>) -> Acked {
        self.timeouts = 0;
        let sacked_before = self.sacked.octets();
        self.take_sack_blocks(segment);
        if segment.ack.after(self.una) {
            self.advance(now, segment.ack, echoed);
            self.update_window(segment);
            return Acked::Advanced;
        }
        let wnd_before = self.wnd;
        self.update_window(segment);
        if wnd_before == 0 && self.wnd > 0 {
            self.on_window_opened();
            return Acked::Same;
        }
        // DUPLICATE ACKNOWLEDGMENT of RFC 5681, section 2; with SACK of RFC 6675, section 2.
        let sacked_more = self.sacked.octets() > sacked_before;
        let plain = segment.sequence_len() == 0 && self.wnd == wnd_before;
        if self.flight() > 0 && (sacked_more || plain) { self.on_duplicate_ack() } else { Acked::Same }
    }

    /// The target did not take the octet that probed its window: it goes with what follows it.
    fn on_window_opened(&mut self) {
        if std::mem::take(&mut self.probing) {
            self.nxt = self.una;
            self.recovery = None;
            self.timed = None;
        } else if let Some(recovery) = &mut self.recovery {
            recovery.cursor = self.una;
        }
    }

    fn take_sack_blocks(&mut self, segment: &Segment) {
        for block in segment.options.sack.as_slice() {
            // RFC 2883: a block below SEG.ACK reports a duplicate, no hole.
            if block.start.after(segment.ack) && block.end.at_or_before(self.nxt) {
                self.sacked.insert(block.start, block.end);
            }
        }
    }

    fn advance(&mut self, now: Instant, ack: SeqNum, echoed: Option<Duration>) {
        self.probing = false;
        let octets = ack.octets_since(self.una);
        self.una = ack;
        self.dup_acks = 0;
        self.sacked.remove_before(ack);
        match self.timed {
            Some((end, sent)) if ack.at_or_after(end) => {
                self.rtt.sample(now.saturating_duration_since(sent));
                self.timed = None;
            }
            Some(_) => {}
            None => {
                if let Some(rtt) = echoed {
                    self.rtt.sample(rtt);
                }
            }
        }
        let Some(recovery) = &mut self.recovery else {
            self.grow(octets);
            return;
        };
        recovery.cursor = recovery.cursor.latest(ack);
        if recovery.point.at_or_before(ack) {
            self.recovery = None;
        } else if recovery.cause == Cause::Timeout {
            self.grow(octets);
        } else if self.sacked.is_empty() {
            // RFC 6582, section 3.2, step 3: a partial acknowledgment means that the next one is lost, too.
            recovery.cursor = ack;
        }
    }

    /// Slow start and congestion avoidance (RFC 5681, section 3.1; RFC 3465 for counting octets).
    fn grow(&mut self, octets: usize) {
        self.cwnd += if self.cwnd < self.ssthresh {
            octets.min(2 * self.mss)
        } else {
            (self.mss * self.mss / self.cwnd).max(1)
        };
    }

    fn on_duplicate_ack(&mut self) -> Acked {
        self.dup_acks += 1;
        let lost = self.dup_acks >= DUP_THRESHOLD || self.sacked.octets() >= DUP_THRESHOLD * self.mss;
        if self.recovery.is_some() || !lost {
            return Acked::Same;
        }
        self.ssthresh = (self.flight() / 2).max(2 * self.mss);
        self.cwnd = self.ssthresh;
        self.recovery = Some(Recovery { cause: Cause::DuplicateAcks, point: self.nxt, cursor: self.una });
        self.timed = None;
        Acked::Loss
    }

    /// RFC 9293, section 3.10.7.4, fifth: the window, unless the segment is older than the last one that set it.
    fn update_window(&mut self, segment: &Segment) {
        let newer = self.wl1.before(segment.seq)
            || (self.wl1 == segment.seq && self.wl2.at_or_before(segment.ack))
            || segment.ack.after(self.wl2);
        if newer {
            self.wnd = segment.window.octets(self.scale);
            self.wl1 = segment.seq;
            self.wl2 = segment.ack;
        }
    }

    /// The timeout has passed (RFC 6298, section 5; RFC 5681, section 3.1).
    pub(crate) fn on_timeout(&mut self) {
        if self.timeouts == 0 {
            self.ssthresh = (self.flight() / 2).max(2 * self.mss);
        }
        self.timeouts += 1;
        self.rtt.back_off();
        let suspects = BLACK_HOLE
            .iter()
            .filter(|(timeouts, octets)| *timeouts <= self.timeouts && *octets < self.flight());
        self.mss = suspects.map(|(_, octets)| *octets).fold(self.mss, usize::min);
        self.cwnd = self.mss;
        self.dup_acks = 0;
        self.timed = None;
        // RFC 2018, section 8: the target may have thrown away what it sacked.
        self.sacked.clear();
        self.recovery = Some(Recovery { cause: Cause::Timeout, point: self.nxt, cursor: self.una });
    }

    /// A window that stays closed is probed; no loss was noticed.
    pub(crate) fn on_probe(&mut self) {
        self.probing = true;
        self.timeouts += 1;
        self.rtt.back_off();
    }

    /// The target says nothing, though nothing is on its way to it.
    pub(crate) fn on_silence(&mut self) {
        self.rtt.back_off();
    }

    /// What is to be sent again next: where it begins, and how many octets at most.
    pub(crate) fn retransmission(&self) -> Option<(SeqNum, usize)> {
        let recovery = self.recovery?;
        let cursor = recovery.cursor.latest(self.una);
        let start = self.sacked.end_of_range_at(cursor).unwrap_or(cursor);
        let limit = self.loss_limit(recovery);
        let until = self.sacked.next_start_after(start).map_or(limit, |next| next.earliest(limit));
        let len = until.octets_since(start).min(self.mss).min(self.retransmittable_window(start));
        // The first retransmission does not wait for the congestion window (RFC 6582, section 3.2, step 2).
        let may = start == self.una || self.usable_congestion_window() >= len;
        (len > 0 && may).then_some((start, len))
    }

    /// Octets from `start` on that the window takes. One that shrank is not overstepped, and a closed one is probed
    /// with one octet (RFC 9293, section 3.8.6, SHLD-16 and MUST-35).
    fn retransmittable_window(&self, start: SeqNum) -> usize {
        let probe = usize::from(start == self.una);
        (self.una + self.wnd).octets_since(start).max(probe)
    }

    /// Octets up to `end` were sent again.
    pub(crate) fn on_retransmitted(&mut self, end: SeqNum) {
        if let Some(recovery) = &mut self.recovery {
            recovery.cursor = end;
        }
    }

    /// New octets were sent.
    pub(crate) fn on_sent(&mut self, now: Instant, octets: usize) {
        self.nxt += octets;
        if self.recovery.is_none() {
            self.timed.get_or_insert((self.nxt, now));
        }
    }
}
