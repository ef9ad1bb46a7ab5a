//! As much HTTP/1.1 as the application and the load need: heads, `Content-Length` bodies, keep-alive.

use crate::content::{Content, Fnv};

/// The header that names a request.
pub const ID_HEADER: &str = "X-Request-Id";
/// The length of an answer whose request does not ask for one.
pub const DEFAULT_ANSWER_LEN: usize = 100;

const HEAD_LIMIT: usize = 64 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request that arrived completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The value of [`ID_HEADER`], `-` without one.
    pub id: String,
    /// How many octets of body it asks for.
    pub answer_len: usize,
    /// The octets of head and body.
    pub len: u64,
    /// The hash of these octets.
    pub hash: u64,
}

/// A head that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Cuts a stream into requests.
#[derive(Debug, Default)]
pub struct RequestReader {
    head: Vec<u8>,
    hash: Fnv,
    len: u64,
    body: Option<(Request, u64)>,
}

impl RequestReader {
    /// Takes octets as they arrive and adds each request that they complete to `requests`.
    ///
    /// # Errors
    ///
    /// The stream is not HTTP; nothing after that can be understood.
    pub fn read(&mut self, octets: &[u8], requests: &mut Vec<Request>) -> Result<(), Malformed> {
        let mut rest = octets;
        while !rest.is_empty() {
            let taken = if self.body.is_some() { self.read_body(rest) } else { self.read_head(rest)? };
            self.hash.update(&rest[..taken]);
            self.len += taken as u64;
            rest = &rest[taken..];
            requests.extend(self.complete());
        }
        Ok(())
    }

    /// What arrived of a request that is not complete: its name, its length and hash so far.
    #[must_use]
    pub fn partial(&self) -> Option<Request> {
        let request = self.body.as_ref().map(|(request, _)| request.clone());
        (self.len > 0).then(|| Request {
            len: self.len,
            hash: self.hash.value(),
            ..request.unwrap_or(Request { id: "-".to_owned(), answer_len: 0, len: 0, hash: 0 })
        })
    }

    fn read_head(&mut self, octets: &[u8]) -> Result<usize, Malformed> {
        let Some(taken) = take_head(&mut self.head, octets)? else {
            return Ok(octets.len());
        };
        self.body = Some(parse_request(&self.head)?);
        self.head.clear();
        Ok(taken)
    }

    fn read_body(&mut self, octets: &[u8]) -> usize {
        let Some((_, left)) = &mut self.body else {
            return 0;
        };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
        *left -= taken as u64;
        taken
    }

    fn complete(&mut self) -> Option<Request> {
        let (mut request, _) = self.body.take_if(|(_, left)| *left == 0)?;
        request.len = std::mem::take(&mut self.len);
        request.hash = std::mem::take(&mut self.hash).value();
        Some(request)
    }
}

/// Appends `octets` to `head` up to the end of the head; how many were taken, if the head is complete.
fn take_head(head: &mut Vec<u8>, octets: &[u8]) -> Result<Option<usize>, Malformed> {
    let before = head.len();
    head.extend_from_slice(octets);
    let from = before.saturating_sub(HEAD_END.len() - 1);
    let end = head[from..].windows(HEAD_END.len()).position(|window| window == HEAD_END);
    match end {
        Some(at) => {
            let end = from + at + HEAD_END.len();
            head.truncate(end);
            Ok(Some(end - before))
        }
        None if head.len() > HEAD_LIMIT => Err(Malformed),
        None => Ok(None),
    }
}

