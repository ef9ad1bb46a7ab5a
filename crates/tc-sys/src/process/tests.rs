use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::syscall::namespace::raise;
use crate::testing::in_namespace;

#[test]
fn signals_are_read_and_do_not_end_the_process() {
    let mut signals = SignalFd::open().expect("a descriptor");
    assert_eq!(signals.next_signal().expect("no error"), None);
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::User1] {
        raise(signal.number());
        assert_eq!(signals.next_signal().expect("no error"), Some(signal));
    }
    assert_eq!(signals.next_signal().expect("no error"), None);
}

#[test]
fn the_holder_of_a_port_is_named() {
    in_namespace(|| {
        for address in ["127.0.0.1:36524", "[::1]:36524"] {
            assert_eq!(port_holder(36524), None);
            let listener = TcpListener::bind(address).expect("a listener");
            let holder = port_holder(36524).expect("found");
            assert_eq!(holder.pid, std::process::id());
            assert_eq!(holder.to_string(), format!("{} (pid {})", holder.command, holder.pid));
            assert_eq!(port_holder(36525), None);
            drop(listener);
        }
    });
}

#[test]
fn the_addresses_of_all_interfaces_are_found() {
    in_namespace(|| {
        crate::testing::run("ip addr add 10.79.0.1/24 dev lo");
        let addresses = local_addresses();
        for address in ["127.0.0.1", "::1", "10.79.0.1"] {
            assert!(addresses.contains(&address.parse().expect("an address")), "{address}: {addresses:?}");
        }
    });
}

#[test]
fn a_command_is_heard_however_long_its_output() {
    let limit = Duration::from_secs(5);
    assert_eq!(output_within(Command::new("echo").arg("text"), limit).as_deref(), Some("text\n"));
    let long = output_within(Command::new("seq").arg("100000"), limit).expect("output");
    assert!(long.len() > 500_000 && long.ends_with("100000\n"));
}

#[test]
fn a_command_that_hangs_fails_or_is_missing_says_nothing() {
    let start = Instant::now();
    assert_eq!(output_within(Command::new("sleep").arg("30"), Duration::from_millis(50)), None);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(output_within(&mut Command::new("false"), Duration::from_secs(5)), None);
    assert_eq!(output_within(&mut Command::new("/nonexistent"), Duration::from_secs(5)), None);
}

#[test]
fn a_pid_file_has_our_id_while_we_live() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.pid");
    let file = PidFile::create(&path).expect("created");
    assert_eq!(file.path(), path);
    assert_eq!(fs::read_to_string(&path).expect("a file"), format!("{}\n", std::process::id()));
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o644);
    let line = PidFile::create(&path).expect_err("locked").to_string();
    assert!(line.contains("another instance has it"), "{line}");
    drop(file);
    assert!(!path.exists());
}

#[test]
fn a_stale_pid_file_is_taken_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.pid");
    let mut child = Command::new("true").spawn().expect("a process");
    child.wait().expect("ended");
    for stale in [format!("{}\n", child.id()), String::new(), "4294967295".to_owned()] {
        fs::write(&path, &stale).expect("written");
        drop(PidFile::create(&path).expect(&stale));
        assert!(!path.exists());
    }
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.pid");
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("a process");
    let long = "x".repeat(100);
    let cases = [
        (child.id().to_string(), format!("(pid {}) runs", child.id())),
        ("[client]\n".to_owned(), "it holds no process id".to_owned()),
        (long, "it holds no process id".to_owned()),
    ];
    let lines: Vec<_> = cases
        .iter()
        .map(|(content, _)| {
            fs::write(&path, content).expect("written");
            let line = PidFile::create(&path).expect_err(content).to_string();
            assert_eq!(&fs::read_to_string(&path).expect("still there"), content);
            line
        })
        .collect();
    child.kill().expect("ended");
    child.wait().expect("reaped");
    for ((_, expected), line) in cases.iter().zip(lines) {
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_pid_file_does_not_follow_a_symbolic_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, victim) = (directory.path().join("link.pid"), directory.path().join("victim"));
    fs::write(&victim, "").expect("written");
    symlink(&victim, &path).expect("a link");
    let line = PidFile::create(&path).expect_err("a link").to_string();
    assert!(line.starts_with(&format!("cannot create the PID file {}: ", path.display())), "{line}");
    assert_eq!(fs::read_to_string(&victim).expect("still there"), "");
}

#[test]
fn a_pid_file_that_was_replaced_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tcpcopy.pid");
    let file = PidFile::create(&path).expect("created");
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "1").expect("written");
    drop(file);
    assert_eq!(fs::read_to_string(&path).expect("still there"), "1");
}
