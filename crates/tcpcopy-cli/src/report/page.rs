//! The report as one page, with everything that it needs inside.

use super::format::{count, difference, octets, percent, ratio, time};
use super::plots::{self, Area, Drawn, Screen};
use super::row::{Pace, Row};
use super::summary::{Quantile, Route, StageKind, Summary};
use super::verdict::Grade;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
/// Routes that the page shows; the file of numbers has all.
const MOST_ROUTES: usize = 25;

/// The page.
pub(crate) fn page(summary: &Summary) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "tcpcopy: " (summary.target) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(summary))
                main {
                    (verdict(summary))
                    (figures(summary))
                    (speed(summary))
                    (plots(summary))
                    (sides(summary))
                    (routes(summary))
                    (mismatches(summary))
                    (stages(summary))
                    (reading())
                }
            }
        }
    };
    page.into_string()
}

fn head(summary: &Summary) -> Markup {
    html! {
        header {
            h1 { "Online and target, side by side" }
            p.facts {
                span { "Replayed " b { (summary.target) } }
                span { "from " (clock(&summary.started)) }
                span { "to " (clock(&summary.ended)) " UTC" }
                span { "tcpcopy " (summary.version) }
            }
            p.legend {
                span { i.online {} "online, what the users got" }
                span { i.target {} "target, what the new system answered" }
            }
        }
    }
}

/// `2026-11-25T17:31:06Z` for people.
fn clock(time: &str) -> String {
    time.replace('T', " ").replace('Z', "")
}

/// The same with a day that a narrow page leaves out.
fn moment(time: &str) -> Markup {
    let (day, hour) = time.split_once('T').unwrap_or(("", time));
    html! { span.day { (day) " " } (hour.trim_end_matches('Z')) }
}

fn verdict(summary: &Summary) -> Markup {
    let verdict = &summary.verdict;
    let class = match verdict.grade {
        Grade::Unknown => "unknown",
        Grade::Good => "good",
        Grade::Slower => "slower",
        Grade::Different => "different",
    };
    html! {
        section.verdict.(class) {
            h2 { (verdict.headline) }
            ul { @for detail in &verdict.details { li { (detail) } } }
        }
    }
}

fn figures(summary: &Summary) -> Markup {
    let requests = &summary.requests;
    let figure =
        |name: &str, value: String, class: &str| html! { div.figure.(class) { b { (value) } span { (name) } } };
    let bad = |number: u64| if number > 0 { "bad" } else { "fine" };
    html! {
        section.figures {
            (figure("requests compared", count(requests.compared), "plain"))
            (figure("missing at the target", count(requests.missing), bad(requests.missing)))
            (figure("statuses differ", count(requests.status_mismatches), bad(requests.status_mismatches)))
            @for quantile in ["p50", "p99"] {
                @if let Some(row) = summary.first_at(quantile) {
                    @let shown = if row.pace() == Pace::Untold { "no telling".to_owned() } else { ratio(row.shown_ratio()) };
                    (figure(&format!("{quantile}, target to online"), shown, pace(row)))
                }
            }
        }
    }
}

/// The class of a row: what is slower stands out, and what says nothing stands back.
fn pace(row: &Row) -> &'static str {
    match row.pace() {
        Pace::Slower => "bad",
        Pace::Untold => "untold",
        Pace::Same | Pace::Faster => "plain",
    }
}

fn speed(summary: &Summary) -> Markup {
    html! {
        section {
            h2 { "How long answers take" }
            div.pair {
                (times("To the first octet", &summary.first))
                (times("To the last octet", &summary.last))
            }
            p.note {
                "Not in the target's times: the way there and back, " (quantiles(&summary.network))
                "; and what requests waited in tcpcopy, " (quantiles(&summary.waited)) ". "
                "The difference is that of each request, not of the columns beside it. "
                @if summary.first.iter().any(|row| row.pace() == Pace::Untold) {
                    "Grey ratios say nothing: the times differ by less than the way and the replay may add. "
                }
                (count(summary.requests.timed)) " requests count here; "
                (count(summary.requests.resent)) " that had to be sent again do not."
            }
        }
    }
}

