//! The one list of what tcpcopy counts: lines of the log, `--metrics`, JSON and `tcpcopy top` come from it.

use crate::snapshot::Snapshot;
use tc_core::CloseReason;
use tc_core::counters::{Counters, DatagramCounters};
use tc_sys::program::{Figure, Figures, Line};

/// All figures of a snapshot.
pub(crate) fn figures(all: &Snapshot) -> Figures {
    let mut lines = vec![
        sessions(all),
        waiting(all),
        requests(&all.counters),
        captured(all),
        sent(all),
        target(all),
        losses(all),
    ];
    if all.counters.captured.datagrams > 0 {
        lines.push(datagrams(&all.counters.datagrams, all.sessions.datagram_flows));
    }
    Figures::new(lines)
}

fn datagrams(counters: &DatagramCounters, flows: usize) -> Line {
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    let mut figures = vec![
        count(
            "tcpcopy_datagrams_captured_total",
            "Datagrams of clients to replay.",
            "udp captured",
            counters.captured,
        )
        .rated("datagrams captured"),
        count("tcpcopy_datagrams_sent_total", "Datagrams sent to the target.", "udp sent", counters.sent),
        count("tcpcopy_datagram_packets_total", "Packets of sent datagrams.", "udp packets", counters.packets),
        count("tcpcopy_datagram_octets_total", "Payload of sent datagrams.", "udp octets", counters.octets),
        count("tcpcopy_datagrams_answered_total", "Datagrams answered.", "udp answered", counters.answered),
        count(
            "tcpcopy_datagrams_unanswered_total",
            "Datagrams not answered.",
            "udp unanswered",
            counters.unanswered,
        ),
        Figure::gauge(
            "tcpcopy_datagram_latency_microseconds",
            "Mean time from sending a datagram to the word of its answer.",
            "udp mean latency us",
            mean_microseconds(counters),
        ),
        Figure::gauge("tcpcopy_datagram_flows", "Flows of datagrams.", "udp flows", flows),
    ];
    let seldom = [
        ("udp not sampled", "not_sampled", counters.not_sampled),
        ("udp not mapped", "unmapped", counters.unmapped),
        ("udp replayed", "replayed", counters.replayed),
        ("udp malformed", "malformed", counters.malformed),
        ("udp no intercept", "no_intercept", counters.no_intercept),
        ("udp no address", "no_address", counters.no_address),
        ("udp overflow", "overflow", counters.overflows),
        ("udp flows evicted", "evicted", counters.evicted),
    ];
    figures.extend(seldom.map(|(word, label, value)| {
        let help = "Datagrams not replayed, by reason.";
        Figure::counter("tcpcopy_datagrams_left_total", help, word, value).labelled("why", label)
    }));
    let unknown = "Datagrams of the target that belong to no flow: to somebody else, or late.";
    figures.push(Figure::counter(
        "tcpcopy_datagrams_unknown_total",
        unknown,
        "udp answers unknown",
        counters.unknown,
    ));
    Line::new("", figures)
}

fn mean_microseconds(counters: &DatagramCounters) -> usize {
    let mean = counters.latency.as_micros().checked_div(counters.measured.into());
    mean.and_then(|mean| usize::try_from(mean).ok()).unwrap_or(0)
}

fn sessions(all: &Snapshot) -> Line {
    let sessions = &all.counters.sessions;
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    let mut figures = vec![
        Figure::gauge("tcpcopy_sessions", "Sessions that there are.", "active", all.sessions.active),
        Figure::gauge("tcpcopy_session_octets", "Memory of sessions.", "kept octets", all.sessions.octets),
        count("tcpcopy_sessions_opened_total", "Connections to the target begun.", "opened", sessions.opened)
            .rated("sessions"),
        count(
            "tcpcopy_sessions_joined_total",
            "Of the opened, those whose client connection was open already.",
            "for no syn",
            sessions.joined,
        ),
        count(
            "tcpcopy_sessions_reopened_total",
            "Of the opened, those that took over from one that the target had closed.",
            "reconnect",
            sessions.reopened,
        ),
        count(
            "tcpcopy_sessions_established_total",
            "Connections that the target accepted.",
            "conns",
            sessions.established,
        ),
        count(
            "tcpcopy_sessions_no_address_total",
            "Sessions not opened: no client address and port were free.",
            "no address",
            sessions.no_address,
        ),
        count("tcpcopy_stream_holes_total", "Holes in captured streams never filled.", "holes", sessions.holes),
    ];
    let closed = CloseReason::ALL.into_iter().map(|reason| {
        let help = "Connections to the target that ended, by reason.";
        let text = reason.to_string();
        Figure::counter("tcpcopy_sessions_closed_total", help, &text, sessions.closed_for(reason))
            .labelled("reason", text.clone())
    });
    figures.extend(closed);
    Line::new("", figures)
}

