use super::*;
use crate::capture::Accept;

const HOST: u32 = libc::PACKET_HOST as u32;
const OUTGOING: u32 = libc::PACKET_OUTGOING as u32;
const OTHERHOST: u32 = libc::PACKET_OTHERHOST as u32;

/// A classic BPF machine for the instructions that the filter uses; as in the kernel, a load beyond the packet
/// returns 0.
fn interpret(filter: &Filter, packet: &[u8], packet_type: u32) -> u32 {
    let program = filter.instructions();
    let (mut accumulator, mut index, mut at) = (0_u32, 0_u32, 0_usize);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let branch = |condition: bool| usize::from(if condition { jt } else { jf });
        at += 1;
        let loaded = match u32::from(code) {
            0x30 if k == 0xffff_f004 => Some(packet_type),
            0x30 => load(packet, k, 1),
            0x28 => load(packet, k, 2),
            0x20 => load(packet, k, 4),
            0x48 => load(packet, index + k, 2),
            0xb1 => {
                let Some(octet) = load(packet, k, 1) else { return 0 };
                index = (octet & 0xf) * 4;
                continue;
            }
            0x15 => {
                at += branch(accumulator == k);
                continue;
            }
            0x45 => {
                at += branch(accumulator & k != 0);
                continue;
            }
            0x05 => {
                at += k as usize;
                continue;
            }
            0x06 => return k,
            other => panic!("unknown instruction {other:#x}"),
        };
        let Some(value) = loaded else { return 0 };
        accumulator = value;
    }
}

