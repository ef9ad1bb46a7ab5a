//! One counter for each reason.

use crate::CloseReason;
use crate::session::Offered;
use std::ops::AddAssign;
use std::time::Duration;

/// Adds the counters of several replayers, field by field. A field that is forgotten does not compile.
macro_rules! addable {
    ($($counters:ident { $($field:ident),* $(,)? })*) => {$(
        impl AddAssign for $counters {
            fn add_assign(&mut self, other: Self) {
                let Self { $($field),* } = other;
                $(self.$field += $field;)*
            }
        }
    )*};
}

/// What became of the captured packets; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapturedCounters {
    /// All packets handed over by the capture.
    pub packets: u64,
    /// SYNs that began a session.
    pub syns: u64,
    /// SYNs of a session that was known already.
    pub syn_retransmissions: u64,
    /// Datagrams of UDP, of which [`DatagramCounters`] tell more.
    pub datagrams: u64,
    /// Packets with new data.
    pub data: u64,
    /// Packets with data that had to wait behind a hole.
    pub held: u64,
    /// FINs and RSTs.
    pub ends: u64,
    /// Packets with nothing but an acknowledgment.
    pub acks: u64,
    /// Data that the client sent again.
    pub retransmissions: u64,
    /// Data of connections that were open already, before their next request.
    pub not_joined: u64,
    /// Packets that cannot belong to their connection.
    pub out_of_window: u64,
    /// Packets of a session that was closed because it would have kept too much.
    pub overflows: u64,
    /// Packets to an address and port that `-x` does not name.
    pub unmapped: u64,
    /// Packets sent by a target, or to one: replayed already.
    pub replayed: u64,
    /// Packets that are no whole TCP segment.
    pub malformed: u64,
    /// Fragments of IP packets, but for each packet put together the last one, which counts as that packet;
    /// [`ReassemblyCounters`] tell more.
    pub fragments: u64,
    /// Packets of connections for which there was no room or no client address.
    pub refused: u64,
    /// Packets of connections that do not belong to the part that is replayed.
    pub not_sampled: u64,
}

impl CapturedCounters {
    /// Counts what became of a packet that a session took.
    pub(crate) fn count(&mut self, offered: Offered) {
        let count = match offered {
            Offered::Data => &mut self.data,
            Offered::Held => &mut self.held,
            Offered::End => &mut self.ends,
            Offered::Ack => &mut self.acks,
            Offered::Retransmission => &mut self.retransmissions,
            Offered::NotJoined => &mut self.not_joined,
            Offered::OutOfWindow => &mut self.out_of_window,
            Offered::Overflow => &mut self.overflows,
        };
        *count += 1;
    }
}

/// What became of the fragments of IP packets. Each was used, given up for one of the reasons, or is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReassemblyCounters {
    /// All fragments.
    pub fragments: u64,
    /// Packets that were put together.
    pub reassembled: u64,
    /// Fragments of these.
    pub used: u64,
    /// Fragments that came twice.
    pub duplicates: u64,
    /// Fragments of packets whose fragments overlap.
    pub overlapping: u64,
    /// Fragments of packets that did not become whole in time.
    pub expired: u64,
    /// Fragments of packets that made room for others.
    pub evicted: u64,
}

/// What the requests of the clients came to. A request begins with the first data after the online server had
/// its say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounters {
    /// Captured.
    pub captured: u64,
    /// Sent to the target, at least their beginning.
    pub sent: u64,
    /// The target began to answer.
    pub answered: u64,
    /// Sent, and then reset as the client did, before the target began to answer.
    pub abandoned: u64,
    /// Sent although the target gave no answer to the one before, after the longest wait.
    pub unanswered: u64,
    /// Given up: the target closed on them, or was not there.
    pub given_up: u64,
}

/// What was sent to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentCounters {
    /// All packets.
    pub packets: u64,
    /// Packets with a SYN.
    pub syns: u64,
    /// Packets with data.
    pub data: u64,
    /// Octets of payload.
    pub octets: u64,
    /// Packets with nothing but an acknowledgment.
    pub acks: u64,
    /// Packets with a FIN.
    pub fins: u64,
    /// Packets with a RST.
    pub resets: u64,
    /// Packets sent again.
    pub retransmissions: u64,
    /// Timeouts.
    pub timeouts: u64,
    /// Losses noticed by duplicate acknowledgments.
    pub fast_recoveries: u64,
    /// Probes of a closed window.
    pub probes: u64,
}

