//! What was captured into a file reaches the target application whole, at any speed.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::path::{Path, PathBuf};
use std::process::Command;
use tc_tests::binaries::Binaries;
use tc_tests::lab::TARGET;
use tc_tests::pcap_file::{self, Packet};
use tc_tests::stage::{APP_PORT, Recording, Replayed, Role, Stage, replay};

const KEEP_ALIVE: &str = "--tag keep --from 10.198.1.1 --connections 50 --requests 20 --pause-ms 20";
const SHORT: &str = "--tag short --from 10.198.1.2-10.198.1.20 --connections 1000 --concurrency 50";
const UPLOADS: &str =
    "--tag upload --from 10.198.1.3 --connections 20 --requests 2 --post 200000 --concurrency 5";
const REQUESTS: usize = 50 * 20 + 1000 + 40;

/// A stage, and a file with everything that clients do to it.
fn recorded(arguments: &[&str]) -> (Stage, String) {
    let mut stage = Stage::new(Binaries::from_environment());
    let recording = Recording::start(&stage.lab, "online.pcap", arguments);
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
    let recording = Recording::start(&stage.lab, "online.pcap", &["-i", "online0"]);
    stage.load("--from 10.198.1.3 --connections 100 --requests 2 --post 300000 --concurrency 20");
    let file = name(&recording.stop());
    let replayed = stage.replay_files(Role::Online, &["-i", &file, "-a", "max", "-m", "8"], 1);
    replayed.assert_perfect(200);
}

#[test]
fn what_is_lost_is_said_and_ends_with_exit_code_1() {
    let mut stage = Stage::new(Binaries::from_environment());
    let recording = Recording::start(&stage.lab, "online.pcap", &["-i", "online0", "-s", "100"]);
    stage.load("--from 10.198.1.3 --connections 10 --post 5000");
    let file = name(&recording.stop());
    let replayed = stage.replay_files(Role::Online, &["-i", &file, "-a", "max"], 1);
    assert_eq!(replayed.code, Some(1), "{replayed}");
    assert!(replayed.log.contains("cut by the capture: capture with tcpdump -s 0"), "{replayed}");
}

/// Packets of a recording, made into those of another one, and the file that they are written to.
type Rewriting = fn(&Path, &[Packet]) -> PathBuf;

/// The same frames in others.
fn framed(file: &Path, packets: &[Packet], frame: impl Fn(&[u8]) -> Vec<u8>) -> PathBuf {
    let packets: Vec<_> =
        packets.iter().map(|packet| Packet { frame: frame(&packet.frame), ..*packet }).collect();
    pcap_file::write(file, "framed.pcap", 1, &packets)
}

/// Each third request comes twice, the second time behind what follows it.
fn with_retransmissions(file: &Path, packets: &[Packet]) -> PathBuf {
    let mut changed: Vec<Packet> = Vec::new();
    let (mut requests, mut again) = (0, None);
    for packet in packets {
        changed.push(packet.clone());
        changed.extend(again.take());
        requests += usize::from(packet.is_request());
        if packet.is_request() && requests % 3 == 0 {
            again = Some(packet.clone());
        }
    }
    pcap_file::write(file, "retransmissions.pcap", 1, &changed)
}

/// Of two segments of a flow with data that come one after the other, the second comes first.
fn out_of_order(file: &Path, packets: &[Packet]) -> PathBuf {
    let mut changed = packets.to_vec();
    let mut swapped = 0;
    let mut at = 0;
    while at + 1 < changed.len() {
        let next = (at + 1..changed.len()).find(|next| changed[*next].is_of_the_flow_of(&changed[at]));
        match next.filter(|next| changed[at].is_request() && changed[*next].is_request()) {
            Some(next) => {
                let frame = std::mem::take(&mut changed[at].frame);
                changed[at].frame = std::mem::replace(&mut changed[next].frame, frame);
                (swapped, at) = (swapped + 1, next + 1);
            }
            None => at += 1,
        }
    }
    assert!(swapped > 20, "{swapped} pairs of segments");
    pcap_file::write(file, "disorder.pcap", 1, &changed)
}