fn load(packet: &[u8], offset: u32, size: usize) -> Option<u32> {
    let octets = packet.get(offset as usize..offset as usize + size)?;
    Some(octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
}

#[derive(Clone, Copy)]
struct V4 {
    destination: [u8; 4],
    port: u16,
    protocol: u8,
    option_words: u8,
    fragment: u16,
}

const V4_PACKET: V4 =
    V4 { destination: [10, 0, 0, 1], port: 80, protocol: 6, option_words: 0, fragment: 0x4000 };

impl V4 {
    fn octets(self) -> Vec<u8> {
        let header = 20 + 4 * usize::from(self.option_words);
        let mut packet = vec![0; header + 20];
        packet[0] = 0x45 + self.option_words;
        packet[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        packet[9] = self.protocol;
        packet[12..16].copy_from_slice(&[192, 0, 2, 1]);
        packet[16..20].copy_from_slice(&self.destination);
        // Options that look like the port, to catch a filter that does not honour the header length.
        packet[20..header].fill(0xff);
        packet[header..header + 2].copy_from_slice(&5555_u16.to_be_bytes());
        packet[header + 2..header + 4].copy_from_slice(&self.port.to_be_bytes());
        packet
    }
}

fn v6_packet(destination: &str, port: u16, next_header: u8) -> Vec<u8> {
    let mut packet = vec![0; 60];
    packet[0] = 0x60;
    packet[6] = next_header;
    packet[24..40].copy_from_slice(&destination.parse::<Ipv6Addr>().expect("an address").octets());
    packet[42..44].copy_from_slice(&port.to_be_bytes());
    packet
}

fn rule(address: &str, port: u16) -> CaptureRule {
    CaptureRule { transport: Transport::Tcp, destination: Some(address.parse().expect("an address")), port }
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

fn ipv4(rules: &[CaptureRule], exclude: &[SocketAddr]) -> Filter {
    Filter::ipv4(Transport::Tcp, rules, exclude).expect("it fits").expect("a rule applies")
}

fn ipv6(rules: &[CaptureRule], exclude: &[SocketAddr]) -> Filter {
    Filter::ipv6(Transport::Tcp, rules, exclude).expect("it fits").expect("a rule applies")
}

fn takes(filter: &Filter, packet: &[u8]) -> bool {
    match interpret(filter, packet, HOST) {
        0 => false,
        taken => {
            assert_eq!(taken, SNAP, "a packet is taken whole");
            true
        }
    }
}

#[test]
fn an_ipv4_packet_is_taken_by_address_and_port() {
    let filter = ipv4(&[rule("10.0.0.1", 80), rule("10.0.0.2", 81), CaptureRule::port(443)], &[]);
    let cases = [
        ([10, 0, 0, 1], 80, true),
        ([10, 0, 0, 1], 81, false),
        ([10, 0, 0, 2], 81, true),
        ([10, 0, 0, 2], 80, false),
        ([10, 9, 9, 9], 443, true),
        ([10, 0, 0, 1], 22, false),
    ];
    for (destination, port, expected) in cases {
        let packet = V4 { destination, port, ..V4_PACKET }.octets();
        assert_eq!(takes(&filter, &packet), expected, "{destination:?}:{port}");
    }
}

#[test]
fn only_packets_for_this_host_are_taken() {
    let packet = V4_PACKET.octets();
    let filter = ipv4(&[CaptureRule::port(80)], &[]);
    assert!(takes(&filter, &packet));
    assert_eq!(interpret(&filter, &packet, OUTGOING), 0);
    assert_eq!(interpret(&filter, &packet, OTHERHOST), 0);
    let filter = ipv6(&[CaptureRule::port(80)], &[]);
    assert_eq!(interpret(&filter, &v6_packet("::1", 80, 6), OUTGOING), 0);
}

#[test]
fn ipv4_options_are_skipped_to_find_the_port() {
    let filter = ipv4(&[CaptureRule::port(80)], &[]);
    for option_words in 0..=10 {
        assert!(takes(&filter, &V4 { option_words, ..V4_PACKET }.octets()), "{option_words}");
        assert!(!takes(&filter, &V4 { option_words, port: 0xffff, ..V4_PACKET }.octets()));
    }
}

#[test]
fn a_first_fragment_is_taken_by_its_port_and_a_later_one_by_its_address() {
    let filter = ipv4(&[CaptureRule::port(80)], &[]);
    assert!(takes(&filter, &V4 { fragment: 0x2000, ..V4_PACKET }.octets()));
    assert!(!takes(&filter, &V4 { fragment: 0x2000, port: 81, ..V4_PACKET }.octets()));
    let later = |fragment, destination| V4 { fragment, destination, port: 0, ..V4_PACKET }.octets();
    let filter = ipv4(&[rule("10.0.0.1", 80), rule("10.0.0.2", 81)], &[]);
    for fragment in [0x2001, 0x1000] {
        assert!(takes(&filter, &later(fragment, [10, 0, 0, 1])));
        assert!(takes(&filter, &later(fragment, [10, 0, 0, 2])));
        assert!(!takes(&filter, &later(fragment, [10, 0, 0, 3])));
        assert!(!takes(&filter, &V4 { fragment, protocol: 17, ..V4_PACKET }.octets()));
    }
    let any = ipv4(&[rule("10.0.0.1", 80), CaptureRule::port(81)], &[]);
    assert!(takes(&any, &later(0x2001, [10, 0, 0, 3])));
}

/// A fragment over IPv6 of a packet to port 80.
fn v6_fragment(destination: &str, offset_and_more: u16, next_header: u8) -> Vec<u8> {
    let mut packet = v6_packet(destination, 80, 44);
    let [high, low] = offset_and_more.to_be_bytes();
    packet.splice(40..40, [next_header, 0, high, low, 0, 0, 0, 1]);
    packet
}

#[test]
fn ipv6_fragments_are_taken_as_ipv4_ones() {
    let filter = ipv6(&[rule("fd00::1", 80)], &[]);
    assert!(takes(&filter, &v6_fragment("fd00::1", 1, 6)));
    assert!(!takes(&filter, &v6_fragment("fd00::2", 1, 6)));
    assert!(!takes(&ipv6(&[rule("fd00::1", 81)], &[]), &v6_fragment("fd00::1", 1, 6)));
    for later in [8, 9] {
        assert!(takes(&filter, &v6_fragment("fd00::1", later, 6)));
        assert!(!takes(&filter, &v6_fragment("fd00::2", later, 6)));
        assert!(!takes(&filter, &v6_fragment("fd00::1", later, 17)));
    }
    assert!(takes(&filter, &v6_fragment("fd00::2", 1, 60)));
}

#[test]
fn other_protocols_and_truncated_packets_are_not_taken() {
    let filter = ipv4(&[CaptureRule::port(80)], &[]);
    assert!(!takes(&filter, &V4 { protocol: 17, ..V4_PACKET }.octets()));
    let packet = V4_PACKET.octets();
    for length in 0..24 {
        assert!(!takes(&filter, &packet[..length]), "{length}");
    }
    assert!(!takes(&ipv6(&[CaptureRule::port(80)], &[]), &v6_packet("::1", 80, 17)));
}

#[test]
fn a_target_is_never_taken_whatever_the_rules_say() {
    let exclude = [socket("10.0.0.9:80"), socket("[fd00::9]:80"), socket("10.0.0.8:8080")];
    let filter = ipv4(&[CaptureRule::port(80), rule("10.0.0.8", 8080), rule("10.0.0.9", 80)], &exclude);
    let packet = |destination, port| V4 { destination, port, ..V4_PACKET }.octets();
    assert!(takes(&filter, &packet([10, 0, 0, 1], 80)));
    assert!(!takes(&filter, &packet([10, 0, 0, 9], 80)));
    assert!(!takes(&filter, &packet([10, 0, 0, 8], 8080)));
    assert!(takes(&filter, &packet([10, 0, 0, 8], 80)));
    let filter = ipv6(&[CaptureRule::port(80)], &exclude);
    assert!(takes(&filter, &v6_packet("fd00::1", 80, 6)));
    assert!(!takes(&filter, &v6_packet("fd00::9", 80, 6)));
}

#[test]
fn each_word_of_an_ipv6_address_counts() {
    let filter = ipv6(&[rule("fd01:2:3:4:5:6:7:8", 80), rule("fd01:2:3:4:5:6:7:9", 81)], &[]);
    assert!(takes(&filter, &v6_packet("fd01:2:3:4:5:6:7:8", 80, 6)));
    assert!(takes(&filter, &v6_packet("fd01:2:3:4:5:6:7:9", 81, 6)));
    for near in ["fd01:3:3:4:5:6:7:8", "fd01:2:3:5:5:6:7:8", "fd01:2:3:4:5:7:7:8", "fd01:2:3:4:5:6:7:9"] {
        assert!(!takes(&filter, &v6_packet(near, 80, 6)), "{near}");
    }
}

#[test]
fn ipv6_extension_headers_are_left_to_the_program() {
    let filter = ipv6(&[rule("fd00::1", 80)], &[]);
    for next_header in [0, 43, 60] {
        assert!(takes(&filter, &v6_packet("fd00::2", 22, next_header)), "{next_header}");
    }
    assert!(!takes(&filter, &v6_packet("fd00::1", 80, 58)));
}

#[test]
fn rules_of_the_other_family_make_no_program() {
    assert!(Filter::ipv4(Transport::Tcp, &[rule("fd00::1", 80)], &[]).expect("it fits").is_none());
    assert!(Filter::ipv6(Transport::Tcp, &[rule("10.0.0.1", 80)], &[]).expect("it fits").is_none());
    assert!(Filter::ipv4(Transport::Tcp, &[], &[]).expect("it fits").is_none());
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address() {
    let filter = ipv4(&[rule("::ffff:10.0.0.1", 80)], &[]);
    assert!(takes(&filter, &V4_PACKET.octets()));
}

fn numbered(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [10, 1, high, low]
}

#[test]
fn hundreds_of_addresses_on_one_port_need_no_far_conditional_jump() {
    let rules: Vec<_> = (0..1000).map(|n| rule(&Ipv4Addr::from(numbered(n)).to_string(), 80)).collect();
    let filter = ipv4(&[&rules[..], &[CaptureRule::port(81)]].concat(), &[]);
    for number in [0, 1, 500, 999] {
        assert!(takes(&filter, &V4 { destination: numbered(number), ..V4_PACKET }.octets()), "{number}");
    }
    assert!(!takes(&filter, &V4 { destination: numbered(1000), ..V4_PACKET }.octets()));
    assert!(takes(&filter, &V4 { destination: numbered(1000), port: 81, ..V4_PACKET }.octets()));
}

#[test]
fn hundreds_of_ports_with_addresses_fit() {
    let rules: Vec<_> = (1..=600).map(|port| rule("10.0.0.1", port)).collect();
    let filter = ipv4(&rules, &[]);
    for port in [1, 300, 600] {
        assert!(takes(&filter, &V4 { port, ..V4_PACKET }.octets()), "{port}");
    }
    assert!(!takes(&filter, &V4 { port: 601, ..V4_PACKET }.octets()));
}

#[test]
fn too_many_rules_are_refused_with_numbers() {
    let rules: Vec<_> = (0..3000).map(|n| rule(&Ipv4Addr::from(numbered(n)).to_string(), 80)).collect();
    let error = Filter::ipv4(Transport::Tcp, &rules, &[]).expect_err("too many");
    assert_eq!((error.family, error.rules), ("IPv4", 3000));
    assert!(error.instructions > MAX_INSTRUCTIONS);
    assert!(error.to_string().contains("3000 rules"), "{error}");
}

#[test]
fn each_transport_has_a_program_of_its_own() {
    let udp = CaptureRule { transport: Transport::Udp, ..rule("10.0.0.1", 53) };
    let rules = [udp, rule("10.0.0.1", 80)];
    let build = |transport| Filter::ipv4(transport, &rules, &[]).expect("few rules").expect("rules for IPv4");
    let (tcp_filter, udp_filter) = (build(Transport::Tcp), build(Transport::Udp));
    for (protocol, port, by_tcp, by_udp) in [(6, 80, true, false), (17, 53, false, true), (6, 53, false, false)]
    {
        let packet = V4 { protocol, port, destination: [10, 0, 0, 1], ..V4_PACKET }.octets();
        assert_eq!((takes(&tcp_filter, &packet), takes(&udp_filter, &packet)), (by_tcp, by_udp));
    }
    let later = V4 { protocol: 17, fragment: 0x2001, destination: [10, 0, 0, 1], ..V4_PACKET }.octets();
    assert_eq!((takes(&tcp_filter, &later), takes(&udp_filter, &later)), (false, true));
    assert!(Filter::ipv4(Transport::Udp, &rules[1..], &[]).expect("few rules").is_none());
}

#[test]
fn what_the_program_decides_comes_from_one_socket() {
    let udp = CaptureRule { transport: Transport::Udp, ..rule("fd00::1", 53) };
    let build = |rules: &[CaptureRule]| {
        Filter::ipv6(Transport::Udp, rules, &[]).expect("few rules").expect("rules for IPv6")
    };
    let extended = v6_packet("fd00::1", 53, 60);
    assert!(takes(&build(&[udp]), &extended));
    assert!(!takes(&build(&[udp, rule("fd00::1", 80)]), &extended));
    assert!(takes(&build(&[udp, rule("fd00::1", 80)]), &v6_packet("fd00::1", 53, 17)));
}

#[test]
fn packets_for_other_hosts_are_taken_on_request() {
    let filter = ipv4(&[CaptureRule::port(80)], &[]);
    let packet = V4_PACKET.octets();
    let taken = |filter: &Filter| [HOST, OTHERHOST, OUTGOING].map(|kind| interpret(filter, &packet, kind) > 0);
    assert_eq!(taken(&filter), [true, false, false]);
    assert_eq!(taken(&filter.accepting(Accept::AnyHost)), [true, true, false]);
}

#[test]
fn a_packet_must_satisfy_both_of_two_programs() {
    let by_address = ipv4(&[rule("10.0.0.1", 80), rule("10.0.0.2", 80), rule("10.0.0.1", 81)], &[]);
    let by_port = ipv4(&[CaptureRule::port(80)], &[]);
    let both = by_address.and(&by_port).cut_to(100);
    let taken = |destination, port| interpret(&both, &V4 { destination, port, ..V4_PACKET }.octets(), HOST);
    assert_eq!(taken([10, 0, 0, 1], 80), 100);
    assert_eq!(taken([10, 0, 0, 2], 80), 100);
    assert_eq!(taken([10, 0, 0, 1], 81), 0);
    assert_eq!(taken([10, 0, 0, 3], 80), 0);
}

#[test]
fn packets_that_carry_mirrored_ones_are_taken() {
    let filter = Filter::encapsulated();
    let taken =
        |protocol, port, fragment| takes(&filter, &V4 { port, protocol, fragment, ..V4_PACKET }.octets());
    assert!(taken(47, 0, 0) && taken(4, 0, 0) && taken(17, 4789, 0) && taken(17, 8472, 0));
    assert!(!taken(17, 53, 0) && !taken(6, 4789, 0) && !taken(17, 4789, 0x2001));
}
