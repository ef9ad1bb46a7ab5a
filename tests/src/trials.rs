//! All that can be measured, by name.

use crate::binaries::Binaries;
use crate::cases::{BASIC, Case, HARDER};
use crate::outcome::Outcome;
use crate::scenarios;

/// Something that can be run and has an outcome.
#[derive(Clone, Copy)]
pub enum Trial {
    /// A load under constant conditions.
    Case(Case),
    /// A load during which something happens.
    Scenario(&'static str, fn(&Binaries) -> Outcome),
}

const SCENARIOS: &[Trial] = &[
    Trial::Scenario("joins idle connections", scenarios::joins_idle_connections),
    Trial::Scenario("joins busy connections", scenarios::joins_busy_connections),
    Trial::Scenario("intercept killed", scenarios::intercept_killed),
    Trial::Scenario("target restarted", scenarios::target_restarted),
    Trial::Scenario("tunnel blocked 10 s", scenarios::tunnel_blocked),
    Trial::Scenario("noise on the tunnel", scenarios::tunnel_noise),
    Trial::Scenario("10 000 strangers", |binaries| scenarios::tunnel_flood(binaries).outcome),
    Trial::Scenario("malformed segments", scenarios::malformed_segments_arrive),
    Trial::Scenario("passlist", scenarios::passlist),
    Trial::Scenario("nginx and wrk", scenarios::nginx_and_wrk),
    Trial::Scenario("Redis, pipelined", scenarios::redis_pipelined),
    Trial::Scenario("Redis, mass insert", scenarios::redis_mass_insert),
    Trial::Scenario("Redis, benchmark", scenarios::redis_benchmark),
    Trial::Scenario("MariaDB", scenarios::mariadb_rows),
    Trial::Scenario("tcpcopy restarted", scenarios::tcpcopy_restarted),
    Trial::Scenario("one of two killed", scenarios::one_of_two_killed),
];

impl Trial {
    /// All there are: what a first version must do, then what is harder.
    pub fn all() -> impl Iterator<Item = Self> {
        let cases = |list: &'static [Case]| list.iter().copied().map(Self::Case);
        cases(BASIC).chain(SCENARIOS.iter().copied()).chain(cases(HARDER))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Case(case) => case.name,
            Self::Scenario(name, _) => name,
        }
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self, binaries: &Binaries) -> Outcome {
        match self {
            Self::Case(case) => case.run(binaries),
            Self::Scenario(_, run) => run(binaries),
        }
    }
}
