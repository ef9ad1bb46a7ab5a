//! Hand-made inputs: one for each thing that connections, tunnels and packets do, for the fuzzer to begin with.

mod frames;
mod packets;
mod relays;
mod sessions;
mod streams;

use crate::steps::Step;

/// A hand-made input.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target that it is for.
    pub target: &'static str,
    /// What happens in it.
    pub name: &'static str,
    /// The input.
    pub octets: Vec<u8>,
}

/// All hand-made inputs.
#[must_use]
pub fn all() -> Vec<Seed> {
    let of = |target, seeds: Vec<(&'static str, Vec<u8>)>| {
        seeds.into_iter().map(move |(name, octets)| Seed { target, name, octets })
    };
    of("packet", packets::all())
        .chain(of("link", frames::all()))
        .chain(of("tunnel", streams::all()))
        .chain(of("replayer", sessions::all()))
        .chain(of("relay", relays::all()))
        .collect()
}

/// The octets of one step.
fn step(code: u8, who: u8, how: u8, much: u8, place: i16) -> Vec<u8> {
    Step { code, who, how, much, place }.octets().to_vec()
}