fn parse_request(head: &[u8]) -> Result<(Request, u64), Malformed> {
    let text = str::from_utf8(head).map_err(|_| Malformed)?;
    let path = text.split(' ').nth(1).ok_or(Malformed)?;
    let answer_len = match path.strip_prefix("/bytes/") {
        Some(rest) => rest.split('/').next().unwrap_or_default().parse().map_err(|_| Malformed)?,
        None => DEFAULT_ANSWER_LEN,
    };
    let body_len = match header(text, "Content-Length") {
        Some(len) => len.parse().map_err(|_| Malformed)?,
        None => 0,
    };
    let request =
        Request { id: header(text, ID_HEADER).unwrap_or("-").to_owned(), answer_len, len: 0, hash: 0 };
    Ok((request, body_len))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The octets of a request: `body_len` octets of body, if any, from the id.
#[must_use]
pub fn write_request(id: &str, host: &str, answer_len: usize, body_len: usize) -> Vec<u8> {
    let method = if body_len == 0 { "GET" } else { "POST" };
    let mut octets =
        format!("{method} /bytes/{answer_len}/{id} HTTP/1.1\r\nHost: {host}\r\n{ID_HEADER}: {id}\r\n")
            .into_bytes();
    if body_len > 0 {
        octets.extend_from_slice(format!("Content-Length: {body_len}\r\n").as_bytes());
    }
    octets.extend_from_slice(b"\r\n");
    append_content(&mut octets, Fnv::of(id.as_bytes()), body_len);
    octets
}

/// The octets of the answer to `request` by the server `name`, with this status. Its content follows from the octets of the request.
#[must_use]
pub fn write_answer(request: &Request, status: u16, name: &str, connection: &str) -> Vec<u8> {
    let (id, len) = (&request.id, request.answer_len);
    let mut octets = format!(
        "HTTP/1.1 {status} X\r\nServer: {name}\r\n{ID_HEADER}: {id}\r\nConnection: {connection}\r\n\
         Content-Length: {len}\r\n\r\n"
    )
    .into_bytes();
    append_content(&mut octets, request.hash, len);
    octets
}

fn append_content(octets: &mut Vec<u8>, seed: u64, len: usize) {
    let start = octets.len();
    octets.resize(start + len, 0);
    Content::new(seed).fill(&mut octets[start..]);
}

/// Reads one answer and says what is wrong with it.
#[derive(Debug)]
pub struct AnswerReader {
    head: Vec<u8>,
    content: Content,
    left: Option<usize>,
    wrong: Option<String>,
}

impl AnswerReader {
    /// A reader of the answer to the request whose octets are `request`.
    #[must_use]
    pub fn new(request: &[u8]) -> Self {
        Self { head: Vec::new(), content: Content::new(Fnv::of(request)), left: None, wrong: None }
    }

    /// Takes octets as they arrive from `server`; when the answer is complete, what is wrong with it, if anything.
    pub fn read(&mut self, octets: &[u8], server: &str, id: &str) -> Option<Result<(), String>> {
        let mut rest = octets;
        if self.left.is_none() {
            match take_head(&mut self.head, rest) {
                Ok(Some(taken)) => rest = &rest[taken..],
                Ok(None) => return None,
                Err(Malformed) => return Some(Err("an endless head".to_owned())),
            }
            let head = String::from_utf8_lossy(&self.head).into_owned();
            match check_head(&head, server, id) {
                Ok(len) => self.left = Some(len),
                Err(wrong) => return Some(Err(wrong)),
            }
        }
        self.read_body(rest)
    }

    fn read_body(&mut self, octets: &[u8]) -> Option<Result<(), String>> {
        let left = self.left.as_mut()?;
        if octets.len() > *left {
            return Some(Err("octets after the answer".to_owned()));
        }
        if !self.content.matches(octets) {
            self.wrong = Some("other content than expected".to_owned());
        }
        *left -= octets.len();
        (*left == 0).then(|| self.wrong.take().map_or(Ok(()), Err))
    }
}

fn check_head(head: &str, server: &str, id: &str) -> Result<usize, String> {
    let mismatch = || format!("the head of another answer: {head:?}");
    let right = head.starts_with("HTTP/1.1 200 ")
        && header(head, "Server") == Some(server)
        && header(head, ID_HEADER) == Some(id);
    if !right {
        return Err(mismatch());
    }
    header(head, "Content-Length").and_then(|len| len.parse().ok()).ok_or_else(mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_pieces(octets: &[u8], size: usize) -> (RequestReader, Vec<Request>) {
        let (mut reader, mut requests) = (RequestReader::default(), Vec::new());
        for piece in octets.chunks(size) {
            reader.read(piece, &mut requests).unwrap();
        }
        (reader, requests)
    }

    #[test]
    fn requests_are_the_same_however_the_stream_is_cut() {
        let first = write_request("a-0-0", "online", 5, 300);
        let second = write_request("a-0-1", "online", 7, 0);
        let stream = [first.clone(), second].concat();
        for size in [1, 2, 3, 50, 1000] {
            let (reader, requests) = read_in_pieces(&stream, size);
            assert_eq!(requests.len(), 2);
            assert_eq!(requests[0].len, first.len() as u64);
            assert_eq!(requests[0].hash, Fnv::of(&first));
            assert_eq!((requests[1].id.as_str(), requests[1].answer_len), ("a-0-1", 7));
            assert_eq!(reader.partial(), None);
        }
    }

    #[test]
    fn half_a_request_is_partial() {
        let octets = write_request("a-0-0", "online", 5, 300);
        let (reader, requests) = read_in_pieces(&octets[..octets.len() - 1], 64);
        assert!(requests.is_empty());
        let partial = reader.partial().unwrap();
        assert_eq!((partial.id.as_str(), partial.len), ("a-0-0", octets.len() as u64 - 1));
    }

    #[test]
    fn an_answer_belongs_to_its_request_and_its_server() {
        let octets = write_request("a-0-0", "online", 5000, 0);
        let (_, requests) = read_in_pieces(&octets, 4096);
        let answer = write_answer(&requests[0], 200, "online", "keep-alive");
        let read = |server: &str, answer: &[u8]| AnswerReader::new(&octets).read(answer, server, "a-0-0");
        assert_eq!(read("online", &answer), Some(Ok(())));
        assert!(matches!(read("target", &answer), Some(Err(_))));
        let mut spoiled = answer.clone();
        *spoiled.last_mut().unwrap() ^= 1;
        assert!(matches!(read("online", &spoiled), Some(Err(_))));
        assert_eq!(read("online", &answer[..answer.len() - 1]), None);
    }
}
