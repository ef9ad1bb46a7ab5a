//! As much of HTTP/1 as tells requests and answers apart: the request line and the status line.

use super::Detail;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

/// The longest path that is kept, in octets.
const MAX_PATH: usize = 256;
/// The longest request line that is looked at, in octets (RFC 9112, section 3).
const MAX_LINE: usize = 8000;
/// Methods whose names take no memory (RFC 9110, section 9.1, and RFC 5789).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
/// The protocol's name and major version (RFC 9112, section 2.3).
const VERSION: &[u8] = b"HTTP/1.";

/// What is kept of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    pattern: u64,
    /// Which of the known methods.
    known: Option<u8>,
    /// What takes memory.
    kept: Option<Box<Kept>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    /// A method that is not known.
    method: String,
    path: Option<String>,
}

impl RequestLine {
    /// A request for this path, whose query is left out.
    #[must_use]
    pub fn new(method: &str, path: &str, detail: Detail) -> Self {
        Self::of(method.as_bytes(), path.as_bytes(), detail)
    }

    fn of(method: &[u8], path: &[u8], detail: Detail) -> Self {
        let known = (0..).zip(METHODS).find(|(_, known)| known.as_bytes() == method);
        let known = known.map(|(number, _)| number);
        let path = path.get(..MAX_PATH).unwrap_or(path);
        let path = path.split(|octet| matches!(octet, b'?' | b'#')).next().unwrap_or_default();
        let kept = (known.is_none() || detail == Detail::Paths).then(|| {
            let method = if known.is_none() { text(method) } else { String::new() };
            Box::new(Kept { method, path: (detail == Detail::Paths).then(|| text(path)) })
        });
        Self { pattern: pattern_number(path), known, kept }
    }

    /// The line of a request that begins with these octets, if it is HTTP/1.
    pub(super) fn parse(octets: &[u8], detail: Detail) -> Option<Self> {
        let (method, rest) = word(octets, is_token)?;
        let (path, rest) = word(rest, is_visible)?;
        // The end of the line may be yet to come.
        let version = rest.get(..VERSION.len()).unwrap_or(rest);
        VERSION.starts_with(version).then(|| Self::of(method, path, detail))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        let known = self.known.and_then(|number| METHODS.get(usize::from(number)));
        known.copied().or(self.kept.as_ref().map(|kept| kept.method.as_str())).unwrap_or_default()
    }

    /// The path, where paths are kept.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.kept.as_ref()?.path.as_deref()
    }

    /// The name of the route. Where no path is kept, it is a number that cannot be turned back into one.
    pub(super) fn route(&self) -> String {
        match self.path() {
            Some(path) => format!("{} {}", self.method(), text(&pattern(path.as_bytes()))),
            None => format!("{} #{:06x}", self.method(), self.pattern & 0x00ff_ffff),
        }
    }

    /// What tells routes apart.
    pub(super) fn route_key(&self) -> (Cow<'_, str>, u64) {
        (Cow::Borrowed(self.method()), self.pattern)
    }
}

/// The octets as text, without a letter that is cut at their end.
fn text(octets: &[u8]) -> String {
    let end = match str::from_utf8(octets) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Ok(_) | Err(_) => octets.len(),
    };
    String::from_utf8_lossy(octets.get(..end).unwrap_or_default()).into_owned()
}

/// The first word of a line, of such octets, and what comes behind its blank.
fn word(octets: &[u8], is_of_it: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = octets.iter().take(MAX_LINE).position(|octet| !is_of_it(*octet)).filter(|end| *end > 0)?;
    let rest = octets.get(end..)?.strip_prefix(b" ")?;
    Some((octets.get(..end)?, rest))
}

/// What may stand in a target: all but blanks and controls.
const fn is_visible(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f
}

/// RFC 9110, section 5.6.2
const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The status of an answer that begins with these octets (RFC 9112, section 4). Interim answers are passed over as far
/// as they are seen.
pub(super) fn status(octets: &[u8]) -> Option<u16> {
    let [_minor, b' ', digits @ ..] = octets.strip_prefix(VERSION)? else { return None };
    let digits = digits.first_chunk::<3>()?;
    let status = digits
        .iter()
        .try_fold(0, |status, digit| digit.is_ascii_digit().then(|| status * 10 + u16::from(digit - b'0')))?;
    if status >= 200 {
        return Some(status);
    }
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
    let next = end.and_then(|end| octets.get(end + 4..)).and_then(self::status);
    next.or(Some(status))
}

/// A path with what looks like a name of one thing among many replaced by `*`: segments with a digit, and long ones.
fn pattern(path: &[u8]) -> SmallVec<[u8; MAX_PATH]> {
    const LONG: usize = 32;
    let mut pattern = SmallVec::new();
    for (number, segment) in path.split(|octet| *octet == b'/').enumerate() {
        if number > 0 {
            pattern.push(b'/');
        }
        let varies = segment.len() > LONG || segment.iter().any(u8::is_ascii_digit);
        pattern.extend_from_slice(if varies { b"*" } else { segment });
    }
    pattern
}

/// The same as a number.
fn pattern_number(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&pattern(path));
    hasher.finish()
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
            ("set key 0 60 5\r\nvalue\r\n", None),
            ("EHLO mail.example HTTP\u{1}", None),
            ("GET /no version\r\n", None),
            ("GET  HTTP/1.1\r\n", None),
            ("G\u{e4}T / HTTP/1.1\r\n", None),
            ("GET /a\tb HTTP/1.1\r\n", None),
            ("PRI * HTTP/2.0\r\n\r\n", None),
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
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 2x0 OK", None),
            ("HTTP/2 200", None),
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
            assert_eq!(pattern(path.as_bytes()).as_slice(), expected.as_bytes());
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
