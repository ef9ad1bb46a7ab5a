//! The target host's connections.

use super::application::Received;
use super::plan::Plan;
use super::rng::Rng;
use super::target::{Connection, refuse};
use super::wire::Facts;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// How the target host takes connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Listens {
    /// The application listens.
    #[default]
    Always,
    /// Nothing listens.
    Never,
    /// The host is not there.
    Absent,
}

/// All connections of the target host, each at its number.
pub(crate) struct Host {
    listens: Listens,
    plans: Vec<Rc<Plan>>,
    connections: Vec<Connection>,
    by_client: HashMap<SocketAddr, usize>,
    rng: Rng,
}

/// What leaves the host, and which connection is to be woken.
pub(crate) struct Reaction {
    pub(crate) connection: Option<usize>,
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Host {
    pub(crate) fn new(listens: Listens, plans: Vec<Rc<Plan>>, rng: Rng) -> Self {
        Self { listens, plans, connections: Vec::new(), by_client: HashMap::new(), rng }
    }

    /// A packet comes.
    pub(crate) fn receive(&mut self, now: Duration, facts: &Facts, packet: &[u8]) -> Reaction {
        match self.listens {
            Listens::Always => {}
            Listens::Never => {
                return Reaction { connection: None, packets: refuse(now, facts, packet) };
            }
            Listens::Absent => return Reaction { connection: None, packets: Vec::new() },
        }
        let known = self.by_client.get(&facts.source).copied();
        let begins = facts.syn && known.is_none_or(|index| self.connections[index].is_over());
        let known = if begins { self.listen(now, facts) } else { known };
        let Some(index) = known else {
            return Reaction { connection: None, packets: refuse(now, facts, packet) };
        };
        self.connections[index].receive(facts, packet);
        self.wake(index, now)
    }

    fn listen(&mut self, now: Duration, facts: &Facts) -> Option<usize> {
        let (plan, from) = self.plans.iter().find_map(|plan| Some((plan, plan.offset(facts.seq + 1)?)))?;
        self.connections.push(Connection::listening(now, plan, from, self.rng.next()));
        self.by_client.insert(facts.source, self.connections.len() - 1);
        Some(self.connections.len() - 1)
    }

    /// Does what is due on a connection.
    pub(crate) fn wake(&mut self, index: usize, now: Duration) -> Reaction {
        Reaction { connection: Some(index), packets: self.connections[index].run(now) }
    }

    pub(crate) fn wake_at(&self, index: usize) -> Option<Duration> {
        self.connections[index].wake
    }

    /// What came over each connection that the application accepted, with the client's plan.
    pub(crate) fn received(&self) -> impl Iterator<Item = (usize, Received)> + '_ {
        let accepted = self.connections.iter().filter(|connection| connection.received().accepted);
        accepted.map(|connection| (connection.plan, connection.received()))
    }
}
