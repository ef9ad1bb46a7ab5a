//! Replays the committed inputs: those that reach all parts of the code, and those that once showed a defect.
#![allow(missing_docs, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// The inputs of a target, in the order of their names.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    inputs.sort();
    inputs
}

/// Runs them all. A failure names its input.
fn replay(folder: &str, target: &str) -> usize {
    let (_, run) = tc_fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    let inputs = inputs(folder, target);
    for input in &inputs {
        let octets = fs::read(input).expect("an input");
        assert!(std::panic::catch_unwind(|| run(&octets)).is_ok(), "{} fails", input.display());
    }
    inputs.len()
}

#[test]
fn the_corpus_of_packet_shows_no_failure() {
    assert_ne!(replay("corpus", "packet"), 0);
}

#[test]
fn the_corpus_of_link_shows_no_failure() {
    assert_ne!(replay("corpus", "link"), 0);
}

#[test]
fn the_corpus_of_tunnel_shows_no_failure() {
    assert_ne!(replay("corpus", "tunnel"), 0);
}

#[test]
fn the_corpus_of_replayer_shows_no_failure() {
    assert_ne!(replay("corpus", "replayer"), 0);
}

#[test]
fn the_corpus_of_relay_shows_no_failure() {
    assert_ne!(replay("corpus", "relay"), 0);
}

#[test]
fn what_was_repaired_stays_repaired() {
    for (target, _) in tc_fuzz::TARGETS {
        replay("regressions", target);
    }
}
