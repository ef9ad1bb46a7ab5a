//! What clients, target and tunnel may do apart from losing packets.

use super::client::Faults;
use super::host::Listens;
use super::outcome::{Arrival, Outcome};
use super::plan::{Closes, Ending, Plan, Reads};
use super::plans::{Plans, Style};
use super::scenario::{quiet, rough};
use super::seeds::for_each_seed;
use super::target::SEND_BUFFER;
use super::world::{Scenario, World};
use std::time::Duration;
use tc_core::CloseReason;

fn run(scenario: &Scenario) -> Outcome {
    World::new(scenario).run()
}

/// A rough network with other clients.
fn rough_with(seed: u64, plans: Vec<Plan>) -> Scenario {
    Scenario { plans, ..rough(seed) }
}

#[test]
fn a_hole_costs_its_request_and_at_most_the_next() {
    for_each_seed(50, |seed| {
        let mut plan = Plans::new(seed).steady(8);
        let hole = usize::try_from(seed % 6).unwrap();
        plan.hole = Some(hole);
        let lost = plan.request(hole).start..plan.request(hole + 1).end;
        let mut scenario = rough_with(seed, vec![plan]);
        // What is sent again might fill the hole.
        scenario.faults = Faults { overlap: 0, ..scenario.faults };
        let outcome = run(&scenario);
        let arrival = &outcome.arrivals[0];
        let before = arrival.missing(0) - arrival.missing(lost.start);
        assert_eq!((before, arrival.missing(lost.end)), (0, 0), "{lost:?}: {:?}", arrival.received);
        assert_eq!(outcome.counters.sessions.holes, 1, "{:?}", outcome.counters);
    });
}

#[test]
fn a_connection_that_was_open_joins_at_its_next_request() {
    for_each_seed(50, |seed| {
        let mut plan = Plans::new(seed).steady(6);
        let joined = usize::try_from(seed % 4).unwrap();
        plan.joined = Some(joined);
        let next = plan.request(joined + 1).start;
        let mut scenario = rough_with(seed, vec![plan]);
        scenario.faults.late = 0;
        let outcome = run(&scenario);
        let arrival = &outcome.arrivals[0];
        assert_eq!(arrival.missing(next), 0, "from {next}: {:?}", arrival.received);
        assert_eq!(outcome.counters.sessions.joined, 1);
    });
}

/// A client whose target closes each connection behind two answers. Both fit what it may have on the way: the rest of one that
/// does not acknowledges the next request, as the answer to that would.
fn two_answers_each(seed: u64) -> Plan {
    let mut plan = Plans::new(seed).steady(9);
    plan.conduct.closes = Closes::AfterAnswers(2);
    for request in &mut plan.requests {
        request.target.len = request.target.len.min(SEND_BUFFER / 2);
    }
    plan
}

#[test]
fn a_target_that_closes_between_requests_gets_them_over_other_connections() {
    for_each_seed(50, |seed| {
        let outcome = run(&quiet(seed, vec![two_answers_each(seed)]));
        // A request that the target took before it closed, and did not answer, is given up: one each time it closes.
        let arrival = &outcome.arrivals[0];
        let lost = (0..9).filter(|index| arrival.misses(arrival.plan.request(*index))).count();
        let given_up = usize::try_from(outcome.counters.requests.given_up).unwrap();
        let closed = usize::try_from(outcome.counters.sessions.established).unwrap();
        assert!(lost <= given_up && given_up <= closed, "{lost}: {:?}", outcome.counters);
        assert!(closed > 1, "no connection was opened again");
    });
}

#[test]
fn a_target_that_closes_early_over_a_rough_network_ends_nothing_but_connections() {
    for_each_seed(50, |seed| {
        let outcome = run(&rough_with(seed, vec![two_answers_each(seed)]));
        assert!(outcome.counters.sessions.reopened > 0);
    });
}

#[test]
fn a_target_that_refuses_or_is_not_there_is_given_up() {
    for_each_seed(20, |seed| {
        for (listens, reason) in
            [(Listens::Never, CloseReason::Refused), (Listens::Absent, CloseReason::TimedOut)]
        {
            let outcome = run(&Scenario { listens, ..rough(seed) });
            let sessions = &outcome.counters.sessions;
            assert_eq!(sessions.established, 0);
            assert!(sessions.closed_for(reason) > 0, "{listens:?}: {sessions:?}");
            let requests = &outcome.counters.requests;
            assert_eq!((requests.sent, requests.given_up), (0, requests.captured), "{:?}", outcome.counters);
        }
    });
}