/// What came back from the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounters {
    /// All headers.
    pub headers: u64,
    /// Headers of packets with payload.
    pub data: u64,
    /// Octets of payload that the target sent.
    pub octets: u64,
    /// Headers with a FIN.
    pub fins: u64,
    /// Headers with a RST.
    pub resets: u64,
    /// Headers of connections that are not known (any more).
    pub unknown: u64,
}

/// What became of the sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Connections to the target that were begun.
    pub opened: u64,
    /// Of these, those whose client connection was open already.
    pub joined: u64,
    /// Of these, those that took over from one that the target had closed.
    pub reopened: u64,
    /// Connections that the target accepted.
    pub established: u64,
    /// Of those not opened, those for which no address and port were free at the target.
    pub no_address: u64,
    /// Holes in the captured stream that were never filled.
    pub holes: u64,
    /// Connections closed, by [`CloseReason`].
    pub closed: [u64; CloseReason::ALL.len()],
}

impl SessionCounters {
    /// Connections that closed for this reason.
    #[must_use]
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed.get(reason as usize).copied().unwrap_or(0)
    }

    pub(crate) fn count_closed(&mut self, reason: CloseReason) {
        if let Some(count) = self.closed.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

/// What became of the datagrams of UDP.
///
/// A datagram that was handed over is exactly one of captured, unmapped, replayed, malformed and `not_sampled`. A captured
/// one is sent, or counts under one of the reasons that follow, once for each copy. One that was sent is answered or
/// unanswered in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounters {
    /// Datagrams of clients to be replayed.
    pub captured: u64,
    /// Datagrams to an address and port that `-x` does not name.
    pub unmapped: u64,
    /// Datagrams to a target: replayed already.
    pub replayed: u64,
    /// Packets of UDP that are no whole datagram.
    pub malformed: u64,
    /// Datagrams of clients that do not belong to the part that is replayed.
    pub not_sampled: u64,
    /// Sent to the target.
    pub sent: u64,
    /// Packets that these were: more where they went in fragments.
    pub packets: u64,
    /// Octets of payload.
    pub octets: u64,
    /// Not sent, because no intercept was there yet.
    pub no_intercept: u64,
    /// Not sent, because no address and port were free at the target.
    pub no_address: u64,
    /// Not sent, because too much waited to be sent.
    pub overflows: u64,
    /// The target answered.
    pub answered: u64,
    /// The target did not answer in time.
    pub unanswered: u64,
    /// Of the answered, those that were sent while none of their flow waited for an answer.
    pub measured: u64,
    /// The time from their sending to the word of intercept, all together.
    pub latency: Duration,
    /// Datagrams that the target sent.
    pub headers: u64,
    /// Octets of payload of these.
    pub target_octets: u64,
    /// Of these, those of flows that are not known (any more).
    pub unknown: u64,
    /// Flows that began.
    pub flows: u64,
    /// Flows that made room for others.
    pub evicted: u64,
}

/// All counters of a [`Replayer`](crate::Replayer), since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Captured packets.
    pub captured: CapturedCounters,
    /// Fragments among them.
    pub reassembly: ReassemblyCounters,
    /// Datagrams.
    pub datagrams: DatagramCounters,
    /// Requests.
    pub requests: RequestCounters,
    /// Sessions.
    pub sessions: SessionCounters,
    /// Sent packets.
    pub sent: SentCounters,
    /// Headers of the target.
    pub target: TargetCounters,
}

addable! {
    CapturedCounters {
        packets, syns, syn_retransmissions, data, held, ends, acks, retransmissions, not_joined,
        out_of_window, overflows, unmapped, replayed, malformed, fragments, refused, not_sampled,
        datagrams,
    }
    DatagramCounters {
        captured, unmapped, replayed, malformed, not_sampled, sent, packets, octets, no_intercept,
        no_address, overflows, answered, unanswered, measured, latency, headers, target_octets, unknown, flows, evicted,
    }
    ReassemblyCounters { fragments, reassembled, used, duplicates, overlapping, expired, evicted }
    RequestCounters { captured, sent, answered, abandoned, unanswered, given_up }
    SentCounters {
        packets, syns, data, octets, acks, fins, resets, retransmissions, timeouts, fast_recoveries,
        probes,
    }
    TargetCounters { headers, data, octets, fins, resets, unknown }
    Counters { captured, reassembly, datagrams, requests, sessions, sent, target }
}

impl AddAssign for SessionCounters {
    fn add_assign(&mut self, other: Self) {
        let Self { opened, joined, reopened, established, no_address, holes, closed } = other;
        self.opened += opened;
        self.joined += joined;
        self.reopened += reopened;
        self.established += established;
        self.no_address += no_address;
        self.holes += holes;
        for (count, more) in self.closed.iter_mut().zip(closed) {
            *count += more;
        }
    }
}
