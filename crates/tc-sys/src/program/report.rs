//! What a check found, for people and for programs.

use serde_json::{Value, json};
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// How it stands with one station of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// That could not be found out.
    Unknown,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "fails",
            Self::Unknown => "unknown",
        }
    }
}

/// One station: whether it works, how that was found out, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    station: &'static str,
    verdict: Verdict,
    found: String,
    how: String,
    remedy: Option<String>,
}

impl Finding {
    /// A station that works. `found` is what was found, `how` the means.
    pub fn good(station: &'static str, found: impl Into<String>, how: impl Into<String>) -> Self {
        Self { station, verdict: Verdict::Good, found: found.into(), how: how.into(), remedy: None }
    }

    /// A station that does not work, with the command that mends it.
    pub fn bad(
        station: &'static str,
        found: impl Into<String>,
        how: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (found, how, remedy) = (found.into(), how.into(), Some(remedy.into()));
        Self { station, verdict: Verdict::Bad, found, how, remedy }
    }

    /// A station of which nothing could be found out, and what would tell more.
    pub fn unknown(
        station: &'static str,
        found: impl Into<String>,
        how: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (found, how, remedy) = (found.into(), how.into(), Some(remedy.into()));
        Self { station, verdict: Verdict::Unknown, found, how, remedy }
    }

    fn to_json(&self) -> Value {
        let Self { station, verdict, found, how, remedy } = self;
        json!({ "station": station, "verdict": verdict.word(), "found": found, "how": how, "remedy": remedy })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {:<12} {} ({})", self.verdict.word(), self.station, self.found, self.how)?;
        match (&self.remedy, self.verdict) {
            (Some(remedy), Verdict::Unknown) => write!(f, "\n{:21} tell: {remedy}", ""),
            (Some(remedy), Verdict::Good | Verdict::Bad) => write!(f, "\n{:21} mend: {remedy}", ""),
            (None, _) => Ok(()),
        }
    }
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// One line for each station, and one for its remedy.
    Text,
    /// One object.
    Json,
}

/// All stations that were looked at, in the order of a packet's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Adds a station.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Prints everything to standard output; the exit code is 1 if a station does not work.
    #[must_use]
    pub fn print(&self, program: &str, format: ReportFormat) -> ExitCode {
        let bad = self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
        let text = match format {
            ReportFormat::Text => self.text(bad),
            ReportFormat::Json => {
                let stations: Vec<_> = self.findings.iter().map(Finding::to_json).collect();
                json!({ "program": program, "ok": bad == 0, "stations": stations }).to_string()
            }
        };
        // Nobody is left to tell when standard output is closed.
        let _ = writeln!(io::stdout(), "{text}");
        if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn text(&self, bad: usize) -> String {
        let lines: Vec<_> = self.findings.iter().map(Finding::to_string).collect();
        let unknown = self.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown).count();
        let end = match (bad, unknown) {
            (0, 0) => "all stations work".to_owned(),
            (0, _) => format!("no station fails, {unknown} unknown"),
            (_, 0) => format!("{bad} stations fail"),
            (_, _) => format!("{bad} stations fail, {unknown} unknown"),
        };
        format!("{}\n{end}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_a_line_and_its_remedy_another() {
        let mut report = Report::default();
        report.add(Finding::good("permission", "raw sockets open", "opened them"));
        report.add(Finding::bad("route", "no route", "connect", "ip route add …"));
        let expected = "\
ok       permission   raw sockets open (opened them)
fails    route        no route (connect)
                      mend: ip route add …
1 stations fail";
        assert_eq!(report.text(1), expected);
    }
}
