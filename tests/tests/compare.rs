//! What the comparison of answers says about servers whose differences are known.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tc_tests::app::is_error;
use tc_tests::binaries::Binaries;
use tc_tests::pair::Arguments;
use tc_tests::stage::{Recording, Replay, Replayed, Role, Stage};

const LOAD: &str = "--from 10.198.1.1-10.198.1.10 --connections 20 --requests 40 --pause-ms 10";
const REQUESTS: u64 = 20 * 40;

/// The report of a load, and the exit code of tcpcopy, which gets these arguments.
fn report(online: &[&str], target: &[&str], arguments: &[&str]) -> (Value, Option<i32>) {
    let (report, code, _) = report_and_names(online, target, arguments);
    (report, code)
}

/// The same, and the names of all requests.
fn report_and_names(online: &[&str], target: &[&str], arguments: &[&str]) -> (Value, Option<i32>, Vec<String>) {
    let mut stage = Stage::with_apps(Binaries::from_environment(), online, target);
    let path = stage.lab.directory().join("report.json");
    let page = stage.lab.directory().join("report.html");
    let mut all = vec!["--report", path.to_str().unwrap(), "--report", page.to_str().unwrap()];
    all.extend(arguments);
    stage.start_pair(Arguments { tcpcopy: &all, intercept: &[] });
    // Version 1 of the tunnel returns no status.
    stage.await_told("speaks version 2", 1);
    stage.load(LOAD);
    stage.settle(Replay::Complete(1), |_| true);
    let status = stage.pair().tcpcopy.stop(Duration::from_secs(5));
    let report = std::fs::read_to_string(&path).unwrap();
    assert!(std::fs::read_to_string(&page).unwrap().ends_with("</html>"));
    if let Some(kept) = std::env::var_os("TC_REPORTS") {
        let name = format!("report-{}", online.concat() + &target.concat());
        std::fs::copy(&page, std::path::Path::new(&kept).join(format!("{name}.html"))).unwrap();
    }
    let names = stage.records(Role::Online).into_iter().map(|record| record.id).collect();
    (serde_json::from_str(&report).unwrap(), status.and_then(|status| status.code()), names)
}

/// A file with a load, and the stage on which it is replayed.
fn recorded(online: &[&str], target: &[&str]) -> (Stage, String) {
    let mut stage = Stage::with_apps(Binaries::from_environment(), online, target);
    let recording = Recording::start(&stage.lab, "online.pcap", &["-i", "online0"]);
    stage.load(LOAD);
    let file = recording.stop().to_str().unwrap().to_owned();
    (stage, file)
}

/// The report of the next replay of a file, of so many.
fn report_of_file(stage: &mut Stage, file: &str, replays: usize, arguments: &[&str]) -> (Value, Replayed) {
    let path = stage.lab.directory().join("report.json");
    let all = [&["-i", file, "--report", path.to_str().unwrap()], arguments].concat();
    let replayed = stage.replay_files(Role::Online, &all, replays);
    let report = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {replayed}"));
    (serde_json::from_str(&report).unwrap(), replayed)
}

/// What is measured may be disturbed by whatever else this machine does, and gets three runs; what is counted may not.
fn one_of_three(run: impl Fn() -> Result<(), String>) {
    let failures: Vec<_> = (0..3).map_while(|_| run().err()).collect();
    assert!(failures.len() < 3, "{}", failures.join("\n"));
}

/// Whether a number of a row is within so much of what is expected.
fn expect(row: &Value, name: &str, expected: f64, within: f64) -> Result<(), String> {
    let found = row[name].as_f64().unwrap();
    let close = (found - expected).abs() < within;
    if close { Ok(()) } else { Err(format!("{name} is {found} instead of {expected}: {row}")) }
}

fn row<'a>(report: &'a Value, octet: &str, quantile: &str) -> &'a Value {
    let rows = report[octet].as_array().unwrap();
    rows.iter().find(|row| row["quantile"] == quantile).unwrap()
}

fn assert_complete(report: &Value) {
    let requests = &report["requests"];
    assert_eq!(requests["compared"], REQUESTS, "{report:#}");
    assert_eq!((&requests["missing"], &requests["untracked"]), (&0.into(), &0.into()), "{report:#}");
    assert_eq!(report["online"]["octets"], report["target_answers"]["octets"], "{report:#}");
}

/// Each hundredth request has a wrong status, and is listed with both.
fn assert_lists_errors(report: &Value, names: Vec<String>) {
    let wrong: BTreeSet<String> =
        names.into_iter().filter(|id| is_error(id, 100)).map(|id| format!("/bytes/100/{id}")).collect();
    let listed = report["mismatches"].as_array().unwrap();
    assert!(listed.iter().all(|example| example["online"] == "200" && example["target"] == "500"));
    let paths: BTreeSet<String> =
        listed.iter().map(|example| example["path"].as_str().unwrap().to_owned()).collect();
    assert!(!wrong.is_empty());
    assert_eq!(paths, wrong);
    assert_eq!(report["requests"]["status_mismatches"], listed.len(), "{report:#}");
}

