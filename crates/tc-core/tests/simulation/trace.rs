//! What happens, line by line, for one who looks for the reason of a failure.

use std::time::Duration;
use tc_proto::{PacketRef, Segment, TargetHeader};

/// Prints the packets of one client, whose port `SIMULATION_TRACE` names.
pub(crate) struct Trace {
    port: Option<u16>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { port: std::env::var("SIMULATION_TRACE").ok().and_then(|port| port.parse().ok()) }
    }

    pub(crate) fn packet(&self, now: Duration, what: &str, octets: &[u8]) {
        if self.port.is_some()
            && let Ok(packet) = PacketRef::parse_headers(octets)
        {
            self.segment(now, what, packet.segment());
        }
    }

    pub(crate) fn header(&self, now: Duration, header: &TargetHeader) {
        self.segment(now, "header", &header.0);
    }

    #[expect(clippy::print_stderr, reason = "a trace is for the one who asked for it")]
    fn segment(&self, now: Duration, what: &str, segment: &Segment) {
        let Some(port) = self.port else { return };
        if segment.source.port() != port && segment.destination.port() != port {
            return;
        }
        let Segment { seq, ack, flags, window, payload_len, .. } = segment;
        let window = window.field();
        let stamps = segment.options.timestamps.map_or_else(String::new, |stamps| format!(" {stamps:?}"));
        let now = now.as_micros();
        eprintln!("{now:>9} {what:<8} {flags} {seq}+{payload_len} ack {ack} win {window}{stamps}");
    }
}
