//! Messages of netlink sockets of the family `NETLINK_NETFILTER` (netlink(7), `linux/netfilter/nfnetlink.h`), as octets.
//!
//! Headers and lengths are in the byte order of this machine, what netfilter puts into attributes in that of the network.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// While the result lives, no descriptor of such a socket is made in this process by anybody else. Who looks for the one
/// that nfq hides has to tell it from others.
pub(crate) fn no_other_descriptors() -> MutexGuard<'static, ()> {
    static MAKING: Mutex<()> = Mutex::new(());
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// `struct nfgenmsg`: family, version, resource.
const NETFILTER_HEADER: usize = 4;
/// `struct nlattr`: length, type.
const ATTRIBUTE_HEADER: usize = 4;
/// The upper two bits of a type are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// A message that the kernel sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    kind: u16,
    /// What follows the header.
    body: &'a [u8],
}

/// The messages in what one recv(2) gave. What is cut off or makes no sense ends them.
pub(crate) fn messages(mut octets: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, kind) = (u32_at(octets, 0)?, u16_at(octets, 4)?);
        let length = usize::try_from(length).ok()?;
        // A message that is longer than what was received still has its first attributes.
        let body = octets.get(HEADER..length.min(octets.len()))?;
        octets = octets.get(aligned(length)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

impl<'a> Message<'a> {
    /// What the kernel answered to a message of ours, as an `errno`; 0 is "done". `None` for any other message.
    pub(crate) fn answer(self) -> Option<i32> {
        let code = (libc::c_int::from(self.kind) == libc::NLMSG_ERROR).then(|| u32_at(self.body, 0))??;
        Some(code.cast_signed().saturating_neg())
    }

    /// Whether it is of this kind of this subsystem (`NFNL_SUBSYS_QUEUE`, `NFQNL_MSG_PACKET`, …).
    pub(crate) fn is(self, subsystem: libc::c_int, kind: libc::c_int) -> bool {
        libc::c_int::from(self.kind) == subsystem << 8 | kind
    }

    /// What kind of message it is, subsystem included.
    pub(crate) const fn kind(self) -> u16 {
        self.kind
    }

    /// The fixed part before the attributes.
    pub(crate) fn fixed<const LEN: usize>(self) -> Option<&'a [u8; LEN]> {
        self.body.first_chunk()
    }

    /// The attributes of a message of netfilter, as types and values.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (libc::c_int, &'a [u8])> {
        self.attributes_behind(NETFILTER_HEADER)
    }

    /// The attributes behind a fixed part of so many octets, as types and values.
    pub(crate) fn attributes_behind(self, fixed: usize) -> impl Iterator<Item = (libc::c_int, &'a [u8])> {
        let mut octets = self.body.get(fixed..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (length, kind) = (u16_at(octets, 0)?, u16_at(octets, 2)?);
            let length = usize::from(length);
            let value = octets.get(ATTRIBUTE_HEADER..length)?;
            octets = octets.get(aligned(length)..).unwrap_or_default();
            Some((libc::c_int::from(kind & ATTRIBUTE_TYPE), value))
        })
    }
}

/// Messages for the kernel, one behind the other: all go with one send(2).
#[derive(Debug, Default)]
pub(crate) struct Messages {
    octets: Vec<u8>,
    /// Where the last one begins.
    last: usize,
}

impl Messages {
    pub(crate) fn clear(&mut self) {
        self.octets.clear();
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Begins a message about a resource, which is a queue or a group.
    pub(crate) fn begin(
        &mut self,
        subsystem: libc::c_int,
        kind: libc::c_int,
        flags: libc::c_int,
        resource: u16,
    ) {
        let [high, low] = resource.to_be_bytes();
        self.begin_plain(short(subsystem << 8 | kind), flags, &[0, 0, high, low]);
    }

    /// Begins a message of any family of netlink, with the fixed part of its kind.
    pub(crate) fn begin_plain(&mut self, kind: u16, flags: libc::c_int, fixed: &[u8]) {
        self.last = self.octets.len();
        self.octets.extend_from_slice(&[0; 4]);
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(&short(libc::NLM_F_REQUEST | flags).to_ne_bytes());
        self.octets.extend_from_slice(&[0; 8]);
        self.octets.extend_from_slice(fixed);
        self.finish();
    }

    /// Adds an attribute to the message that was begun last.
    pub(crate) fn attribute(&mut self, kind: libc::c_int, value: &[u8]) {
        self.octets.extend_from_slice(&short_length(ATTRIBUTE_HEADER + value.len()).to_ne_bytes());
        self.octets.extend_from_slice(&short(kind).to_ne_bytes());
        self.octets.extend_from_slice(value);
        self.octets.resize(aligned(self.octets.len()), 0);
        self.finish();
    }

    fn finish(&mut self) {
        let length = u32::try_from(self.octets.len() - self.last).unwrap_or(u32::MAX);
        if let Some(field) = self.octets.get_mut(self.last..self.last + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// Netlink aligns everything to 4 octets.
fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn short(value: libc::c_int) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn short_length(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*octets.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        let mut out = Messages::default();
        out.begin(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_VERDICT, 0, 7);
        out.attribute(libc::NFQA_VERDICT_HDR, &[1; 8]);
        out.attribute(libc::NFQA_MARK, &[2; 3]);
        out.begin(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_VERDICT_BATCH, 0, 7);
        let read: Vec<_> = messages(out.as_bytes()).collect();
        let [first, second] = read[..] else { panic!("{read:?}") };
        assert!(first.is(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_VERDICT));
        let attributes: Vec<_> = first.attributes().collect();
        assert_eq!(attributes, [(libc::NFQA_VERDICT_HDR, &[1; 8][..]), (libc::NFQA_MARK, &[2; 3][..])]);
        assert!(second.is(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_VERDICT_BATCH));
        assert_eq!((second.attributes().count(), second.answer()), (0, None));
        out.clear();
        assert_eq!(messages(out.as_bytes()).count(), 0);
    }

    #[test]
    fn an_answer_is_an_errno() {
        let mut octets = vec![20, 0, 0, 0, 2, 0];
        octets.resize(16, 0);
        octets.extend_from_slice(&(-libc::ENOENT).to_ne_bytes());
        let answers: Vec<_> = messages(&octets).map(Message::answer).collect();
        assert_eq!(answers, [Some(libc::ENOENT)]);
    }

    #[test]
    fn octets_that_are_cut_or_nonsense_end_the_messages() {
        let mut out = Messages::default();
        out.begin(libc::NFNL_SUBSYS_QUEUE, libc::NFQNL_MSG_PACKET, 0, 0);
        out.attribute(libc::NFQA_CAP_LEN, &[0; 4]);
        out.attribute(libc::NFQA_PAYLOAD, &[9; 40]);
        let whole = out.as_bytes();
        for end in 0..whole.len() {
            let attributes = messages(&whole[..end]).flat_map(Message::attributes).count();
            assert_eq!(attributes, usize::from(end >= 28), "{end}");
        }
        for length in [0_u32, 1, 15, u32::MAX] {
            let mut octets = whole.to_vec();
            octets[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(messages(&octets).count() <= 1, "{length}");
        }
    }
}
