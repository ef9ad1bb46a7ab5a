//! Opening what the program needs.

use crate::config::Config;
use crate::driver::{Driver, FIRST_TUNNEL};
use crate::error::Error;
use crate::tunnels::Tunnels;
use std::time::Instant;
use tc_core::Replayer;
use tc_proto::tunnel::VERSION;
use tc_sys::capture;
use tc_sys::inject::Injector;
use tc_sys::privilege::Needs;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, Program};
use tracing::{info, warn};

impl Program for Driver {
    type Config = Config;
    type Error = Error;

    const NEEDS: Needs = Needs::Nothing;

    fn open(config: &Config) -> Result<Self, Error> {
        let (capture, no_ring) = match config.backend {
            Some(backend) => (backend.open(&config.capture)?, None),
            None => capture::open(&config.capture)?,
        };
        let injector = Injector::open(config.capture.families)?;
        let signals = SignalFd::open()?;
        let tunnels = Tunnels::open(config, Instant::now(), FIRST_TUNNEL)?;
        tell_configuration(config);
        if let Some(reason) = no_ring {
            warn!("{reason}; capturing without a ring, which takes more processor time");
        }
        let replayer = Replayer::new(config.replay, config.mappings.clone(), config.clients.clone());
        Self::new(capture, injector, signals, tunnels, replayer)
    }

    fn run(&mut self, on_signal: impl FnMut(Signal) -> Flow) -> Result<(), Error> {
        self.run_until_stopped(on_signal)
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
