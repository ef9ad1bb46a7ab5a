//! As much of HTTP/1 as tells requests and answers apart: the request line and the status line.

/// The longest path that is kept, in octets.
const MAX_PATH: usize = 256;

/// The method and the path, without its query, of a request that begins with these octets.
pub(super) fn request_line(octets: &[u8]) -> Option<(Box<str>, Box<str>)> {
    let mut request = httparse::Request::new(&mut []);
    // No room for headers: what comes before them is parsed all the same.
    let _ = request.parse(octets);
    let (method, path) = (request.method?, request.path?);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let end = (0..=path.len().min(MAX_PATH)).rev().find(|end| path.is_char_boundary(*end)).unwrap_or(0);
    Some((method.into(), path.get(..end).unwrap_or_default().into()))
}

/// The status of an answer that begins with these octets. Interim answers are passed over as far as they are seen.
pub(super) fn status(octets: &[u8]) -> Option<u16> {
    let mut answer = httparse::Response::new(&mut []);
    let _ = answer.parse(octets);
    let status = answer.code?;
    if status >= 200 {
        return Some(status);
    }
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
    let next = end.and_then(|end| octets.get(end + 4..)).and_then(self::status);
    next.or(Some(status))
}

/// A path with what looks like a name of one thing among many replaced by `*`: segments with a digit, and long ones.
pub(super) fn pattern(path: &str) -> String {
    const LONG: usize = 32;
    let varies = |segment: &str| segment.len() > LONG || segment.bytes().any(|octet| octet.is_ascii_digit());
    let fixed = |segment| if varies(segment) { "*" } else { segment };
    path.split('/').map(fixed).collect::<Vec<_>>().join("/")
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
            ("*3\r\n$3\r\nSET\r\n", None),
            ("\u{3}\0\0\u{1}", None),
            ("", None),
        ];
        for (octets, expected) in cases {
            let found = request_line(octets.as_bytes());
            let found = found.as_ref().map(|(method, path)| (&**method, &**path));
            assert_eq!(found, expected, "{octets}");
        }
    }

    #[test]
    fn a_long_path_is_cut() {
        let path = format!("GET /{} HTTP/1.1\r\n", "x".repeat(1000));
        assert_eq!(request_line(path.as_bytes()).unwrap().1.len(), MAX_PATH);
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
}
