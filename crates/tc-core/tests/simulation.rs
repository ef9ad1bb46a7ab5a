//! Clients, replayer, relay, a target that is a correct TCP server, and links that lose, delay, double and reorder
//! (ARCHITECTURE.md, "Simulation"). The clock jumps; a seed decides everything.
//!
//! `SIMULATION_SEEDS=1000 cargo test --release -p tc-core --test simulation` runs ten times as many seeds as the default
//! (1000 of the first test, fewer of others), and `SIMULATION_SEED=7` runs one of them, with `SIMULATION_TRACE=20001` the packets of the client with that port. `SIMULATION_UPDATE=1` writes the table of outcomes anew.
#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

#[path = "simulation/application.rs"]
mod application;
#[path = "simulation/behaviour.rs"]
mod behaviour;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/device.rs"]
mod device;
#[path = "simulation/host.rs"]
mod host;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/outcome.rs"]
mod outcome;
#[path = "simulation/pending.rs"]
mod pending;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/plans.rs"]
mod plans;
#[path = "simulation/rng.rs"]
mod rng;
#[path = "simulation/scenario.rs"]
mod scenario;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/table.rs"]
mod table;
#[path = "simulation/target.rs"]
mod target;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/tunnel.rs"]
mod tunnel;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use seeds::for_each_seed;
use world::World;

#[test]
fn everything_arrives_whatever_the_network_does() {
    for_each_seed(1000, |seed| {
        let outcome = World::new(&scenario::rough(seed)).run();
        outcome.assert_whole();
        outcome.assert_prompt();
    });
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    for_each_seed(10, |seed| {
        let scenario = scenario::rough(seed);
        let [one, other] = [(); 2].map(|()| World::new(&scenario).run());
        assert_eq!((one.digest, one.time, one.counters), (other.digest, other.time, other.counters));
    });
}

#[test]
fn the_outcome_over_loss_delay_and_window_stays_what_it_was() {
    table::check();
}
