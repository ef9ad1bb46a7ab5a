//! Requests by method and path pattern.

use super::{Detail, Exchange, Latency, http};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Routes that are told apart; what comes beyond goes together.
const MAX_ROUTES: usize = 256;
/// The name of all further routes.
const OTHERS: &str = "other routes";

/// The requests of one route.
#[derive(Clone, Debug)]
pub struct Route {
    /// All of them.
    pub requests: u64,
    /// Those that both servers answered, with different statuses.
    pub status_mismatches: u64,
    /// Those that the target did not answer although the online server did.
    pub missing: u64,
    /// The online server's times to the first octet.
    pub online: Latency,
    /// The target's own.
    pub target: Latency,
}

impl Route {
    fn new() -> Self {
        Self {
            requests: 0,
            status_mismatches: 0,
            missing: 0,
            online: Latency::coarse(),
            target: Latency::coarse(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.status_mismatches += other.status_mismatches;
        self.missing += other.missing;
        self.online.add(&other.online);
        self.target.add(&other.target);
    }
}

/// All routes of HTTP requests, by name.
#[derive(Clone, Debug, Default)]
pub struct Routes(BTreeMap<String, Route>);

impl Routes {
    /// The routes and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Route)> {
        self.0.iter().map(|(name, route)| (name.as_str(), route))
    }

    /// The route of an exchange, for what is to be noted there; none if it is not HTTP.
    pub(super) fn route_of(&mut self, exchange: &Exchange, detail: Detail) -> Option<&mut Route> {
        let (method, path) = exchange.method.as_deref().zip(exchange.path.as_deref())?;
        Some(self.entry(name(method, &http::pattern(path), detail)))
    }

    fn entry(&mut self, name: String) -> &mut Route {
        let full = self.0.len() >= MAX_ROUTES && !self.0.contains_key(&name);
        self.0.entry(if full { OTHERS.to_owned() } else { name }).or_insert_with(Route::new)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (name, route) in &other.0 {
            self.entry(name.clone()).add(route);
        }
    }
}

/// Without paths, routes are numbered by what cannot be turned back into one.
fn name(method: &str, pattern: &str, detail: Detail) -> String {
    match detail {
        Detail::Paths => format!("{method} {pattern}"),
        Detail::Anonymous => {
            let mut hasher = DefaultHasher::new();
            pattern.hash(&mut hasher);
            format!("{method} #{:06x}", hasher.finish() & 0x00ff_ffff)
        }
    }
}
