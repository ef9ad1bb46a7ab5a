//! Datagrams: an application that writes down what it got, clients that ask it, and a lab with both programs around.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::binaries::Binaries;
use crate::capture::Capture;
use crate::content::{Content, Fnv};
use crate::lab::{CLIENT_NET, Host, IpVersion, Lab, Rule, TARGET};
use crate::pair::{Arguments, Pair, QUEUE};
use crate::records::{Kind, Record, Verdict, repeated, unix_ms};
use crate::stage::APP_PORT;

/// Room for the datagrams of a burst, in octets.
const RECEIVE_BUFFER: usize = 16 << 20;
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const REPLAY_LIMIT: Duration = Duration::from_secs(10);
const AFTERMATH: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_millis(20);

/// An application that answers each datagram and remembers it.
///
/// A request begins with a line of its name and the length of the answer it wants.
pub struct DatagramApp {
    records: Arc<Mutex<Vec<Record>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DatagramApp {
    /// Starts the application on a host.
    ///
    /// # Panics
    ///
    /// The port is taken.
    #[must_use]
    pub fn start(host: &Host) -> Self {
        let socket =
            host.inside(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, APP_PORT))).expect("the port is free");
        sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).expect("root may have any buffer");
        socket.set_read_timeout(Some(POLL)).expect("a socket has a time-out");
        let (records, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, stopped) = (Arc::clone(&records), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&socket, &kept, &stopped));
        Self { records, stop, thread: Some(thread) }
    }

    /// What it got so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DatagramApp {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(socket: &UdpSocket, records: &Mutex<Vec<Record>>, stop: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = &buffer[..len];
        let line = datagram.split(|octet| *octet == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let (id, answer_len) = line.split_once(' ').unwrap_or((&line, "0"));
        let hash = Fnv::of(datagram);
        let record = Record { kind: Kind::Whole, id: id.to_owned(), len: len as u64, hash, at_ms: unix_ms() };
        records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        let answer = vec![b'a'; answer_len.parse().unwrap_or(0)];
        // Who does not get it says so.
        let _sent = socket.send_to(&answer, client);
    }
}

/// What clients ask.
#[derive(Debug, Clone, Copy)]
pub struct Questions {
    /// The first part of each datagram's name.
    pub tag: &'static str,
    /// Clients, each with an address of its own, at most 60.
    pub clients: u8,
    /// Sockets of each client.
    pub sockets: usize,
    /// Datagrams over each socket.
    pub datagrams: usize,
    /// Octets of each datagram at least.
    pub len: usize,
    /// Octets of each answer.
    pub answer_len: usize,
}

/// Has the clients ask the online application, each datagram once the one before was answered.
///
/// # Panics
///
/// An answer is missing or not as long as it should be: the online service was disturbed.
pub fn ask(lab: &Lab, questions: &Questions) {
    std::thread::scope(|scope| {
        for client in 1..=questions.clients {
            scope.spawn(move || {
                for number in 0..questions.sockets {
                    let address = lab.version.of(&format!("{CLIENT_NET}.{client}"));
                    let socket = lab.client.inside(|| UdpSocket::bind((address, 0))).expect("a port is free");
                    let online = SocketAddr::new(lab.online_address(), APP_PORT);
                    ask_over(&socket, online, questions, &format!("{}-{client}-{number}", questions.tag));
                }
            });
        }
    });
}

fn ask_over(socket: &UdpSocket, online: SocketAddr, questions: &Questions, name: &str) {
    // Nothing but the online application's answers is taken.
    socket.connect(online).expect("there is a route");
    socket.set_read_timeout(Some(ANSWER_LIMIT)).expect("a socket has a time-out");
    let mut buffer = vec![0; 1 << 16];
    for number in 0..questions.datagrams {
        let mut datagram = format!("{name}-{number} {}\n", questions.answer_len).into_bytes();
        let mut filler = vec![0; questions.len.saturating_sub(datagram.len())];
        Content::new(Fnv::of(&datagram)).fill(&mut filler);
        datagram.extend(filler);
        socket.send(&datagram).expect("the datagram can be sent");
        let len = socket.recv(&mut buffer).expect("the online application answers");
        assert_eq!(len, questions.answer_len, "the online application answers {name}");
    }
}