fn times(title: &str, rows: &[Row]) -> Markup {
    html! {
        div.scroll {
            table {
                caption { (title) }
                thead { tr { th {} th.online { "online" } th.target { "target" } th { "ratio" } th { "difference" } } }
                tbody {
                    @for row in rows {
                        tr {
                            th { (row.quantile) }
                            td { (time(row.online_ms)) }
                            td { (time(row.target_ms)) }
                            td.(pace(row)) { (ratio(row.shown_ratio())) }
                            td { (difference(row.difference_ms)) }
                        }
                    }
                    @if rows.is_empty() { tr { td colspan="5" { "no request could be timed" } } }
                }
            }
        }
    }
}

fn quantiles(quantiles: &[Quantile]) -> String {
    let wanted = quantiles.iter().filter(|quantile| ["p50", "p99"].contains(&quantile.quantile));
    let shown: Vec<_> =
        wanted.map(|quantile| format!("{} at {}", time(quantile.ms), quantile.quantile)).collect();
    if shown.is_empty() { "unknown".to_owned() } else { shown.join(" and ") }
}

fn plots(summary: &Summary) -> Markup {
    type Plot = fn(&Area<'_>, Screen, &Summary) -> Drawn;
    let figures: [(&str, &str, Plot); 4] = [
        (
            "First octet in the course of time",
            "Medians; dashed, what 99 % did not exceed.",
            plots::latency_over_time,
        ),
        (
            "Requests in the course of time",
            "Requests a second; red, those the target did not answer.",
            plots::throughput_over_time,
        ),
        (
            "Distribution",
            "How often each time to the first octet occurs; the axis is logarithmic.",
            plots::distribution,
        ),
        ("Percentiles", "The time that so many requests did not exceed.", plots::percentiles),
    ];
    html! {
        @if summary.requests.timed > 0 {
            section.plots {
                @for (title, note, plot) in figures {
                    figure {
                        figcaption { b { (title) } " " (note) }
                        @for (screen, class) in [(Screen::Wide, "wide"), (Screen::Narrow, "narrow")] {
                            div.(class) { (PreEscaped(plots::draw(screen, |area, screen| plot(area, screen, summary)))) }
                        }
                    }
                }
            }
        }
    }
}

fn sides(summary: &Summary) -> Markup {
    let (online, target) = (&summary.online, &summary.target_answers);
    let rows = [
        ("answered", [online.answered, target.answered], false),
        ("status 4xx", [online.client_errors, target.client_errors], true),
        ("status 5xx", [online.server_errors, target.server_errors], true),
        ("refused", [online.refused, target.refused], true),
        ("reset", [online.reset, target.reset], true),
        ("no answer", [online.unanswered, target.unanswered], true),
        ("not sent by tcpcopy", [online.not_sent, target.not_sent], true),
    ];
    html! {
        section {
            h2 { "What became of the requests" }
            div.scroll.slim {
                table {
                    thead { tr { th {} th.online { "online" } th.target { "target" } } }
                    tbody {
                        @for (name, [online, target], bad) in rows {
                            tr {
                                th { (name) }
                                td { (count(online)) }
                                td.bad[bad && target > online] { (count(target)) }
                            }
                        }
                        tr { th { "octets of answers" } td { (octets(online.octets)) } td { (octets(target.octets)) } }
                    }
                }
            }
            p.note {
                (count(summary.requests.length_mismatches)) " answers differ in length. "
                (count(summary.requests.statuses_compared)) " pairs of statuses were compared."
            }
        }
    }
}

fn routes(summary: &Summary) -> Markup {
    html! {
        @if !summary.routes.is_empty() {
            section {
                h2 { "Routes, the worst first" }
                div.scroll {
                    table.routes {
                        thead {
                            tr {
                                th { "route" } th { "requests" } th { "statuses differ" } th { "missing" }
                                th.online { "p50" } th.target { "p50" } th.online { "p99" } th.target { "p99" } th { "ratio" }
                            }
                        }
                        tbody { @for route in summary.routes.iter().take(MOST_ROUTES) { (route_row(route)) } }
                    }
                }
                @if summary.routes.len() > MOST_ROUTES {
                    p.note { (summary.routes.len() - MOST_ROUTES) " more routes are in the JSON report." }
                }
            }
        }
    }
}

/// A row, or on a narrow page a block of values with their labels.
fn route_row(route: &Route) -> Markup {
    let shown = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), time);
    html! {
        tr {
            th { code { (route.name) } }
            td data-label="requests" { (count(route.requests)) }
            td.bad[route.status_mismatches > 0] data-label="statuses differ" { (count(route.status_mismatches)) }
            td.bad[route.missing > 0] data-label="missing" { (count(route.missing)) }
            td.online data-label="p50 online" { (shown(route.online_p50_ms)) }
            td.target data-label="p50 target" { (shown(route.target_p50_ms)) }
            td.online data-label="p99 online" { (shown(route.online_p99_ms)) }
            td.target data-label="p99 target" { (shown(route.target_p99_ms)) }
            td data-label="p99 ratio" { (ratio(route.ratio())) }
        }
    }
}

