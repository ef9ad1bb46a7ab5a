//! The next hop towards one target.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tc_proto::MacAddr;

use super::LinkTarget;
use super::table::Neighbour;
use crate::syscall::transmit::FrameHeader;

/// `linux/if_ether.h`
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// The next hop towards one target, and the header of frames to it.
#[derive(Debug)]
pub(super) struct Hop {
    target: IpAddr,
    header: FrameHeader,
    /// The address that somebody gave.
    given: Option<MacAddr>,
    solicited: Option<Instant>,
}

impl Hop {
    pub(super) fn new(target: &LinkTarget, own: MacAddr) -> Self {
        let protocol = if target.address.is_ipv4() { ETH_P_IP } else { ETH_P_IPV6 };
        let mut header = [0; 14];
        header[..6].copy_from_slice(&target.next_hop.unwrap_or_default().octets());
        header[6..12].copy_from_slice(&target.source.unwrap_or(own).octets());
        header[12..].copy_from_slice(&protocol.to_be_bytes());
        Self { target: target.address, header, given: target.next_hop, solicited: None }
    }

    pub(super) const fn target(&self) -> IpAddr {
        self.target
    }

    pub(super) const fn header(&self) -> &FrameHeader {
        &self.header
    }

    pub(super) const fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Where frames go now.
    pub(super) fn address(&self) -> MacAddr {
        self.header.first_chunk::<6>().copied().map(MacAddr::from).unwrap_or_default()
    }

    /// Takes what the tables say. Whether there is an address now; the last one stays when there is no other.
    pub(super) fn refresh(&mut self, neighbour: Option<Neighbour>) -> bool {
        if let Some(neighbour) = neighbour {
            self.header[..6].copy_from_slice(&neighbour.address.octets());
        }
        self.address() != MacAddr::zero()
    }

    /// Whether the neighbour is to be asked now, which is noted.
    pub(super) fn solicits_at(&mut self, now: Instant, interval: Duration) -> bool {
        let due = self.solicited.is_none_or(|last| now.saturating_duration_since(last) >= interval);
        if due {
            self.solicited = Some(now);
        }
        due
    }
}
