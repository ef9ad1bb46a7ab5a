//! The station where headers come back: intercept's port.

use crate::config::Intercept;
use crate::greeting::{Greeting, Reach, Terms};
use crate::tunnel::Ended;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tc_proto::tunnel::{DecodeError, Message, Reply, ReplyDecoder, Sighting};
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
    decoder: ReplyDecoder,
    greeting: Greeting,
    /// What intercept saw of a flow that it was asked to trace.
    sighting: Option<Sighting>,
}

/// Connects, as the replay does.
pub(super) fn look(intercept: &Intercept, terms: &Terms, report: &mut Report) -> Option<Tunnel> {
    let name = format!("{}:{}", intercept.host, intercept.port);
    let address =
        (intercept.host.as_str(), intercept.port).to_socket_addrs().ok().and_then(|mut all| all.next());
    let Some(address) = address else {
        let remedy = "give -s a name that this host can resolve, or an address";
        report.add(Finding::bad(STATION, format!("{name} cannot be resolved"), "looked it up", remedy));
        return None;
    };
    match connect(address, terms) {
        Ok(tunnel) => {
            let found = format!("intercept at {name} accepts");
            report.add(Finding::good(STATION, found, "connected and said our version"));
            Some(tunnel)
        }
        Err(error) => {
            let found = format!("intercept at {name} cannot be reached: {}", reason(&error));
            report.add(Finding::bad(STATION, found, "connected", remedy(&error, address.port())));
            None
        }
    }
}

fn remedy(error: &std::io::Error, port: u16) -> String {
    let kind = error.kind();
    if error.get_ref().and_then(|cause| cause.downcast_ref::<Ended>()).is_some() {
        "give both programs the same --key-file, or neither one".to_owned()
    } else if error.get_ref().and_then(|cause| cause.downcast_ref::<DecodeError>()).is_some() {
        format!("see what listens there, on the test host: ss -ltnp 'sport = :{port}'")
    } else if kind == ErrorKind::ConnectionRefused {
        "start intercept there (then: intercept check), or name its port with -p".to_owned()
    } else if kind == ErrorKind::TimedOut || kind == ErrorKind::WouldBlock {
        format!("let it through, on the test host: iptables -I INPUT -p tcp --dport {port} -j ACCEPT")
    } else if kind == ErrorKind::UnexpectedEof {
        "look into the log of intercept: it says whom it refuses and why".to_owned()
    } else {
        "look at the route: ip route get <intercept's host>; or name its host with -s".to_owned()
    }
}

fn connect(address: SocketAddr, terms: &Terms) -> std::io::Result<Tunnel> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(READ))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let greeting = Greeting::new(terms)?;
    let mut first = Vec::new();
    greeting.begin(&mut first);
    stream.write_all(&first)?;
    let mut tunnel = Tunnel { stream, decoder: ReplyDecoder::new(), greeting, sighting: None };
    let start = Instant::now();
    while start.elapsed() < REFUSAL {
        tunnel.read()?;
    }
    while tunnel.greeting.reach() == Reach::Nothing && start.elapsed() < LIMIT {
        tunnel.read()?;
    }
    tunnel.greeting.check_proved().map_err(std::io::Error::other)?;
    Ok(tunnel)
}

impl Tunnel {
    /// Announces the flow of a probe.
    pub(super) fn announce(&mut self, flow: Flow) -> std::io::Result<()> {
        let mut octets = Vec::new();
        self.greeting.write(&Message::AddRoute(flow), &mut octets);
        if octets.is_empty() {
            return Err(std::io::Error::other("it is a C program, or an older one, which knows no IPv6"));
        }
        self.stream.write_all(&octets)
    }

    /// Asks intercept to look for packets of a flow; whether it knows how to.
    pub(super) fn trace(&mut self, flow: Flow) -> bool {
        let mut octets = Vec::new();
        if self.greeting.reach() == Reach::All {
            self.greeting.write(&Message::Trace(flow), &mut octets);
        }
        self.sighting = None;
        !octets.is_empty() && self.stream.write_all(&octets).is_ok()
    }

    /// What intercept saw of a flow, as soon as it says so.
    pub(super) fn await_sighting(&mut self, flow: Flow) -> Option<Sighting> {
        let start = Instant::now();
        while self.sighting.is_none() && start.elapsed() < LIMIT && self.read().is_ok() {}
        self.sighting.take().filter(|sighting| sighting.flow == flow)
    }

    /// A header that came back, if one did within a moment.
    pub(super) fn read(&mut self) -> std::io::Result<Option<Segment>> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                let ended = self.greeting.on_end();
                let by_peer = matches!(ended, Ended::ByPeer);
                return Err(if by_peer {
                    ErrorKind::UnexpectedEof.into()
                } else {
                    std::io::Error::other(ended)
                });
            }
            Ok(len) => self.decoder.push(buffer.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        let mut answer = Vec::new();
        let mut found = None;
        while found.is_none()
            && let Some(reply) = self.decoder.next().map_err(std::io::Error::other)?
        {
            let understood = match reply {
                Reply::Response(header, _) => {
                    found = Some(header.0);
                    Ok(())
                }
                Reply::Hello(hello) => self.greeting.on_hello(&hello, &mut answer),
                Reply::Proof(proof) => self.greeting.on_proof(&proof),
                Reply::Sighting(sighting) => {
                    self.sighting = Some(sighting);
                    Ok(())
                }
                Reply::Datagram(_) | Reply::Time(_) | Reply::Malformed => Ok(()),
            };
            understood.map_err(std::io::Error::other)?;
        }
        self.stream.write_all(&answer)?;
        Ok(found)
    }
}
