//! Command lines: what both programs share of them.

use super::{Life, Mode};
use crate::log::{self, LogFormat};
use clap::error::ErrorKind;
use clap::{ArgAction, Parser};
use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use tracing::level_filters::LevelFilter;

/// The arguments of a program.
pub trait Arguments: Parser {
    /// The program's name.
    const NAME: &'static str;

    /// Those that both programs have.
    fn common(&self) -> &CommonArgs;

    /// What no argument can tell alone.
    ///
    /// # Errors
    ///
    /// One line that names the argument and the remedy.
    fn check(&self) -> Result<(), String>;

    /// How the program lives.
    fn life(&self) -> Life {
        let CommonArgs { daemon, log_file, log_format, log_level, pid_file, metrics, config: _, version: _ } =
            self.common();
        let mode = if *daemon { Mode::Daemon } else { Mode::Foreground };
        Life::new(Self::NAME, mode, log_file.clone(), pid_file.clone()).with(*log_format, *log_level, *metrics)
    }

    /// Reads a command line that starts with the program's name.
    ///
    /// # Errors
    ///
    /// There are no arguments: help was asked for, or something is wrong.
    fn read<I>(command_line: I) -> Result<Self, Refusal>
    where
        I: IntoIterator<Item: Into<OsString> + Clone>,
    {
        let arguments = Self::try_parse_from(command_line).map_err(|error| {
            match Refusal::of::<Self>(&error, Self::NAME) {
                None => Refusal::Asked(error),
                Some(line) => Refusal::Usage(line),
            }
        })?;
        arguments.check().map_err(|line| Refusal::Usage(legible(&line)))?;
        Ok(arguments)
    }
}

/// The arguments that both programs have.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonArgs {
    /// Run in the background
    ///
    /// The command returns when the program is ready, or has failed and said why.
    #[arg(short, long)]
    daemon: bool,

    /// Write the log to this file
    ///
    /// It is created if need be, and appended to. The default is standard error; with -d it is error_tcpcopy.log or
    /// error_intercept.log in the current directory.
    #[expect(clippy::doc_markdown, reason = "the comment is the help, which is printed as it stands")]
    #[arg(short, long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// The shape of log lines: original or json
    ///
    /// With json each line is an object with time, level and message; statistics are an object in it.
    #[arg(long, value_name = "FORMAT", default_value = "original", value_parser = log_format)]
    log_format: LogFormat,

    /// How much the log says: error, warn, notice, info or debug
    ///
    /// Each says what those before it say, and more. At info there are lines of sessions, at debug of packets. SIGUSR2
    /// changes it from notice to info, to debug, and back.
    #[arg(long, value_name = "LEVEL", default_value = "notice", value_parser = log::level)]
    log_level: LevelFilter,

    /// Serve counters to Prometheus, over HTTP, as the page /metrics
    ///
    /// A port alone is one of the loopback interface.
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,

    /// Write the process id to this file
    ///
    /// The file is locked while the program runs and removed when it stops. The program does not start if it names a
    /// process that is alive.
    #[arg(short = 'P', long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Take arguments out of this file
    ///
    /// In TOML: each key is the long name of an argument, without its dashes; lists may be arrays, switches are true or
    /// false. What the command line says counts more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: Option<bool>,
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "original" => Ok(LogFormat::Original),
        "json" => Ok(LogFormat::Json),
        _ => Err("give original or json".to_owned()),
    }
}

fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>().ok();
    let loopback = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let address = loopback.or_else(|| text.parse().ok()).filter(|address| address.port() != 0);
    address.ok_or_else(|| "give a port, or an address and a port: 127.0.0.1:9252, [::1]:9252".to_owned())
}

impl CommonArgs {
    /// Whether the program goes to the background.
    #[must_use]
    pub const fn is_daemon(&self) -> bool {
        self.daemon
    }
}

/// Why there are no arguments.
#[derive(Debug)]
pub enum Refusal {
    /// The user asked for help or the version, to be printed.
    Asked(clap::Error),
    /// One line that names the argument and the remedy.
    Usage(String),
}

impl Refusal {
    /// The line that says what is wrong with a command line of `command`; nothing if the user asked for a text.
    pub(super) fn of<A: Parser>(error: &clap::Error, command: &str) -> Option<String> {
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        (!asked).then(|| legible(&one_line::<A>(error, command)))
    }
}

/// Clap's first lines are the reason, up to the usage. It names arguments by their long names, people by the short.
fn one_line<A: Parser>(error: &clap::Error, command: &str) -> String {
    let text = error.render().to_string();
    let reason: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let mut reason = reason.join(" ");
    for argument in A::command().get_arguments() {
        if let (Some(short), Some(long)) = (argument.get_short(), argument.get_long()) {
            reason = reason.replace(&format!("--{long} <"), &format!("-{short}, --{long} <"));
        }
    }
    let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
    let remedy = if error.kind() == ErrorKind::ValueValidation { "" } else { "; see " };
    let help = if remedy.is_empty() { String::new() } else { format!("{command} --help") };
    format!("{reason}{remedy}{help}")
}

/// The line without control characters, and without its middle if an argument makes it very long.
fn legible(line: &str) -> String {
    const START: usize = 600;
    const END: usize = 200;
    let characters: Vec<char> = line.chars().collect();
    let text = |part: &[char]| -> String { part.iter().flat_map(|character| escaped(*character)).collect() };
    match characters.len().checked_sub(START + END) {
        None | Some(0) => text(&characters),
        Some(_) => {
            let (start, end) = (&characters[..START], &characters[characters.len() - END..]);
            format!("{} […] {}", text(start), text(end))
        }
    }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let escape = character.is_control().then(|| character.escape_default());
    let plain = escape.is_none().then_some(character);
    escape.into_iter().flatten().chain(plain)
}

/// Reads a number within a range.
///
/// # Errors
///
/// A phrase that says which numbers there are.
pub fn number<T>(text: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("give a number from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::{legible, metrics_address};

    #[test]
    fn metrics_are_for_this_host_unless_an_address_is_named() {
        for (text, address) in [
            ("9252", "127.0.0.1:9252"),
            (":9252", "127.0.0.1:9252"),
            ("0.0.0.0:9252", "0.0.0.0:9252"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(metrics_address(text).map(|address| address.to_string()), Ok(address.to_owned()));
        }
        for text in ["", "0", "10.0.0.1", "10.0.0.1:0", "70000", "host:80"] {
            assert!(metrics_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_an_argument_brings_along_cannot_flood_or_confuse_a_terminal() {
        assert_eq!(legible("-x 'a\u{1b}[2Jb': give é"), "-x 'a\\u{1b}[2Jb': give é");
        let long = legible(&format!("-x '{}': give a list", "é".repeat(100_000)));
        assert!(long.starts_with("-x 'é") && long.ends_with("': give a list"), "{long}");
        assert!(long.chars().count() < 1000);
    }
}
