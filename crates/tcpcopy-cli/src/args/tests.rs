use super::Args;
use crate::config::Config;
use tc_sys::Families::{self, Both, Ipv4, Ipv6};
use tc_sys::program::{Arguments, Refusal};

fn read(arguments: &str) -> Result<Args, Refusal> {
    Args::read(std::iter::once("tcpcopy").chain(arguments.split_whitespace()))
}

fn refusal(arguments: &str) -> String {
    match read(arguments) {
        Err(Refusal::Usage(line)) => line,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[track_caller]
fn refuses_each(cases: &[(&str, &str)]) {
    for (arguments, line) in cases {
        let said = refusal(arguments);
        assert!(said.ends_with(line), "{arguments}\n said {said}\n not  {line}");
        assert!(!said.contains('\n'));
    }
}

#[test]
fn the_common_command_line_is_understood() {
    let args = read("-x 80-10.16.12.11:80 -c 10.16.12.12").unwrap();
    assert_eq!(args.mappings.to_string(), "80-10.16.12.11:80");
    assert_eq!((args.port, args.connections, args.lonely), (36_524, 2, false));
}

#[test]
fn every_mistake_is_one_line_that_names_the_argument_and_the_remedy() {
    let cases = [
        ("", "required arguments were not provided: -x, --map <LIST>; see tcpcopy --help"),
        (
            "-x 80",
            "invalid value '80' for '-x, --map <LIST>': '80': no '-' between source and target; write \
                   [udp:][sourceIP:]sourcePort-targetIP:targetPort, as in 80-10.16.12.11:80",
        ),
        (
            "-x 80-10.0.0.1:80 -c nonsense",
            "invalid value 'nonsense' for '-c, --clients <LIST>': 'nonsense' is no client \
                   address; write an address, a range as 10.16.12.x, or a network as 10.16.12.0/24",
        ),
        ("-x 80-10.0.0.1:80 -p 0", "invalid value '0' for '-p, --port <PORT>': give a number from 1 to 65535"),
        (
            "-x 80-10.0.0.1:80 -C 17",
            "invalid value '17' for '-C, --connections <NUMBER>': give a number from 1 to 16",
        ),
        (
            "-x 80-10.0.0.1:80 -s a:b",
            "invalid value 'a:b' for '-s, --intercept <LIST>': give a number from 1 to 65535",
        ),
        (
            "-x 80-10.0.0.1:80 -i a,,b",
            "invalid value '' for '-i, --interfaces <LIST>': an entry is empty; give interface \
                   names with one comma between them",
        ),
        ("-x 80-10.0.0.1:80 --capture raw", "invalid value 'raw' for '--capture <BACKEND>': give ring or pnet"),
        (
            "-x 80-10.0.0.1:80 -n 1024",
            "invalid value '1024' for '-n, --copies <NUMBER>': give a number from 1 to 1023",
        ),
        (
            "-x 80-10.0.0.1:80 -f 1024",
            "invalid value '1024' for '-f, --port-factor <FACTOR>': give a number from 0 to 1023",
        ),
        ("-x 80-10.0.0.1:80 -r 0", "invalid value '0' for '-r, --rate <PERCENT>': give a number from 1 to 100"),
        (
            "-x 80-10.0.0.1:80 -M 575",
            "invalid value '575' for '-M, --mtu <OCTETS>': give a number from 576 to 65535",
        ),
        ("-x 80-10.0.0.1:80 -t 60 -k 59", "-k is less than -t; give it the same or more"),
        ("-x 80-10.0.0.1:80 -u a", "unexpected argument '-u' found; see tcpcopy --help"),
    ];
    refuses_each(&cases);
}

#[test]
fn what_is_said_about_files_is_checked() {
    let cases = [
        (
            "-x 80-10.0.0.1:80 -i /dev/null -a 0",
            "invalid value '0' for '-a, --acceleration <FACTOR>': give a factor from 0.001 to 1000, or max",
        ),
        (
            "-x 80-10.0.0.1:80 -i /dev/null -a nan",
            "invalid value 'nan' for '-a, --acceleration <FACTOR>': give a factor from 0.001 to 1000, or max",
        ),
        ("-x 80-10.0.0.1:80 -a 2", "-a, -I and -T are for files; name one with -i"),
        ("-x 80-10.0.0.1:80 -i eth0 -T 2", "-a, -I and -T are for files; name one with -i"),
        (
            "-x 80-10.0.0.1:80 -i /dev/null,/no/such.pcap",
            "-i '/no/such.pcap': there is no such file; give either files or interfaces",
        ),
        ("-x 80-10.0.0.1:80 -i /no/such.pcap", "-i '/no/such.pcap': there is no such file or interface"),
        ("-x 80-10.0.0.1:80 -i /dev/null,-,-", "-i names standard input twice"),
        ("-x 80-10.0.0.1:80 -i - --threads 2", "--threads is for live traffic; files are replayed by one"),
    ];
    refuses_each(&cases);
}

#[test]
fn every_mistake_about_an_address_is_one_line_too() {
    refuses_each(&[
        (
            "-x 80-10.0.0.1:80 -s :5",
            "invalid value ':5' for '-s, --intercept <LIST>': it is no host; give a name or an address, and a port \
                   behind a colon; an IPv6 address with a port in brackets",
        ),
        (
            "-x 80-10.0.0.1:80 -s [fd00::1]5",
            "invalid value '[fd00::1]5' for '-s, --intercept <LIST>': it is no host; give a name or an address, and a \
                   port behind a colon; an IPv6 address with a port in brackets",
        ),
        (
            "-x 192.0.2.1:80-[fd00::1]:80",
            "-x '192.0.2.1:80-[fd00::1]:80': clients cannot keep their addresses on the way to an IPv6 target; give -c \
                   with IPv6 addresses",
        ),
        (
            "-x 80-10.0.0.1:80 -H localhost",
            "invalid value 'localhost' for '-H, --host <ADDRESS>': give an address that is not of the loopback network",
        ),
        (
            "-x 80-10.0.0.1:80 -H 10.0.0.8,10.0.0.9",
            "invalid value '10.0.0.8,10.0.0.9' for '-H, --host <ADDRESS>': give at most one IPv4 and one IPv6 address",
        ),
        ("-x 80-[fd00::1]:80 -c 10.0.0.7", "-c has no IPv6 address, which target [fd00::1]:80 needs; add one"),
        ("-x 80-10.0.0.1:80 -c ::1", "-c has no IPv4 address, which target 10.0.0.1:80 needs; add one"),
    ]);
}

#[test]
fn hosts_of_intercept_may_have_addresses_of_both_versions() {
    let args =
        read("-x 80-10.0.0.1:80 -s a:1,10.0.0.2,[fd00::1]:2,[fd00::2],fd00::3,[fe80::1%eth0]:3").unwrap();
    let hosts: Vec<_> = args.intercepts.iter().map(|peer| (peer.host.as_str(), peer.port)).collect();
    assert_eq!(
        hosts,
        [
            ("a", Some(1)),
            ("10.0.0.2", None),
            ("fd00::1", Some(2)),
            ("fd00::2", None),
            ("fd00::3", None),
            ("fe80::1%eth0", Some(3)),
        ]
    );
}

#[test]
fn clients_of_each_version_are_captured_as_far_as_they_can_reach_a_target() {
    let families = |line: &str| -> (Families, Families) {
        let config = Config::from(read(line).unwrap());
        (config.capture.families, config.targets)
    };
    for (line, expected) in [
        ("-x 80-10.0.0.1:80", (Ipv4, Ipv4)),
        ("-x 80-[fd00::1]:80", (Ipv6, Ipv6)),
        ("-x 80-10.0.0.1:80,80-[fd00::1]:80", (Both, Both)),
        ("-x 80-[fd00::1]:80 -c fd00::7", (Both, Ipv6)),
        ("-x 10.0.0.9:80-[fd00::1]:80 -c fd00::7", (Ipv4, Ipv6)),
        ("-x [fd00::9]:80-10.0.0.1:80 -c 10.0.0.7", (Ipv6, Ipv4)),
    ] {
        assert_eq!(families(line), expected, "{line}");
    }
}

#[test]
fn options_of_the_original_that_are_not_built_are_unknown() {
    for option in ["-U", "-u"] {
        assert!(refusal(&format!("-x 80-10.0.0.1:80 {option} 1")).contains("unexpected argument"), "{option}");
    }
}
