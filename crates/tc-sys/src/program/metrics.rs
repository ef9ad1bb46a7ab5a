//! The page of `--metrics`: figures in the text format of Prometheus, over HTTP.
//!
//! One page needs no thread and no framework. A bounded number of connections is served by the event loop: each gets a
//! bounded time and room for its request, and is closed behind its answer.

use super::Readiness;
use super::figures::Figures;
use crate::SysError;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

const MAX_CONNECTIONS: usize = 8;
const MAX_REQUEST: usize = 4096;
const MAX_HEADERS: usize = 64;
const LIMIT: Duration = Duration::from_secs(2);
/// How often connections are looked at while there are some.
const POLL: Duration = Duration::from_millis(5);

/// Serves the page.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    deadline: Instant,
    request: Vec<u8>,
    /// The answer, once there is one, and how much of it is written.
    answer: Option<(Vec<u8>, usize)>,
}

/// How it goes on with a connection.
enum Progress {
    Waits,
    Ended,
}

impl MetricsServer {
    /// Listens.
    ///
    /// # Errors
    ///
    /// What bind(2) reports: the port is taken, or the address is none of this host.
    pub fn open(address: SocketAddr) -> Result<Self, SysError> {
        let failed = |cause| {
            SysError::new("listen for --metrics on", address.to_string(), cause)
                .with_hint("give a free port, and an address of this host")
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener, connections: Vec::new() })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What getsockname(2) reports.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Goes on with all connections and takes new ones, never waiting; when to be called again. `figures` are asked for
    /// once for each page.
    pub fn serve(&mut self, now: Instant, mut figures: impl FnMut() -> Figures) -> Readiness {
        self.connections.retain_mut(|connection| {
            now < connection.deadline && matches!(connection.go_on(&mut figures), Progress::Waits)
        });
        while self.connections.len() < MAX_CONNECTIONS {
            // Whatever is wrong with one connection, the next may do.
            let Ok((stream, _)) = self.listener.accept() else { break };
            if stream.set_nonblocking(true).is_ok() {
                let deadline = now + LIMIT;
                self.connections.push(Connection { stream, deadline, request: Vec::new(), answer: None });
            }
        }
        // Those that find no place wait in the listener, and there are connections then.
        if self.connections.is_empty() { Readiness::Drained } else { Readiness::RetryAt(now + POLL) }
    }
}

/// For the event loop: readable when a connection comes.
impl AsRawFd for MetricsServer {
    fn as_raw_fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }
}

impl Connection {
    fn go_on(&mut self, figures: &mut impl FnMut() -> Figures) -> Progress {
        if self.answer.is_none() {
            match self.read() {
                Ok(None) => return Progress::Waits,
                Ok(Some(verdict)) => self.answer = Some((verdict.answer(figures), 0)),
                Err(_) => return Progress::Ended,
            }
        }
        self.write()
    }

    /// What the request comes to, once it is there.
    fn read(&mut self) -> io::Result<Option<Verdict>> {
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.request.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if let Some(verdict) = Verdict::of(&self.request) {
                return Ok(Some(verdict));
            }
        }
    }

    fn write(&mut self) -> Progress {
        let Some((octets, written)) = &mut self.answer else { return Progress::Waits };
        while *written < octets.len() {
            match self.stream.write(octets.get(*written..).unwrap_or_default()) {
                Ok(len) => *written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Ended,
            }
        }
        Progress::Ended
    }
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Page,
    NotFound,
    WrongMethod,
    Malformed,
}

impl Verdict {
    /// Nothing as long as the request is not whole.
    fn of(request: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(request) {
            Ok(httparse::Status::Partial) if request.len() < MAX_REQUEST => None,
            Ok(httparse::Status::Partial) | Err(_) => Some(Self::Malformed),
            Ok(httparse::Status::Complete(_)) => {
                let path = parsed.path.unwrap_or_default().split('?').next();
                Some(match (parsed.method, path) {
                    (Some("GET"), Some("/metrics")) => Self::Page,
                    (Some("GET"), _) => Self::NotFound,
                    _ => Self::WrongMethod,
                })
            }
        }
    }

    fn answer(self, figures: &mut impl FnMut() -> Figures) -> Vec<u8> {
        let (status, body) = match self {
            Self::Page => ("200 OK", figures().to_string()),
            Self::NotFound => ("404 Not Found", "the page is /metrics\n".to_owned()),
            Self::WrongMethod => ("405 Method Not Allowed", "GET only\n".to_owned()),
            Self::Malformed => ("400 Bad Request", "this is no request\n".to_owned()),
        };
        let length = body.len();
        let head = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nConnection: close";
        format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }
}

#[cfg(test)]
mod tests;
