//! Opening what the program needs.

use crate::config::Config;
use crate::driver::Driver;
use crate::error::Error;
use crate::listener;
use tc_proto::tunnel::VERSION;
use tc_sys::privilege::Needs;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, Program};
use tc_sys::queue::{FirewallRules, Queue};
use tracing::{info, warn};

impl Program for Driver {
    type Config = Config;
    type Error = Error;

    const NEEDS: Needs = Needs::NetAdmin;

    fn open(config: &Config) -> Result<Self, Error> {
        let queue = Queue::open(config.queue)?;
        let listener = listener::open(config.listen)?;
        let signals = SignalFd::open()?;
        tell_configuration(config);
        tell_of_rules(&FirewallRules::current(), config.queue.number);
        Self::new(queue, listener, signals, config.relay.clone())
    }

    fn run(&mut self, on_signal: impl FnMut(Signal) -> Flow) -> Result<(), Error> {
        self.run_until_stopped(on_signal)
    }
}

fn tell_configuration(config: &Config) {
    info!("intercept version:{}", env!("CARGO_PKG_VERSION"));
    info!("intercept internal version:{VERSION}");
    if let Some(passlist) = &config.passlist {
        info!("-x para:{passlist}");
    }
    info!("nfq queue:{}, length:{}", config.queue.number, config.queue.max_len);
    info!("msg listen socket:{}", config.listen);
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