#[test]
fn a_target_that_takes_30_ms_more_is_found_to_take_30_ms_more() {
    one_of_three(|| {
        let conditions = ["--fail-if", "p50_difference > 20ms", "--fail-if", "missing > 0"];
        let (report, code) = report(&["--delay-ms", "5"], &["--delay-ms", "35"], &conditions);
        assert_complete(&report);
        assert_eq!((code, &report["verdict"]["grade"]), (Some(3), &"slower".into()), "{report:#}");
        ["first", "last"].iter().try_for_each(|octet| {
            let median = row(&report, octet, "p50");
            expect(median, "difference_ms", 30.0, 1.0)?;
            expect(median, "target_ms", median["online_ms"].as_f64().unwrap() + 30.0, 1.0)
        })
    });
}

#[test]
fn the_same_server_on_both_sides_is_as_right_and_as_fast() {
    one_of_three(|| {
        let conditions = ["--fail-if", "p50_ratio > 1.05", "--fail-if", "missing > 0"];
        let (report, code) = report(&["--delay-ms", "20"], &["--delay-ms", "20"], &conditions);
        assert_complete(&report);
        expect(row(&report, "first", "p50"), "ratio", 1.0, 0.05)?;
        assert_eq!(code, Some(0), "{report:#}");
        Ok(())
    });
}

#[test]
fn of_one_percent_of_wrong_statuses_exactly_those_requests_are_listed() {
    let conditions = ["--report-paths", "--fail-if", "status_mismatch > 0.1%"];
    let (report, code, names) = report_and_names(&[], &["--error-each", "100"], &conditions);
    assert_complete(&report);
    assert_lists_errors(&report, names);
    assert_eq!((report["requests"]["statuses_compared"].as_u64(), code), (Some(REQUESTS), Some(3)));
}

#[test]
fn out_of_a_file_30_ms_are_30_ms_at_any_speed() {
    one_of_three(|| {
        let (mut stage, file) = recorded(&["--delay-ms", "5"], &["--delay-ms", "35"]);
        [(1, "1"), (2, "3"), (3, "max")].into_iter().try_for_each(|(replays, speed)| {
            let arguments = ["-a", speed, "--fail-if", "p50_difference > 20ms"];
            let (report, replayed) = report_of_file(&mut stage, &file, replays, &arguments);
            assert_complete(&report);
            assert_eq!(replayed.code, Some(3), "-a {speed}: {replayed}");
            let median = row(&report, "first", "p50");
            // What the online server took is in the file: no factor divides it.
            expect(median, "online_ms", 6.0, 1.0)?;
            expect(median, "difference_ms", 30.0, 1.0)
        })
    });
}

#[test]
fn out_of_a_file_the_same_server_is_as_right_and_as_fast() {
    one_of_three(|| {
        let (mut stage, file) = recorded(&["--delay-ms", "20"], &["--delay-ms", "20"]);
        let conditions = ["--fail-if", "p50_ratio > 1.05", "--fail-if", "missing > 0"];
        let (report, replayed) = report_of_file(&mut stage, &file, 1, &conditions);
        assert_complete(&report);
        expect(row(&report, "first", "p50"), "ratio", 1.0, 0.05)?;
        replayed.assert_perfect(usize::try_from(REQUESTS).unwrap());
        Ok(())
    });
}

#[test]
fn out_of_a_file_exactly_the_wrong_statuses_are_listed() {
    let (mut stage, file) = recorded(&[], &["--error-each", "100"]);
    let arguments = ["-a", "max", "--report-paths", "--fail-if", "status_mismatch > 0.1%"];
    let (report, replayed) = report_of_file(&mut stage, &file, 1, &arguments);
    assert_complete(&report);
    let names = stage.records(Role::Online).into_iter().map(|record| record.id).collect();
    assert_lists_errors(&report, names);
    assert_eq!(replayed.code, Some(3), "{replayed}");
}

#[test]
fn a_condition_comes_before_what_was_lost_and_a_file_without_answers_is_told() {
    let mut stage = Stage::bare(Binaries::from_environment());
    stage.start_app(Role::Online, &[]);
    let recording = Recording::start(&stage.lab, "online.pcap", &["-i", "online0", "-Q", "in"]);
    stage.load("--from 10.198.1.3 --connections 10");
    let file = recording.stop().to_str().unwrap().to_owned();
    let cases: [(&[&str], _); 2] = [(&["--fail-if", "missing > 0"], 3), (&[], 1)];
    for (condition, code) in cases {
        let (report, replayed) = report_of_file(&mut stage, &file, 0, &[&["-a", "max"], condition].concat());
        assert_eq!(replayed.code, Some(code), "{replayed}");
        assert_eq!(report["requests"]["untracked"], 10, "{report:#}");
        assert!(replayed.log.contains("capture both directions"), "{replayed}");
    }
}
