//! Several captures that share what comes: each client's packets go to the one whose share its port belongs to.
//!
//! The sockets of one protocol and interface form a group (`PACKET_FANOUT`, packet(7)), for which a classic BPF program
//! picks the member by the client's port, as [`PortShare`] does. The kernel reassembles IPv4 fragments before it asks.
//! A packet that has no port where one is looked for, as an IPv6 packet with extension headers, goes to the first.

use std::os::fd::AsFd;

use tc_proto::PortShare;

use super::filter::Filter;
use super::socket::CaptureSocket;
use super::{CaptureConfig, CaptureError};
use crate::syscall::options;

/// A capture that can be one of several.
pub(super) trait Member: Sized {
    /// A capture whose sockets are bound, and take nothing yet.
    fn prepare(config: &CaptureConfig) -> Result<Self, CaptureError>;

    /// Its sockets, in the same order for each capture of one configuration.
    fn sockets(&self) -> Vec<&CaptureSocket>;
}

/// Opens a capture that is alone.
pub(super) fn open_one<M: Member>(config: &CaptureConfig) -> Result<M, CaptureError> {
    let member = M::prepare(config)?;
    listen(std::slice::from_ref(&member))?;
    Ok(member)
}

/// Opens as many captures as there are shares, which together have the memory of one.
pub(super) fn open_several<M: Member>(config: &CaptureConfig, count: u16) -> Result<Vec<M>, CaptureError> {
    let part = CaptureConfig { ring: config.ring / usize::from(count.max(1)), ..config.clone() };
    let members = PortShare::split(count).map(|_| M::prepare(&part)).collect::<Result<Vec<_>, _>>()?;
    if let [first, others @ ..] = &members[..]
        && !others.is_empty()
    {
        for (slot, socket) in first.sockets().into_iter().enumerate() {
            let others = others.iter().filter_map(|member| member.sockets().get(slot).copied());
            join(socket, others)?;
        }
    }
    listen(&members)?;
    Ok(members)
}

/// Only when all groups are complete do packets come in: before, they would come to the wrong member.
fn listen<M: Member>(members: &[M]) -> Result<(), CaptureError> {
    for member in members {
        for socket in member.sockets() {
            socket.listen()?;
        }
    }
    Ok(())
}

fn join<'a>(
    first: &CaptureSocket,
    others: impl Iterator<Item = &'a CaptureSocket>,
) -> Result<(), CaptureError> {
    let group =
        options::found_fanout(first.as_fd()).map_err(|cause| first.failed("share the packets of", cause))?;
    for socket in others {
        options::join_fanout(socket.as_fd(), group)
            .map_err(|cause| socket.failed("share the packets of", cause))?;
    }
    options::set_fanout_program(first.as_fd(), Filter::pick_member(first.protocol).instructions())
        .map_err(|cause| first.failed("share the packets of", cause))?;
    Ok(())
}

#[cfg(test)]
mod tests;