fn waiting(all: &Snapshot) -> Line {
    let figures = all.sessions.waiting().map(|(reason, count)| {
        let text = reason.to_string();
        Figure::gauge("tcpcopy_sessions_waiting", "Sessions that wait, by what for.", &text, count)
            .labelled("for", text.clone())
    });
    Line::new("sessions that wait now, for ", figures.collect())
}

fn requests(counters: &Counters) -> Line {
    let requests = &counters.requests;
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    Line::new(
        "requests ",
        vec![
            count(
                "tcpcopy_requests_captured_total",
                "Requests of clients captured.",
                "captured",
                requests.captured,
            )
            .rated("requests captured"),
            count("tcpcopy_requests_sent_total", "Requests sent to the target.", "sent", requests.sent)
                .rated("sent"),
            count(
                "tcpcopy_requests_answered_total",
                "Requests the target began to answer.",
                "answered",
                requests.answered,
            )
            .rated("answered"),
            count(
                "tcpcopy_requests_unanswered_total",
                "Requests sent although the one before got no answer.",
                "sent without answer to the one before",
                requests.unanswered,
            ),
            count("tcpcopy_requests_given_up_total", "Requests given up.", "given up", requests.given_up),
        ],
    )
}

fn captured(all: &Snapshot) -> Line {
    const NAME: &str = "tcpcopy_captured_total";
    const HELP: &str = "Captured packets by what became of them; each is counted once.";
    let (captured, reassembly) = (&all.counters.captured, &all.counters.reassembly);
    let mut figures = vec![
        Figure::counter("tcpcopy_captured_packets_total", "Captured packets.", "captured", captured.packets)
            .always()
            .rated("packets captured"),
    ];
    let usual = [
        ("syn cnt", "syn", captured.syns),
        ("clt cont", "data", captured.data),
        ("acks", "ack", captured.acks),
        ("fin/rst", "end", captured.ends),
    ];
    figures.extend(
        usual.map(|(word, label, count)| {
            Figure::counter(NAME, HELP, word, count).always().labelled("as", label)
        }),
    );
    let dropped = "Packets that the kernel dropped because this program was too slow.";
    figures.push(
        Figure::counter("tcpcopy_capture_dropped_total", dropped, "kernel dropped", all.capture.dropped)
            .always(),
    );
    let seldom = [
        ("syn retransmit", "syn_retransmission", captured.syn_retransmissions),
        ("cont retransmit", "retransmission", captured.retransmissions),
        ("behind a hole", "held", captured.held),
        ("not joined", "not_joined", captured.not_joined),
        ("out of window", "out_of_window", captured.out_of_window),
        ("overflow", "overflow", captured.overflows),
        ("not mapped", "unmapped", captured.unmapped),
        ("replayed", "replayed", captured.replayed),
        ("malformed", "malformed", captured.malformed),
        ("frag", "fragment", captured.fragments),
        ("refused", "refused", captured.refused),
        ("not sampled", "not_sampled", captured.not_sampled),
        ("udp", "datagram", captured.datagrams),
    ];
    figures.extend(
        seldom.map(|(word, label, count)| Figure::counter(NAME, HELP, word, count).labelled("as", label)),
    );
    let fragments = [
        ("reassembled", "reassembled", reassembly.reassembled),
        ("frag twice", "duplicate", reassembly.duplicates),
        ("frag overlapping", "overlapping", reassembly.overlapping),
        ("frag late", "expired", reassembly.expired),
        ("frag evicted", "evicted", reassembly.evicted),
    ];
    figures.extend(fragments.map(|(word, label, count)| {
        Figure::counter("tcpcopy_fragments_total", "What became of fragments.", word, count)
            .labelled("as", label)
    }));
    Line::new("", figures)
}

