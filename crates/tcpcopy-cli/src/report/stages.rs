//! Where requests got lost on their way.

use super::summary::{Stage, StageKind};
use crate::snapshot::Snapshot;
use tc_core::compare::Comparison;

/// How far the requests came, and what was lost.
pub(super) fn stages(comparison: &Comparison, snapshot: &Snapshot) -> Vec<Stage> {
    let requests = &snapshot.counters.requests;
    let reached = |what, count| Stage { what, count, kind: StageKind::Reached };
    let lost = |what, count| Stage { what, count, kind: StageKind::Lost };
    vec![
        reached("requests captured", requests.captured),
        reached("sent to the target", requests.sent),
        reached("answered by the target", requests.answered),
        reached("compared", comparison.requests),
        lost("given up before they were sent or answered", requests.given_up),
        lost("sent without an answer to the one before", requests.unanswered),
        lost("packets of clients that the capture lost", snapshot.capture.dropped),
        lost("packets of the online server that the capture lost", snapshot.answers.dropped),
        lost("holes in a client's stream", snapshot.counters.sessions.holes),
        lost("packets that could not be sent", snapshot.send_errors),
        lost("tunnels that were lost", snapshot.tunnels.lost),
    ]
}
