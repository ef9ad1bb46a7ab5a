//! Sequence numbers.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A TCP sequence number (RFC 9293, section 3.4): 32 bits that wrap.
///
/// There is no `Ord`, because the order of three numbers on a circle is not transitive. Ask
/// [`before`](Self::before), [`after`](Self::after) or [`distance_from`](Self::distance_from); none of them
/// panics, whatever a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(u32);

impl SeqNum {
    /// The number as it stands in a TCP header.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value as it stands in a TCP header.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// How far `self` lies behind (negative) or ahead (positive) of `origin`, on the shorter way.
    #[must_use]
    pub const fn distance_from(self, origin: Self) -> i32 {
        self.0.wrapping_sub(origin.0).cast_signed()
    }

    /// The octets from `origin` up to `self`, 0 when `self` is not after it.
    #[must_use]
    pub const fn octets_since(self, origin: Self) -> usize {
        let distance = self.distance_from(origin);
        if distance > 0 { distance.cast_unsigned() as usize } else { 0 }
    }

    /// Whether `self` comes before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// Whether `self` comes after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// Whether `self` is `other` or comes before it.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        !self.after(other)
    }

    /// Whether `self` is `other` or comes after it.
    #[must_use]
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// The later of the two.
    #[must_use]
    pub const fn latest(self, other: Self) -> Self {
        if self.after(other) { self } else { other }
    }

    /// The earlier of the two.
    #[must_use]
    pub const fn earliest(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

impl Add<usize> for SeqNum {
    type Output = Self;

    /// Moves forward by a number of octets; only its low 32 bits count.
    #[expect(clippy::cast_possible_truncation, reason = "sequence space is modulo 2^32")]
    fn add(self, octets: usize) -> Self {
        Self(self.0.wrapping_add(octets as u32))
    }
}

impl AddAssign<usize> for SeqNum {
    fn add_assign(&mut self, octets: usize) {
        *self = *self + octets;
    }
}

impl Sub<usize> for SeqNum {
    type Output = Self;

    /// Moves back by a number of octets; only its low 32 bits count.
    #[expect(clippy::cast_possible_truncation, reason = "sequence space is modulo 2^32")]
    fn sub(self, octets: usize) -> Self {
        Self(self.0.wrapping_sub(octets as u32))
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNum;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn adding_then_measuring_gives_the_octets_back(start: u32, octets in 0_usize..=i32::MAX as usize) {
            let origin = SeqNum::new(start);
            prop_assert_eq!((origin + octets).octets_since(origin), octets);
            prop_assert_eq!(origin + octets - octets, origin);
        }

        #[test]
        fn before_and_after_are_opposites(a: u32, b: u32) {
            let (a, b) = (SeqNum::new(a), SeqNum::new(b));
            prop_assume!(a.distance_from(b) != i32::MIN);
            prop_assert_eq!(a.before(b), b.after(a));
            prop_assert_eq!(a.at_or_before(b), !a.after(b));
            prop_assert_eq!(a.latest(b), b.latest(a));
            prop_assert_eq!(a.earliest(b), b.earliest(a));
        }

        #[test]
        fn order_survives_a_wrap(start in u32::MAX - 1000..=u32::MAX, octets in 1_usize..100_000) {
            let origin = SeqNum::new(start);
            prop_assert!((origin + octets).after(origin));
            prop_assert!(origin.before(origin + octets));
        }
    }

    #[test]
    fn the_opposite_point_of_the_circle_does_not_panic() {
        let zero = SeqNum::new(0);
        let half = SeqNum::new(1 << 31);
        assert_eq!(half.distance_from(zero), i32::MIN);
        assert_eq!(half.octets_since(zero), 0);
    }
}
