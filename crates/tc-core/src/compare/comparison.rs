//! What all exchanges add up to.

use super::handshakes::Handshakes;
use super::{
    Answer, CompareConfig, Difference, Exchange, Failure, Latency, Meter, RequestLine, Routes, Timeline,
};
use std::time::{Duration, Instant};

/// Examples that are kept of requests that went wrong.
const MAX_EXAMPLES: usize = 1000;

/// Exchanges at most that are still to be recorded.
const MOST_OVER: usize = 128;

/// How one server dealt with all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideTotals {
    /// Answered.
    pub answered: u64,
    /// Of these, those with a status of 400 to 499.
    pub client_errors: u64,
    /// Of these, those with a status of 500 and more.
    pub server_errors: u64,
    /// The connection was refused.
    pub refused: u64,
    /// The connection was reset before an answer.
    pub reset: u64,
    /// Closed without an answer, or silent.
    pub unanswered: u64,
    /// Never sent: the replay gave them up.
    pub not_sent: u64,
    /// Octets of all answers.
    pub octets: u64,
}

impl SideTotals {
    fn record(&mut self, result: Result<Answer, Failure>) {
        match result {
            Ok(answer) => {
                self.answered += 1;
                self.octets += answer.octets;
                let status = answer.status.unwrap_or(0);
                self.client_errors += u64::from((400..500).contains(&status));
                self.server_errors += u64::from(status >= 500);
            }
            Err(Failure::Refused) => self.refused += 1,
            Err(Failure::Reset) => self.reset += 1,
            Err(Failure::Unanswered) => self.unanswered += 1,
            Err(Failure::NotSent) => self.not_sent += 1,
            Err(Failure::InFlight) => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.refused += other.refused;
        self.reset += other.reset;
        self.unanswered += other.unanswered;
        self.not_sent += other.not_sent;
        self.octets += other.octets;
    }
}

/// Times of both servers, of requests that both answered and that went to the target once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speed {
    /// The online server's.
    pub online: Latency,
    /// The target's own: without the way there and back.
    pub target: Latency,
    /// How much longer the target took, request by request.
    pub difference: Difference,
}

impl Speed {
    fn record(&mut self, online: Duration, target: Duration) {
        self.online.record(online);
        self.target.record(target);
        self.difference.record(target, online);
    }

    fn add(&mut self, other: &Self) {
        self.online.add(&other.online);
        self.target.add(&other.target);
        self.difference.add(&other.difference);
    }
}

/// A request that the target answered differently, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// When the replay got the request.
    pub at: Instant,
    /// The request line, if it is HTTP.
    pub line: Option<RequestLine>,
    /// What the online server did.
    pub online: Result<Answer, Failure>,
    /// What the target did.
    pub target: Result<Answer, Failure>,
}

/// What all exchanges add up to.
#[derive(Clone, Debug)]
pub struct Comparison {
    origin: Instant,
    handshakes: Handshakes,
    /// Exchanges that are still to be recorded, each with the usual way when it was over: one after the other, what they add to
    /// is in the processor's cache, and between packets of sessions it is not.
    over: Vec<(Exchange, Duration)>,
    /// Requests whose both sides are over.
    pub requests: u64,
    /// Of these, those of HTTP.
    pub http: u64,
    /// Requests that were too young to tell when the comparison ended.
    pub in_flight: u64,
    /// Requests that could not be followed: their answer was not captured.
    pub untracked: u64,
    /// Connections that the online server refused.
    pub online_refused_connections: u64,
    /// The online server's answers.
    pub online: SideTotals,
    /// The target's answers.
    pub target: SideTotals,
    /// Requests that the online server answered and the target did not.
    pub missing: u64,
    /// Requests that both answered, with different statuses.
    pub status_mismatches: u64,
    /// Requests of which both statuses are known.
    pub statuses: u64,
    /// Requests that both answered, with answers of different lengths.
    pub length_mismatches: u64,
    /// Requests of which something had to be sent again: they have no part in the times.
    pub resent: u64,
    /// Times to the first and to the last octet of answers of which both servers' first came with the last.
    at_once: Speed,
    /// Times to the first octet of other answers.
    first: Speed,
    /// Times to the last octet of other answers.
    last: Speed,
    /// The way to the target and back: what its kernel takes to acknowledge something by itself.
    pub way: Latency,
    /// How long whole requests waited in the replay before they went out.
    pub waited: Latency,
    /// What happened when.
    pub timeline: Timeline,
    /// HTTP requests by route.
    pub routes: Routes,
    /// Requests that went wrong, the first of them.
    pub examples: Vec<Mismatch>,
}

impl Comparison {
    /// A comparison without any exchange.
    #[must_use]
    pub fn new(config: CompareConfig) -> Self {
        Self {
            origin: config.origin,
            handshakes: Handshakes::default(),
            over: Vec::with_capacity(MOST_OVER),
            requests: 0,
            http: 0,
            in_flight: 0,
            untracked: 0,
            online_refused_connections: 0,
            online: SideTotals::default(),
            target: SideTotals::default(),
            missing: 0,
            status_mismatches: 0,
            statuses: 0,
            length_mismatches: 0,
            resent: 0,
            at_once: Speed::default(),
            first: Speed::default(),
            last: Speed::default(),
            way: Latency::default(),
            waited: Latency::default(),
            timeline: Timeline::new(config.origin),
            routes: Routes::default(),
            examples: Vec::new(),
        }
    }

