//! When to look for captured packets: at each one, or at short intervals.
//!
//! At a few thousand packets a second it is the wake-ups that cost: for each packet one of the reader, and one for
//! whoever delivers the packet. A reader that sleeps and looks pays for its alarms instead, however many packets each
//! one finds. Measured on a virtual machine, an alarm costs two to three wake-ups.

use std::time::{Duration, Instant};

/// How the reader waits for the next packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alertness {
    /// On the descriptors: the next packet wakes it.
    Awake,
    /// The descriptors are taken out of what is waited for; it looks again after [`Pacer::nap`].
    Napping,
}

/// Decides between latency and cost by what was found lately.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    alertness: Alertness,
    nap: Duration,
    longest: Duration,
    since: Instant,
    packets: u32,
    looks: u32,
}

impl Pacer {
    /// The time between two looks at the least, for a reader that finds many packets each time.
    pub const SHORTEST: Duration = Duration::from_millis(2);

    /// Between two looks so many packets should come, as far as the longest nap allows: then the alarm is a small part of
    /// what they cost.
    const WORTHWHILE: u32 = 32;

    /// An alarm is to be for so many wake-ups.
    const WAKES: u32 = 3;

    /// How long the past is that decides, in longest naps.
    const WINDOW: u32 = 4;

    /// A pacer that waits for the first packet. A packet is late by `longest` at most.
    #[must_use]
    pub fn new(now: Instant, longest: Duration) -> Self {
        let longest = longest.max(Self::SHORTEST);
        Self { alertness: Alertness::Awake, nap: longest, longest, since: now, packets: 0, looks: 0 }
    }

    /// How to wait.
    #[must_use]
    pub fn alertness(&self) -> Alertness {
        self.alertness
    }

    /// The time between two looks of a reader that naps.
    #[must_use]
    pub fn nap(&self) -> Duration {
        self.nap
    }

    /// Takes note of a look, from which `packets` came until none was left; how to wait from now on.
    pub fn record(&mut self, now: Instant, packets: usize) -> Alertness {
        self.packets = self.packets.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        self.looks += u32::from(packets > 0);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= Self::WINDOW * self.longest {
            let naps = |nap: Duration| elapsed.as_micros() / nap.as_micros();
            self.alertness = match self.alertness {
                // A reader that finds many packets each time it wakes has nothing to gain.
                Alertness::Awake if u128::from(self.looks) >= u128::from(Self::WAKES) * naps(self.longest) => {
                    Alertness::Napping
                }
                Alertness::Napping if u128::from(self.packets) < naps(self.longest) => Alertness::Awake,
                Alertness::Awake | Alertness::Napping => self.alertness,
            };
            let each = elapsed / self.packets.max(1);
            self.nap = (Self::WORTHWHILE * each).clamp(Self::SHORTEST, self.longest);
            (self.since, self.packets, self.looks) = (now, 0, 0);
        }
        self.alertness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(8);

    /// Lets packets come for a second, one each `gap`, and the reader do as it is told; how often it woke, and its last
    /// alertness.
    fn second(pacer: &mut Pacer, start: Instant, gap: Duration) -> (u32, Alertness) {
        let (mut now, mut arrival, mut looks) = (start, start, 0);
        while now < start + Duration::from_secs(1) {
            now = match pacer.alertness() {
                Alertness::Awake => now.max(arrival),
                Alertness::Napping => now + pacer.nap(),
            };
            let mut packets = 0;
            while arrival <= now {
                arrival += gap;
                packets += 1;
            }
            pacer.record(now, packets);
            looks += 1;
        }
        (looks, pacer.alertness())
    }

    #[test]
    fn few_packets_wake_the_reader_and_many_wait_for_it() {
        for (rate, woken, expected) in [
            (10, 10, Alertness::Awake),
            (160, 162, Alertness::Awake),
            (280, 281, Alertness::Awake),
            (1_000, 190, Alertness::Napping),
            (8_000, 550, Alertness::Napping),
            (100_000, 3_800, Alertness::Napping),
        ] {
            let start = Instant::now();
            let (looks, last) = second(&mut Pacer::new(start, LONGEST), start, Duration::from_secs(1) / rate);
            assert!(looks <= woken + 1 && last == expected, "{rate}/s: {looks} looks, {last:?}");
        }
    }

    #[test]
    fn naps_are_as_long_as_it_takes_to_find_enough_within_bounds() {
        for (rate, nap) in [(1_000, 8_000), (8_000, 4_000), (100_000, 2_000)] {
            let start = Instant::now();
            let mut pacer = Pacer::new(start, LONGEST);
            second(&mut pacer, start, Duration::from_secs(1) / rate);
            let off = pacer.nap().as_micros().abs_diff(nap);
            assert!(off < 300, "{rate}/s: {:?}", pacer.nap());
        }
        let start = Instant::now();
        let mut pacer = Pacer::new(start, Duration::ZERO);
        second(&mut pacer, start, Duration::from_millis(1));
        assert_eq!(pacer.nap(), Pacer::SHORTEST);
    }

    #[test]
    fn it_goes_back_to_waiting_when_traffic_ends() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, LONGEST);
        second(&mut pacer, start, Duration::from_micros(100));
        assert_eq!(pacer.alertness(), Alertness::Napping);
        let start = start + Duration::from_secs(1);
        let (looks, last) = second(&mut pacer, start, Duration::from_millis(500));
        assert!(looks < 40 && last == Alertness::Awake, "{looks} looks, {last:?}");
    }

    #[test]
    fn one_burst_after_silence_is_no_reason_to_nap() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, LONGEST);
        for burst in 1..100 {
            assert_eq!(pacer.record(start + burst * Duration::from_millis(20), 1000), Alertness::Awake);
        }
    }
}
