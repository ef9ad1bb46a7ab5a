//! What operators see of running programs, and what they may do to them while they run.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tc_tests::binaries::Binaries;
use tc_tests::daemon::{Daemon, await_that};
use tc_tests::lab::{Host, TARGET};
use tc_tests::pair::Arguments;
use tc_tests::records::Verdict;
use tc_tests::stage::{Replay, Role, Stage, finish_load};

const MAPPING: &str = "8080-10.198.2.1:8080";
/// Without it intercept warns that anybody may connect.
const ALLOWED: [&str; 2] = ["--allow", "10.198.2.0/24"];

/// The page of a program's metrics.
fn page(host: &Host, port: u16) -> String {
    host.run(&format!("curl -sf http://127.0.0.1:{port}/metrics"))
}

/// The value of a metric, with its labels.
fn value(page: &str, key: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {key}: {page}")).parse().unwrap()
}

#[test]
fn metrics_of_both_programs_tell_what_was_replayed() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments { tcpcopy: &["--metrics", "9252"], intercept: &["--metrics", ":9253"] });
    stage.load("--from 10.198.1.1 --connections 10 --requests 10");
    stage.settle(Replay::Complete(1), |_| true);
    let tcpcopy = page(&stage.lab.online, 9252);
    for key in
        ["tcpcopy_requests_captured_total", "tcpcopy_requests_sent_total", "tcpcopy_requests_answered_total"]
    {
        assert_eq!(value(&tcpcopy, key), 100, "{key}");
    }
    assert_eq!(value(&tcpcopy, "tcpcopy_sessions_opened_total"), 10);
    assert_eq!(value(&tcpcopy, "tcpcopy_lost_total{stage=\"send\"}"), 0);
    assert_eq!(value(&tcpcopy, "tcpcopy_tunnels_up"), 2);
    let intercept = page(&stage.lab.target, 9253);
    assert!(value(&intercept, "intercept_responses_total") >= 100);
    assert_eq!(value(&intercept, "intercept_routes_announced_total"), 10);
    assert_eq!(value(&intercept, "intercept_queue_lost_total{where=\"queue\"}"), 0);
    for page in [&tcpcopy, &intercept] {
        let names = page.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(page.lines().filter(|line| line.starts_with("# HELP")).count(), names);
        assert!(names > 15, "{page}");
    }
    let outside = format!("curl -s -m 1 http://{TARGET}:9253/metrics");
    let mut words = outside.split(' ');
    let mut curl = stage.lab.online.command(words.next().unwrap());
    assert!(!curl.args(words).status().unwrap().success(), "they are for the host itself");
}

#[test]
fn a_log_of_json_has_an_object_in_each_line() {
    let mut stage = Stage::new(Binaries::from_environment());
    let json = ["--log-format", "json"];
    stage.start_pair(Arguments { tcpcopy: &json, intercept: &[json, ALLOWED].concat() });
    stage.load("--from 10.198.1.1 --connections 10 --requests 10");
    stage.settle(Replay::Complete(1), |_| true);
    assert!(stage.pair().stop());
    for (name, key) in [("tcpcopy", "tcpcopy_requests_sent_total"), ("intercept", "intercept_responses_total")]
    {
        let log = fs::read_to_string(stage.lab.directory().join(format!("{name}.log"))).unwrap();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(lines.iter().all(|line| line["time"].is_string() && line["level"] == "notice"), "{log}");
        let statistics = lines.iter().find_map(|line| line["statistics"].as_object()).expect("statistics");
        assert!(statistics[key].as_u64().unwrap() >= 100, "{log}");
    }
}

/// Everything that a daemon has written, the logs that were moved away included.
fn written(daemon: &Daemon) -> String {
    let log = daemon.log();
    let (directory, name) = (log.parent().unwrap(), log.file_name().unwrap().to_string_lossy().into_owned());
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with(&name));
    logs.map(|file| fs::read_to_string(file.path()).unwrap()).collect()
}

