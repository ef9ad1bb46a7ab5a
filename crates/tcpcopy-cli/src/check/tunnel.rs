//! The station where headers come back: intercept's port.

use crate::config::Intercept;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tc_proto::tunnel::{FrameDecoder, Message, RecordFormat, VERSION, parse_record};
use tc_proto::{Flow, Segment};
use tc_sys::error::reason;
use tc_sys::program::{Finding, Report};

const STATION: &str = "tunnel";
const LIMIT: Duration = Duration::from_secs(3);
/// How long an intercept may take to refuse us.
const REFUSAL: Duration = Duration::from_millis(300);
const READ: Duration = Duration::from_millis(20);

/// A connection to intercept.
pub(super) struct Tunnel {
    stream: TcpStream,
    decoder: FrameDecoder,
}

/// Connects, as the replay does.
pub(super) fn look(intercept: &Intercept, report: &mut Report) -> Option<Tunnel> {
    let name = format!("{}:{}", intercept.host, intercept.port);
    let address =
        (intercept.host.as_str(), intercept.port).to_socket_addrs().ok().and_then(|mut all| all.next());
    let Some(address) = address else {
        let remedy = "give -s a name that this host can resolve, or an address";
        report.add(Finding::bad(STATION, format!("{name} cannot be resolved"), "looked it up", remedy));
        return None;
    };
    match connect(address) {
        Ok(tunnel) => {
            let found = format!("intercept at {name} accepts");
            report.add(Finding::good(STATION, found, "connected and said our version"));
            Some(tunnel)
        }
        Err(error) => {
            let found = format!("intercept at {name} cannot be reached: {}", reason(&error));
            report.add(Finding::bad(STATION, found, "connected", remedy(error.kind(), address.port())));
            None
        }
    }
}

fn remedy(kind: ErrorKind, port: u16) -> String {
    if kind == ErrorKind::ConnectionRefused {
        "start intercept there (then: intercept check), or name its port with -p".to_owned()
    } else if kind == ErrorKind::TimedOut || kind == ErrorKind::WouldBlock {
        format!("let it through, on the test host: iptables -I INPUT -p tcp --dport {port} -j ACCEPT")
    } else if kind == ErrorKind::UnexpectedEof {
        "look into the log of intercept: it says whom it refuses and why".to_owned()
    } else {
        "look at the route: ip route get <intercept's host>; or name its host with -s".to_owned()
    }
}

fn connect(address: SocketAddr) -> std::io::Result<Tunnel> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(READ))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(&Message::Version(VERSION).encode().unwrap_or_default())?;
    let mut tunnel = Tunnel { stream, decoder: FrameDecoder::new(RecordFormat::Octets64) };
    let deadline = Instant::now() + REFUSAL;
    while Instant::now() < deadline {
        tunnel.read()?;
    }
    Ok(tunnel)
}

impl Tunnel {
    /// Announces the flow of a probe.
    pub(super) fn announce(&mut self, flow: Flow) -> std::io::Result<()> {
        match Message::AddRoute(flow).encode() {
            Some(octets) => self.stream.write_all(&octets),
            None => Err(std::io::Error::other("the tunnel cannot carry IPv6")),
        }
    }

    /// A header that came back, if one did within a moment.
    pub(super) fn read(&mut self) -> std::io::Result<Option<Segment>> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => self.decoder.push(buffer.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        let record = self.decoder.next_record().map_err(std::io::Error::other)?;
        Ok(record.and_then(|record| parse_record(record).ok()).map(|header| header.0))
    }
}
