//! Clients of one IP version reach a target of the other. What is true over each of them alone, `replication` and
//! `resilience` test over both.

use tc_tests::binaries::Binaries;
use tc_tests::cases;
use tc_tests::lab::IpVersion::{self, V4, V6};

fn arrives_across(clients: IpVersion, target: IpVersion) {
    let outcome = cases::ONE_ADDRESS.run(&Binaries::from_environment().over(clients, target));
    outcome.assert_perfect(cases::ONE_ADDRESS.requests);
}

#[test]
fn ipv4_clients_reach_an_ipv6_target_under_an_ipv6_address() {
    arrives_across(V4, V6);
}

#[test]
fn ipv6_clients_reach_an_ipv4_target_under_an_ipv4_address() {
    arrives_across(V6, V4);
}
