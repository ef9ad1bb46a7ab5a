//! Fuzz input as a list of steps of six octets each, so that a mutation of one leaves the others as they are.

use arbitrary::{Arbitrary, Unstructured};

/// One step. What the fields mean depends on the code and the target.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Step {
    /// What is done.
    pub(crate) code: u8,
    /// With which client, flow or tunnel.
    pub(crate) who: u8,
    /// How: choices and flags.
    pub(crate) how: u8,
    /// How many.
    pub(crate) much: u8,
    /// Where, or another number.
    pub(crate) place: i16,
}

impl Step {
    /// The octets that are read as this step.
    pub(crate) fn octets(self) -> [u8; 6] {
        let [low, high] = self.place.to_le_bytes();
        [self.code, self.who, self.how, self.much, low, high]
    }

    /// Whether a bit of `how` is set.
    pub(crate) const fn has(self, bit: u8) -> bool {
        self.how & bit != 0
    }
}

/// Fuzz input that is read from its beginning.
#[derive(Debug)]
pub(crate) struct Script<'a>(Unstructured<'a>);

impl<'a> Script<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(Unstructured::new(octets))
    }

    /// The next octet, 0 behind the end.
    pub(crate) fn octet(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// The next step, `None` behind the end.
    pub(crate) fn step(&mut self) -> Option<Step> {
        if self.0.is_empty() { None } else { self.0.arbitrary().ok() }
    }

    /// The next octets as they are, so many or what is left.
    pub(crate) fn octets(&mut self, len: usize) -> &'a [u8] {
        let len = len.min(self.0.len());
        self.0.bytes(len).unwrap_or_default()
    }
}
