//! What was captured into a file reaches the target application whole, at any speed.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::path::Path;
use std::process::Command;
use tc_tests::binaries::Binaries;
use tc_tests::stage::{Recording, Replayed, Role, Stage};

const KEEP_ALIVE: &str = "--tag keep --from 10.198.1.1 --connections 50 --requests 20 --pause-ms 20";
const SHORT: &str = "--tag short --from 10.198.1.2-10.198.1.20 --connections 1000 --concurrency 50";
const UPLOADS: &str =
    "--tag upload --from 10.198.1.3 --connections 20 --requests 2 --post 200000 --concurrency 5";
const REQUESTS: usize = 50 * 20 + 1000 + 40;

/// A stage, and a file with everything that clients do to it.
fn recorded(arguments: &[&str]) -> (Stage, String) {
    let mut stage = Stage::new(Binaries::from_environment());
    let recording = Recording::start(&stage, "online.pcap", arguments);
    for load in [KEEP_ALIVE, SHORT, UPLOADS] {
        stage.load(load);
    }
    let file = recording.stop();
    (stage, name(&file))
}

fn name(file: &Path) -> String {
    file.to_str().unwrap().to_owned()
}

fn replayed(from: Role, tcpdump: &[&str], tcpcopy: &[&str]) -> Replayed {
    let (mut stage, file) = recorded(tcpdump);
    let arguments = [&["-i", &file], tcpcopy].concat();
    stage.replay_files(from, &arguments, 1)
}

#[test]
fn a_capture_on_a_device_arrives_at_its_own_speed() {
    let replayed = replayed(Role::Online, &["-i", "online0"], &[]);
    replayed.assert_perfect(REQUESTS);
}

#[test]
fn a_capture_on_any_device_arrives_ten_times_as_fast() {
    let replayed = replayed(Role::Online, &["-i", "any"], &["-a", "10"]);
    replayed.assert_perfect(REQUESTS);
}

#[test]
fn a_capture_arrives_as_fast_as_the_target_can() {
    let replayed = replayed(Role::Online, &["-i", "any"], &["-a", "max"]);
    replayed.assert_perfect(REQUESTS);
}

#[test]
fn a_capture_arrives_from_the_test_host_itself() {
    let replayed = replayed(Role::Target, &["-i", "online0"], &["-a", "10"]);
    replayed.assert_perfect(REQUESTS);
}

/// Runs a program that has to succeed.
fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program}");
}

#[test]
fn each_pass_over_compressed_files_arrives_over_new_connections() {
    let (mut stage, file) = recorded(&["-i", "any"]);
    run("gzip", &[&file]);
    let files = format!("{file}.gz");
    stage.replay_files(Role::Online, &["-i", &files, "-a", "max", "-T", "2"], 2).assert_perfect(2 * REQUESTS);
}

#[test]
fn little_memory_slows_the_file_down_and_costs_nothing() {
    let mut stage = Stage::new(Binaries::from_environment());
    let recording = Recording::start(&stage, "online.pcap", &["-i", "online0"]);
    stage.load("--from 10.198.1.3 --connections 100 --requests 2 --post 300000 --concurrency 20");
    let file = name(&recording.stop());
    let replayed = stage.replay_files(Role::Online, &["-i", &file, "-a", "max", "-m", "8"], 1);
    replayed.assert_perfect(200);
}

#[test]
fn what_is_lost_is_said_and_ends_with_exit_code_1() {
    let mut stage = Stage::new(Binaries::from_environment());
    let recording = Recording::start(&stage, "online.pcap", &["-i", "online0", "-s", "100"]);
    stage.load("--from 10.198.1.3 --connections 10 --post 5000");
    let file = name(&recording.stop());
    let replayed = stage.replay_files(Role::Online, &["-i", &file, "-a", "max"], 1);
    assert_eq!(replayed.code, Some(1), "{replayed}");
    assert!(replayed.log.contains("cut by the capture: capture with tcpdump -s 0"), "{replayed}");
}
