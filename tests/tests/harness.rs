//! The harness itself: it sees what it must see, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tc_tests::capture::Capture;
use tc_tests::lab::{Lab, Rule};
use tc_tests::stage::APP_PORT;

/// The namespaces and directories of labs of the process `pid`.
fn remains(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("tc-{pid}-");
    [Path::new("/run/netns"), &std::env::temp_dir()]
        .into_iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(&prefix)
        })
        .collect()
}

/// Asks the target directly and gives the addresses that its packets reached.
fn answers_of_the_target(rule: Option<&Rule>) -> Vec<String> {
    let lab = Lab::new();
    if let Some(rule) = rule {
        rule.add(&lab.target);
    }
    let listener = lab.target.inside(|| std::net::TcpListener::bind(("0.0.0.0", APP_PORT)));
    let _listener = listener.unwrap();
    let capture = Capture::start(&lab, APP_PORT);
    let target = (std::net::Ipv4Addr::new(10, 198, 2, 1), APP_PORT).into();
    let connected =
        lab.client.inside(|| std::net::TcpStream::connect_timeout(&target, Duration::from_millis(300)).is_ok());
    assert_eq!(connected, rule.is_none());
    std::thread::sleep(Duration::from_millis(100));
    capture.receivers()
}

#[test]
fn an_answer_of_the_target_that_reaches_a_client_is_seen() {
    assert!(!answers_of_the_target(None).is_empty());
    assert!(answers_of_the_target(Some(&Rule::queue_answers(APP_PORT, 0))).is_empty());
}

#[test]
fn a_signal_ends_a_run_without_remains() {
    // Any program serves as the ones under test: the run is ended while it waits for them.
    let mut run = Command::new(env!("CARGO_BIN_EXE_tc-measure"))
        .arg("keep-alive")
        .env("TCPCOPY_BIN", "/bin/true")
        .env("INTERCEPT_BIN", "/bin/cat")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while remains(run.id()).len() < 4 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(remains(run.id()), Vec::<PathBuf>::new());
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let lab = Lab::new();
    let mut child = lab.target.command("sleep");
    let mut child = child.arg("60").spawn().unwrap();
    let directory = lab.directory().to_owned();
    drop(lab);
    assert!(!directory.exists());
    assert!(!child.wait().unwrap().success(), "a process of the lab was ended");
}