fn mismatches(summary: &Summary) -> Markup {
    let wrong = summary.requests.missing + summary.requests.status_mismatches;
    let listed = u64::try_from(summary.mismatches.len()).unwrap_or(u64::MAX);
    html! {
        @if !summary.mismatches.is_empty() {
            section {
                h2 { "Requests that the target answered differently" }
                details open[listed <= 20] {
                    summary {
                        (count(listed)) " of " (count(wrong)) " are listed, " (percent(wrong, summary.requests.compared))
                        " of all requests"
                    }
                    div.scroll {
                        table.examples {
                            thead { tr { th { "time, UTC" } th.text { "request" } th.online { "online" } th.target { "target" } } }
                            tbody {
                                @for example in &summary.mismatches {
                                    tr {
                                        th { (moment(&example.at)) }
                                        td.text {
                                            code {
                                                (example.method.as_deref().unwrap_or("not HTTP")) " "
                                                (example.path.as_deref().unwrap_or_default())
                                            }
                                        }
                                        td { (example.online) }
                                        td.bad { (example.target) }
                                    }
                                }
                            }
                        }
                    }
                }
                @if summary.mismatches.iter().all(|example| example.path.is_none()) {
                    p.note { "Paths are left out; tcpcopy lists them with --report-paths." }
                }
            }
        }
    }
}

fn stages(summary: &Summary) -> Markup {
    html! {
        section {
            h2 { "On the way to the target" }
            div.scroll.slim {
                table {
                    tbody {
                        @for stage in &summary.stages {
                            tr {
                                th { (stage.what) }
                                td.bad[stage.kind == StageKind::Lost && stage.count > 0] { (count(stage.count)) }
                            }
                        }
                        tr { th { "in flight at the end" } td { (count(summary.requests.in_flight)) } }
                        tr { th { "could not be followed" } td { (count(summary.requests.untracked)) } }
                    }
                }
            }
        }
    }
}

fn reading() -> Markup {
    html! {
        section.reading {
            h2 { "How to read this" }
            p {
                "Times begin when the last octet of a request that comes before its answer arrives at the online host, or \
                 leaves it for the target. They end when the answer's first or last octet leaves the online host, or when the \
                 target's is reported back. From the target's times the way there and back is taken off, \
                 which is what its kernel takes to acknowledge something by itself: network, intercept and tunnel."
            }
            p {
                "The last octet of the online server may wait for a slow client; the target's never does. Compare first \
                 octets where clients are far away."
            }
        }
    }
}

#[cfg(test)]
mod tests;
