//! What the programs say to bad arguments and bad surroundings, and what they write where.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tc_tests::binaries::Binaries;
use tc_tests::lab::{Host, Lab};
use tc_tests::pair::{Arguments, TUNNEL_PORT};
use tc_tests::stage::Stage;

const LIMIT: Duration = Duration::from_secs(5);
const MAPPING: &str = "8080-10.198.2.1:8080";

/// Wrong usage.
const USAGE: &[i32] = &[2];
/// A failure while running.
const RUNNING: &[i32] = &[1];
/// Either may be meant.
const EITHER: &[i32] = &[1, 2];

/// Arguments, split at blanks; the exit codes that are right; what the message must name.
type Refusal = (&'static str, &'static [i32], &'static str);

const TCPCOPY_REFUSES: &[Refusal] = &[
    ("", USAGE, "-x"),
    ("-x 8080", USAGE, "8080"),
    ("-x 8080-10.198.2.1", USAGE, "10.198.2.1"),
    ("-x abc-10.198.2.1:8080", USAGE, "abc"),
    ("-x 8080-10.198.2.1:99999", USAGE, "99999"),
    ("-x 0-10.198.2.1:8080", USAGE, "-x"),
    ("-x 8080-300.1.1.1:8080", USAGE, "300.1.1.1"),
    ("-x 8080-[fd98::1:8080", USAGE, "[fd98"),
    ("-x 8080-fd98:2::1:8080", USAGE, "fd98:2::1"),
    ("-x 8080-[fd98:2::g]:8080", USAGE, "fd98:2::g"),
    ("-x 8080-[fd98:2::1]:99999", USAGE, "99999"),
    ("-x 8080-[fd98:2::1]:8080 -c fd98:2::/129", USAGE, "fd98:2::/129"),
    ("-x 8080-[fd98:2::1]:8080 -c 10.0.0.1", USAGE, "-c"),
    ("-x 8080-[fd98:2::1]:8080 -s [fd98:2::1]:abc", USAGE, "abc"),
    ("-x 8080-10.198.2.1:8080 -c nonsense", USAGE, "nonsense"),
    ("-x 8080-10.198.2.1:8080 -c 10.0.0", USAGE, "10.0.0"),
    ("-x 8080-10.198.2.1:8080 -c 10.0.0.0/33", USAGE, "10.0.0.0/33"),
    ("-x 8080-10.198.2.1:8080 -c 10.0.0.300", USAGE, "10.0.0.300"),
    ("-x 8080-10.198.2.1:8080 -p 0", USAGE, "-p"),
    ("-x 8080-10.198.2.1:8080 -p 70000", USAGE, "70000"),
    ("-x 8080-10.198.2.1:8080 -p abc", USAGE, "abc"),
    ("-x 8080-10.198.2.1:8080 -C abc", USAGE, "abc"),
    ("-x 8080-10.198.2.1:8080 -s 10.198.2.1:abc", USAGE, "abc"),
    ("-x 8080-10.198.2.1:8080 -Z", USAGE, "-Z"),
    ("-x 8080-10.198.2.1:8080 stray", USAGE, "stray"),
    ("-x 8080-10.198.2.1:8080 -s no-such-host.invalid", EITHER, "no-such-host.invalid"),
    ("-x 8080-10.198.2.1:8080 -i no-such-link", EITHER, "no-such-link"),
    ("-x 8080-10.198.2.1:8080 -l /no/such/directory/log", EITHER, "/no/such/directory/log"),
    ("-x 8080-10.198.2.1:8080 -d -P /no/such/directory/pid", EITHER, "/no/such/directory/pid"),
];

const INTERCEPT_REFUSES: &[Refusal] = &[
    ("-p 0", USAGE, "-p"),
    ("-p 70000", USAGE, "70000"),
    ("-p abc", USAGE, "abc"),
    ("-q abc", USAGE, "abc"),
    ("-s abc", USAGE, "abc"),
    ("-b nonsense", USAGE, "nonsense"),
    ("-x nonsense", USAGE, "nonsense"),
    ("-x 10.0.0.300", USAGE, "10.0.0.300"),
    ("-x 10.0.0.0/40", USAGE, "10.0.0.0/40"),
    ("-x fd98:2::/129", USAGE, "fd98:2::/129"),
    ("-b fd98:2::g", USAGE, "fd98:2::g"),
    ("--allow fd98:2::1:36524:x", USAGE, "36524:x"),
    ("--queue abc", USAGE, "abc"),
    ("--queue 70000", USAGE, "70000"),
    ("-Z", USAGE, "-Z"),
    ("stray", USAGE, "stray"),
    ("-b 192.0.2.1", RUNNING, "192.0.2.1"),
    ("-b fd98:9::1", RUNNING, "[fd98:9::1]:36524"),
    ("-l /no/such/directory/log", EITHER, "/no/such/directory/log"),
    ("-d -P /no/such/directory/pid", EITHER, "/no/such/directory/pid"),
];

/// Runs a program to its end; its exit status and the lines of its standard error.
fn end_of(host: &Host, name: &str, command: &mut Command) -> (Option<ExitStatus>, Vec<String>) {
    let mut process = host.spawn(name, command);
    let status = process.wait(LIMIT);
    let errors = process.errors();
    let lines = errors.lines().filter(|line| !line.trim().is_empty());
    (status, lines.map(str::to_owned).collect())
}

/// What is wrong with the way a program ended, if anything.
fn fault(end: &(Option<ExitStatus>, Vec<String>), codes: &[i32], named: &str) -> Option<String> {
    let (Some(status), lines) = end else {
        return Some("it does not end".to_owned());
    };
    let right_code = status.code().is_some_and(|code| codes.contains(&code));
    match lines.as_slice() {
        [line] if right_code && line.contains(named) => None,
        _ => Some(format!("{status}, not {codes:?}, or not one line with {named:?}: {lines:#?}")),
    }
}

fn refuses_all(host: &Host, program: &Path, refusals: &[Refusal]) {
    let mut faults = Vec::new();
    for (number, (arguments, codes, named)) in refusals.iter().enumerate() {
        let mut command = host.command(program);
        let end = end_of(host, &format!("refusal-{number}"), command.args(arguments.split_whitespace()));
        let found = fault(&end, codes, named);
        faults.extend(found.map(|fault| format!("{arguments:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn fails_with(host: &Host, command: &mut Command, named: &str) {
    let end = end_of(host, "failure", command.args(["-l", "failure.log"]));
    assert_eq!(fault(&end, RUNNING, named), None);
}

/// A command that runs as root without any capability.
fn powerless(host: &Host, program: &Path) -> Command {
    let mut command = host.command("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--"]).arg(program);
    command
}

#[test]
fn tcpcopy_says_in_one_line_what_is_wrong_with_its_arguments() {
    let lab = Lab::new();
    refuses_all(&lab.online, &Binaries::from_environment().tcpcopy, TCPCOPY_REFUSES);
}

#[test]
fn intercept_says_in_one_line_what_is_wrong_with_its_arguments() {
    let lab = Lab::new();
    refuses_all(&lab.target, &Binaries::from_environment().intercept, INTERCEPT_REFUSES);
}

#[test]
fn help_and_version_are_a_success() {
    let lab = Lab::new();
    let binaries = Binaries::from_environment();
    for program in [&binaries.tcpcopy, &binaries.intercept] {
        for option in ["-h", "-v"] {
            let output = lab.online.command(program).arg(option).output().unwrap();
            assert!(output.status.success(), "{option}: {output:?}");
            assert!(!output.stdout.is_empty(), "{option}: {output:?}");
        }
    }
}

#[test]
fn tcpcopy_without_permission_names_the_capability() {
    let lab = Lab::new();
    let mut command = powerless(&lab.online, &Binaries::from_environment().tcpcopy);
    fails_with(&lab.online, command.args(["-x", MAPPING]), "CAP_NET_RAW");
}

#[test]
fn intercept_without_permission_names_the_capability() {
    let lab = Lab::new();
    let mut command = powerless(&lab.target, &Binaries::from_environment().intercept);
    fails_with(&lab.target, &mut command, "CAP_NET_ADMIN");
}

#[test]
fn intercept_names_a_port_that_is_taken() {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let holder = format!("port 36524 is held by {} (pid {})", name.trim(), std::process::id());
    for address in ["0.0.0.0", "::", "fd98:2::1"] {
        let lab = Lab::new();
        let _taken = lab.target.inside(|| TcpListener::bind((address, TUNNEL_PORT))).unwrap();
        let mut command = lab.target.command(Binaries::from_environment().intercept);
        fails_with(&lab.target, &mut command, &holder);
    }
}

#[test]
fn intercept_names_a_queue_that_is_taken() {
    let binaries = Binaries::from_environment();
    let mut stage = Stage::new(binaries.clone());
    stage.start_pair(Arguments::default());
    let mut command = stage.lab.target.command(&binaries.intercept);
    let held = format!("queue 0: it is held by intercept (pid {})", stage.pair().intercept.id());
    fails_with(&stage.lab.target, command.args(["-p", "36525"]), &held);
}

#[test]
fn a_daemon_writes_its_process_id_and_stops_on_sigterm() {
    let lab = Lab::new();
    let binaries = Binaries::from_environment();
    let mut intercept = lab.target.command(&binaries.intercept);
    check_daemon(&lab, &lab.target, &mut intercept, "intercept");
    let mut tcpcopy = lab.online.command(&binaries.tcpcopy);
    check_daemon(&lab, &lab.online, tcpcopy.args(["-L", "-x", MAPPING]), "tcpcopy");
}

fn check_daemon(lab: &Lab, host: &Host, command: &mut Command, name: &str) {
    let pid_file = lab.directory().join(format!("{name}.pid"));
    let log_file = lab.directory().join(format!("{name}.log"));
    command.arg("-d").arg("-P").arg(&pid_file).arg("-l").arg(&log_file);
    let (status, lines) = end_of(host, name, command);
    assert!(status == Some(ExitStatus::from_raw(0)) && lines.is_empty(), "{status:?} {lines:?}");
    let mut pid = 0;
    await_that("the pid file names a process", || {
        pid = std::fs::read_to_string(&pid_file).unwrap_or_default().trim().parse().unwrap_or(0);
        pid > 1 && Path::new(&format!("/proc/{pid}")).exists()
    });
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    await_that("the daemon ends", || !Path::new(&format!("/proc/{pid}")).exists());
    let log = std::fs::read_to_string(&log_file).unwrap();
    assert!(!log.is_empty(), "the log has what happened");
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn log_lines_have_the_shape_of_the_original() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments::default());
    stage.load("--from 10.198.1.1 --connections 10 --requests 10");
    assert!(stage.pair().stop());
    for name in ["tcpcopy.log", "intercept.log"] {
        let log = std::fs::read_to_string(stage.lab.directory().join(name)).unwrap();
        assert!(log.contains("version:"), "{name}: {log}");
        let odd: Vec<_> = log.lines().filter(|line| !has_the_shape(line)).collect();
        assert!(odd.is_empty(), "{name}: {odd:#?}");
    }
}

/// Whether a line begins as `2016/10/11 14:07:51 +106 [notice] ` does.
fn has_the_shape(line: &str) -> bool {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];
    let shape = "0000/00/00 00:00:00 +000 [";
    let fits = |(want, octet): (u8, u8)| {
        if want == b'0' { octet.is_ascii_digit() } else { want == octet }
    };
    let Some((stamp, rest)) = line.split_at_checked(shape.len()) else {
        return false;
    };
    let level = rest.split_once("] ").map(|(level, _)| level);
    shape.bytes().zip(stamp.bytes()).all(fits) && level.is_some_and(|level| LEVELS.contains(&level))
}
