//! What went in and what came out.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use tc_core::relay::{Counters, TunnelId};
use tc_proto::tunnel::{FrameDecoder, RecordFormat, Reply, ReplyDecoder, parse_record};
use tc_proto::{Flow, Segment, TargetHeader};

/// Responses, announcements and records.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    announced: HashSet<(TunnelId, Flow)>,
    /// Targets of whose datagrams a tunnel asked to hear.
    asked: HashSet<(TunnelId, SocketAddr)>,
    /// Responses of each flow in their order, without those whose record was read.
    responses: HashMap<Flow, Vec<Option<Segment>>>,
    /// Where the last record of a tunnel and a flow stood among them.
    last: HashMap<(TunnelId, Flow), usize>,
    records: u64,
}

/// What of a header every record holds.
fn essence(segment: &Segment) -> Segment {
    let mut essence = *segment;
    essence.options.sack = tc_proto::SackBlocks::default();
    essence.payload_len = essence.payload_len.min(usize::from(u16::MAX) - 80);
    essence
}

impl Ledger {
    pub(super) fn note_announcement(&mut self, tunnel: TunnelId, flow: Flow) {
        self.announced.insert((tunnel, flow));
    }

    pub(super) fn note_asked(&mut self, tunnel: TunnelId, target: SocketAddr) {
        self.asked.insert((tunnel, target));
    }

    pub(super) fn note_response(&mut self, segment: &Segment) {
        let flow = TargetHeader(*segment).flow();
        self.responses.entry(flow).or_default().push(Some(essence(segment)));
    }

    pub(super) fn take_frames(&mut self, tunnel: TunnelId, format: RecordFormat, octets: &[u8]) {
        let mut decoder = FrameDecoder::new(format);
        decoder.push(octets);
        while let Some(record) = decoder.next_record().expect("frames of the protocol") {
            let header = parse_record(record).expect("a record of a response");
            assert_eq!(record.len(), format.size());
            self.take_record(tunnel, &header);
        }
    }

    pub(super) fn take_replies(&mut self, tunnel: TunnelId, decoder: &mut ReplyDecoder, octets: &[u8]) {
        decoder.push(octets);
        while let Some(reply) = decoder.next().expect("messages of the protocol") {
            match reply {
                Reply::Response(header, payload) => {
                    assert!(payload.iter().all(|octet| *octet == 0), "no octet of a payload is another");
                    self.take_record(tunnel, &header);
                }
                Reply::Datagram(datagram) => {
                    self.records += 1;
                    let asked = self.asked.contains(&(tunnel, datagram.flow.target));
                    assert!(asked, "{tunnel:?} never asked for {}", datagram.flow);
                }
                Reply::Hello(_) | Reply::Proof(_) | Reply::Sighting(_) | Reply::Time(_) => {}
                Reply::Malformed => panic!("a record in version 2"),
            }
        }
    }

    fn take_record(&mut self, tunnel: TunnelId, header: &TargetHeader) {
        self.records += 1;
        let flow = header.flow();
        assert!(self.announced.contains(&(tunnel, flow)), "{tunnel:?} never announced {flow}");
        let responses = self.responses.get_mut(&flow).expect("a response of this flow");
        let segment = Some(essence(&header.0));
        let last = self.last.entry((tunnel, flow)).or_default();
        let place = responses.iter().skip(*last).position(|response| *response == segment);
        *last += place.unwrap_or_else(|| panic!("{segment:?} was no response, or came before the last record"));
        responses[*last] = None;
    }

    /// Nothing waits any more: each record was read, or lost with its tunnel.
    pub(super) fn check_end(&self, counters: &Counters) {
        assert_eq!(counters.returned(), self.records + counters.lost_with_tunnel);
    }
}

/// Each response, each held header and each route is counted once.
pub(super) fn check_totals(c: &Counters, held: usize, routes: usize) {
    let dropped = c.dropped_truncated
        + c.dropped_header_length
        + c.dropped_ip_version
        + c.datagrams
        + c.dropped_not_tcp
        + c.dropped_fragment;
    assert_eq!(c.responses, c.passed + c.forwarded + c.held + c.held_refused + dropped);
    let released = c.held_delivered + c.held_superseded + c.held_expired + c.held_displaced;
    assert_eq!(c.held, released + held as u64);
    let begun = c.routes_announced - c.routes_renewed - c.routes_taken_over;
    let ended = c.routes_removed + c.routes_closed + c.routes_idle + c.routes_evicted + c.routes_orphaned;
    assert_eq!(begun, ended + routes as u64, "{c:?}");
}
