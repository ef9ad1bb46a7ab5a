//! What tcpcopy and intercept share of being a program: their life from start to stop, and small parts of their event
//! loops.

mod arguments;
mod config_file;
mod figures;
mod generate;
mod limiter;
mod metrics;
mod readiness;
mod report;
mod reporter;
mod tools;

pub use arguments::{Arguments, CommonArgs, Refusal, number};
pub use figures::{Detail, Figure, Figures, Line};
pub use generate::GenerateArgs;
pub use limiter::{LeftOut, RateLimit};
pub use metrics::MetricsServer;
pub use readiness::Readiness;
pub use report::{Finding, Report, ReportFormat};
pub use reporter::Reporter;
pub use tools::Tools;

use crate::SysError;
use crate::log::{self, Log, LogConfig, LogError, LogFormat, LogTarget};
use crate::privilege::{self, Needs};
use crate::process::{Daemon, PidFile, Signal, daemonize};
use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the background, without a terminal.
    Daemon,
    /// Where it was started.
    Foreground,
}

/// What follows a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Write the statistics and go on.
    Report,
    /// Write the statistics and stop.
    Stop,
}

/// Runs a program, or one of its tools, from the command line to the exit code: 0 stopped on request, 1 failed, 2 wrong
/// usage.
#[must_use]
pub fn main<A, P, T>() -> ExitCode
where
    A: Arguments,
    P: Program<Config: From<A>>,
    T: Tools,
{
    if let Err(failure) = privilege::settle() {
        return tell(A::NAME, &failure, FAILED);
    }
    let command_line: Vec<_> = std::env::args_os().collect();
    if let Some(code) = tools::run::<T>(A::NAME, &command_line) {
        return code;
    }
    let command_line = match config_file::expand(&A::command(), command_line, 1) {
        Ok(command_line) => command_line,
        Err(line) => return tell(A::NAME, &line, WRONG_USAGE),
    };
    match A::read(command_line) {
        Ok(arguments) => arguments.life().live::<P>(&arguments.into()),
        Err(Refusal::Asked(text)) => {
            // Nobody is left to tell when standard output is closed.
            let _ = text.print();
            ExitCode::SUCCESS
        }
        Err(Refusal::Usage(line)) => tell(A::NAME, &line, WRONG_USAGE),
    }
}

fn tell(name: &str, line: &impl Display, code: u8) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{name}: {line}");
    ExitCode::from(code)
}

/// How a program lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    name: &'static str,
    mode: Mode,
    log: LogTarget,
    log_format: LogFormat,
    log_level: LevelFilter,
    pid_file: Option<PathBuf>,
    metrics: Option<SocketAddr>,
}

/// A program that has all it needs.
pub trait Program: Sized {
    /// What a program is made from.
    type Config;
    /// Why it ends; printed as one line.
    type Error: Display + From<SysError> + From<LogError>;

    /// The privileges that it goes on with once everything is open; all others are given up.
    const NEEDS: Needs;

    /// Opens everything, without starting a thread. What goes wrong is said in one line, so nothing is logged before
    /// everything is open.
    ///
    /// # Errors
    ///
    /// What could not be opened, and the remedy.
    fn open(config: &Self::Config) -> Result<Self, Self::Error>;

    /// Works until a signal that `on_signal` answers with [`Flow::Stop`], and serves its figures, if they are to be
    /// served.
    ///
    /// # Errors
    ///
    /// What makes it impossible to go on.
    fn run(
        &mut self,
        on_signal: impl FnMut(Signal) -> Flow,
        metrics: Option<MetricsServer>,
    ) -> Result<(), Self::Error>;

