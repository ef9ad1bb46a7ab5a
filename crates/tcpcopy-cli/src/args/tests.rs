use super::Args;
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
                   [sourceIP:]sourcePort-targetIP:targetPort, as in 80-10.16.12.11:80",
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
            "-x 80-10.0.0.1:80 -s :5",
            "invalid value ':5' for '-s, --intercept <LIST>': it is no host; give a name or an \
                   IPv4 address, and a port behind a colon",
        ),
        (
            "-x 80-10.0.0.1:80 -i a,,b",
            "invalid value '' for '-i, --interfaces <LIST>': an entry is empty; give interface \
                   names with one comma between them",
        ),
        ("-x 80-10.0.0.1:80 --capture raw", "invalid value 'raw' for '--capture <BACKEND>': give ring or pnet"),
        ("-x 80-[::1]:80", "-x '80-[::1]:80': IPv6 targets are not supported yet; give an IPv4 target"),
        ("-x 80-10.0.0.1:80 -c ::1", "-c has no IPv4 address, which target 10.0.0.1:80 needs; add one"),
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
        (
            "-x 80-10.0.0.1:80 -H localhost",
            "invalid value 'localhost' for '-H, --host <ADDRESS>': give an IPv4 address that is not of the loopback network",
        ),
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
fn options_of_the_original_that_are_not_built_are_unknown() {
    for option in ["-U", "-u", "-F", "-B", "-S", "-o"] {
        assert!(refusal(&format!("-x 80-10.0.0.1:80 {option} 1")).contains("unexpected argument"), "{option}");
    }
}
