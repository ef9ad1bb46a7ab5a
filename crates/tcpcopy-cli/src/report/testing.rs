//! A comparison to report on.

use super::summary::{Run, Summary};
use crate::snapshot::Snapshot;
use std::time::{Duration, Instant, SystemTime};
use tc_core::compare::{Answer, CompareConfig, Comparison, Detail, Exchange, Failure, RequestLine};

fn summary(comparison: &Comparison) -> Summary {
    let started = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let run = Run { target: "80-10.0.0.2:80".to_owned(), started, ended: started + Duration::from_secs(20) };
    Summary::new(&run, comparison, &Snapshot::default())
}

/// A hundred requests: the online server takes 10 ms, the target 40 ms; one is not answered, ten have another status.
pub(crate) fn compared() -> Summary {
    let origin = Instant::now();
    let mut comparison = Comparison::new(CompareConfig { origin, detail: Detail::Paths });
    for number in 0..100 {
        let answer = |milliseconds, status| Answer {
            first: Duration::from_millis(milliseconds),
            last: Duration::from_millis(milliseconds),
            octets: 100,
            status: Some(status),
        };
        let target = match number {
            0 => Err(Failure::Unanswered),
            1..=10 => Ok(answer(40, 500)),
            _ => Ok(answer(40, 200)),
        };
        let at = origin + Duration::from_millis(200 * number);
        let exchange = Exchange {
            handed: at,
            line: Some(RequestLine::new(
                "GET",
                if number % 2 == 0 { "/a<b>" } else { "/users/7" },
                Detail::Paths,
            )),
            online: Ok(answer(10, 200)),
            target,
            waited: Some(Duration::from_micros(50)),
            resent: false,
        };
        comparison.record(exchange, Duration::ZERO);
    }
    summary(&comparison)
}

/// Ten requests that both answer right, online and at the target after so long, over a way that took these times.
pub(crate) fn answered([online, target]: [Duration; 2], way: &[Duration]) -> Summary {
    let origin = Instant::now();
    let mut comparison = Comparison::new(CompareConfig { origin, detail: Detail::Anonymous });
    for time in way {
        comparison.way.record(*time);
    }
    for _ in 0..10 {
        let answer = |time| Answer { first: time, last: time, octets: 100, status: Some(200) };
        let exchange = Exchange {
            handed: origin,
            line: Some(RequestLine::new("GET", "/", Detail::Anonymous)),
            online: Ok(answer(online)),
            target: Ok(answer(target)),
            waited: None,
            resent: false,
        };
        comparison.record(exchange, Duration::ZERO);
    }
    summary(&comparison)
}

/// No request at all.
pub(crate) fn nothing() -> Summary {
    summary(&Comparison::new(CompareConfig { origin: Instant::now(), detail: Detail::Anonymous }))
}
