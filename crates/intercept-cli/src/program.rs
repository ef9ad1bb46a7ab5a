//! Opening what the program needs.

use crate::args::QueueRange;
use crate::config::Config;
use crate::driver::Driver;
use crate::error::Error;
use crate::listener;
use crate::source::{QueueSource, QueueThreads, Source};
use tc_proto::tunnel::VERSION;
use tc_sys::privilege::Needs;
use tc_sys::process::{Signal, SignalFd};
use tc_sys::program::{Flow, Program};
use tc_sys::queue::{FirewallRules, Overflow, Queue, QueueConfig};
use tracing::{info, warn};

impl Program for Driver {
    type Config = Config;
    type Error = Error;

    const NEEDS: Needs = Needs::NetAdmin;

    fn open(config: &Config) -> Result<Self, Error> {
        let source = open_source(config)?;
        let listener = listener::open(config.listen)?;
        let signals = SignalFd::open()?;
        tell_configuration(config);
        tell_of_rules(&FirewallRules::current(), config.queues);
        Self::new(source, listener, signals, config.relay.clone())
    }

    fn run(&mut self, on_signal: impl FnMut(Signal) -> Flow) -> Result<(), Error> {
        self.run_until_stopped(on_signal)
    }
}

/// One queue is read by the event loop, several by threads of their own.
fn open_source(config: &Config) -> Result<Box<dyn Source>, Error> {
    let open = |number| Queue::open(QueueConfig { number, ..config.queue });
    let mut queues = config.queues.numbers().map(open).collect::<Result<Vec<_>, _>>()?;
    if queues.len() == 1
        && let Some(queue) = queues.pop()
    {
        return Ok(Box::new(QueueSource::new(queue)?));
    }
    Ok(Box::new(QueueThreads::new(queues, config.relay.passlist.clone().into())?))
}

fn tell_configuration(config: &Config) {
    info!("intercept version:{}", env!("CARGO_PKG_VERSION"));
    info!("intercept internal version:{VERSION}");
    if let Some(passlist) = &config.passlist {
        info!("-x para:{passlist}");
    }
    info!("nfq queue:{}, length:{}", config.queues, config.queue.max_len);
    if config.queue.overflow == Overflow::Accept {
        warn!("--fail-open: answers that find a queue full go to the addresses of the real clients");
    }
    info!("msg listen socket:{}", config.listen);
}

/// Says what the firewall does not yet do, or does in an old way.
fn tell_of_rules(rules: &FirewallRules, queues: QueueRange) {
    let first = queues.first;
    for rule in &rules.old_queue {
        warn!(
            "an ip_queue rule feeds queue 0 only; replace -j QUEUE by -j NFQUEUE --queue-num {first}: {rule}"
        );
    }
    if !queues.numbers().all(|queue| rules.queues.binary_search(&queue).is_ok()) {
        let target = if queues.first == queues.last { "--queue-num" } else { "--queue-balance" };
        info!(
            "no iptables rule feeds queue {queues} yet: iptables -I OUTPUT -p tcp --sport <application's port> \
             -j NFQUEUE {target} {queues}"
        );
    }
}