fn sent(all: &Snapshot) -> Line {
    const NAME: &str = "tcpcopy_sent_total";
    const HELP: &str = "Packets sent to the target, by kind.";
    let sent = &all.counters.sent;
    let kind = |word, label, value| Figure::counter(NAME, HELP, word, value).always().labelled("kind", label);
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    Line::new(
        "",
        vec![
            count("tcpcopy_sent_packets_total", "Packets sent to the target.", "send", sent.packets)
                .rated("packets sent"),
            kind("send content", "data", sent.data),
            count("tcpcopy_sent_octets_total", "Octets of payload sent to the target.", "octets", sent.octets)
                .rated("octets sent"),
            kind("send syn", "syn", sent.syns),
            kind("ack", "ack", sent.acks),
            kind("fin", "fin", sent.fins),
            kind("reset", "rst", sent.resets),
            count("tcpcopy_retransmissions_total", "Packets sent again.", "retransmit", sent.retransmissions),
            count("tcpcopy_timeouts_total", "Retransmission timeouts.", "timeouts", sent.timeouts),
            count(
                "tcpcopy_fast_recoveries_total",
                "Losses noticed early.",
                "fast recoveries",
                sent.fast_recoveries,
            ),
            count("tcpcopy_probes_total", "Probes of a closed window.", "probes", sent.probes),
            count(
                "tcpcopy_send_errors_total",
                "Packets that the kernel did not send.",
                "send errors",
                all.send_errors,
            ),
        ],
    )
}

fn target(all: &Snapshot) -> Line {
    const NAME: &str = "tcpcopy_target_headers_by_kind_total";
    const HELP: &str = "Headers of the target that intercept returned, by kind.";
    let target = &all.counters.target;
    let kind = |word, label, value| Figure::counter(NAME, HELP, word, value).always().labelled("kind", label);
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    Line::new(
        "",
        vec![
            count("tcpcopy_target_headers_total", "Headers that intercept returned.", "resp", target.headers)
                .rated("headers returned"),
            kind("c-resp", "data", target.data),
            count(
                "tcpcopy_target_octets_total",
                "Octets of payload that the target sent.",
                "octets",
                target.octets,
            ),
            kind("resp fin", "fin", target.fins),
            kind("resp rst", "rst", target.resets),
            kind("unknown", "unknown", target.unknown),
            count(
                "tcpcopy_malformed_records_total",
                "Records that were no headers.",
                "malformed",
                all.tunnels.malformed,
            ),
            Figure::gauge("tcpcopy_tunnels_up", "Tunnels that are up.", "tunnels", all.tunnels.up),
            Figure::gauge("tcpcopy_tunnels_wanted", "Tunnels that should be up.", "of", all.tunnels.wanted),
            count("tcpcopy_tunnels_lost_total", "Tunnels that were lost.", "lost", all.tunnels.lost),
        ],
    )
}

/// What did not get through, by the stage at which it was lost.
fn losses(all: &Snapshot) -> Line {
    const NAME: &str = "tcpcopy_lost_total";
    const HELP: &str =
        "What was not replayed, by stage: packets at capture, filter, admission and send, requests at answer.";
    let Counters { captured, requests, .. } = &all.counters;
    let filtered = captured.unmapped + captured.malformed + captured.not_sampled;
    let refused = captured.refused + captured.overflows + captured.out_of_window + captured.not_joined;
    let stages = [
        ("capture", all.capture.dropped),
        ("filter", filtered),
        ("admission", refused),
        ("send", all.send_errors),
        ("answer", requests.unanswered + requests.given_up),
    ];
    let figures = stages.map(|(stage, count)| {
        Figure::counter(NAME, HELP, format!("{stage} stage"), count).always().labelled("stage", stage)
    });
    Line::new("lost at ", figures.into())
}
