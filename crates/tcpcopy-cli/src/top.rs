//! `tcpcopy top`: the counters of running programs, live in a terminal.

mod history;
mod page;
mod view;

use history::History;
use page::Page;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tc_sys::privilege::{self, Needs};
use tc_sys::program::number;

/// Shows the counters of running programs, live
///
/// Reads the pages that tcpcopy and intercept serve with --metrics: requests per second, sessions, losses by stage,
/// latency. Press q to leave.
#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    /// Where --metrics of each program is, tcpcopy and intercept in any order
    ///
    /// A port alone is one of this host.
    #[arg(value_name = "[ADDRESS:]PORT", default_value = "9252", value_parser = address)]
    sources: Vec<SocketAddr>,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = seconds)]
    interval: u64,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>().ok();
    let local = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    local.or_else(|| text.parse().ok()).ok_or_else(|| "give a port, or an address and a port".to_owned())
}

fn seconds(text: &str) -> Result<u64, String> {
    number(text, 1..=3600)
}

impl TopArgs {
    /// Shows everything until the user leaves.
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        privilege::give_up(Needs::Nothing, &[]).map_err(|error| error.to_string())?;
        let mut terminal = ratatui::try_init().map_err(|error| format!("top needs a terminal: {error}"))?;
        let shown = self.show(&mut terminal);
        ratatui::restore();
        shown.map(|()| ExitCode::SUCCESS).map_err(|error| format!("cannot use the terminal: {error}"))
    }

    fn show(&self, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
        let mut histories: Vec<_> = self.sources.iter().map(|source| History::new(*source)).collect();
        let interval = Duration::from_secs(self.interval);
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next {
                next = now + interval;
                for history in &mut histories {
                    let page = Page::fetch(history.source());
                    history.record(Instant::now(), page);
                }
            }
            terminal.draw(|frame| view::draw(frame, &histories))?;
            if event::poll(next.saturating_duration_since(Instant::now()))? && is_end(&event::read()?) {
                return Ok(());
            }
        }
    }
}

fn is_end(event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return false };
    matches!(code, KeyCode::Char('q') | KeyCode::Esc)
        || (*code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL))
}
