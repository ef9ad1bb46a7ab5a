//! Fuzz targets, each a function of octets that panics when an invariant does not hold.
//!
//! `fuzz_targets/` gives them to libFuzzer; `tests/corpus.rs` replays what was found with them, on a stable
//! compiler and without libFuzzer. README.md says how to run both.
#![forbid(unsafe_code)]

mod checks;
pub mod link;
pub mod packet;
pub mod relay;
pub mod replayer;
pub mod seeds;
mod steps;
pub mod tunnel;

/// What runs the octets of an input.
pub type Run = fn(&[u8]);

/// A target by its name, which is also that of its folder in `corpus/`, `regressions/` and `pending/`.
pub const TARGETS: [(&str, Run); 5] = [
    ("packet", packet::run),
    ("link", link::run),
    ("tunnel", tunnel::run),
    ("replayer", replayer::run),
    ("relay", relay::run),
];

/// Whether `FUZZ_TRACE` is set: what goes in and comes out is then told, to understand a failure.
fn traced() -> bool {
    static TRACED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TRACED.get_or_init(|| std::env::var_os("FUZZ_TRACE").is_some())
}

/// Tells something when `FUZZ_TRACE` is set.
macro_rules! trace {
    ($($arg:tt)*) => {
        if $crate::traced() {
            eprintln!($($arg)*);
        }
    };
}
pub(crate) use trace;

/// The `main` of a fuzz target: libFuzzer's under cargo-fuzz, else one that runs the files that it is given.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|octets: &[u8]| $run(octets));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $run(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}