    /// When the comparison began.
    #[must_use]
    pub const fn origin(&self) -> Instant {
        self.origin
    }

    /// Takes what a session's meter has to tell.
    pub(crate) fn take(&mut self, meter: &mut Meter) {
        self.online_refused_connections += u64::from(meter.take_online_refused());
        if let Some(time) = meter.take_handshake() {
            self.way.record(time);
            self.handshakes.record(time);
        }
        let way = self.handshakes.usual();
        for exchange in meter.take_over() {
            match exchange {
                Some(exchange) => self.over.push((exchange, way)),
                None => self.untracked += 1,
            }
        }
        if self.over.len() >= MOST_OVER {
            self.settle();
        }
    }

    /// Records what is over.
    pub(crate) fn settle(&mut self) {
        let mut over = std::mem::take(&mut self.over);
        over.drain(..).for_each(|(exchange, way)| self.record(exchange, way));
        self.over = over;
    }

    /// Ways that were measured count so many microseconds more.
    pub(crate) fn move_clock(&mut self, micros: i64) {
        self.handshakes.shift(micros);
    }

    /// Takes an exchange that is over, with what the way to the target and back usually took by then.
    pub fn record(&mut self, exchange: Exchange, way: Duration) {
        if [exchange.online, exchange.target].contains(&Err(Failure::InFlight)) {
            self.in_flight += 1;
            return;
        }
        self.requests += 1;
        self.http += u64::from(exchange.line.is_some());
        self.online.record(exchange.online);
        self.target.record(exchange.target);
        if let Some(waited) = exchange.waited {
            self.waited.record(waited);
        }
        let missing = exchange.online.is_ok() && exchange.target.is_err();
        self.missing += u64::from(missing);
        let mismatch = self.compare_statuses(&exchange);
        let times = self.compare_times(&exchange, way);
        let route = self.routes.route_of(&exchange);
        if let Some(route) = route {
            route.requests += 1;
            route.missing += u64::from(missing);
            route.status_mismatches += u64::from(mismatch);
            if let Some((online, target)) = times {
                route.online.record(online);
                route.target.record(target);
            }
        }
        if let Some(interval) = self.timeline.interval_of(&exchange) {
            interval.requests += 1;
            interval.missing += u64::from(missing);
            if let Some((online, target)) = times {
                interval.online.record(online);
                interval.target.record(target);
            }
        }
        if missing || mismatch {
            self.keep_example(exchange);
        }
    }

    fn compare_statuses(&mut self, exchange: &Exchange) -> bool {
        let (Ok(online), Ok(target)) = (exchange.online, exchange.target) else { return false };
        self.length_mismatches += u64::from(online.octets != target.octets);
        let (Some(expected), Some(found)) = (online.status, target.status) else { return false };
        self.statuses += 1;
        self.status_mismatches += u64::from(expected != found);
        expected != found
    }

    /// Both servers' own times to the first octet, if they can be compared.
    fn compare_times(&mut self, exchange: &Exchange, way: Duration) -> Option<(Duration, Duration)> {
        let (Ok(online), Ok(target)) = (exchange.online, exchange.target) else { return None };
        if exchange.resent {
            self.resent += 1;
            return None;
        }
        let (first, last) = (target.first.saturating_sub(way), target.last.saturating_sub(way));
        if (online.first, first) == (online.last, last) {
            self.at_once.record(online.first, first);
        } else {
            self.first.record(online.first, first);
            self.last.record(online.last, last);
        }
        Some((online.first, first))
    }

    /// Times to the first octet of the answer.
    #[must_use]
    pub fn first(&self) -> Speed {
        self.with_those_at_once(&self.first)
    }

    /// Times to the last octet of the answer.
    #[must_use]
    pub fn last(&self) -> Speed {
        self.with_those_at_once(&self.last)
    }

    fn with_those_at_once(&self, others: &Speed) -> Speed {
        let mut all = self.at_once.clone();
        all.add(others);
        all
    }

    fn keep_example(&mut self, exchange: Exchange) {
        if self.examples.len() < MAX_EXAMPLES {
            let Exchange { handed, line, online, target, .. } = exchange;
            self.examples.push(Mismatch { at: handed, line, online, target });
        }
    }

    /// Takes what another replayer has compared since the same origin.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.http += other.http;
        self.in_flight += other.in_flight;
        self.untracked += other.untracked;
        self.online_refused_connections += other.online_refused_connections;
        self.online.add(&other.online);
        self.target.add(&other.target);
        self.missing += other.missing;
        self.status_mismatches += other.status_mismatches;
        self.statuses += other.statuses;
        self.length_mismatches += other.length_mismatches;
        self.resent += other.resent;
        self.at_once.add(&other.at_once);
        self.first.add(&other.first);
        self.last.add(&other.last);
        self.way.add(&other.way);
        self.waited.add(&other.waited);
        self.timeline.add(&other.timeline);
        self.routes.add(&other.routes);
        self.examples.extend(other.examples.iter().cloned());
        self.examples.sort_by_key(|example| example.at);
        self.examples.truncate(MAX_EXAMPLES);
    }
}
