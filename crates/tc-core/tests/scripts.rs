//! Packet scripts: black-box tests of [`tc_core::Replayer`], one for each file under `tests/scripts`.
//!
//! `tests/scripts/README.md` is the notation. Each script is a test case; those in `scripts/pending` state what the
//! engine does not do yet and are run with `-- --ignored` only.

#[path = "scripts/runner.rs"]
mod runner;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

const PENDING: &str = "pending";

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let found = scripts_below(&root);
    let Ok(found) = found else { return ExitCode::FAILURE };
    let trials = found.into_iter().map(|path| trial(&root, path)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(root: &Path, path: PathBuf) -> Trial {
    let below = path.strip_prefix(root).unwrap_or(&path);
    let is_pending = below.starts_with(PENDING);
    let name = below.with_extension("").to_string_lossy().replace('-', " ");
    Trial::test(name, move || runner::run(&path).map_err(Failed::from)).with_ignored_flag(is_pending)
}

/// All scripts in the folders of `root`, in order of their names.
fn scripts_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pkt") {
                scripts.push(path);
            }
        }
    }
    scripts.sort();
    Ok(scripts)
}
