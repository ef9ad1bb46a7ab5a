//! How the descriptors of a source are waited for: at each packet, or at short intervals under load.

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};
use tc_proto::tunnel::Times;
use tc_sys::capture::{Alertness, Pacer};
use tc_sys::program::Readiness;

/// How late a packet may be under load, while few come: with many, it is half of that.
const LONGEST_NAP: Duration = Duration::from_millis(4);

/// Descriptors that mio waits for, unless their reader naps.
#[derive(Debug)]
pub(crate) struct Watch {
    descriptors: Vec<RawFd>,
    token: Token,
    alertness: Alertness,
    times: Times,
    pacer: Pacer,
    /// When mio woke the reader, who has not looked yet.
    woken: Option<Instant>,
}

impl Watch {
    /// Begins to wait for the descriptors, which outlive this.
    pub(crate) fn new(
        now: Instant,
        descriptors: Vec<RawFd>,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let watch = Self {
            descriptors,
            token,
            alertness: Alertness::Awake,
            times: Times::Unwanted,
            pacer: Pacer::new(now, LONGEST_NAP),
            woken: None,
        };
        watch.apply(Alertness::Awake, registry)?;
        Ok(watch)
    }

    /// Where the time of each packet is asked for, none waits for a look.
    pub(crate) const fn attend(&mut self, times: Times) {
        self.times = times;
    }

    /// Mio woke the reader. Others who are ready to run go first: if the processor is busy, perhaps with who sends the next
    /// packets, a look finds more, and each look costs more than a packet.
    pub(crate) fn wake(&mut self) {
        self.woken = Some(Instant::now());
        std::thread::yield_now();
    }

    /// When the packets came, more or less, that a look finds now: some of them since the reader was woken.
    pub(crate) fn seen(&mut self, now: Instant) -> Instant {
        self.woken.take().map_or(now, |woken| woken + now.saturating_duration_since(woken) / 2)
    }

    /// Takes note of a look that found so much and left more.
    pub(crate) fn left_more(&mut self, now: Instant, found: usize) -> Readiness {
        self.pacer.record(now, found);
        Readiness::Ready
    }

    /// When to look again, after a look that found so much and then nothing.
    pub(crate) fn drained(&mut self, now: Instant, found: usize, registry: &Registry) -> Readiness {
        let alertness = match (self.pacer.record(now, found), self.times) {
            (alertness, Times::Unwanted) => alertness,
            (_, Times::Wanted) => Alertness::Awake,
        };
        // What fails is tried again at the next look; until then, all goes on as before.
        if alertness != self.alertness && self.apply(alertness, registry).is_ok() {
            self.alertness = alertness;
        }
        match self.alertness {
            Alertness::Awake => Readiness::Drained,
            Alertness::Napping => Readiness::RetryAt(now + self.pacer.nap()),
        }
    }

    /// Makes mio wait, or not. If something is there already, mio tells at once.
    fn apply(&self, alertness: Alertness, registry: &Registry) -> io::Result<()> {
        self.descriptors.iter().try_for_each(|descriptor| match alertness {
            Alertness::Awake => registry.register(&mut SourceFd(descriptor), self.token, Interest::READABLE),
            Alertness::Napping => registry.deregister(&mut SourceFd(descriptor)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::unix::pipe;
    use mio::{Events, Poll};
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    /// A source that gives an octet for each packet, and a clock that the test moves.
    struct Bench {
        poll: Poll,
        packets: pipe::Sender,
        source: pipe::Receiver,
        watch: Watch,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let (poll, now) = (Poll::new().unwrap(), Instant::now());
            let (packets, source) = pipe::new().unwrap();
            let watch = Watch::new(now, vec![source.as_raw_fd()], Token(0), poll.registry()).unwrap();
            Self { poll, packets, source, watch, now }
        }

        /// A packet comes; whether it wakes the reader, who takes it.
        fn packet_wakes(&mut self) -> bool {
            self.packets.write_all(&[0]).unwrap();
            let mut events = Events::with_capacity(4);
            self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            self.source.read_exact(&mut [0]).unwrap();
            !events.is_empty()
        }

        /// Time passes until the reader looks, and finds this many.
        fn look(&mut self, after: Duration, found: usize) -> Readiness {
            self.now += after;
            self.watch.drained(self.now, found, self.poll.registry())
        }

        /// A second of 10 000 packets, one by one.
        fn load(&mut self) -> Readiness {
            (0..10_000).map(|_| self.look(Duration::from_micros(100), 1)).last().unwrap()
        }
    }

    #[test]
    fn a_packet_now_and_then_wakes_the_reader_at_once() {
        let mut bench = Bench::new();
        for _ in 0..200 {
            assert!(bench.packet_wakes());
            assert_eq!(bench.look(Duration::from_millis(10), 1), Readiness::Drained);
        }
    }

    #[test]
    fn under_load_the_reader_looks_at_short_intervals_and_afterwards_each_packet_wakes_it_again() {
        let mut bench = Bench::new();
        let Readiness::RetryAt(look) = bench.load() else { panic!("it waits for packets") };
        assert!((Pacer::SHORTEST..=LONGEST_NAP).contains(&(look - bench.now)), "{:?}", look - bench.now);
        assert!(!bench.packet_wakes());
        let silence = (0..10).map(|_| bench.look(LONGEST_NAP, 0)).last().unwrap();
        assert_eq!(silence, Readiness::Drained);
        assert!(bench.packet_wakes());
    }

    #[test]
    fn where_times_are_wanted_each_packet_wakes_the_reader_also_under_load() {
        let mut bench = Bench::new();
        bench.watch.attend(Times::Wanted);
        assert_eq!(bench.load(), Readiness::Drained);
        assert!(bench.packet_wakes());
    }

    #[test]
    fn a_packet_came_between_waking_and_looking() {
        let mut bench = Bench::new();
        let look = bench.now + Duration::from_secs(100);
        bench.watch.wake();
        let early = look - bench.watch.seen(look);
        assert!((Duration::from_secs(40)..=Duration::from_secs(50)).contains(&early), "{early:?}");
        assert_eq!(bench.watch.seen(look), look, "the next look was not waited for");
    }
}