fn start_daemons(stage: &Stage) -> [Daemon; 2] {
    let (lab, binaries) = (&stage.lab, &stage.binaries);
    let mut intercept = lab.target.command(&binaries.intercept);
    intercept.args(ALLOWED);
    let intercept = Daemon::start(&lab.target, intercept, lab.directory(), "intercept");
    let mut tcpcopy = lab.online.command(&binaries.tcpcopy);
    tcpcopy.args(["-x", MAPPING]);
    [intercept, Daemon::start(&lab.online, tcpcopy, lab.directory(), "tcpcopy")]
}

#[test]
fn a_day_of_log_rotation_and_signals_under_load_loses_nothing() {
    const DAYS: usize = 30;
    let mut stage = Stage::new(Binaries::from_environment());
    let daemons = start_daemons(&stage);
    let load = stage.start_load("--from 10.198.1.1 --connections 40 --requests 40 --pause-ms 60");
    for hour in 0..DAYS {
        for daemon in &daemons {
            daemon.rotate(hour);
            daemon.signal(Signal::USR1);
        }
        std::thread::sleep(Duration::from_millis(80));
    }
    let summary = finish_load(load);
    assert!(summary.is_clean());
    stage.settle(Replay::Complete(1), |_| true);
    let verdict = Verdict::of(&stage.records(Role::Online), &stage.records(Role::Target));
    assert!(verdict.is_perfect() && verdict.online == 1600, "{verdict:?}");
    // tcpcopy first: it warns of an intercept that goes.
    for (daemon, line) in daemons.iter().zip(["total resp packs:", "requests captured:"]).rev() {
        daemon.stop();
        let text = written(daemon);
        let reports = text.matches(line).count();
        let rates = text.matches("] rates ").count();
        assert!(rates > DAYS && reports > DAYS, "{reports} and {rates} of {DAYS}");
        assert!(!text.contains("[warn]") && !text.contains("[error]"), "{text}");
    }
}

#[test]
fn the_level_of_the_log_can_be_changed_without_a_restart() {
    let mut stage = Stage::new(Binaries::from_environment());
    let [intercept, tcpcopy] = start_daemons(&stage);
    stage.load("--from 10.198.1.1 --connections 1 --requests 1");
    assert!(!written(&tcpcopy).contains("[info] session"));
    for daemon in [&intercept, &tcpcopy] {
        for level in ["info", "debug"] {
            daemon.signal(Signal::USR2);
            let told = format!("the log's level is {level}");
            await_that("the level is told", || written(daemon).contains(&told));
        }
    }
    stage.load("--from 10.198.1.2 --connections 1 --requests 1");
    await_that("a session is logged", || written(&tcpcopy).contains("[info] session 10.198.1.2:"));
    await_that("packets are logged", || written(&tcpcopy).contains("[debug] captured a packet of"));
    await_that("responses are logged", || written(&intercept).contains("[debug] "));
    tcpcopy.signal(Signal::USR2);
    await_that("the level is told", || written(&tcpcopy).contains("the log's level is notice"));
}

#[test]
fn the_log_begins_at_the_level_that_was_asked_for() {
    let mut stage = Stage::new(Binaries::from_environment());
    stage.start_pair(Arguments { tcpcopy: &["--log-level", "info"], intercept: &["--log-level", "warn"] });
    stage.load("--from 10.198.1.1 --connections 1 --requests 1");
    await_that("a session is logged", || stage.tcpcopy_log().contains("[info] session 10.198.1.1:"));
    let log = fs::read_to_string(stage.lab.directory().join("intercept.log")).unwrap();
    assert!(log.contains("[warn]") && !log.contains("[notice]"), "{log}");
}

#[test]
fn a_port_for_metrics_that_is_taken_is_named() {
    let stage = Stage::bare(Binaries::from_environment());
    let host = &stage.lab.online;
    let _taken = host.inside(|| std::net::TcpListener::bind("127.0.0.1:9252")).unwrap();
    let mut command = host.command(&stage.binaries.tcpcopy);
    let output = command.args(["-x", MAPPING, "--metrics", "9252"]).output().unwrap();
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && line.contains("--metrics on 127.0.0.1:9252"), "{line}");
}
