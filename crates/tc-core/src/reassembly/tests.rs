use super::{Reassembler, ReassemblyLimits};
use crate::counters::ReassemblyCounters;
use crate::testing::start;
use proptest::prelude::*;
use std::time::{Duration, Instant};
use tc_proto::fragment::FragmentRef;

/// A fragment of an IPv4 packet, of any protocol.
fn fragment(number: u16, offset: usize, payload: &[u8], more: bool) -> Vec<u8> {
    let mut octets = vec![0; 20];
    octets[0] = 0x45;
    octets[2..4].copy_from_slice(&u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    octets[4..6].copy_from_slice(&number.to_be_bytes());
    let field = u16::try_from(offset / 8).unwrap() | u16::from(more) << 13;
    octets[6..8].copy_from_slice(&field.to_be_bytes());
    octets[9] = 17;
    octets.extend_from_slice(payload);
    octets
}

struct Bench {
    reassembler: Reassembler,
    counters: ReassemblyCounters,
    now: Instant,
}

impl Bench {
    fn new(limits: ReassemblyLimits) -> Self {
        Self { reassembler: Reassembler::new(limits), counters: ReassemblyCounters::default(), now: start() }
    }

    fn take(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let fragment = FragmentRef::parse(octets).unwrap().unwrap();
        let whole = self.reassembler.handle_fragment(self.now, &fragment, &mut self.counters);
        self.check();
        whole.map(|packet| packet[20..].to_vec())
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.reassembler.handle_timeout(self.now, &mut self.counters);
        self.check();
    }

    /// Each fragment has exactly one fate, and the limits are kept.
    fn check(&self) {
        let ReassemblyCounters { fragments, used, duplicates, overlapping, expired, evicted, .. } =
            self.counters;
        let kept = self.reassembler.fragments();
        assert_eq!(
            fragments,
            used + duplicates + overlapping + expired + evicted + kept,
            "{:?}",
            self.counters
        );
        let limits = self.reassembler.limits;
        assert!(self.reassembler.octets() <= limits.octets);
        assert!(self.reassembler.packets.len() <= limits.packets);
        assert_eq!(self.reassembler.packets.len(), self.reassembler.by_age.len());
        let octets: usize = self.reassembler.packets.values().map(super::Partial::octets).sum();
        assert_eq!(octets, self.reassembler.octets());
    }

    fn is_empty(&self) -> bool {
        self.reassembler.octets() == 0 && self.reassembler.poll_timeout().is_none()
    }
}

#[test]
fn fragments_of_several_packets_in_any_order_find_each_other() {
    let mut bench = Bench::new(ReassemblyLimits::default());
    assert_eq!(bench.take(&fragment(1, 8, b"world", false)), None);
    assert_eq!(bench.take(&fragment(2, 0, b"12345678", true)), None);
    assert_eq!(bench.take(&fragment(1, 0, b"hello or", true)).unwrap(), b"hello orworld");
    assert_eq!(bench.take(&fragment(2, 8, b"9", false)).unwrap(), b"123456789");
    assert_eq!((bench.counters.reassembled, bench.counters.used), (2, 4));
    assert!(bench.is_empty());
}

#[test]
fn a_fragment_that_came_twice_is_forgiven() {
    let mut bench = Bench::new(ReassemblyLimits::default());
    for _ in 0..2 {
        assert_eq!(bench.take(&fragment(1, 8, b"world", false)), None);
    }
    assert_eq!(bench.take(&fragment(1, 0, b"hello or", true)).unwrap(), b"hello orworld");
    assert_eq!(bench.counters.duplicates, 1);
}

#[test]
fn overlapping_fragments_spoil_their_packet_with_what_comes_later() {
    let overlaps: [(usize, &[u8], bool); 7] = [
        (8, b"others!!", true),
        (8, b"ABCDEFGH", false),
        (16, b"longer than it was", false),
        (24, b"behind the end", false),
        (24, b"likewise", true),
        (0, b"0123456789abcdef", true),
        (0, b"01234567890123456789abcd", true),
    ];
    for (offset, octets, more) in overlaps {
        let mut bench = Bench::new(ReassemblyLimits::default());
        bench.take(&fragment(1, 8, b"ABCDEFGH", true));
        bench.take(&fragment(1, 16, b"world", false));
        assert_eq!(bench.take(&fragment(1, offset, octets, more)), None, "{offset}");
        assert_eq!(bench.take(&fragment(1, 0, b"hello or", true)), None, "{offset}");
        assert_eq!((bench.counters.overlapping, bench.counters.reassembled), (4, 0), "{offset}");
        bench.wait(Duration::from_secs(30));
        assert!(bench.is_empty());
    }
}

#[test]
fn a_packet_is_waited_for_no_longer_than_its_lifetime() {
    let mut bench = Bench::new(ReassemblyLimits::default());
    let begin = bench.now;
    bench.take(&fragment(1, 0, b"hello or", true));
    bench.wait(Duration::from_secs(29));
    bench.take(&fragment(1, 16, b"world", false));
    assert_eq!(bench.reassembler.poll_timeout(), Some(begin + Duration::from_secs(30)));
    bench.wait(Duration::from_secs(1));
    assert!(bench.is_empty());
    assert_eq!(bench.counters.expired, 2);
    assert_eq!(bench.take(&fragment(1, 8, b"12345678", true)), None);
}

#[test]
fn the_oldest_packets_make_room() {
    let mut bench = Bench::new(ReassemblyLimits { packets: 3, ..ReassemblyLimits::default() });
    for number in 1..=4 {
        bench.take(&fragment(number, 0, b"hello or", true));
    }
    assert_eq!(bench.counters.evicted, 1);
    assert_eq!(bench.take(&fragment(2, 8, b"!", false)).unwrap(), b"hello or!");
    let mut bench = Bench::new(ReassemblyLimits { octets: 100_000, ..ReassemblyLimits::default() });
    for number in 1..=100 {
        bench.take(&fragment(number, 0, &[1; 1480], true));
    }
    assert_eq!(bench.take(&fragment(100, 1480, b"!", false)).unwrap().len(), 1481);
    assert!(bench.counters.evicted > 30);
}

proptest! {
    #[test]
    fn a_packet_comes_out_as_it_went_in_whatever_the_order(
        len in 9_usize..3000,
        unit in 1_usize..40,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
    ) {
        let payload: Vec<u8> = (0..len).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let size = unit * 8;
        let mut parts: Vec<_> = payload.chunks(size).enumerate().collect();
        for (place, other) in order.iter().enumerate() {
            let place = place % parts.len();
            let other = other.index(parts.len());
            parts.swap(place, other);
        }
        let last = len.div_ceil(size) - 1;
        prop_assume!(last > 0);
        let mut bench = Bench::new(ReassemblyLimits::default());
        let mut whole = None;
        for (index, part) in &parts {
            prop_assert_eq!(whole, None);
            whole = bench.take(&fragment(9, index * size, part, *index < last));
        }
        prop_assert_eq!(whole, Some(payload));
        prop_assert!(bench.is_empty());
    }

    #[test]
    fn no_fragments_break_the_limits_or_the_count(
        fragments in proptest::collection::vec((0_u16..6, 0_usize..12, 1_usize..5, any::<bool>(), 0_u64..12), 0..200),
    ) {
        let limits = ReassemblyLimits { packets: 4, octets: 3000, ..ReassemblyLimits::default() };
        let mut bench = Bench::new(limits);
        for (number, offset, len, more, wait) in fragments {
            bench.take(&fragment(number, offset * 8, &vec![7; len * 8], more || offset == 0));
            bench.wait(Duration::from_secs(wait));
        }
        bench.wait(Duration::from_mins(1));
        prop_assert!(bench.is_empty());
    }
}
