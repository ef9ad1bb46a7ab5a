//! Runs a script over IPv4 and IPv6 and all choices of initial sequence numbers.

mod check;
mod counters;
mod fragments;
mod notation;
mod parse;
mod run;
mod script;
mod wire;
mod world;

use run::Run;
use script::Family;
use std::path::Path;
use world::Variant;

/// Runs the script in a file; the error is a report for people.
pub(crate) fn run(path: &Path) -> Result<(), String> {
    let script = parse::read(path)?;
    for variant in Variant::all() {
        let wanted = match script.settings.family {
            Family::Both => true,
            Family::Ipv4 => !variant.is_ipv6(),
            Family::Ipv6 => variant.is_ipv6(),
        };
        if wanted {
            Run::new(&script, variant)
                .run()
                .map_err(|report| format!("{}\n{variant}\n{report}", script.sentence))?;
        }
    }
    Ok(())
}
