//! What the network does to packets.

use crate::binaries::helper;
use crate::lab::{Lab, Process, Rule};
use crate::pair::{TUNNEL_PORT, await_process};
use crate::proc_net::Sockets;
use crate::stage::APP_PORT;

use std::time::Duration;

/// The netfilter queue of the path on which packets overtake one another.
const JITTER_QUEUE: u16 = 7;
const READY_LIMIT: Duration = Duration::from_secs(5);

/// What the network between the online and the target host does to packets.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// The share of packets towards the target application that is lost.
    pub loss: f64,
    /// The share of the tunnel's packets that is lost, in each direction.
    pub tunnel_loss: f64,
    /// The share of packets towards the target application that arrives twice.
    pub duplication: f64,
    /// How long a packet towards the target application is held at most, each for a time of its own.
    pub jitter_ms: u64,
    /// Whether hosts hand over packets larger than the links carry.
    pub offloads: Offloads,
    /// Octets of the largest packet that leaves the online host towards the target.
    pub mtu: u16,
}

/// Whether hosts hand over packets larger than the links carry (GRO, GSO, TSO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offloads {
    /// They do, as by default.
    On,
    /// They do not.
    Off,
}

/// A network that does nothing but carry packets.
pub const CLEAN: Network =
    Network { loss: 0.0, tunnel_loss: 0.0, duplication: 0.0, jitter_ms: 0, offloads: Offloads::On, mtu: 1500 };

impl Network {
    /// Makes the network of a lab do this; gives the process that serves the path, if there is one.
    #[must_use]
    pub fn impose(&self, lab: &Lab) -> Option<Process> {
        if self.offloads == Offloads::Off {
            lab.switch_offloads_off();
        }
        if self.mtu != CLEAN.mtu {
            lab.online.run(&format!("ip link set online1 mtu {}", self.mtu));
        }
        if self.duplication > 0.0 {
            Rule::duplicate_requests(APP_PORT, self.duplication).add(&lab.online);
        }
        let jitter = (self.jitter_ms > 0).then(|| self.start_jitter(lab));
        if self.loss > 0.0 {
            Rule::lose_to(APP_PORT, self.loss).add(&lab.target);
        }
        if self.tunnel_loss > 0.0 {
            Rule::lose_from(TUNNEL_PORT, self.tunnel_loss).add(&lab.target);
            Rule::lose_to(TUNNEL_PORT, self.tunnel_loss).add(&lab.target);
        }
        jitter
    }

    fn start_jitter(&self, lab: &Lab) -> Process {
        let mut command = lab.target.command(helper("tc-jitter"));
        command.args(["--queue", &JITTER_QUEUE.to_string(), "--max-ms", &self.jitter_ms.to_string()]);
        let mut process = lab.target.spawn("tc-jitter", &mut command);
        let sockets = Sockets::of(&lab.target);
        await_process(&mut process, "has its queue", READY_LIMIT, || sockets.queue_is_bound(JITTER_QUEUE));
        Rule::queue_requests(APP_PORT, JITTER_QUEUE).add(&lab.target);
        process
    }
}
