//! As much of HTTP/1 as tells requests and answers apart: the request line and the status line.

use super::Detail;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The longest path that is kept, in octets.
const MAX_PATH: usize = 256;
/// Methods whose names take no memory (RFC 9110, section 9.1, and RFC 5789).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// What is kept of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    method: Cow<'static, str>,
    path: Option<Box<str>>,
    pattern: u64,
}

impl RequestLine {
    /// A request for this path, whose query is left out.
    #[must_use]
    pub fn new(method: &str, path: &str, detail: Detail) -> Self {
        let known = METHODS.into_iter().find(|known| *known == method);
        let end = path.bytes().take(MAX_PATH).position(|octet| matches!(octet, b'?' | b'#'));
        let end = end.unwrap_or(path.len().min(MAX_PATH));
        let end = (0..=end).rev().find(|end| path.is_char_boundary(*end)).unwrap_or(0);
        let path = path.get(..end).unwrap_or_default();
        Self {
            method: known.map_or_else(|| Cow::Owned(method.to_owned()), Cow::Borrowed),
            path: (detail == Detail::Paths).then(|| path.into()),
            pattern: pattern_number(path),
        }
    }

    /// The line of a request that begins with these octets, if it is HTTP/1.
    pub(super) fn parse(octets: &[u8], detail: Detail) -> Option<Self> {
        let mut request = httparse::Request::new(&mut []);
        // It is incomplete: what has come of it is parsed all the same.
        let _ = request.parse(first_line(octets));
        Some(Self::new(request.method?, request.path?, detail))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path, where paths are kept.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The name of the route. Where no path is kept, it is a number that cannot be turned back into one.
    pub(super) fn route(&self) -> String {
        match &self.path {
            Some(path) => format!("{} {}", self.method, pattern(path)),
            None => format!("{} #{:06x}", self.method, self.pattern & 0x00ff_ffff),
        }
    }

    /// What tells routes apart.
    pub(super) const fn route_key(&self) -> (&Cow<'static, str>, u64) {
        (&self.method, self.pattern)
    }
}

fn first_line(octets: &[u8]) -> &[u8] {
    octets.split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default()
}

/// The status of an answer that begins with these octets. Interim answers are passed over as far as they are seen.
pub(super) fn status(octets: &[u8]) -> Option<u16> {
    let mut answer = httparse::Response::new(&mut []);
    let _ = answer.parse(first_line(octets));
    let status = answer.code?;
    if status >= 200 {
        return Some(status);
    }
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
    let next = end.and_then(|end| octets.get(end + 4..)).and_then(self::status);
    next.or(Some(status))
}

/// A path with what looks like a name of one thing among many replaced by `*`: segments with a digit, and long ones.
fn pattern(path: &str) -> String {
    let segment = |octets| str::from_utf8(octets).unwrap_or_default();
    pattern_segments(path).map(segment).collect::<Vec<_>>().join("/")
}

/// The same as a number.
fn pattern_number(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    pattern_segments(path).for_each(|segment| segment.hash(&mut hasher));
    hasher.finish()
}

fn pattern_segments(path: &str) -> impl Iterator<Item = &[u8]> {
    const LONG: usize = 32;
    let varies = |segment: &[u8]| segment.len() > LONG || segment.iter().any(u8::is_ascii_digit);
    let segments = path.as_bytes().split(|octet| *octet == b'/');
    segments.map(move |segment| if varies(segment) { &b"*"[..] } else { segment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_first_line() {
        let cases = [
            ("GET /a/b?secret=1 HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET", "/a/b"))),
            ("POST http://x/y HTTP/1.0\r\n", Some(("POST", "http://x/y"))),
            ("GET /cut HTTP", Some(("GET", "/cut"))),
            ("PURGE /cache#top HTTP/1.1\r\n", Some(("PURGE", "/cache"))),
            ("*3\r\n$3\r\nSET\r\n", None),
            ("\u{3}\0\0\u{1}", None),
            ("", None),
        ];
        for (octets, expected) in cases {
            let found = RequestLine::parse(octets.as_bytes(), Detail::Paths);
            let found = found.as_ref().map(|line| (line.method(), line.path().unwrap_or("no path")));
            assert_eq!(found, expected, "{octets}");
        }
    }

    #[test]
    fn a_long_path_is_cut() {
        // The last octet within the limit begins a letter of two.
        let path = format!("/{}ä{}", "x".repeat(MAX_PATH - 2), "x".repeat(1000));
        let line = RequestLine::new("GET", &path, Detail::Paths);
        assert_eq!(line.path().unwrap().len(), MAX_PATH - 1);
    }

    #[test]
    fn the_status_is_the_final_one_where_it_is_seen() {
        let cases = [
            ("HTTP/1.1 404 Not Found\r\n", Some(404)),
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.1 100 Continue\r\n\r\n", Some(100)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n", Some(503)),
            ("+OK\r\n", None),
            ("HTTP/1.1 2", None),
        ];
        for (octets, expected) in cases {
            assert_eq!(status(octets.as_bytes()), expected, "{octets}");
        }
    }

    #[test]
    fn what_names_one_thing_among_many_is_left_out_of_the_pattern() {
        let cases = [
            ("/users/17/posts", "/users/*/posts"),
            ("/a1/b", "/*/b"),
            ("/", "/"),
            ("/img/0f8fad5b-d9cb-469f-a165-70867728950e.png", "/img/*"),
            ("/averyveryveryveryveryverylongsegment/x", "/*/x"),
        ];
        for (path, expected) in cases {
            assert_eq!(pattern(path), expected);
        }
    }

    #[test]
    fn routes_are_told_apart_by_method_and_pattern_with_and_without_paths() {
        let names = |detail| {
            let lines = [("GET", "/a/1"), ("GET", "/a/2?x"), ("POST", "/a/1"), ("GET", "/a/b"), ("GET", "/a")];
            lines.map(|(method, path)| RequestLine::new(method, path, detail).route())
        };
        assert_eq!(names(Detail::Paths), ["GET /a/*", "GET /a/*", "POST /a/*", "GET /a/b", "GET /a"]);
        let [first, same, other_method, other_path, shorter] = names(Detail::Anonymous);
        assert_eq!(first, same);
        assert_eq!(other_method, first.replace("GET", "POST"));
        assert!(first.starts_with("GET #") && first != other_path && first != shorter, "{first}");
    }
}
