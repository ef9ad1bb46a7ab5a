//! Ways in and out: what is captured beside the map, mirror ports, and injection at the link layer.

use tc_tests::binaries::Binaries;
use tc_tests::lab::IpVersion::{V4, V6};
use tc_tests::lab::{ONLINE, Rule, TARGET};
use tc_tests::pair::Arguments;
use tc_tests::proc_net::Sockets;
use tc_tests::stage::{APP_PORT, Replay, Role, Stage};

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

const LOAD: &str = "--from 10.198.1.1-10.198.1.20 --connections 200 --requests 10";

fn stage() -> Stage {
    Stage::with_apps(Binaries::from_environment(), &[], &[])
}

/// Replays the load and demands that all of it arrives.
fn arrives(mut stage: Stage, tcpcopy: &[&str]) {
    stage.start_pair(Arguments { tcpcopy, intercept: &[] });
    stage.load(LOAD);
    stage.outcome(|_| true).assert_perfect(2000);
}

#[test]
fn clients_are_chosen_by_an_expression_in_the_kernel() {
    let mut stage = stage();
    let expression = "src net 10.198.1.0/29 or src host 10.198.1.20";
    stage.start_pair(Arguments { tcpcopy: &["-F", expression], intercept: &[] });
    stage.load("--tag in --from 10.198.1.1-10.198.1.7 --connections 50 --requests 10");
    stage.load("--tag in2 --from 10.198.1.20 --connections 10 --requests 10");
    stage.load("--tag out --from 10.198.1.8-10.198.1.19 --connections 50 --requests 10");
    let outcome = stage.outcome(|record| record.id.starts_with("in"));
    let others = outcome.stage.records(Role::Target).into_iter().filter(|record| record.id.starts_with("out"));
    assert_eq!(others.count(), 0, "requests of clients that the expression leaves out");
    outcome.assert_perfect(600);
    assert_eq!(outcome.stage.counted("not mapped"), 0, "the kernel leaves them out, not the program");
}

#[test]
fn interfaces_are_chosen_by_name() {
    let mut stage = stage();
    stage.start_pair(Arguments { tcpcopy: &["-i", "lo,online0", "-B", "8"], intercept: &[] });
    stage.load(LOAD);
    stage.outcome(|_| true).assert_perfect(2000);
    let mut stage = self::stage();
    stage.start_pair(Arguments { tcpcopy: &["-i", "lo"], intercept: &[] });
    stage.load("--from 10.198.1.1 --connections 10 --requests 2");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(1)), |_| true);
    assert_eq!(outcome.verdict.target, 0, "nothing comes in on the loopback interface");
}

/// Copies what clients send to the online application to a link of the client host, as a mirror port does; tcpcopy runs
/// there.
fn mirror(stage: &Stage, device: &str) {
    let online = &stage.lab.online;
    online.run("tc qdisc add dev online0 clsact");
    online.run(&format!(
        "tc filter add dev online0 ingress protocol ip u32 match ip protocol 6 0xff match ip dport {APP_PORT} 0xffff \
         action mirred egress mirror dev {device}"
    ));
}

#[test]
fn a_mirror_port_is_replayed_from_another_host() {
    let mut stage = stage();
    stage.lab.client.add_link_to(&stage.lab.online, "mirror0", "mirror1");
    stage.lab.client.run("ip link set mirror0 up");
    stage.lab.online.run("ip link set mirror1 up");
    mirror(&stage, "mirror1");
    // The frames have the address of the online host, which is not the link's.
    let map = format!("{ONLINE}:{APP_PORT}-{TARGET}:{APP_PORT}");
    let choices = ["-i", "mirror0", "--mirror", "--promiscuous"];
    stage.start_pair_on_client(&map, Arguments { tcpcopy: &choices, intercept: &[] });
    let left_alone =
        |stage: &Stage| stage.lab.client.run("ip -d link show dev mirror0").contains("promiscuity 0");
    assert!(!left_alone(&stage));
    stage.load(LOAD);
    let outcome = stage.outcome(|_| true);
    outcome.assert_perfect(2000);
    assert!(left_alone(&outcome.stage), "it is undone at the end");
}

#[test]
fn traffic_mirrored_inside_vxlan_is_replayed() {
    let mut stage = stage();
    stage.lab.online.run("ip link add vxmirror type vxlan id 7 remote 10.198.1.1 dstport 4789 dev online0");
    stage.lab.online.run("ip link set vxmirror up");
    mirror(&stage, "vxmirror");
    let map = format!("{ONLINE}:{APP_PORT}-{TARGET}:{APP_PORT}");
    stage.start_pair_on_client(&map, Arguments { tcpcopy: &["-i", "client0", "--mirror"], intercept: &[] });
    stage.load(LOAD);
    stage.outcome(|_| true).assert_perfect(2000);
}

#[test]
fn frames_reach_the_target_past_the_rules_of_output() {
    let stage = stage();
    Rule::forbid_to(APP_PORT).add(&stage.lab.online);
    arrives(stage, &["-o", "online1"]);
}

