//! Injection at the link layer: frames go to the next hop as they are made, past conntrack and the OUTPUT chain. Segments
//! that follow each other go as one frame ([`offload`]).
//!
//! The next hop of each target is the one of the routing table, its address that of the kernel's neighbour table (ARP,
//! neighbour discovery), looked up again from time to time. Both can change while the program runs.

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use pnet::datalink::{self, NetworkInterface};
use tc_proto::MacAddr;
use tracing::{info, warn};

use super::batch::PacketBatch;
use super::report::SendReport;
use super::{Injector, Patience};
use crate::SysError;
use crate::capture::filter::Filter;
use crate::syscall::{options, socket, transmit};
use hop::Hop;
use offload::{Run, VNET_HEADER};
use table::RouteTable;

mod hop;
mod offload;
mod table;

/// How often the tables are looked up again.
const REFRESH: Duration = Duration::from_secs(1);
/// How often a neighbour that has not been heard for a while is asked whether it is still there.
const SOLICIT: Duration = Duration::from_secs(10);
/// How long a neighbour may take to answer at the start. The kernel gives up after three questions, a second apart, which an
/// interface that has just come up may lose.
const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// How often it is asked at the start.
const FIRST_QUESTIONS: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// A host that packets are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTarget {
    /// Its address.
    pub address: IpAddr,
    /// The link-layer address of the next hop towards it; found when it is not given.
    pub next_hop: Option<MacAddr>,
    /// The link-layer address to send from; the device's when it is not given.
    pub source: Option<MacAddr>,
}

/// Sends frames on one Ethernet device.
#[derive(Debug)]
pub(super) struct LinkInjector {
    socket: OwnedFd,
    table: RouteTable,
    hops: Vec<Hop>,
    next_refresh: Option<Instant>,
    device: String,
    /// Whether a frame may hold several segments; each begins with a header that says so, or not.
    offloads: bool,
    /// The frames of the batch that is being sent, and their heads.
    frames: Vec<Frame>,
    heads: Vec<u8>,
}

/// A frame: its head, and the packets behind that.
#[derive(Debug)]
struct Frame {
    head: Range<usize>,
    run: Run,
}

