//! A path on which packets overtake one another.

use clap::Parser;
use tc_tests::jitter;

fn main() -> std::io::Result<()> {
    jitter::run(&jitter::Options::parse())
}
