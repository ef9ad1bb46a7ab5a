//! The application on the online and the target host: an HTTP server that writes down every request it gets.

use clap::Parser;
use tc_tests::app;

fn main() -> std::io::Result<()> {
    app::run(app::Options::parse())
}
