//! Octets that both ends of a connection can compute: hashes of requests, content of requests and answers.

/// The 64-bit FNV-1a hash, computed as octets arrive.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(u64);

impl Fnv {
    /// The hash of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// The hash of `octets`.
    #[must_use]
    pub fn of(octets: &[u8]) -> u64 {
        let mut hash = Self::new();
        hash.update(octets);
        hash.value()
    }

    /// Adds `octets`.
    pub fn update(&mut self, octets: &[u8]) {
        self.0 =
            octets.iter().fold(self.0, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
    }

    /// The hash of everything added so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self::new()
    }
}

/// An endless pseudo-random stream of octets, the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Content {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl Content {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, word: [0; 8], used: 8 }
    }

    /// The next 64 bits.
    pub fn next_word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Fills `octets` with what comes next.
    pub fn fill(&mut self, octets: &mut [u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let next = self.available();
            let len = next.len().min(rest.len());
            rest[..len].copy_from_slice(&next[..len]);
            self.used += len;
            rest = &mut rest[len..];
        }
    }

    /// Whether `octets` are what comes next; moves on either way.
    pub fn matches(&mut self, octets: &[u8]) -> bool {
        let mut rest = octets;
        let mut same = true;
        while !rest.is_empty() {
            let next = self.available();
            let len = next.len().min(rest.len());
            same &= rest[..len] == next[..len];
            self.used += len;
            rest = &rest[len..];
        }
        same
    }

    fn available(&mut self) -> &[u8] {
        if self.used == self.word.len() {
            self.word = self.next_word().to_le_bytes();
            self.used = 0;
        }
        &self.word[self.used..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_does_not_depend_on_how_it_is_cut() {
        let mut whole = [0; 100];
        Content::new(7).fill(&mut whole);
        let mut stream = Content::new(7);
        for piece in whole.chunks(13) {
            assert!(stream.matches(piece));
        }
        assert!(!stream.matches(&whole));
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(Fnv::of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