impl LinkInjector {
    /// Opens the device, and finds the next hop of each target. Needs `CAP_NET_RAW`.
    pub(super) fn open(device: &str, targets: &[LinkTarget]) -> Result<Self, SysError> {
        let interface = interface(device)?;
        let own = interface.mac.unwrap_or_default();
        let failed = |operation| {
            move |cause| SysError::new(operation, format!("device {device}"), cause).with_privilege_hint()
        };
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0).map_err(failed("inject on"))?;
        options::attach_filter(socket.as_fd(), Filter::nothing().instructions()).map_err(failed("filter"))?;
        options::set_send_buffer(socket.as_fd(), Injector::SEND_BUFFER).map_err(failed("size"))?;
        socket::bind_packet(socket.as_fd(), 0, interface.index).map_err(failed("bind to"))?;
        let table = RouteTable::open(device, interface.index).map_err(failed("find next hops on"))?;
        let hops = targets.iter().map(|target| Hop::new(target, own)).collect();
        let offloads = options::set(socket.as_fd(), libc::SOL_PACKET, options::PACKET_VNET_HDR, 1).is_ok();
        let mut injector = Self {
            socket,
            table,
            hops,
            next_refresh: None,
            device: device.to_owned(),
            offloads,
            frames: Vec::new(),
            heads: Vec::new(),
        };
        injector.find_all(device)?;
        Ok(injector)
    }

    /// Finds the next hop of each target, and waits for those that have to be asked.
    fn find_all(&mut self, device: &str) -> Result<(), SysError> {
        for hop in &mut self.hops {
            if hop.is_given() {
                continue;
            }
            let target = hop.target();
            let via = self.table.next_hop(target).map_err(|cause| {
                SysError::new("find the route to", target.to_string(), cause)
                    .with_hint(format!("see: ip route get {target} oif {device}"))
            })?;
            let begun = Instant::now();
            while !hop.refresh(self.table.neighbour(via).ok().flatten()) {
                if begun.elapsed() >= FIRST_ANSWER {
                    let cause = io::Error::other("no answer");
                    let object = format!("{via}, the next hop to {target} on {device}");
                    return Err(SysError::new("find the link-layer address of", object, cause)
                        .with_hint("name another device with -o, or give the address behind the target's port in -x: @00:11:22:33:44:55"));
                }
                if hop.solicits_at(Instant::now(), FIRST_QUESTIONS) {
                    self.table.solicit(via);
                }
                std::thread::sleep(POLL);
            }
            info!("next hop to {target}: {via} at {} on {device}", hop.address());
        }
        Ok(())
    }

    /// Sends the packets in their order; one to a host that is no target counts as `EHOSTUNREACH`.
    pub(super) fn send(&mut self, batch: &PacketBatch, patience: &mut Patience, report: &mut SendReport) {
        self.arrange(batch, 0, report);
        if let Some(rest) = self.send_frames(batch, patience, report) {
            self.switch_offload_off();
            self.arrange(batch, rest, report);
            self.send_frames(batch, patience, report);
        }
    }

    /// Makes frames of the packets from `start` on.
    fn arrange(&mut self, batch: &PacketBatch, start: usize, report: &mut SendReport) {
        self.frames.clear();
        self.heads.clear();
        let mut index = start;
        while let Some(destination) = batch.destination_of(index) {
            let Some(hop) = self.hops.iter().find(|hop| hop.target() == destination) else {
                report.count(libc::EHOSTUNREACH);
                index += 1;
                continue;
            };
            let run = if self.offloads { Run::from(batch, index) } else { Run::of_one(index) };
            index = run.packets.end;
            let begin = self.heads.len();
            if run.len() > 1 {
                run.write_head(batch, hop.header(), &mut self.heads);
            } else {
                let nothing = if self.offloads { VNET_HEADER } else { 0 };
                self.heads.resize(begin + nothing, 0);
                self.heads.extend_from_slice(hop.header());
            }
            self.frames.push(Frame { head: begin..self.heads.len(), run });
        }
    }

    /// Sends the frames; from which packet on they are to be sent one by one, because the kernel refuses to cut a frame.
    fn send_frames(
        &self,
        batch: &PacketBatch,
        patience: &mut Patience,
        report: &mut SendReport,
    ) -> Option<usize> {
        let socket = self.socket.as_fd();
        let parts = |frame: &Frame| {
            let head = self.heads.get(frame.head.clone()).unwrap_or_default();
            std::iter::once(head).chain(frame.run.parts(batch))
        };
        let mut rest = self.frames.as_slice();
        while let Some(first) = rest.first() {
            let done = match transmit::send_frames(socket, rest.iter().map(parts)) {
                Ok(sent) => {
                    report.sent += rest.iter().take(sent).map(|frame| frame.run.len()).sum::<usize>();
                    sent
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted || patience.wait(socket, &error) => 0,
                Err(error) if first.run.len() > 1 && is_no_offload(&error) => {
                    return Some(first.run.packets.start);
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(libc::EIO);
                    first.run.packets.clone().for_each(|_| report.count(errno));
                    1
                }
            };
            rest = rest.get(done..).unwrap_or_default();
        }
        None
    }

    fn switch_offload_off(&mut self) {
        info!("device {} takes no segments together: each goes by itself", self.device);
        self.offloads = false;
        // If that fails, sends fail, and it is told.
        let _ = options::set(self.socket.as_fd(), libc::SOL_PACKET, options::PACKET_VNET_HDR, 0);
    }

    /// Looks the tables up again, when it is time.
    pub(super) fn refresh(&mut self, now: Instant) {
        if self.next_refresh.is_some_and(|next| now < next) {
            return;
        }
        self.next_refresh = Some(now + REFRESH);
        for hop in self.hops.iter_mut().filter(|hop| !hop.is_given()) {
            // Without a route the last one is as good as any.
            let Ok(via) = self.table.next_hop(hop.target()) else { continue };
            let before = hop.address();
            let neighbour = self.table.neighbour(via).ok().flatten();
            hop.refresh(neighbour);
            if hop.address() != before {
                warn!("the next hop to {} is now {via} at {}, it was at {before}", hop.target(), hop.address());
            }
            let confirmed = neighbour.is_some_and(|neighbour| neighbour.confirmed);
            if !confirmed && hop.solicits_at(now, SOLICIT) {
                self.table.solicit(via);
            }
        }
    }
}

/// The device, if it is one that frames can be sent on.
fn interface(name: &str) -> Result<NetworkInterface, SysError> {
    let refused =
        |reason: String| Err(SysError::new("inject on", format!("device {name}"), io::Error::other(reason)));
    let all = datalink::interfaces();
    let Some(interface) = all.iter().find(|interface| interface.name == name) else {
        let names: Vec<_> = all.iter().map(|interface| interface.name.as_str()).collect();
        return refused(format!("no such device; this host has: {}", names.join(", ")));
    };
    if !interface.is_up() {
        return refused(format!("it is down; bring it up: ip link set {name} up"));
    }
    if interface.is_loopback() || interface.mac.is_none() || !is_ethernet(name) {
        return refused("it is no Ethernet device; leave -o out, and the kernel sends".to_owned());
    }
    Ok(interface.clone())
}

/// Whether the kernel says that it cannot cut this frame.
fn is_no_offload(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)
    )
}

/// `ARPHRD_ETHER` (`linux/if_arp.h`).
fn is_ethernet(name: &str) -> bool {
    let path = format!("/sys/class/net/{name}/type");
    std::fs::read_to_string(path).map_or(true, |text| text.trim() == "1")
}

#[cfg(test)]
mod tests;