/// A lab whose datagrams to the online host are replayed.
pub struct DatagramStage {
    /// The programs.
    pub pair: Pair,
    /// What reaches the clients from the target.
    pub capture: Capture,
    /// The hosts.
    pub lab: Lab,
}

impl DatagramStage {
    /// Starts both programs, with rules for the answers of both transports; `map` is `-x`.
    #[must_use]
    pub fn new(map: &str, arguments: Arguments<'_>) -> Self {
        Self::over(IpVersion::V4, map, arguments)
    }

    /// The same over a version of IP.
    #[must_use]
    pub fn over(version: IpVersion, map: &str, arguments: Arguments<'_>) -> Self {
        let lab = Lab::over(version, version);
        Rule::queue_answers(APP_PORT, QUEUE).add(&lab.target);
        Rule::queue_datagrams(APP_PORT, QUEUE).add(&lab.target);
        Self::on(lab, map, arguments)
    }

    /// The same on hosts with rules for the answers.
    ///
    /// # Panics
    ///
    /// The programs are not ready in time.
    #[must_use]
    pub fn on(lab: Lab, map: &str, arguments: Arguments<'_>) -> Self {
        let capture = Capture::start(&lab, APP_PORT);
        let pair = Pair::start_mapped(&lab, &Binaries::from_environment(), map, arguments);
        let mut stage = Self { pair, capture, lab };
        // Each thread asks for its own.
        let threads = arguments.tcpcopy.iter().skip_while(|argument| **argument != "--threads").nth(1);
        stage.await_told("are told by", threads.map_or(1, |threads| threads.parse().expect("a number")));
        stage
    }

    /// Waits until the log of tcpcopy has so many lines with these words.
    ///
    /// # Panics
    ///
    /// It does not in time.
    pub fn await_told(&mut self, words: &str, lines: usize) {
        self.pair.await_told(&self.lab, words, lines);
    }

    /// The map for datagrams to the application.
    #[must_use]
    pub fn map() -> String {
        Self::map_over(IpVersion::V4)
    }

    /// The same over a version of IP.
    #[must_use]
    pub fn map_over(version: IpVersion) -> String {
        format!("udp:{APP_PORT}-{}", SocketAddr::new(version.of(TARGET), APP_PORT))
    }

    /// Waits until the target has so many of the records that the online application has, or has had time for them.
    pub fn await_replay(
        &self,
        copies: usize,
        online: impl Fn() -> Vec<Record>,
        target: impl Fn() -> Vec<Record>,
    ) {
        let start = Instant::now();
        while target().len() < online().len() * copies && start.elapsed() < REPLAY_LIMIT {
            std::thread::sleep(POLL);
        }
    }

    /// Waits for the replay and compares what the two applications have.
    #[must_use]
    pub fn compare(
        &self,
        copies: usize,
        online: impl Fn() -> Vec<Record>,
        target: impl Fn() -> Vec<Record>,
    ) -> Verdict {
        self.await_replay(copies, &online, &target);
        std::thread::sleep(AFTERMATH);
        Verdict::of(&repeated(&online(), copies), &target())
    }

    /// Ends the programs; gives the lab, for what they wrote.
    ///
    /// # Panics
    ///
    /// A program did not end cleanly, or an answer of the target reached a client.
    pub fn finish(&mut self) {
        assert!(self.pair.stop(), "a program did not end cleanly");
        assert_eq!(self.capture.receivers(), Vec::<String>::new(), "answers of the target reached clients");
    }

    /// The number that follows `name:` in the latest statistics of a program; 0 if there is none.
    #[must_use]
    pub fn counted(&self, program: &str, name: &str) -> u64 {
        let log = self.lab.directory().join(format!("{program}.log"));
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let key = format!(" {name}:");
        let rest = log.rsplit_once(&key).map_or("", |(_, rest)| rest);
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}
