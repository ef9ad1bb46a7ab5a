//! The first station: do packets of clients come here, and are they seen?

use crate::config::{Config, Origin};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tc_proto::PacketRef;
use tc_sys::capture::{Capture, CaptureError, PnetCapture};
use tc_sys::host::Listener;
use tc_sys::program::{Finding, Report};

const STATION: &str = "capture";
const POLL: Duration = Duration::from_millis(10);

/// Waits for a packet; the client that sent it.
pub(super) fn look(config: &Config, patience: Duration, report: &mut Report) -> Option<SocketAddr> {
    if let Origin::Files(_) = config.origin {
        let found = "packets come out of files, nothing is captured here";
        report.add(Finding::good(STATION, found, "read the arguments"));
        return None;
    }
    let mut capture = match PnetCapture::open(&config.capture) {
        Ok(capture) => capture,
        Err(error) => {
            report.add(refused(&error));
            return None;
        }
    };
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        match capture.next_packet() {
            Ok(Some(packet)) => {
                if let Ok(packet) = PacketRef::parse(packet) {
                    let segment = packet.segment();
                    let found = format!("a packet from {} to {}", segment.source, segment.destination);
                    report.add(Finding::good(STATION, found, "captured it"));
                    return Some(segment.source);
                }
            }
            Ok(None) => std::thread::sleep(POLL),
            Err(error) => {
                let found = format!("an interface cannot be read: {}", tc_sys::error::reason(&error));
                let remedy = "ip link set <interface> up, or name another with -i";
                report.add(Finding::bad(STATION, found, "captured", remedy));
                return None;
            }
        }
    }
    report.add(nothing_seen(config, patience));
    None
}

fn refused(error: &CaptureError) -> Finding {
    let remedy = match error {
        CaptureError::NoSuchInterface { .. } => "name one of them with -i".to_owned(),
        CaptureError::System(error) => error.hint.clone().unwrap_or_default(),
        CaptureError::NothingToCapture | CaptureError::Filter(_) => "correct -x".to_owned(),
        CaptureError::Expression(_) => "correct -F".to_owned(),
    };
    Finding::bad(STATION, error.to_string(), "tried to capture", remedy)
}

fn nothing_seen(config: &Config, patience: Duration) -> Finding {
    let ports: Vec<_> = config.mappings.iter().map(|mapping| mapping.port).collect();
    let served = ports.iter().any(|port| Listener::on(*port).is_some());
    let found = format!("no packet to {} in {} s", config.target, patience.as_secs());
    let (found, remedy) = if served {
        (format!("{found}, though somebody listens there"), "wait for clients: --patience 60")
    } else {
        (format!("{found}, and nobody listens there on this host"), "correct the source of -x, or see: ss -ltn")
    };
    Finding::unknown(STATION, found, "captured", remedy)
}
