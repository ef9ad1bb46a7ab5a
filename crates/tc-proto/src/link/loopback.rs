//! Loopback captures of BSD and its heirs.

use super::{Header, LinkError, split};

const AF_INET: u32 = 2;
/// `AF_INET6` of Linux, NetBSD and OpenBSD, FreeBSD, macOS.
const AF_INET6: [u32; 4] = [10, 24, 28, 30];

/// The packet behind an address family of 32 bits, in whichever byte order makes it a small number.
pub(super) fn packet(octets: &[u8]) -> Result<&[u8], LinkError> {
    let (family, rest) = split::<4>(Header::Loopback, octets)?;
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    if family == AF_INET || AF_INET6.contains(&family) { Ok(rest) } else { Err(LinkError::Family(family)) }
}
