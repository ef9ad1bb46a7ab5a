//! What the comparison of answers says about servers whose differences are known.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tc_tests::app::is_error;
use tc_tests::binaries::Binaries;
use tc_tests::pair::Arguments;
use tc_tests::stage::{Replay, Role, Stage};

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

#[test]
fn a_target_that_takes_30_ms_more_is_found_to_take_30_ms_more() {
    let conditions = ["--fail-if", "p50_difference > 20ms", "--fail-if", "missing > 0"];
    let (report, code) = report(&["--delay-ms", "5"], &["--delay-ms", "35"], &conditions);
    assert_complete(&report);
    for octet in ["first", "last"] {
        let median = row(&report, octet, "p50");
        let difference = median["difference_ms"].as_f64().unwrap();
        assert!((difference - 30.0).abs() < 1.0, "{octet}: {report:#}");
        let columns = median["target_ms"].as_f64().unwrap() - median["online_ms"].as_f64().unwrap();
        assert!((columns - 30.0).abs() < 1.0, "{octet}: {report:#}");
    }
    assert_eq!(report["verdict"]["grade"], "slower");
    assert_eq!(code, Some(3));
}

#[test]
fn the_same_server_on_both_sides_is_as_right_and_as_fast() {
    let conditions = ["--fail-if", "p50_ratio > 1.05", "--fail-if", "missing > 0"];
    let (report, code) = report(&["--delay-ms", "20"], &["--delay-ms", "20"], &conditions);
    assert_complete(&report);
    let ratio = row(&report, "first", "p50")["ratio"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.05, "{report:#}");
    assert_eq!(code, Some(0), "{report:#}");
}

#[test]
fn of_one_percent_of_wrong_statuses_exactly_those_requests_are_listed() {
    let conditions = ["--report-paths", "--fail-if", "status_mismatch > 0.1%"];
    let (report, code, names) = report_and_names(&[], &["--error-each", "100"], &conditions);
    assert_complete(&report);
    let wrong: BTreeSet<String> =
        names.into_iter().filter(|id| is_error(id, 100)).map(|id| format!("/bytes/100/{id}")).collect();
    let listed = report["mismatches"].as_array().unwrap();
    assert!(listed.iter().all(|example| example["online"] == "200" && example["target"] == "500"));
    let paths: BTreeSet<String> =
        listed.iter().map(|example| example["path"].as_str().unwrap().to_owned()).collect();
    assert!(!wrong.is_empty());
    assert_eq!(paths, wrong);
    assert_eq!(report["requests"]["status_mismatches"], listed.len(), "{report:#}");
    assert_eq!((report["requests"]["statuses_compared"].as_u64(), code), (Some(REQUESTS), Some(3)));
}