    /// The exit code after a run that was stopped on request.
    fn exit_code(&self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Life {
    /// The life of a program. A log without a file goes to standard error, that of a daemon to `error_NAME.log` in the
    /// current directory, as with the original.
    #[must_use]
    pub fn new(name: &'static str, mode: Mode, log_file: Option<PathBuf>, pid_file: Option<PathBuf>) -> Self {
        let log = match (log_file, mode) {
            (Some(file), _) => LogTarget::File(file),
            (None, Mode::Daemon) => LogTarget::File(format!("error_{name}.log").into()),
            (None, Mode::Foreground) => LogTarget::Stderr,
        };
        let LogConfig { format: log_format, max_level: log_level, .. } = LogConfig::default();
        Self { name, mode, log, log_format, log_level, pid_file, metrics: None }
    }

    /// The same with a log of this shape and level, and figures served there.
    #[must_use]
    pub fn with(self, log_format: LogFormat, log_level: LevelFilter, metrics: Option<SocketAddr>) -> Self {
        Self { log_format, log_level, metrics, ..self }
    }

    /// Runs a program to its end and returns the exit code: 0 stopped on request, 1 failed.
    fn live<P: Program>(&self, config: &P::Config) -> ExitCode {
        let daemon = match self.mode {
            Mode::Daemon => daemonize(),
            Mode::Foreground => Ok(Daemon::foreground()),
        };
        let daemon = match daemon {
            Ok(daemon) => daemon,
            Err(error) => return self.tell_failure(Daemon::foreground(), &error),
        };
        match self.start::<P>(config) {
            Ok(started) => self.serve(started, daemon),
            Err(error) => self.tell_failure(daemon, &error),
        }
    }

    /// Says on standard error why the program could not start; of a daemon, through the command that waits for it.
    fn tell_failure(&self, daemon: Daemon, failure: &impl Display) -> ExitCode {
        ExitCode::from(daemon.fail(FAILED, &format!("{}: {failure}", self.name)))
    }

    fn start<P: Program>(&self, config: &P::Config) -> Result<Started<P>, P::Error> {
        let log_config =
            LogConfig { target: self.log.clone(), format: self.log_format, max_level: self.log_level };
        let log = log::init(log_config)?;
        log_panics();
        let opened = self.open(config, &log);
        if let (Err(error), LogTarget::File(_)) = (&opened, &self.log) {
            error!("{error}");
        }
        let (program, metrics, pid_file) = opened?;
        Ok(Started { program, metrics, log, _pid_file: pid_file })
    }

    fn open<P: Program>(&self, config: &P::Config, log: &Log) -> Result<Opened<P>, P::Error> {
        let pid_file = self.pid_file.as_deref().map(PidFile::create).transpose()?;
        let metrics = self.metrics.map(MetricsServer::open).transpose()?;
        let program = P::open(config)?;
        let files: Vec<_> = log.path().into_iter().chain(pid_file.as_ref().map(PidFile::path)).collect();
        privilege::give_up(P::NEEDS, &files)?;
        Ok((program, metrics, pid_file))
    }

    fn serve<P: Program>(&self, mut started: Started<P>, daemon: Daemon) -> ExitCode {
        info!("{} is ready", self.name);
        let result = daemon.ready().map_err(P::Error::from).and_then(|()| {
            let log = &started.log;
            started.program.run(|signal| self.on_signal(signal, log), started.metrics)
        });
        match result {
            Ok(()) => {
                info!("{} stopped", self.name);
                started.program.exit_code()
            }
            Err(failure) => {
                error!("{failure}");
                ExitCode::from(FAILED)
            }
        }
    }

    fn on_signal(&self, signal: Signal, log: &Log) -> Flow {
        match (signal, self.mode) {
            (Signal::Hangup, Mode::Daemon) => {
                match log.reopen() {
                    Ok(()) => info!("the log file is opened again"),
                    Err(error) => warn!("{error}"),
                }
                Flow::Continue
            }
            (Signal::User1, _) => Flow::Report,
            (Signal::User2, _) => {
                info!("the log's level is {} from now on", log.change_level());
                Flow::Continue
            }
            (Signal::Terminate | Signal::Interrupt | Signal::Hangup, _) => {
                info!("sig {} received", signal.number());
                Flow::Stop
            }
        }
    }
}

/// A program, its figures' server, and its PID file, which is removed when it ends.
type Opened<P> = (P, Option<MetricsServer>, Option<PidFile>);

/// A program that has started.
struct Started<P> {
    program: P,
    metrics: Option<MetricsServer>,
    log: Log,
    /// Removed when the program ends.
    _pid_file: Option<PidFile>,
}

/// The standard error of a daemon leads nowhere.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
}