/// The capture has only what comes behind the hand-shakes.
fn without_handshakes(file: &Path, packets: &[Packet]) -> PathBuf {
    let packets: Vec<_> = packets.iter().filter(|packet| !packet.opens()).cloned().collect();
    pcap_file::write(file, "joined.pcap", 1, &packets)
}

#[test]
fn oddities_of_captures_cost_no_request() {
    const GRE: u8 = 47;
    let rewritings: [(&str, Rewriting); 13] = [
        ("retransmissions", with_retransmissions),
        ("out of order", out_of_order),
        ("VLAN", |file, packets| framed(file, packets, |frame| pcap_file::tagged(frame, &[0x81, 0, 0, 7]))),
        ("QinQ", |file, packets| {
            framed(file, packets, |frame| pcap_file::tagged(frame, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]))
        }),
        ("VXLAN", |file, packets| framed(file, packets, pcap_file::vxlan)),
        ("GRE", |file, packets| {
            framed(file, packets, |frame| pcap_file::mirrored(frame, GRE, &[0, 0, 0x65, 0x58]))
        }),
        ("GRE in fragments", |file, packets| {
            let mut broken = Vec::new();
            for (number, packet) in (0_u16..).zip(packets) {
                let mut mirrored = pcap_file::mirrored(&packet.frame, GRE, &[0, 0, 0x65, 0x58]);
                mirrored[18..20].copy_from_slice(&number.to_be_bytes());
                let at = packet.at;
                broken.extend(pcap_file::fragments(&mirrored).map(|frame| Packet { at, frame }));
            }
            pcap_file::write(file, "broken.pcap", 1, &broken)
        }),
        ("ERSPAN", |file, packets| {
            let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0];
            framed(file, packets, |frame| pcap_file::mirrored(frame, GRE, &header))
        }),
        ("cooked v1", |file, packets| {
            let cooked = |packet| Packet { frame: pcap_file::cooked(packet), ..*packet };
            pcap_file::write(file, "cooked.pcap", 113, &packets.iter().map(cooked).collect::<Vec<_>>())
        }),
        ("raw IP", |file, packets| {
            let raw = |packet: &Packet| Packet { frame: pcap_file::behind(&packet.frame, &[]), ..*packet };
            pcap_file::write(file, "raw.pcap", 101, &packets.iter().map(raw).collect::<Vec<_>>())
        }),
        ("loopback", |file, packets| {
            let null =
                |packet: &Packet| Packet { frame: pcap_file::behind(&packet.frame, &[0, 0, 0, 2]), ..*packet };
            pcap_file::write(file, "null.pcap", 0, &packets.iter().map(null).collect::<Vec<_>>())
        }),
        ("pcapng", |file, packets| pcap_file::write_pcapng(file, "big.pcapng", 1, packets)),
        ("nanoseconds", |file, packets| pcap_file::write(file, "nanoseconds.pcap", 1, packets)),
    ];
    let mut stage = Stage::new(Binaries::from_environment());
    // What the kernel joins would not fit a mirror's packet.
    stage.lab.switch_offloads_off();
    let recording = Recording::start(&stage.lab, "online.pcap", &["-i", "online0"]);
    stage.load("--tag keep --from 10.198.1.1 --connections 20 --requests 10");
    stage.load("--tag upload --from 10.198.1.3 --connections 10 --post 20000 --concurrency 5");
    let file = recording.stop();
    let packets = pcap_file::read(&file);
    for (passes, (oddity, rewrite)) in (1..).zip(rewritings) {
        let rewritten = name(&rewrite(&file, &packets));
        let replayed = stage.replay_files(Role::Online, &["-i", &rewritten, "-a", "max"], passes);
        assert!(replayed.verdict.is_perfect(), "{oddity}: {replayed}");
        replayed.assert_perfect(210 * passes);
    }
    // Without their hand-shakes connections are joined at their second request.
    let joined = name(&without_handshakes(&file, &packets));
    let map = format!("{APP_PORT}-{TARGET}:{APP_PORT}");
    let run = replay(&stage.lab, &stage.binaries, Role::Online, &map, &["-i", &joined, "-a", "max"]);
    assert_eq!(stage.records(Role::Target).len(), 210 * 13 + 180, "{run:?}");
    assert!(run.log.contains("open before:20, requests:180"), "{run:?}");
}
