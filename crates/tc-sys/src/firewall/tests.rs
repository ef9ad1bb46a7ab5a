use super::*;

fn request(port: u16) -> Packet {
    let source = Some(IpAddr::from([10, 16, 12, 12]));
    let destination = Some(IpAddr::from([10, 16, 12, 11]));
    Packet { way: Way::In, source, destination, source_port: Some(40_000), destination_port: Some(port) }
}

fn answer(port: u16) -> Packet {
    let Packet { source, destination, source_port, destination_port, .. } = request(port);
    Packet {
        way: Way::Out,
        source: destination,
        destination: source,
        source_port: destination_port,
        destination_port: source_port,
    }
}

/// The fate of a packet under these rules of the table filter.
fn fate(rules: &str, packet: Packet) -> Fate {
    let chains = ":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]";
    Firewall::parse(&format!("*filter\n{chains}\n{rules}\nCOMMIT\n")).fate(&packet)
}

fn lost(rule: &str) -> Fate {
    Fate::Lost(rule.to_owned())
}

#[test]
fn the_first_rule_for_the_packet_decides() {
    let drop = "-A INPUT -p tcp -m tcp --dport 80 -j DROP";
    assert_eq!(fate(drop, request(80)), lost(drop));
    assert_eq!(fate(drop, request(81)), Fate::Passes);
    assert_eq!(fate(&format!("-A INPUT -s 10.16.12.0/24 -j ACCEPT\n{drop}"), request(80)), Fate::Passes);
    assert_eq!(fate(&format!("-A INPUT ! -s 10.16.12.0/24 -j ACCEPT\n{drop}"), request(80)), lost(drop));
    assert_eq!(fate(&format!("-A INPUT -i lo -j ACCEPT\n{drop}"), request(80)), lost(drop));
    let established = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
    assert_eq!(fate(&format!("{established}\n{drop}"), request(80)), lost(drop));
    let many = "-A INPUT -p tcp -m multiport --dports 22,80:90 -m comment --comment \"no -j ACCEPT\" -j REJECT";
    assert_eq!(fate(many, request(85)), lost(many));
    assert_eq!(fate(many, request(91)), Fate::Passes);
}

#[test]
fn chains_of_the_user_are_followed() {
    let drop = "-A mine -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP";
    assert_eq!(fate(&format!("-A INPUT -p tcp -j mine\n{drop}"), request(80)), lost(drop));
    assert_eq!(fate(&format!("-A INPUT -p udp -j mine\n{drop}"), request(80)), Fate::Passes);
    assert_eq!(fate("-A INPUT -j mine\n-A mine -j RETURN\n-A mine -j DROP", request(80)), Fate::Passes);
    // A loop, which iptables refuses, ends all the same.
    assert_eq!(fate("-A INPUT -j mine\n-A mine -j mine", request(80)), Fate::Passes);
}

#[test]
fn a_policy_decides_what_no_rule_does() {
    let save = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n";
    let firewall = Firewall::parse(save);
    assert_eq!(firewall.fate(&request(80)), Fate::Passes);
    assert_eq!(firewall.fate(&request(81)), lost("the policy of chain INPUT of table filter: DROP"));
}

#[test]
fn what_depends_on_something_unknown_is_a_doubt_unless_something_certain_follows() {
    let doubt = "-A INPUT -m recent --rcheck --name bad --rsource -j DROP";
    assert_eq!(fate(doubt, request(80)), Fate::Doubtful(doubt.to_owned()));
    let drop = "-A INPUT -p tcp -m tcp --dport 80 -j DROP";
    assert_eq!(fate(&format!("{doubt}\n{drop}"), request(80)), lost(drop));
}

#[test]
fn a_rule_that_may_let_the_packet_pass_makes_a_doubt_of_what_follows() {
    let rules = "-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -p tcp -j DROP";
    let unknown = Packet { source: None, ..request(80) };
    assert_eq!(fate(rules, unknown), Fate::Doubtful("-A INPUT -p tcp -j DROP".to_owned()));
    assert_eq!(fate(rules, request(80)), lost("-A INPUT -p tcp -j DROP"));
    let some = "-A OUTPUT ! -d 10.1.0.0/16 -p tcp -m tcp --sport 80 -j NFQUEUE --queue-num 0";
    let unknown = Packet { destination: None, ..answer(80) };
    assert_eq!(fate(some, unknown), Fate::Queued { numbers: (0, 0), rule: some.to_owned() });
}

#[test]
fn the_queue_of_an_answer_is_found() {
    let rule = "-A OUTPUT -p tcp -m tcp --sport 80 -j NFQUEUE --queue-num 7 --queue-bypass";
    assert_eq!(fate(rule, answer(80)), Fate::Queued { numbers: (7, 7), rule: rule.to_owned() });
    assert_eq!(fate(rule, answer(81)), Fate::Passes);
    let balanced = "-A OUTPUT -p tcp -m tcp --sport 80 -j NFQUEUE --queue-balance 2:4";
    assert_eq!(fate(balanced, answer(80)), Fate::Queued { numbers: (2, 4), rule: balanced.to_owned() });
}

#[test]
fn queues_fed_by_nft_itself_are_found() {
    for (line, number) in [
        ("tcp sport 80 counter packets 0 bytes 0 queue to 3", Some(3)),
        ("tcp sport 80 queue flags bypass to 4-7", Some(4)),
        ("tcp sport 80 queue num 5 bypass", Some(5)),
        ("tcp sport 80 queue", Some(0)),
        ("tcp sport 80 accept", None),
    ] {
        assert_eq!(native_queue(line), number, "{line}");
    }
}

#[test]
fn a_reverse_path_filter_of_nft_itself_is_found() {
    let rule = "meta nfproto ipv6 fib saddr . mark . iif oif missing drop";
    assert_eq!(native_reverse_path(&format!("\t\t{rule}")).as_deref(), Some(rule));
    assert_eq!(native_reverse_path("fib daddr type local accept"), None);
    assert_eq!(native_reverse_path("fib saddr . iif oif missing counter packets 0 bytes 0"), None);
}

#[test]
fn a_rule_against_invalid_packets_is_found() {
    let rule = "-A OUTPUT -m conntrack --ctstate INVALID -j DROP";
    assert_eq!(Firewall::parse(&format!("*filter\n{rule}\nCOMMIT\n")).invalid_dropped(), Some(rule));
    assert_eq!(Firewall::parse("*filter\n-A OUTPUT -j DROP\nCOMMIT\n").invalid_dropped(), None);
}