#[test]
fn raw_sockets_do_not_pass_the_rules_of_output() {
    let mut stage = stage();
    Rule::forbid_to(APP_PORT).add(&stage.lab.online);
    stage.start_pair(Arguments::default());
    stage.load("--from 10.198.1.1 --connections 10 --requests 2");
    let outcome = stage.outcome_of(Replay::Quiet(Duration::from_secs(1)), |_| true);
    assert_eq!(outcome.verdict.target, 0);
    assert!(outcome.stage.counted("send errors") > 0);
}

#[test]
fn uploads_and_several_addresses_go_at_the_link_layer_too() {
    let mut stage = stage();
    stage.start_pair(Arguments { tcpcopy: &["-o", "online1", "-c", "10.198.3.0/24"], intercept: &[] });
    stage.load("--from 10.198.1.1-10.198.1.20 --connections 20 --post 1000000");
    stage.load("--tag more --from 10.198.1.1-10.198.1.20 --connections 500 --requests 5");
    stage.outcome(|_| true).assert_perfect(2520);
}

#[test]
fn frames_go_over_ipv6_too_and_across_and_a_large_snap_length_cuts_nothing() {
    for (clients, choices) in [(V6, &[][..]), (V4, &["-c", "10.198.1.60", "--threads", "2"])] {
        let stage = Stage::with_apps(Binaries::from_environment().over(clients, V6), &[], &[]);
        arrives(stage, &[&["-o", "online1", "-S", "70000"], choices].concat());
    }
}

#[test]
fn the_next_hop_may_be_given() {
    let mut stage = stage();
    let mac = |link: &str, host: &tc_tests::lab::Host| {
        let text = host.run(&format!("cat /sys/class/net/{link}/address"));
        text.trim().to_owned()
    };
    let (source, next_hop) = (mac("online1", &stage.lab.online), mac("target0", &stage.lab.target));
    let map = format!("{APP_PORT}@{source}-{TARGET}:{APP_PORT}@{next_hop}");
    stage.start_pair_mapped(&map, Arguments { tcpcopy: &["-o", "online1"], intercept: &[] });
    stage.load(LOAD);
    stage.outcome(|_| true).assert_perfect(2000);
}

#[test]
fn a_next_hop_that_gets_another_address_is_found_again() {
    let mut stage = stage();
    stage.start_pair(Arguments { tcpcopy: &["-o", "online1"], intercept: &[] });
    stage.load("--tag before --from 10.198.1.1 --connections 50 --requests 5");
    stage.settle(Replay::Complete(1), |_| true);
    stage.lab.target.run("ip link set dev target0 address 02:00:00:00:00:77");
    // The network notices by the target's next word.
    stage.lab.target.run("ip neigh flush dev target0");
    let say = || UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"", "10.198.2.254:9"));
    stage.lab.target.inside(say).unwrap();
    stage.load("--tag after --from 10.198.1.1 --connections 50 --requests 5");
    stage.outcome(|_| true).assert_perfect(500);
}

#[test]
fn what_cannot_be_captured_or_injected_is_one_line() {
    let lab = tc_tests::lab::Lab::new();
    let says = |arguments: &[&str]| {
        let mut command = lab.online.command(&Binaries::from_environment().tcpcopy);
        command.args(["-x", &format!("{APP_PORT}-{TARGET}:{APP_PORT}"), "-s", TARGET]).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let cases: [(&[&str], &str); 7] = [
        (&["-i", "nowhere0"], "cannot capture on nowhere0: no such interface; this host has: "),
        (&["-F", "src nett 10.0.0.0/8"], "-F: cannot compile the filter 'src nett 10.0.0.0/8': "),
        (&["-B", "0"], "invalid value '0' for '-B, --buffer <MIB>': "),
        (&["-S", "10"], "invalid value '10' for '-S, --snap <OCTETS>': "),
        (&["--promiscuous"], "--promiscuous: name the interfaces with -i"),
        (&["-o", "nowhere0"], "cannot inject on device nowhere0: no such device; this host has: "),
        (&["-o", "lo"], "cannot inject on device lo: it is no Ethernet device; leave -o out"),
    ];
    for (arguments, line) in cases {
        let said = says(arguments);
        assert!(said.contains(line) && said.trim().lines().count() == 1, "{arguments:?} said {said}");
    }
    let sockets = Sockets::of(&lab.online);
    assert_eq!(sockets.captures(), 0);
    // A target whose next hop does not answer.
    lab.target.run("ip link set target0 down");
    lab.online.run("ip neigh flush dev online1");
    let said = says(&["-o", "online1"]);
    let line = format!(
        "cannot find the link-layer address of {TARGET}, the next hop to {TARGET} on online1: no answer; "
    );
    assert!(said.contains(&line), "{said}");
    let unique: BTreeSet<_> = said.trim().lines().collect();
    assert_eq!(unique.len(), 1);
}
