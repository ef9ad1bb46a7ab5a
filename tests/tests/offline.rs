//! What was captured into a file reaches the target application whole, at any speed.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::path::Path;
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
