//! Requests by method and path pattern.

use super::{Exchange, Latency};
use crate::table::Table;
use std::borrow::Cow;

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

/// What tells routes apart: the method, and a number for the pattern.
type Key<'a> = (Cow<'a, str>, u64);

/// All routes of HTTP requests, by name.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Where each is.
    places: Table<Key<'static>, usize>,
    routes: Vec<(Key<'static>, String, Route)>,
}

impl Routes {
    /// The routes and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Route)> {
        self.routes.iter().map(|(_, name, route)| (name.as_str(), route))
    }

    /// The route of an exchange, for what is to be noted there; none if it is not HTTP.
    pub(super) fn route_of(&mut self, exchange: &Exchange) -> Option<&mut Route> {
        let line = exchange.line.as_ref()?;
        self.entry(&line.route_key(), || line.route())
    }

    fn entry(&mut self, key: &Key<'_>, name: impl FnOnce() -> String) -> Option<&mut Route> {
        let places: &Table<Key<'_>, usize> = &self.places;
        let place = match places.get(key) {
            Some(&place) => place,
            None if self.routes.len() < MAX_ROUTES => {
                let (method, pattern) = key.clone();
                self.insert((Cow::Owned(method.into_owned()), pattern), name())
            }
            None => {
                let others = (Cow::Borrowed(OTHERS), 0);
                self.places.get(&others).copied().unwrap_or_else(|| self.insert(others, OTHERS.to_owned()))
            }
        };
        self.routes.get_mut(place).map(|(_, _, route)| route)
    }

    fn insert(&mut self, key: Key<'static>, name: String) -> usize {
        self.places.insert(key.clone(), self.routes.len());
        self.routes.push((key, name, Route::new()));
        self.routes.len() - 1
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (key, name, route) in &other.routes {
            if let Some(own) = self.entry(key, || name.clone()) {
                own.add(route);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(numbers: impl Iterator<Item = u64>) -> Routes {
        let mut routes = Routes::default();
        for number in numbers {
            routes.entry(&(Cow::Borrowed("GET"), number), || format!("GET {number}")).unwrap().requests += 1;
        }
        routes
    }

    #[test]
    fn what_is_more_than_can_be_told_apart_goes_together_also_when_added() {
        let mut routes = fill(0..300);
        routes.add(&fill(200..500));
        assert_eq!(routes.iter().count(), MAX_ROUTES + 1);
        let requests =
            |name: &str| routes.iter().find(|(found, _)| *found == name).map(|(_, route)| route.requests);
        assert_eq!((requests("GET 7"), requests("GET 255")), (Some(1), Some(2)));
        assert_eq!(requests(OTHERS), Some(44 + 44 + 200));
        assert_eq!(routes.iter().map(|(_, route)| route.requests).sum::<u64>(), 600);
    }
}
