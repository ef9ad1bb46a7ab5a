//! Each input and each output is counted once.

use super::sent::Sent;
use tc_core::counters::{CapturedCounters, SentCounters};

/// All that may have become of captured packets.
pub(super) const fn captured(counters: &CapturedCounters) -> u64 {
    let CapturedCounters {
        packets: _,
        syns,
        syn_retransmissions,
        data,
        held,
        ends,
        acks,
        retransmissions,
        not_joined,
        out_of_window,
        overflows,
        unmapped,
        replayed,
        malformed,
        fragments,
        refused,
        not_sampled,
        datagrams,
    } = *counters;
    let taken = syns + syn_retransmissions + data + held + ends + acks + retransmissions + overflows;
    let left = not_joined + out_of_window + unmapped + replayed + malformed + fragments + refused + not_sampled;
    taken + left + datagrams
}

/// What was sent is what was counted.
pub(super) fn check_sent(counters: &SentCounters, sent: &Sent) {
    let SentCounters { packets, syns, data, octets, acks, fins, resets, .. } = *counters;
    assert_eq!(packets, sent.packets);
    assert_eq!(octets, sent.octets);
    assert_eq!(syns + data + acks + fins + resets, packets, "{counters:?}");
}
