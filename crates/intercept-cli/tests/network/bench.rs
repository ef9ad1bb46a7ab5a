//! What the tests share: the namespace, the program, and a tcpcopy that speaks the 14-octet messages.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tc_proto::tunnel::{FrameDecoder, Message, RecordFormat, parse_record};
use tc_proto::{Flow, TargetHeader};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_intercept");
pub(crate) const TUNNEL: &str = "127.0.0.1:36524";
pub(crate) const APPLICATION: &str = "127.0.0.1:8080";
const INSIDE: &str = "INTERCEPT_TEST_INSIDE";
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the body of the test of this name in fresh namespaces of network and processes, which end with it: the test
/// program runs itself again there, with this one test.
pub(crate) fn in_namespace(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        shell("ip link set lo up");
        return body();
    }
    let output = Command::new("timeout")
        .args([
            "--kill-after=1",
            "60",
            "unshare",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, std::process::id().to_string())
        .output()
        .expect("timeout (coreutils) and unshare (util-linux) run");
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "in the namespaces (needs root): {}: {told}", output.status);
    assert!(told.contains("1 passed"), "no test of the name {name}: {told}");
}

/// An empty directory of this test run.
pub(crate) fn directory(name: &str) -> PathBuf {
    let run = std::env::var(INSIDE).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{run}"));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn shell(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(status.success(), "{command}");
}

/// Hands what the application sends from port 8080 to the queue.
pub(crate) fn queue_rule(protocol: &str, queue: u16) {
    shell(&format!("iptables -A OUTPUT -p {protocol} --sport 8080 -j NFQUEUE --queue-num {queue}"));
}

/// The same, spread over several queues.
pub(crate) fn balance_rule(queues: &str) {
    shell(&format!("iptables -A OUTPUT -p tcp --sport 8080 -j NFQUEUE --queue-balance {queues}"));
}

/// Copies the headers of what the application sends to the log.
pub(crate) fn log_rule(group: u16) {
    shell(&format!("iptables -A OUTPUT -p tcp --sport 8080 -j NFLOG --nflog-group {group}"));
}

pub(crate) fn signal(name: &str, pid: &str) {
    shell(&format!("kill -{name} {pid}"));
}

/// A connection that has been asked for, and its flow.
pub(crate) fn knock() -> (mio::net::TcpStream, Flow) {
    let target = APPLICATION.parse().unwrap();
    let stream = mio::net::TcpStream::connect(target).unwrap();
    let client = stream.local_addr().unwrap();
    (stream, Flow { client, target })
}

/// The same between an address, which loopback is given, and itself.
pub(crate) fn knock_at(address: [u8; 4]) -> (mio::net::TcpStream, Flow) {
    let target = SocketAddr::from((address, 8080));
    shell(&format!("ip addr add {}/32 dev lo", target.ip()));
    let stream = mio::net::TcpStream::connect(target).unwrap();
    let client = stream.local_addr().unwrap();
    (stream, Flow { client, target })
}

/// The application sends a segment to a port of this host, whatever the kernel's TCP thinks of it.
pub(crate) fn send_segment(port: u16, seq: u32, flags: u8, options: &[u8], payload: &[u8]) {
    use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
    let words = u8::try_from(options.len() / 4).unwrap();
    let [offset, ports] = [vec![(5 + words) << 4, flags], [8080_u16, port].map(u16::to_be_bytes).concat()];
    let fixed = [&ports[..], &seq.to_be_bytes(), &[0, 0, 0, 1], &offset, &[0xff, 0xff, 0, 0, 0, 0]].concat();
    let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::TCP)).unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], 0));
    sendto(&socket, &[&fixed, options, payload].concat(), SendFlags::empty(), &to).unwrap();
}

/// Waits until a connection that was asked for is there.
pub(crate) fn await_connection(stream: &mio::net::TcpStream) {
    let asked = Instant::now();
    while stream.peer_addr().is_err() {
        assert!(asked.elapsed() < PATIENCE, "{stream:?} is connected");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs intercept to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

/// A running intercept; killed when dropped.
pub(crate) struct Intercept {
    child: Child,
    lines: Receiver<String>,
}

impl Intercept {
    /// Returns when it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_telling(arguments).0
    }

    /// The same, with what it logged before.
    pub(crate) fn start_telling(arguments: &[&str]) -> (Self, String) {
        let mut child = Command::new(BINARY).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains("intercept is ready") {
            let line = lines.recv_timeout(PATIENCE);
            told += &line.unwrap_or_else(|_| panic!("it is not ready: {told}"));
        }
        (Self { child, lines }, told)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it by SIGTERM and returns what it logged since it was ready.
    pub(crate) fn stop(&mut self) -> String {
        let asked = Instant::now();
        signal("TERM", &self.pid().to_string());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(1), "it stops at once");
        self.lines.iter().collect()
    }
}

impl Drop for Intercept {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line + "\n");
        }
    });
    receiver
}

/// The other end of a tunnel.
pub(crate) struct Tcpcopy {
    stream: TcpStream,
    decoder: FrameDecoder,
    pub(crate) format: RecordFormat,
}

impl Tcpcopy {
    pub(crate) fn connect(version: u16) -> Self {
        let stream = TcpStream::connect(TUNNEL).unwrap();
        let format = RecordFormat::for_version(version);
        let mut tcpcopy = Self { stream, decoder: FrameDecoder::new(format), format };
        tcpcopy.say(Message::Version(version));
        tcpcopy
    }

    pub(crate) fn announce(&mut self, flow: Flow) {
        self.say(Message::AddRoute(flow));
    }

    pub(crate) fn say_half_a_message(&mut self) {
        self.stream.write_all(&[10, 0, 0, 1, 4]).unwrap();
    }

    pub(crate) fn next_header(&mut self) -> TargetHeader {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        loop {
            if let Some(record) = self.decoder.next_record().unwrap() {
                return parse_record(record).unwrap();
            }
            let mut buffer = [0; 4096];
            let len = self.stream.read(&mut buffer).expect("a header comes");
            assert_ne!(len, 0, "intercept closed the tunnel");
            self.decoder.push(&buffer[..len]);
        }
    }

    /// Nothing comes, and the tunnel stays open.
    pub(crate) fn expect_silence(&mut self) {
        self.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let error = self.stream.read(&mut [0; 10]).expect_err("silence");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }

    fn say(&mut self, message: Message) {
        self.stream.write_all(&message.encode().unwrap()).unwrap();
    }
}
