//! What an application wrote down about its requests, and what follows from two such files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::http::Request;

/// How a request ended at the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It arrived completely.
    Whole,
    /// Its connection ended before it was complete.
    Partial,
    /// It was no request.
    Malformed,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partial => "partial",
            Self::Malformed => "malformed",
        }
    }
}

/// One line of a record file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How the request ended.
    pub kind: Kind,
    /// The name of the request.
    pub id: String,
    /// How many octets of it arrived.
    pub len: u64,
    /// Their hash.
    pub hash: u64,
    /// When the last of them arrived, in milliseconds since 1970.
    pub at_ms: u128,
}

impl Record {
    /// A record of `request`, now.
    #[must_use]
    pub fn now(kind: Kind, request: Request) -> Self {
        Self { kind, id: request.id, len: request.len, hash: request.hash, at_ms: unix_ms() }
    }

    /// The record written as `line`, if it is one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = match words.next()? {
            "whole" => Kind::Whole,
            "partial" => Kind::Partial,
            "malformed" => Kind::Malformed,
            _ => return None,
        };
        Some(Self {
            kind,
            id: words.next()?.to_owned(),
            len: words.next()?.parse().ok()?,
            hash: u64::from_str_radix(words.next()?, 16).ok()?,
            at_ms: words.next()?.parse().ok()?,
        })
    }

    /// Connection and request number in the name that `tc-load` gave the request.
    #[must_use]
    pub fn numbers(&self) -> Option<(usize, usize)> {
        numbers_of(&self.id)
    }
}

/// Connection and request number in the name that `tc-load` gave a request.
#[must_use]
pub fn numbers_of(id: &str) -> Option<(usize, usize)> {
    let mut parts = id.rsplit('-');
    let request = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, request))
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, len, hash, at_ms } = self;
        write!(f, "{} {id} {len} {hash:016x} {at_ms}", kind.word())
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// The records of the file at `path`; none if it does not exist yet. A last line without an end is left out.
#[must_use]
pub fn load(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| Record::parse(line.strip_suffix('\n')?)).collect()
}

/// Each of these records so many times.
#[must_use]
pub fn repeated(records: &[Record], times: usize) -> Vec<Record> {
    (0..times).flat_map(|_| records).cloned().collect()
}

/// What became of the online application's requests at the target's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Requests that the online application got.
    pub online: usize,
    /// Requests that the target application got.
    pub target: usize,
    /// Requests that only the online one got.
    pub missing: Vec<String>,
    /// Requests that the target got more often.
    pub duplicated: Vec<String>,
    /// Requests that the target got with other octets.
    pub different: Vec<String>,
    /// Requests that the online one never got.
    pub foreign: Vec<String>,
    /// Requests that the target got only a part of, and what was no request.
    pub partial: Vec<String>,
}

impl Verdict {
    /// Compares what the two applications wrote down.
    #[must_use]
    pub fn of(online: &[Record], target: &[Record]) -> Self {
        let (online_by_id, target_by_id) = (by_id(online), by_id(target));
        let mut verdict = Self {
            online: whole(online).count(),
            target: whole(target).count(),
            partial: target
                .iter()
                .filter(|record| record.kind != Kind::Whole)
                .map(|record| record.id.clone())
                .collect(),
            ..Self::default()
        };
        for (&id, sent) in &online_by_id {
            verdict.judge(id, sent, target_by_id.get(id).map_or(&[], Vec::as_slice));
        }
        verdict.foreign =
            target_by_id.keys().filter(|&id| !online_by_id.contains_key(id)).map(|&id| id.to_owned()).collect();
        verdict
    }

    fn judge(&mut self, id: &str, sent: &[(u64, u64)], arrived: &[(u64, u64)]) {
        let list = match arrived.len() {
            _ if arrived.iter().any(|octets| !sent.contains(octets)) => &mut self.different,
            n if n < sent.len() => &mut self.missing,
            n if n > sent.len() => &mut self.duplicated,
            _ => return,
        };
        list.push(id.to_owned());
    }

    /// Whether the target got every request of the online application exactly once, octet for octet, and no others.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        self.online == self.target && self.missing.is_empty() && self.is_part()
    }

    /// Whether the target got requests of the online application only, none more than once, octet for octet.
    #[must_use]
    pub fn is_part(&self) -> bool {
        let faults = [&self.duplicated, &self.different, &self.foreign, &self.partial];
        faults.iter().all(|list| list.is_empty())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "online {} target {}", self.online, self.target)?;
        let lists = [
            ("missing", &self.missing),
            ("duplicated", &self.duplicated),
            ("different", &self.different),
            ("foreign", &self.foreign),
            ("partial", &self.partial),
        ];
        for (name, list) in lists {
            write!(f, " {name} {}", list.len())?;
            if !list.is_empty() {
                let few: Vec<_> = list.iter().take(5).map(String::as_str).collect();
                write!(f, " ({} …)", few.join(" "))?;
            }
        }
        Ok(())
    }
}

fn whole(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| record.kind == Kind::Whole)
}

fn by_id(records: &[Record]) -> BTreeMap<&str, Vec<(u64, u64)>> {
    let mut map: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for record in whole(records) {
        map.entry(&record.id).or_default().push((record.len, record.hash));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, id: &str, hash: u64) -> Record {
        Record { kind, id: id.to_owned(), len: 10, hash, at_ms: 5 }
    }

    fn whole_records(ids: &[(&str, u64)]) -> Vec<Record> {
        ids.iter().map(|&(id, hash)| record(Kind::Whole, id, hash)).collect()
    }

    #[test]
    fn a_record_survives_its_file() {
        let record = record(Kind::Partial, "a-1-2", 0xfeed);
        assert_eq!(Record::parse(&record.to_string()), Some(record));
    }

    #[test]
    fn the_same_requests_in_another_order_are_perfect() {
        let online = whole_records(&[("a", 1), ("b", 2)]);
        let target = whole_records(&[("b", 2), ("a", 1)]);
        assert!(Verdict::of(&online, &target).is_perfect());
    }

    #[test]
    fn each_fault_has_its_list() {
        let online = whole_records(&[("lost", 1), ("twice", 2), ("spoiled", 3)]);
        let mut target = whole_records(&[("twice", 2), ("twice", 2), ("spoiled", 4), ("stray", 5)]);
        target.push(record(Kind::Partial, "half", 6));
        let verdict = Verdict::of(&online, &target);
        assert_eq!(verdict.missing, ["lost"]);
        assert_eq!(verdict.duplicated, ["twice"]);
        assert_eq!(verdict.different, ["spoiled"]);
        assert_eq!(verdict.foreign, ["stray"]);
        assert_eq!(verdict.partial, ["half"]);
        assert!(!verdict.is_perfect());
    }
}
