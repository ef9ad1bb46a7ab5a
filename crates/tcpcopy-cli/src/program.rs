//! The program's life: start, tell that it is ready, run, stop.

use crate::config::{Config, Mode};
use crate::driver::{Driver, FIRST_TUNNEL, Flow};
use crate::error::Error;
use crate::tunnels::Tunnels;
use std::process::ExitCode;
use std::time::Instant;
use tc_core::Replayer;
use tc_proto::tunnel::VERSION;
use tc_sys::capture::PnetCapture;
use tc_sys::inject::Injector;
use tc_sys::log::{self, Log, LogConfig, LogTarget};
use tc_sys::process::{Daemon, PidFile, Signal, SignalFd, as_invoker, daemonize};
use tracing::{error, info, warn};

const FAILED: u8 = 1;

/// Runs to the end and returns the exit code.
pub(crate) fn run(config: &Config) -> ExitCode {
    let daemon = match config.mode {
        Mode::Daemon => daemonize(),
        Mode::Foreground => Ok(Daemon::foreground()),
    };
    let daemon = match daemon {
        Ok(daemon) => daemon,
        Err(error) => return tell_failure(Daemon::foreground(), &error.into()),
    };
    match Program::start(config) {
        Ok(program) => program.serve(daemon, config.mode),
        Err(error) => tell_failure(daemon, &error),
    }
}

/// Says why the program could not start: on standard error, whose reader waits for it, and in the log file.
fn tell_failure(daemon: Daemon, failure: &Error) -> ExitCode {
    ExitCode::from(daemon.fail(FAILED, &format!("tcpcopy: {failure}")))
}

/// A program that has all it needs.
struct Program {
    driver: Driver,
    log: Log,
    /// Removed when the program ends.
    _pid_file: Option<PidFile>,
}

impl Program {
    fn start(config: &Config) -> Result<Self, Error> {
        let log_config = LogConfig { target: config.log.clone(), ..LogConfig::default() };
        let log = as_invoker(|| log::init(log_config))??;
        log_panics();
        let started = Self::open(config, log);
        if let (Err(error), LogTarget::File(_)) = (&started, &config.log) {
            error!("{error}");
        }
        started
    }

    /// What goes wrong is said in one line, so nothing is told before everything is open.
    fn open(config: &Config, log: Log) -> Result<Self, Error> {
        let pid_file = match &config.pid_file {
            Some(path) => Some(as_invoker(|| PidFile::create(path))??),
            None => None,
        };
        let capture = Box::new(PnetCapture::open(&config.capture)?);
        let injector = Injector::open(config.capture.families)?;
        let signals = SignalFd::open()?;
        let tunnels = Tunnels::open(config, Instant::now(), FIRST_TUNNEL)?;
        tell_configuration(config);
        let replayer = Replayer::new(config.replay, config.mappings.clone(), config.clients.clone());
        let driver = Driver::new(capture, injector, signals, tunnels, replayer)?;
        Ok(Self { driver, log, _pid_file: pid_file })
    }

    fn serve(mut self, daemon: Daemon, mode: Mode) -> ExitCode {
        info!("tcpcopy is ready");
        let result = daemon.ready().map_err(Error::from).and_then(|()| {
            let log = &self.log;
            self.driver.run(|signal| handle_signal(signal, mode, log))
        });
        match result {
            Ok(()) => {
                info!("tcpcopy stopped");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                error!("{failure}");
                ExitCode::from(FAILED)
            }
        }
    }
}

fn handle_signal(signal: Signal, mode: Mode, log: &Log) -> Flow {
    match (signal, mode) {
        (Signal::Hangup, Mode::Daemon) => {
            match log.reopen() {
                Ok(()) => info!("the log file is opened again"),
                Err(error) => warn!("{error}"),
            }
            Flow::Continue
        }
        (Signal::User1, _) => Flow::Report,
        (Signal::Terminate | Signal::Interrupt | Signal::Hangup, _) => {
            info!("sig {} received", signal.number());
            Flow::Stop
        }
    }
}

fn tell_configuration(config: &Config) {
    info!("tcpcopy version:{}", env!("CARGO_PKG_VERSION"));
    info!("tcpcopy internal version:{VERSION}");
    info!("target:{}", config.target);
    info!("session timeout:{}", config.replay.session_timeout.as_secs());
    info!("keepalive timeout:{}", config.replay.keepalive_timeout.as_secs());
    info!("parallel connections per target:{}", config.connections);
}

/// The standard error of a daemon leads nowhere.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
}
