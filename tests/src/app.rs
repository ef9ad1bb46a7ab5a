//! `tc-app`: an HTTP server that writes down every request it gets.

mod connection;
mod log;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use slab::Slab;

use crate::content::Fnv;
use crate::http::Request;
use connection::{Connection, Next};
use log::RecordLog;

const LISTENER: Token = Token(usize::MAX);
/// How long a record may wait for the file.
const FLUSH: Duration = Duration::from_millis(20);

/// An HTTP server that writes down every request it gets.
#[derive(Debug, Clone, Parser)]
#[command(name = "tc-app")]
pub struct Options {
    /// Where to listen.
    #[arg(long)]
    pub listen: SocketAddr,
    /// The name in the `Server` header of each answer.
    #[arg(long)]
    pub name: String,
    /// The file that gets a line for each request.
    #[arg(long)]
    pub record: PathBuf,
    /// How long to wait before each answer.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
    /// Answer one request of so many with status 500; which ones follows from their names.
    #[arg(long)]
    pub error_each: Option<u64>,
    /// Close the connection after each answer.
    #[arg(long)]
    pub close_each: bool,
    /// Greet each client before its first request.
    #[arg(long)]
    pub greet: bool,
    /// How many connections may wait to be accepted.
    #[arg(long, default_value_t = 4096)]
    pub backlog: i32,
    /// Accept one connection in this many milliseconds, so that the others wait.
    #[arg(long)]
    pub accept_each_ms: Option<u64>,
    /// Read at most this many octets of a connection in 10 ms, so that its window closes.
    #[arg(long)]
    pub slow_read: Option<usize>,
}

impl Options {
    fn status(&self, request: &Request) -> u16 {
        if self.error_each.is_some_and(|each| is_error(&request.id, each)) { 500 } else { 200 }
    }
}

/// Whether the request of this name is one of those that are answered with status 500.
#[must_use]
pub fn is_error(id: &str, each: u64) -> bool {
    Fnv::of(id.as_bytes()).is_multiple_of(each)
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// The address cannot be listened on, the record file cannot be written, or the poll fails.
pub fn run(options: Options) -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let mut server = Server::new(options)?;
    let mut events = Events::with_capacity(1024);
    while !stop.load(Ordering::Relaxed) {
        server.turn(&mut events)?;
    }
    server.stop()
}

/// A listener with a queue of the wanted length, which [`TcpListener::bind`] would choose itself.
fn listen(options: &Options) -> io::Result<TcpListener> {
    let family = if options.listen.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &options.listen)?;
    rustix::net::listen(&socket, options.backlog)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Server {
    options: Options,
    poll: Poll,
    listener: TcpListener,
    /// When the next connection may be accepted.
    next_accept: Option<Instant>,
    connections: Slab<Connection>,
    due: BTreeSet<(Instant, usize)>,
    log: RecordLog,
}

impl Server {
    fn new(options: Options) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = listen(&options)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let log = RecordLog::create(&options.record)?;
        let (connections, due) = (Slab::new(), BTreeSet::new());
        Ok(Self { options, poll, listener, next_accept: None, connections, due, log })
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let due = self.due.first().map(|(due, _)| *due).into_iter().chain(self.next_accept).min();
        let wait = due.map_or(FLUSH, |due| due.saturating_duration_since(Instant::now()).min(FLUSH));
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept(now)?,
                Token(key) => self.drive(key, now)?,
            }
        }
        if self.next_accept.is_some_and(|at| at <= now) {
            self.accept(now)?;
        }
        self.drive_due(now)?;
        self.log.flush_after(FLUSH, now)
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        while self.next_accept.is_none_or(|at| at <= now) {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let entry = self.connections.vacant_entry();
                    let key = entry.key();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, Token(key), interest)?;
                    entry.insert(Connection::new(stream, &self.options));
                    self.drive(key, now)?;
                    self.next_accept =
                        self.options.accept_each_ms.map(|each| now + Duration::from_millis(each));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.next_accept = None;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn drive(&mut self, key: usize, now: Instant) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(key) else {
            return Ok(());
        };
        match connection.drive(now, &self.options, &mut self.log)? {
            Next::Ready => {}
            Next::At(due) => {
                self.due.insert((due, key));
            }
            Next::Closed => {
                self.connections.remove(key);
            }
        }
        Ok(())
    }

    fn drive_due(&mut self, now: Instant) -> io::Result<()> {
        while let Some(&(due, key)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, key));
            self.drive(key, now)?;
        }
        Ok(())
    }

    fn stop(mut self) -> io::Result<()> {
        for (_, connection) in &self.connections {
            connection.record_partial(&mut self.log)?;
        }
        self.log.flush()
    }
}
