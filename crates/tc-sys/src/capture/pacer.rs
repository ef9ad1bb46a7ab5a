//! When to look for captured packets: at each one, or at short intervals.
//!
//! At a few thousand packets a second it is the wake-ups that cost: for each packet one of the reader, and one for
//! whoever delivers the packet. A reader that sleeps and looks pays for its alarms instead, however many packets each
//! one finds. Measured, an alarm costs about as much as one wake-up; with two packets for each alarm, half.

use std::time::{Duration, Instant};

/// How the reader waits for the next packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alertness {
    /// On the descriptors: the next packet wakes it.
    Awake,
    /// The descriptors are taken out of what is waited for; it looks again after [`Pacer::NAP`].
    Napping,
}

/// Decides between latency and cost by what was found lately.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    alertness: Alertness,
    since: Instant,
    packets: usize,
    looks: usize,
}

impl Pacer {
    /// The time between two looks, and so the most that a packet is late.
    pub const NAP: Duration = Duration::from_millis(2);

    /// How long the past is that decides.
    const WINDOW: Duration = Duration::from_millis(16);

    /// A pacer that waits for the first packet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { alertness: Alertness::Awake, since: now, packets: 0, looks: 0 }
    }

    /// How to wait.
    #[must_use]
    pub fn alertness(&self) -> Alertness {
        self.alertness
    }

    /// Takes note of a look, from which `packets` came until none was left; how to wait from now on.
    pub fn record(&mut self, now: Instant, packets: usize) -> Alertness {
        self.packets += packets;
        self.looks += usize::from(packets > 0);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= Self::WINDOW {
            let naps = elapsed.as_micros() / Self::NAP.as_micros();
            self.alertness = match self.alertness {
                // A reader that finds many packets each time it wakes has nothing to gain.
                Alertness::Awake if self.looks as u128 >= 2 * naps => Alertness::Napping,
                Alertness::Napping if (self.packets as u128) < naps => Alertness::Awake,
                Alertness::Awake | Alertness::Napping => self.alertness,
            };
            (self.since, self.packets, self.looks) = (now, 0, 0);
        }
        self.alertness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets packets come for a second, one each `gap`, and the reader do as it is told; how often it woke, and its last
    /// alertness.
    fn second(pacer: &mut Pacer, start: Instant, gap: Duration) -> (u32, Alertness) {
        let (mut now, mut arrival, mut looks) = (start, start, 0);
        while now < start + Duration::from_secs(1) {
            now = match pacer.alertness() {
                Alertness::Awake => now.max(arrival),
                Alertness::Napping => now + Pacer::NAP,
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
            (500, 500, Alertness::Awake),
            (5_000, 600, Alertness::Napping),
            (100_000, 2_600, Alertness::Napping),
        ] {
            let start = Instant::now();
            let (looks, last) = second(&mut Pacer::new(start), start, Duration::from_secs(1) / rate);
            assert!(looks <= woken + 1 && last == expected, "{rate}/s: {looks} looks, {last:?}");
        }
    }

    #[test]
    fn it_goes_back_to_waiting_when_traffic_ends() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        second(&mut pacer, start, Duration::from_micros(100));
        assert_eq!(pacer.alertness(), Alertness::Napping);
        let start = start + Duration::from_secs(1);
        let (looks, last) = second(&mut pacer, start, Duration::from_millis(500));
        assert!(looks < 40 && last == Alertness::Awake, "{looks} looks, {last:?}");
    }

    #[test]
    fn one_burst_after_silence_is_no_reason_to_nap() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        for burst in 1..100 {
            assert_eq!(pacer.record(start + burst * Duration::from_millis(20), 1000), Alertness::Awake);
        }
    }
}
