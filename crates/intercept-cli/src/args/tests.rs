use super::{Args, NetworkList, QueueRange, SourceKind};
use tc_sys::program::{Arguments, Life, Mode, Refusal};

fn read(line: &str) -> Result<Args, Refusal> {
    Args::read(std::iter::once("intercept").chain(line.split_whitespace()))
}

fn refusal(line: &str) -> String {
    match read(line) {
        Err(Refusal::Usage(reason)) => reason,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn without_arguments_everything_has_the_original_s_default() {
    let args = read("").unwrap();
    assert_eq!((args.port, args.bind, args.combine), (36_524, None, 16));
    assert_eq!((&args.allow, &args.key_file), (&None, &None));
    let one = QueueRange { first: 0, last: 0 };
    assert_eq!((args.source.queue, args.source.queue_length, args.table_size), (one, 65_536, 65_536));
    assert!(!args.source.fail_open);
    assert_eq!(args.passlist, None);
    assert_eq!(args.life(), Life::new("intercept", Mode::Foreground, None, None));
}

#[test]
fn every_option_of_the_original_is_understood() {
    let args = read(
        "-x 10.1.2.3,10.8.0.0/16,2001:db8::/32 -p 4000 -b ::1 -q 1000 -s 7 -n 3 --queue 3 -d -l a.log -P b.pid",
    )
    .unwrap();
    assert_eq!(args.passlist.as_ref().unwrap().to_string(), "10.1.2.3/32,10.8.0.0/16,2001:db8::/32");
    assert_eq!((args.port, args.bind, args.combine), (4000, Some("::1".parse().unwrap()), 3));
    let one = QueueRange { first: 3, last: 3 };
    assert_eq!((args.source.queue, args.source.queue_length, args.table_size), (one, 1000, 7));
    let files = (Some("a.log".into()), Some("b.pid".into()));
    assert_eq!(args.life(), Life::new("intercept", Mode::Daemon, files.0, files.1));
}

#[test]
fn several_queues_are_named_by_the_first_and_the_last() {
    let args = read("--queue 3:5 --fail-open").unwrap();
    assert_eq!(args.source.queue.numbers().collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(args.source.queue.to_string(), "3:5");
    assert!(args.source.fail_open);
}

#[test]
fn a_bad_range_of_queues_is_answered_by_what_is_wrong_with_it() {
    for (range, wrong) in [
        ("65536", "give a number from 0 to 65535"),
        ("4:65536", "give a number from 0 to 65535"),
        ("4:3", "it ends before it begins; give the smaller number first"),
        ("0:128", "give at most 128 queues"),
    ] {
        let line = format!("invalid value '{range}' for '--queue <FIRST[:LAST]>': {wrong}");
        assert_eq!(refusal(&format!("--queue {range}")), line);
    }
}

#[test]
fn devices_are_a_list_and_need_a_filter_and_nothing_of_the_firewall() {
    let args = read("-i eth0,eth1 -F tcp").unwrap();
    assert_eq!(
        (args.source.device, args.source.filter),
        (vec!["eth0".to_owned(), "eth1".to_owned()], Some("tcp".to_owned()))
    );
    assert!(refusal("-i eth0").contains("-F, --filter <EXPRESSION>"));
    assert!(refusal("-F tcp").contains("-i, --device <DEVICES>"));
    assert_eq!(
        refusal("-i eth0, -F tcp"),
        "-i, --device <DEVICES>: a name is empty; give names with one comma between them"
    );
    for other in ["--queue 1", "-q 10", "--fail-open", "-x 10.0.0.1", "--source nflog"] {
        assert!(refusal(&format!("-i eth0 -F tcp {other}")).contains("cannot be used with"), "{other}");
    }
}

#[test]
fn the_log_has_a_group_a_threshold_and_a_time_and_no_passlist() {
    let args = read("--source nflog --nflog-group 5 --nflog-threshold 1 --nflog-flush 50").unwrap().source;
    assert_eq!(args.source, SourceKind::Nflog);
    assert_eq!((args.nflog_group, args.nflog_threshold, args.nflog_flush.as_millis()), (5, 1, 50));
    assert!(refusal("--source nflog -x 10.0.0.1").starts_with("-x cannot be used with --source nflog: "));
    assert!(refusal("--source nflog --nflog-flush 5").ends_with("give a number from 10 to 1000"));
    assert!(refusal("--source tcp").contains("'tcp'"));
}

#[test]
fn blanks_around_the_commas_of_a_passlist_do_no_harm() {
    let list: NetworkList = " 10.1.2.3 , ::1".parse().unwrap();
    assert_eq!(list.to_string(), "10.1.2.3/32,::1/128");
}

#[test]
fn a_network_may_be_given_by_any_of_its_addresses() {
    let list: NetworkList = "10.8.1.2/16".parse().unwrap();
    assert_eq!(list.to_string(), "10.8.0.0/16");
}

#[test]
fn a_bad_argument_is_answered_by_one_line_that_names_it_and_the_remedy() {
    const PASSLIST: &str = "-x, --passlist <LIST>";
    let number = |text, option, rule| format!("invalid value '{text}' for '{option}': {rule}");
    let table = [
        ("-p 0", number("0", "-p, --port <PORT>", "give a number from 1 to 65535")),
        ("-p 65536", number("65536", "-p, --port <PORT>", "give a number from 1 to 65535")),
        ("-p http", number("http", "-p, --port <PORT>", "give a number from 1 to 65535")),
        ("-q 0", number("0", "-q, --queue-length <PACKETS>", "give a number from 1 to 4294967295")),
        ("-s 0", number("0", "-s, --table-size <CONNECTIONS>", "give a number from 1 to 10000000")),
        (
            "-b localhost",
            number(
                "localhost",
                "-b, --bind <ADDRESS>",
                "it is no address; give an IPv4 or IPv6 address of this host, without a port",
            ),
        ),
        (
            "-x 10.1.2.3,ten",
            number(
                "10.1.2.3,ten",
                PASSLIST,
                "'ten' is neither an address nor a network; give something like 10.1.2.3 or 10.8.0.0/16",
            ),
        ),
        (
            "-x 10.1.2.3/33",
            number(
                "10.1.2.3/33",
                PASSLIST,
                "'10.1.2.3/33' is neither an address nor a network; give something like 10.1.2.3 or 10.8.0.0/16",
            ),
        ),
        (
            "-x 10.1.2.3,",
            number(
                "10.1.2.3,",
                PASSLIST,
                "an entry is empty; give addresses and networks with one comma between them",
            ),
        ),
        (
            "-p",
            "a value is required for '-p, --port <PORT>' but none was supplied; see intercept --help"
                .to_owned(),
        ),
        (
            "-p 1 -p 2",
            "the argument '-p, --port <PORT>' cannot be used multiple times; see intercept --help".to_owned(),
        ),
        (
            "--daemon=3",
            "unexpected value '3' for '--daemon' found; no more were expected; see intercept --help".to_owned(),
        ),
        ("80", "unexpected argument '80' found; see intercept --help".to_owned()),
    ];
    for (line, expected) in table {
        assert_eq!(refusal(line), expected, "{line}");
    }
}

#[test]
fn a_bad_argument_of_the_tunnel_is_answered_likewise() {
    let invalid = |text, option, rule| format!("invalid value '{text}' for '{option}': {rule}");
    for (line, expected) in [
        ("-n 17", invalid("17", "-n, --combine <NUMBER>", "give a number from 1 to 16")),
        (
            "--allow all",
            invalid(
                "all",
                "--allow <LIST>",
                "'all' is neither an address nor a network; give something like 10.1.2.3 or 10.8.0.0/16",
            ),
        ),
    ] {
        assert_eq!(refusal(line), expected, "{line}");
    }
}

#[test]
fn options_of_the_original_that_are_not_built_are_unknown() {
    for option in ["-o", "-D", "-c", "-t"] {
        let expected = format!("unexpected argument '{option}' found; see intercept --help");
        assert_eq!(refusal(&format!("{option} 1")), expected);
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for (option, content) in [("-h", "Usage: intercept"), ("--help", "Exit status:"), ("-v", "intercept 2.0.0")]
    {
        match read(option) {
            Err(Refusal::Asked(text)) => assert!(text.to_string().contains(content), "{text}"),
            other => panic!("{option}: {other:?}"),
        }
    }
}

#[test]
fn the_definition_of_the_options_is_sound() {
    <Args as clap::CommandFactory>::command().debug_assert();
}
