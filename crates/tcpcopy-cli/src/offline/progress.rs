//! How far the replay has come: a bar on a terminal, lines in the log elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};
use tc_sys::log;
use tracing::info;

/// Between two looks at a bar.
const REDRAWN: Duration = Duration::from_millis(200);
/// Between two lines.
const REPEATED: Duration = Duration::from_secs(10);
/// Parts into which the whole is divided.
const PARTS: u64 = 1000;

const BAR: &str = "{elapsed_precise} [{bar:30}] {percent:>3} %  {msg}";
/// The length of what is read is not known.
const SPINNER: &str = "{elapsed_precise} {spinner} {msg}";

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Octets of the files that were read.
    pub(super) read: u64,
    /// When the latest packet was captured.
    pub(super) at: Option<Duration>,
    /// Packets of clients.
    pub(super) packets: u64,
    pub(super) sessions: usize,
    /// Requests that are missing at the target.
    pub(super) missing: u64,
}

/// Tells it from time to time.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Octets that will be read, in all passes.
    octets: Option<u64>,
    started: Instant,
    first: Option<Duration>,
    next: Instant,
}

impl Progress {
    /// Nothing was read yet of so many octets in each pass.
    pub(super) fn new(octets: Option<u64>, passes: u32, now: Instant) -> Self {
        let octets = octets.map(|octets| octets * u64::from(passes));
        let bar = stderr().is_terminal().then(|| bar(octets.is_some()));
        if let Some(bar) = bar.clone() {
            log::set_aside(move |write| bar.suspend(write));
        }
        let next = now + if bar.is_some() { REDRAWN } else { REPEATED };
        Self { bar, octets, started: now, first: None, next }
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.next
    }

    /// Whether it is time to tell something.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    pub(super) fn tell(&mut self, now: Instant, standing: &Standing) {
        let first = standing.at.map(|at| *self.first.get_or_insert(at));
        let replayed = standing.at.zip(first).map_or(Duration::ZERO, |(at, first)| at.saturating_sub(first));
        let remaining = self.remaining(now, standing);
        let text = format!(
            "captured {}, packets {}, sessions {}, missing {}{}",
            clock(replayed),
            standing.packets,
            standing.sessions,
            standing.missing,
            remaining.map_or_else(String::new, |left| format!(", remaining {}", clock(left))),
        );
        if let Some(bar) = &self.bar {
            bar.set_position(self.part(standing));
            bar.set_message(text);
            bar.tick();
            self.next = now + REDRAWN;
        } else {
            let percent =
                self.octets.map_or_else(String::new, |_| format!("{} %, ", self.part(standing) * 100 / PARTS));
            info!("replaying: {percent}{text}");
            self.next = now + REPEATED;
        }
    }

    /// How much of the whole was read.
    fn part(&self, standing: &Standing) -> u64 {
        self.octets.map_or(0, |octets| standing.read.saturating_mul(PARTS) / octets.max(1)).min(PARTS)
    }

    /// What is left, if it goes on like this.
    fn remaining(&self, now: Instant, standing: &Standing) -> Option<Duration> {
        let left = self.octets?.saturating_sub(standing.read);
        let nanoseconds = now.saturating_duration_since(self.started).as_nanos() * u128::from(left);
        let nanoseconds = nanoseconds.checked_div(u128::from(standing.read))?;
        u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
    }

    /// The bar disappears.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(measured: bool) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(measured.then_some(PARTS), target);
    let style = ProgressStyle::with_template(if measured { BAR } else { SPINNER });
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
}

/// Hours, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
