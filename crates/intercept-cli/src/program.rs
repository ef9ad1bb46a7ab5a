//! The program's life: start, tell that it is ready, run, stop.

use crate::config::{Config, Mode};
use crate::driver::{Driver, Flow};
use crate::error::Error;
use crate::listener;
use std::process::ExitCode;
use tc_proto::tunnel::VERSION;
use tc_sys::log::{self, Log, LogConfig, LogTarget};
use tc_sys::process::{Daemon, PidFile, Signal, SignalFd, as_invoker, daemonize};
use tc_sys::queue::{FirewallRules, Queue};
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

/// Says on standard error why the program could not start; of a daemon, through the command that waits for it.
fn tell_failure(daemon: Daemon, failure: &Error) -> ExitCode {
    ExitCode::from(daemon.fail(FAILED, &format!("intercept: {failure}")))
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

    fn open(config: &Config, log: Log) -> Result<Self, Error> {
        info!("intercept version:{}", env!("CARGO_PKG_VERSION"));
        info!("intercept internal version:{VERSION}");
        if let Some(passlist) = &config.passlist {
            info!("-x para:{passlist}");
        }
        let pid_file = match &config.pid_file {
            Some(path) => Some(as_invoker(|| PidFile::create(path))??),
            None => None,
        };
        let queue = Queue::open(config.queue)?;
        info!("nfq queue:{}, length:{}", config.queue.number, config.queue.max_len);
        tell_of_rules(&FirewallRules::current(), config.queue.number);
        let listener = listener::open(config.listen)?;
        info!("msg listen socket:{}", config.listen);
        let signals = SignalFd::open()?;
        let driver = Driver::new(queue, listener, signals, config.relay.clone())?;
        Ok(Self { driver, log, _pid_file: pid_file })
    }

    fn serve(mut self, daemon: Daemon, mode: Mode) -> ExitCode {
        info!("intercept is ready");
        let result = daemon.ready().map_err(Error::from).and_then(|()| {
            let log = &self.log;
            self.driver.run(|signal| handle_signal(signal, mode, log))
        });
        match result {
            Ok(()) => {
                info!("intercept stopped");
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

/// Says what the firewall does not yet do, or does in an old way.
fn tell_of_rules(rules: &FirewallRules, queue: u16) {
    for rule in &rules.old_queue {
        warn!(
            "an ip_queue rule feeds queue 0 only; replace -j QUEUE by -j NFQUEUE --queue-num {queue}: {rule}"
        );
    }
    if rules.queues.binary_search(&queue).is_err() {
        info!(
            "no iptables rule feeds queue {queue} yet: iptables -I OUTPUT -p tcp --sport <application's port> \
             -j NFQUEUE --queue-num {queue}"
        );
    }
}

/// The standard error of a daemon leads nowhere.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
}
