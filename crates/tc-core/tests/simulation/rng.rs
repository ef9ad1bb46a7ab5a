//! Randomness that a seed decides.

use std::ops::Range;
use std::time::Duration;

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of numbers that belongs to a seed and a purpose.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let named = purpose
            .bytes()
            .fold(seed, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3).rotate_left(17));
        let mut rng = Self(named);
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number within the range, which is not empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub(crate) fn len(&mut self, range: Range<usize>) -> usize {
        let span = (range.end - range.start) as u64;
        range.start + usize::try_from(self.next() % span).unwrap()
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap()
    }

    pub(crate) fn micros(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range))
    }

    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range.start * 1000..range.end * 1000))
    }

    /// Whether something happens that does so `permille` times in a thousand.
    pub(crate) fn chance(&mut self, permille: u32) -> bool {
        self.within(0..1000) < u64::from(permille)
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.len(0..choices.len())]
    }
}

/// Spreads a number over all bits.
pub(crate) const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
