//! A page of metrics, fetched and taken apart.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(500);
/// More than any page has.
const MAX_PAGE: u64 = 1 << 20;

/// The numbers of a page, by name and labels as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    values: BTreeMap<String, u64>,
}

impl Page {
    /// Asks a program for its page.
    pub(super) fn fetch(source: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&source, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {source}\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.take(MAX_PAGE).read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(Self::parse(body)),
            _ => Err(io::Error::other("it serves no metrics of ours")),
        }
    }

    /// Takes the text format of Prometheus apart.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            Some((key.to_owned(), value.parse().ok()?))
        });
        Self { values: values.collect() }
    }

    /// A number; 0 if the page has none of this name.
    pub(super) fn value(&self, key: &str) -> u64 {
        self.values.get(key).copied().unwrap_or(0)
    }

    /// The numbers of one name, by their label.
    pub(super) fn labelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> + 'a {
        self.values.iter().filter_map(move |(key, value)| {
            let label = key.strip_prefix(name)?.strip_prefix('{')?.split('"').nth(1)?;
            Some((label, *value))
        })
    }

    /// Whether it is the page of this program.
    pub(super) fn is_of(&self, program: &str) -> bool {
        self.values.keys().any(|key| key.starts_with(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name_and_label() {
        let page = Page::parse("# HELP a A.\n# TYPE a counter\na 7\nb{for=\"x y\"} 1\nb{for=\"z\"} 2\n\n");
        assert_eq!((page.value("a"), page.value("b{for=\"z\"}"), page.value("c")), (7, 2, 0));
        assert_eq!(page.labelled("b").collect::<Vec<_>>(), [("x y", 1), ("z", 2)]);
        assert!(page.is_of("a") && !page.is_of("tcpcopy"));
    }
}
