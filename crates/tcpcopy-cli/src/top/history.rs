//! What a program's page said lately, and how fast its numbers grow.

use super::page::Page;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Rates that are kept for the graph.
const KEPT: usize = 240;

/// The pages of one program.
#[derive(Debug)]
pub(super) struct History {
    source: SocketAddr,
    latest: Option<(Instant, Page)>,
    before: Option<(Instant, Page)>,
    /// Why there is no page now.
    failure: Option<String>,
    /// What the graph shows: requests captured, or responses.
    rates: VecDeque<u64>,
}

impl History {
    pub(super) fn new(source: SocketAddr) -> Self {
        Self { source, latest: None, before: None, failure: None, rates: VecDeque::new() }
    }

    pub(super) fn source(&self) -> SocketAddr {
        self.source
    }

    /// Takes what came of a look.
    pub(super) fn record(&mut self, now: Instant, page: io::Result<Page>) {
        match page {
            Ok(page) => {
                self.before = self.latest.replace((now, page));
                self.failure = None;
                let graph = if self.is_of("intercept") {
                    "intercept_responses_total"
                } else {
                    "tcpcopy_requests_captured_total"
                };
                if let Some(tenths) = self.tenths(graph) {
                    self.rates.push_back(tenths);
                }
                if self.rates.len() > KEPT {
                    self.rates.pop_front();
                }
            }
            Err(error) => {
                (self.latest, self.before) = (None, None);
                self.failure = Some(error.to_string());
            }
        }
    }

    pub(super) fn page(&self) -> Option<&Page> {
        self.latest.as_ref().map(|(_, page)| page)
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn is_of(&self, program: &str) -> bool {
        self.page().is_some_and(|page| page.is_of(program))
    }

    /// The last rates, in tenths a second, as many as fit.
    pub(super) fn graph(&self, width: usize) -> Vec<u64> {
        self.rates.iter().skip(self.rates.len().saturating_sub(width)).copied().collect()
    }

    /// How much a number grows, in tenths a second; nothing before the second page.
    pub(super) fn tenths(&self, key: &str) -> Option<u64> {
        let ((then, before), (now, latest)) = (self.before.as_ref()?, self.latest.as_ref()?);
        let grown = latest.value(key).saturating_sub(before.value(key));
        let elapsed = now.saturating_duration_since(*then).as_millis().max(1);
        u64::try_from(u128::from(grown) * 10_000 / elapsed).ok()
    }

    /// How much a number grows in a second, for people.
    pub(super) fn rate(&self, key: &str) -> String {
        self.tenths(key).map_or_else(|| "-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
    }

    /// How long requests wait for their answer, by Little's law: as many wait as come in that time.
    pub(super) fn latency(&self) -> Option<Duration> {
        let answered = self.tenths("tcpcopy_requests_answered_total").filter(|tenths| *tenths > 0)?;
        let waiting = self.page()?.value("tcpcopy_sessions_waiting{for=\"answer\"}");
        Some(Duration::from_micros(waiting * 10_000_000 / answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_latency_follow_from_two_pages() {
        let mut history = History::new(([127, 0, 0, 1], 1).into());
        let start = Instant::now();
        let page = |answered: u64| {
            Ok(Page::parse(&format!(
                "tcpcopy_requests_answered_total {answered}\ntcpcopy_requests_captured_total {answered}\n\
                 tcpcopy_sessions_waiting{{for=\"answer\"}} 3"
            )))
        };
        history.record(start, page(100));
        assert_eq!(
            (history.rate("tcpcopy_requests_answered_total"), history.latency()),
            ("-".to_owned(), None)
        );
        history.record(start + Duration::from_secs(2), page(400));
        assert_eq!(history.rate("tcpcopy_requests_answered_total"), "150.0");
        assert_eq!(history.latency(), Some(Duration::from_millis(20)));
        assert_eq!(history.graph(10), [1500]);
        history.record(start, Err(io::ErrorKind::ConnectionRefused.into()));
        assert_eq!((history.page(), history.failure()), (None, Some("connection refused")));
    }
}
