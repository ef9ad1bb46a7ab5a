//! The one list of what intercept counts: lines of the log, `--metrics`, JSON and `tcpcopy top` come from it.

use crate::source::Source;
use tc_core::relay::{Counters, Relay};
use tc_sys::program::{Figure, Figures, Line};

/// All figures.
pub(crate) fn figures(relay: &Relay, source: &mut dyn Source) -> Figures {
    let counters = relay.counters();
    Figures::new(vec![responses(counters), routes(counters), now(relay, source)])
}

fn responses(counters: &Counters) -> Line {
    let count = |name, help, word, value| Figure::counter(name, help, word, value).always();
    let mut figures = vec![
        count(
            "intercept_returned_total",
            "Headers returned to tcpcopy.",
            "total resp packs",
            counters.returned(),
        )
        .rated("headers returned"),
        count("intercept_responses_total", "Responses of the target.", "all", counters.responses)
            .rated("responses"),
        count("intercept_routes_announced_total", "Routes announced.", "route", counters.routes_announced)
            .rated("routes"),
        count("intercept_frames_total", "Frames written to tunnels.", "sock write cnt", counters.frames),
        count(
            "intercept_passed_total",
            "Responses that passed because of the passlist.",
            "passed",
            counters.passed,
        ),
    ];
    figures.extend([
        Figure::counter(
            "intercept_datagrams_total",
            "Responses that are datagrams.",
            "udp",
            counters.datagrams,
        ),
        Figure::counter(
            "intercept_datagrams_returned_total",
            "Headers of datagrams returned to tcpcopy.",
            "udp returned",
            counters.datagrams_returned,
        ),
    ]);
    let held = [
        ("held", "all", counters.held),
        ("held late", "delivered", counters.held_delivered),
        ("held superseded", "superseded", counters.held_superseded),
        ("held expired", "expired", counters.held_expired),
        ("held displaced", "displaced", counters.held_displaced),
        ("held refused", "refused", counters.held_refused),
    ];
    figures.extend(held.map(|(word, label, count)| {
        let text = "Headers that were held for their route, and what became of them.";
        Figure::counter("intercept_held_total", text, word, count).labelled("as", label)
    }));
    let dropped = [
        ("truncated", "truncated", counters.dropped_truncated),
        ("bad header length", "header_length", counters.dropped_header_length),
        ("bad ip version", "ip_version", counters.dropped_ip_version),
        ("udp not routed", "udp", counters.datagrams_unrouted),
        ("not tcp", "not_tcp", counters.dropped_not_tcp),
        ("fragments", "fragment", counters.dropped_fragment),
    ];
    figures.extend(dropped.map(|(word, label, count)| {
        let text = "Responses that were dropped and not returned, by reason.";
        Figure::counter("intercept_not_returned_total", text, word, count).labelled("reason", label)
    }));
    Line::new("", figures)
}

fn routes(counters: &Counters) -> Line {
    let routes = [
        ("routes renewed", "renewed", counters.routes_renewed),
        ("routes taken over", "taken_over", counters.routes_taken_over),
        ("routes refused", "refused", counters.routes_refused),
        ("routes removed", "removed", counters.routes_removed),
        ("routes closed", "closed", counters.routes_closed),
        ("routes idle", "idle", counters.routes_idle),
        ("routes evicted", "evicted", counters.routes_evicted),
        ("routes orphaned", "orphaned", counters.routes_orphaned),
        ("removals unknown", "unknown", counters.removals_unknown),
    ];
    let routes = routes.map(|(word, label, count)| {
        Figure::counter("intercept_routes_total", "What became of routes.", word, count).labelled("as", label)
    });
    let cut = [
        ("tunnels not allowed", "not_allowed", counters.tunnels_not_allowed),
        ("tunnels with wrong key", "wrong_key", counters.tunnels_wrong_key),
        ("tunnels displaced", "displaced", counters.tunnels_displaced),
        ("tunnels refused", "refused", counters.tunnels_refused),
        ("tunnels silent", "silent", counters.tunnels_silent),
        ("tunnels slow", "slow", counters.tunnels_slow),
    ];
    let cut = cut.map(|(word, label, count)| {
        Figure::counter("intercept_tunnels_cut_total", "Tunnels that were cut.", word, count)
            .labelled("reason", label)
    });
    let lost = "Headers that waited for a tunnel when it ended.";
    let mut figures: Vec<_> = routes.into_iter().chain(cut).collect();
    figures.extend([
        Figure::counter(
            "intercept_lost_with_tunnel_total",
            lost,
            "lost with tunnel",
            counters.lost_with_tunnel,
        ),
        Figure::counter(
            "intercept_tunnels_up_total",
            "Tunnels that connected.",
            "tunnels up",
            counters.tunnels_up,
        )
        .always(),
        Figure::counter(
            "intercept_tunnels_down_total",
            "Tunnels that ended.",
            "tunnels down",
            counters.tunnels_down,
        )
        .always(),
    ]);
    Line::new("", figures)
}

fn now(relay: &Relay, source: &mut dyn Source) -> Line {
    let mut figures = vec![
        Figure::gauge("intercept_tunnels", "Tunnels that there are.", "tunnels", relay.tunnel_count()),
        Figure::gauge("intercept_routes", "Routes that there are.", "routes", relay.route_count()),
        Figure::gauge("intercept_held", "Headers that are held.", "held now", relay.held_count()),
    ];
    figures.extend(source.figures());
    Line::new("", figures)
}
