//! Opening what the program needs.

use crate::answers::Answers;
use crate::config::{Config, Origin};
use crate::driver::Driver;
use crate::error::Error;
use crate::greeting::Terms;
use crate::offline::OfflineDriver;
use crate::outlet::Outlet;
use crate::report::Reporter;
use crate::tunnels::Tunnels;
use crate::worker::{FIRST_TUNNEL, Worker};
use std::process::ExitCode;
use std::time::Instant;
use tc_core::{ReplayConfig, Replayer};
use tc_proto::PortShare;
use tc_proto::tunnel::VERSION;
use tc_sys::capture::{self, AnswerCapture, AnswerConfig, Capture};
use tc_sys::privilege::Needs;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, MetricsServer, Program};
use tracing::{info, warn};

/// The program: live until it is stopped, or offline until all is replayed.
pub(crate) enum Tcpcopy {
    Live(Driver),
    Offline(Box<OfflineDriver>),
}

impl Program for Tcpcopy {
    type Config = Config;
    type Error = Error;

    const NEEDS: Needs = Needs::Nothing;

    fn open(config: &Config) -> Result<Self, Error> {
        match &config.origin {
            Origin::Wire => open_live(config).map(Self::Live),
            Origin::Files(files) => {
                let driver = OfflineDriver::open(config, files)?;
                tell_configuration(config);
                Ok(Self::Offline(Box::new(driver)))
            }
        }
    }

    fn exit_code(&self) -> ExitCode {
        let ending = match self {
            Self::Live(driver) => driver.ending(),
            Self::Offline(driver) => driver.ending(),
        };
        ending.exit_code()
    }

    fn run(
        &mut self,
        on_signal: impl FnMut(Signal) -> Flow,
        metrics: Option<MetricsServer>,
    ) -> Result<(), Error> {
        match self {
            Self::Live(driver) => driver.run_until_stopped(on_signal, metrics),
            Self::Offline(driver) => driver.run_until_over(on_signal, metrics),
        }
    }
}

fn open_live(config: &Config) -> Result<Driver, Error> {
    let threads = config.threads;
    let (captures, no_ring) = match config.backend {
        Some(backend) => (backend.open_several(&config.capture, threads)?, None),
        None => capture::open_several(&config.capture, threads)?,
    };
    let signals = SignalFd::open()?;
    let terms = config.terms()?;
    let mut workers = Vec::with_capacity(captures.len());
    for (capture, replay) in captures.into_iter().zip(config.replay.split(threads)) {
        workers.push(open_worker(config, &terms, capture, replay)?);
    }
    tell_configuration(config);
    if let Some(reason) = no_ring {
        warn!("{reason}; capturing without a ring, which takes more processor time");
    }
    let report = config.report.as_ref().map(Reporter::open).transpose()?;
    Driver::new(signals, workers, report)
}

fn open_worker(
    config: &Config,
    terms: &Terms,
    capture: Box<dyn Capture>,
    replay: ReplayConfig,
) -> Result<Worker, Error> {
    let now = Instant::now();
    let answers = replay.compare.map(|_| open_answers(config, replay.ports)).transpose()?;
    let outlet = Outlet::new(config.open_injector()?, config.accuracy(), now);
    let tunnels = Tunnels::open(config, terms, replay.ports, now, FIRST_TUNNEL)?;
    let replayer = Replayer::new(replay, config.mappings.clone(), config.clients.clone());
    Worker::new(capture, answers, outlet, tunnels, replayer)
}

fn open_answers(config: &Config, share: PortShare) -> Result<Answers, Error> {
    let capture = AnswerCapture::open(&AnswerConfig { capture: config.capture.clone(), share })?;
    Ok(Answers::new(capture, Instant::now()))
}

fn tell_configuration(config: &Config) {
    info!("tcpcopy version:{}", env!("CARGO_PKG_VERSION"));
    info!("tcpcopy internal version:{VERSION}");
    info!("target:{}", config.target);
    info!("session timeout:{}", config.replay.session_timeout.as_secs());
    info!("keepalive timeout:{}", config.replay.keepalive_timeout.as_secs());
    info!("threads:{}", config.threads);
    info!("parallel connections per target:{}", config.connections);
}
