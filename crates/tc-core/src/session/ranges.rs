//! Parts of sequence space.

use tc_proto::SeqNum;

/// More ranges than this are not kept: what is left out is merely sent, or acknowledged, once more.
const MAX_RANGES: usize = 64;

/// Disjoint ranges of sequence space, in order. All lie within half of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeqRanges {
    ranges: Vec<(SeqNum, SeqNum)>,
}

impl SeqRanges {
    /// Adds the octets from `start` up to `end`.
    pub(crate) fn insert(&mut self, mut start: SeqNum, mut end: SeqNum) {
        if !start.before(end) {
            return;
        }
        let from = self.ranges.partition_point(|range| range.1.before(start));
        let to = self.ranges.partition_point(|range| range.0.at_or_before(end));
        if let Some(touched) = self.ranges.get(from..to) {
            start = touched.first().map_or(start, |first| first.0.earliest(start));
            end = touched.last().map_or(end, |last| last.1.latest(end));
        }
        self.ranges.splice(from..to.max(from), [(start, end)]);
        self.ranges.truncate(MAX_RANGES);
    }

    /// Forgets what lies before `seq`.
    pub(crate) fn remove_before(&mut self, seq: SeqNum) {
        self.ranges.retain(|range| range.1.after(seq));
        if let Some(first) = self.ranges.first_mut() {
            first.0 = first.0.latest(seq);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The end of the range that `seq` lies in, or begins.
    pub(crate) fn end_of_range_at(&self, seq: SeqNum) -> Option<SeqNum> {
        let holds = |range: &&(SeqNum, SeqNum)| range.0.at_or_before(seq) && range.1.after(seq);
        self.ranges.iter().find(holds).map(|range| range.1)
    }

    /// Where the next range behind `seq` begins.
    pub(crate) fn next_start_after(&self, seq: SeqNum) -> Option<SeqNum> {
        self.ranges.iter().map(|range| range.0).find(|start| start.after(seq))
    }

    /// The end of the last range.
    pub(crate) fn highest(&self) -> Option<SeqNum> {
        self.ranges.last().map(|range| range.1)
    }

    /// Octets in all ranges.
    pub(crate) fn octets(&self) -> usize {
        self.octets_from(None)
    }

    /// Octets of the ranges behind `from`.
    pub(crate) fn octets_from(&self, from: Option<SeqNum>) -> usize {
        let behind = |range: &(SeqNum, SeqNum)| {
            let start = from.map_or(range.0, |from| range.0.latest(from));
            range.1.octets_since(start)
        };
        self.ranges.iter().map(behind).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::SeqRanges;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use tc_proto::SeqNum;

    proptest! {
        #[test]
        fn ranges_hold_the_same_octets_as_a_set(
            origin: u32,
            inserts in proptest::collection::vec((0_usize..200, 0_usize..20), 0..30),
            cut in 0_usize..220,
        ) {
            let origin = SeqNum::new(origin);
            let mut ranges = SeqRanges::default();
            let mut set = BTreeSet::new();
            for (start, len) in inserts {
                ranges.insert(origin + start, origin + start + len);
                set.extend(start..start + len);
            }
            ranges.remove_before(origin + cut);
            set.retain(|octet| *octet >= cut);
            prop_assert_eq!(ranges.octets(), set.len());
            prop_assert_eq!(ranges.highest(), set.last().map(|last| origin + *last + 1));
            for octet in 0..220 {
                prop_assert_eq!(ranges.end_of_range_at(origin + octet).is_some(), set.contains(&octet));
            }
            for pair in ranges.ranges.windows(2) {
                prop_assert!(pair[0].1.before(pair[1].0));
            }
        }
    }
}