#[test]
fn a_tunnel_that_breaks_delays_and_loses_nothing() {
    for_each_seed(50, |seed| {
        let mut scenario = rough(seed);
        scenario.breaks = vec![
            (Duration::from_millis(300 + seed * 7), Duration::from_millis(700)),
            (Duration::from_millis(4000 + seed * 31), Duration::from_millis(1500)),
        ];
        run(&scenario).assert_whole();
    });
}

#[test]
fn three_copies_deliver_three_of_each() {
    for_each_seed(30, |seed| {
        let mut scenario = rough(seed);
        scenario.config.admission.copies = 3;
        let outcome = run(&scenario);
        for arrival in &outcome.arrivals {
            assert_eq!(arrival.received.len(), 3, "{:?}", arrival.received);
            let whole = |received| Arrival { received: vec![received], ..arrival.clone() }.is_whole();
            assert!(arrival.received.iter().copied().all(whole), "{:?}", arrival.received);
        }
    });
}

#[test]
fn a_port_that_is_used_again_belongs_to_another_connection() {
    for_each_seed(50, |seed| {
        let mut plans = Plans::new(seed);
        let mut chain: Vec<Plan> = (0..5).map(|_| plans.draw(Style::KeepAlive)).collect();
        let first = chain[0].clone();
        for plan in &mut chain {
            (plan.client, plan.online, plan.target) = (first.client, first.online, first.target);
            plan.start = follow(plan);
        }
        run(&rough_with(seed, chain)).assert_whole();
    });
}

/// The connections of one port begin a minute apart, long after the one before has ended.
fn follow(plan: &Plan) -> Duration {
    plan.start + Duration::from_mins(3) * u32::try_from(plan.id).unwrap()
}

#[test]
fn a_port_whose_client_went_away_is_taken_over() {
    for_each_seed(50, |seed| {
        let mut plans = Plans::new(seed);
        let mut chain: Vec<Plan> = (0..3).map(|_| plans.steady(3)).collect();
        let first = chain[0].clone();
        for plan in &mut chain {
            (plan.client, plan.online, plan.target) = (first.client, first.online, first.target);
            plan.start = follow(plan);
            plan.ending = Ending::Silence;
        }
        let outcome = run(&rough_with(seed, chain));
        outcome.assert_whole();
        let sessions = &outcome.counters.sessions;
        assert_eq!(sessions.closed_for(CloseReason::ClientReset), 2, "{sessions:?}");
    });
}

#[test]
fn clients_share_the_addresses_of_a_pool() {
    for_each_seed(30, |seed| {
        let mut scenario = rough(seed);
        scenario.pool = "10.16.12.9,10.16.12.10,fd00::9".parse().unwrap();
        for plan in &mut scenario.plans {
            plan.client.set_port(20_001);
            let host = u8::try_from(plan.id + 1).unwrap();
            match &mut plan.client {
                std::net::SocketAddr::V4(v4) => v4.set_ip(std::net::Ipv4Addr::new(198, 51, 100, host)),
                std::net::SocketAddr::V6(v6) => {
                    v6.set_ip(std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host.into()));
                }
            }
        }
        run(&scenario).assert_whole();
    });
}

#[test]
fn a_reset_behind_the_last_request_does_not_overtake_it() {
    for_each_seed(30, |seed| {
        let mut plan = Plans::new(seed).steady(3);
        plan.ending = Ending::EarlyReset;
        run(&rough_with(seed, vec![plan])).assert_whole();
    });
}

#[test]
fn a_target_that_never_closes_is_left_behind() {
    for_each_seed(20, |seed| {
        let mut plan = Plans::new(seed).steady(3);
        plan.conduct.closes = Closes::Never;
        let outcome = run(&rough_with(seed, vec![plan]));
        outcome.assert_whole();
        assert_eq!(outcome.counters.sessions.closed_for(CloseReason::Idle), 1);
    });
}

#[test]
fn a_window_that_opens_is_found_though_the_news_are_lost() {
    for_each_seed(20, |seed| {
        let mut plan = Plans::new(seed).draw(Style::Upload);
        plan.ending = Ending::Fin;
        plan.conduct.receive_buffer = 2048;
        plan.conduct.reads = Reads::Slowly(2048, Duration::from_millis(700));
        for request in &mut plan.requests {
            request.len = 20_000;
        }
        let mut scenario = rough_with(seed, vec![plan]);
        scenario.back.loss = 300;
        run(&scenario).assert_whole();
    });
}

#[test]
fn a_memory_bound_is_kept_by_shedding() {
    for_each_seed(20, |seed| {
        let mut scenario = rough(seed);
        scenario.config.max_octets = 60_000;
        let outcome = run(&scenario);
        assert!(outcome.octets() > 0 || outcome.counters.sessions.closed_for(CloseReason::Shed) > 0);
    });
}
