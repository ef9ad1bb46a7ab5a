//! What the terminal shows.

use super::history::History;
use super::page::Page;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Sparkline};

const STAGES: [&str; 5] = ["capture", "filter", "admission", "send", "answer"];
const GRAPH: u16 = 4;

/// Draws a box for each program.
pub(super) fn draw(frame: &mut Frame<'_>, histories: &[History]) {
    let heights = histories.iter().map(|history| Constraint::Length(height(history)));
    let areas = Layout::vertical(heights.chain([Constraint::Min(1)])).split(frame.area());
    for (history, area) in histories.iter().zip(areas.iter()) {
        draw_program(frame, *area, history);
    }
    if let Some(rest) = areas.last() {
        frame.render_widget(Line::from(" q: leave".dark_gray()), *rest);
    }
}

fn height(history: &History) -> u16 {
    let lines = history.page().map_or(1, |page| lines(history, page).len());
    let graph = if history.page().is_some() { GRAPH } else { 0 };
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(graph + 2)
}

fn draw_program(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let name = if history.is_of("intercept") { "intercept" } else { "tcpcopy" };
    let block = Block::bordered().title(format!(" {name} {} ", history.source()));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let Some(page) = history.page() else {
        let text = format!("no metrics: {}", history.failure().unwrap_or("not looked yet"));
        frame.render_widget(Line::from(text.red()), inside);
        return;
    };
    let [top, bottom] = Layout::vertical([Constraint::Min(1), Constraint::Length(GRAPH)]).areas(inside);
    frame.render_widget(Paragraph::new(lines(history, page)), top);
    let graph =
        Sparkline::default().data(history.graph(bottom.width.into())).style(Style::new().fg(Color::Cyan));
    frame.render_widget(graph, bottom);
}

fn lines(history: &History, page: &Page) -> Vec<Line<'static>> {
    if history.is_of("intercept") { intercept(history, page) } else { tcpcopy(history, page) }
}

fn tcpcopy(history: &History, page: &Page) -> Vec<Line<'static>> {
    let latency = history.latency();
    let latency =
        latency.map_or_else(|| "-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1000.0));
    let requests = line(
        "requests/s",
        &[
            ("online", history.rate("tcpcopy_requests_captured_total")),
            ("replayed", history.rate("tcpcopy_requests_sent_total")),
            ("answered", history.rate("tcpcopy_requests_answered_total")),
            ("latency about", latency),
        ],
    );
    let total = |key: &str| page.value(key).to_string();
    let sessions = line(
        "sessions",
        &[
            ("now", total("tcpcopy_sessions")),
            ("opened/s", history.rate("tcpcopy_sessions_opened_total")),
            ("MiB", (page.value("tcpcopy_session_octets") >> 20).to_string()),
            ("tunnels", format!("{}/{}", total("tcpcopy_tunnels_up"), total("tcpcopy_tunnels_wanted"))),
        ],
    );
    let packets = line(
        "packets/s",
        &[
            ("captured", history.rate("tcpcopy_captured_packets_total")),
            ("sent", history.rate("tcpcopy_sent_packets_total")),
            ("sent again", history.rate("tcpcopy_retransmissions_total")),
            ("returned", history.rate("tcpcopy_target_headers_total")),
        ],
    );
    let waiting: Vec<_> = page
        .labelled("tcpcopy_sessions_waiting")
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    let waiting = if waiting.is_empty() { "nothing".to_owned() } else { waiting.join(", ") };
    let datagrams = (page.value("tcpcopy_datagrams_captured_total") > 0).then(|| datagrams(history, page));
    let rest = [sessions, packets, line("waiting for", &[("", waiting)]), losses(history, page)];
    std::iter::once(requests).chain(datagrams).chain(rest).collect()
}

fn datagrams(history: &History, page: &Page) -> Line<'static> {
    let mean = page.value("tcpcopy_datagram_latency_microseconds");
    line(
        "datagrams/s",
        &[
            ("online", history.rate("tcpcopy_datagrams_captured_total")),
            ("replayed", history.rate("tcpcopy_datagrams_sent_total")),
            ("answered", history.rate("tcpcopy_datagrams_answered_total")),
            ("latency", format!("{}.{} ms", mean / 1000, mean / 100 % 10)),
        ],
    )
}

fn losses(history: &History, page: &Page) -> Line<'static> {
    let mut spans = vec![title("lost at")];
    for stage in STAGES {
        let key = format!("tcpcopy_lost_total{{stage=\"{stage}\"}}");
        let (total, growing) = (page.value(&key), history.tenths(&key).is_some_and(|tenths| tenths > 0));
        let text = format!("{stage} {total}  ");
        spans.push(if growing {
            text.red().bold()
        } else if total > 0 {
            text.yellow()
        } else {
            Span::from(text)
        });
    }
    Line::from(spans)
}

fn intercept(history: &History, page: &Page) -> Vec<Line<'static>> {
    let total = |key: &str| page.value(key).to_string();
    let lost = page.labelled("intercept_queue_lost_total").map(|(_, count)| count).sum::<u64>();
    vec![
        line(
            "headers/s",
            &[
                ("responses", history.rate("intercept_responses_total")),
                ("returned", history.rate("intercept_returned_total")),
                ("passed", history.rate("intercept_passed_total")),
            ],
        ),
        line(
            "routes",
            &[
                ("now", total("intercept_routes")),
                ("announced/s", history.rate("intercept_routes_announced_total")),
                ("tunnels", total("intercept_tunnels")),
                ("held", total("intercept_held")),
            ],
        ),
        line("queue", &[("waiting", total("intercept_queue_length")), ("lost", lost.to_string())]),
    ]
}

fn title(text: &str) -> Span<'static> {
    format!("{text:<12}").bold()
}

fn line(name: &str, values: &[(&str, String)]) -> Line<'static> {
    let mut spans = vec![title(name)];
    for (word, value) in values {
        let word = if word.is_empty() { String::new() } else { format!("{word} ") };
        spans.extend([Span::from(word), value.clone().cyan(), Span::from("   ")]);
    }
    Line::from(spans)
}
