use super::*;
use crate::capture::{Capture, CaptureConfig, CaptureRule, PnetCapture};
use crate::inject::LinkTarget;
use crate::testing::{in_namespace, ipv4_packet, run};

const NEIGHBOUR: &str = "02:00:00:00:00:02";
const ROUTER: &str = "02:00:00:00:00:03";
const SIX: &str = "02:00:00:00:00:06";

/// Two ends of a link, with neighbours that never change their minds and networks behind them.
fn link() {
    for line in [
        "ip link add near type veth peer name far",
        "ip link set near address 02:00:00:00:00:01 up",
        "ip link set far address 02:00:00:00:00:02 up",
        "ip addr add 10.78.0.1/24 dev near",
        "ip addr add fd78::1/64 dev near nodad",
        "ip route add 10.79.0.0/24 via 10.78.0.3 dev near",
        "ip route add 10.80.0.0/24 via inet6 fd78::6 dev near",
        "ip route add fd79::/64 via fd78::6 dev near",
    ] {
        run(line);
    }
    for (address, mac) in [("10.78.0.2", NEIGHBOUR), ("10.78.0.3", ROUTER), ("fd78::6", SIX)] {
        run(&format!("ip neigh add {address} lladdr {mac} dev near nud permanent"));
    }
}

fn target(address: &str) -> LinkTarget {
    LinkTarget { address: address.parse().expect("an address"), next_hop: None, source: None }
}

fn hops(injector: &LinkInjector) -> Vec<String> {
    injector.hops.iter().map(|hop| hop.address().to_string()).collect()
}

#[test]
fn the_next_hop_is_a_neighbour_or_the_router_of_any_ip_version_or_given() {
    in_namespace(|| {
        link();
        let given = LinkTarget { next_hop: Some(MacAddr::new(2, 0, 0, 0, 0, 9)), ..target("10.78.0.9") };
        let targets = [target("10.78.0.2"), target("10.79.0.1"), target("10.80.0.1"), target("fd79::1"), given];
        let injector = LinkInjector::open("near", &targets).expect("all next hops are known");
        assert_eq!(hops(&injector), [NEIGHBOUR, ROUTER, SIX, SIX, "02:00:00:00:00:09"]);
        let headers: Vec<_> = injector.hops.iter().map(|hop| hop.header()[6..].to_vec()).collect();
        assert_eq!(headers[0], [2, 0, 0, 0, 0, 1, 8, 0], "from the device's address");
        assert_eq!(headers[3], [2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
    });
}

#[test]
fn a_route_or_neighbour_that_changes_is_found_when_it_is_time() {
    in_namespace(|| {
        link();
        let targets = [target("10.78.0.2"), target("10.79.0.1")];
        let mut injector = LinkInjector::open("near", &targets).expect("all next hops are known");
        let now = Instant::now();
        injector.refresh(now);
        run("ip neigh replace 10.78.0.2 lladdr 02:00:00:00:00:77 dev near nud permanent");
        run("ip route replace 10.79.0.0/24 via 10.78.0.2 dev near");
        injector.refresh(now + REFRESH / 2);
        assert_eq!(hops(&injector), [NEIGHBOUR, ROUTER]);
        injector.refresh(now + REFRESH);
        assert_eq!(hops(&injector), ["02:00:00:00:00:77"; 2]);
        run("ip route del 10.79.0.0/24");
        run("ip neigh del 10.78.0.2 dev near");
        injector.refresh(now + REFRESH * 2);
        assert_eq!(hops(&injector), ["02:00:00:00:00:77"; 2], "the last one is as good as any");
    });
}

#[test]
fn frames_arrive_at_the_next_hop_and_strangers_are_counted() {
    in_namespace(|| {
        link();
        let config = CaptureConfig { rules: vec![CaptureRule::port(80)], ..CaptureConfig::default() };
        let mut capture = PnetCapture::open(&config).expect("a capture");
        let targets = [target("10.78.0.2"), target("10.79.0.1")];
        let mut injector = LinkInjector::open("near", &targets).expect("all next hops are known");
        let mut batch = PacketBatch::new();
        for number in 0..100 {
            batch.push([10, 78, 0, 2].into(), &ipv4_packet([10, 78, 0, 2], 80, &[number]));
        }
        // The other end is not its router, and takes it for somebody else's.
        batch.push([10, 79, 0, 1].into(), &ipv4_packet([10, 79, 0, 1], 80, b"routed"));
        batch.push([10, 78, 0, 9].into(), &ipv4_packet([10, 78, 0, 9], 80, b"stranger"));
        let mut report = SendReport::default();
        injector.send(&batch, &mut Patience { waits: 4 }, &mut report);
        let errors: Vec<_> = report.errors().map(|failure| (failure.errno, failure.count)).collect();
        assert_eq!((report.sent, errors), (101, vec![(libc::EHOSTUNREACH, 1)]));
        let mut arrived = Vec::new();
        while let Some(packet) = capture.next_packet().expect("no error") {
            arrived.push(packet[40]);
        }
        assert_eq!(arrived, (0..100).collect::<Vec<u8>>());
    });
}

#[test]
fn what_the_tables_do_not_know_is_said() {
    in_namespace(|| {
        link();
        let refused = |device: &str, address: &str| {
            LinkInjector::open(device, &[target(address)]).expect_err("it cannot be").to_string()
        };
        assert!(refused("near", "10.78.0.1").contains("it is this host itself; leave -o out"));
        assert!(refused("lo", "10.78.0.2").contains("it is no Ethernet device"));
        run("ip link set near down");
        assert!(refused("near", "10.78.0.2").contains("it is down; bring it up: ip link set near up"));
        let table = RouteTable::open("near", 1).expect("a netlink socket");
        assert_eq!(table.neighbour([10, 78, 0, 9].into()).expect("an answer"), None);
    });
}
