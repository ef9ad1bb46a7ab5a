//! A ring of frames that the kernel and this program share: `packet_mmap`, `TPACKET_V2` (`linux/if_packet.h`).
//!
//! Each frame begins with a status word that says whose it is. The kernel fills a frame that is its own and then
//! hands it over; it touches none that is ours. Offsets read from a frame are checked before they are used.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::options::{length_of, set};

/// Octets of a frame. What does not fit, with [`OFFSET`], waits in the socket's receive buffer, whole.
pub(crate) const FRAME: usize = 512;

/// Octets before the packet in its frame.
pub(crate) const OFFSET: usize = 80;

/// Octets of pages that the kernel allocates as one.
pub(crate) const BLOCK: usize = 64 << 10;

/// Frames in a block; the rest of it is never used.
pub(crate) const FRAMES: usize = BLOCK / FRAME;

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    status: u32,
    /// How long the packet is.
    length: usize,
    /// What of the packet is in the frame.
    octets: &'a [u8],
    /// When the kernel got it.
    stamp: SystemTime,
}

impl<'a> Frame<'a> {
    /// Whether the whole packet waits in the socket's receive buffer; recv(2) takes it from there.
    pub(crate) fn is_in_receive_buffer(self) -> bool {
        self.status & libc::TP_STATUS_COPY != 0
    }

    /// When the kernel got the packet.
    pub(crate) fn stamp(self) -> SystemTime {
        self.stamp
    }

    /// As much of the packet as is in the frame.
    pub(crate) fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// The packet, if all of it is in the frame.
    pub(crate) fn packet(self) -> Option<&'a [u8]> {
        (self.octets.len() == self.length).then_some(self.octets)
    }
}

/// The frames of one socket, and which is the next.
pub(crate) struct FrameRing {
    base: NonNull<u8>,
    blocks: usize,
    /// The block of the next frame.
    block: usize,
    /// Its place in the block.
    slot: usize,
}

// SAFETY: the mapping belongs to the process and to this object alone; no thread has a part in it.
unsafe impl Send for FrameRing {}

impl FrameRing {
    /// Gives a packet socket that is not yet bound a ring of about `octets`, at least one block, and maps it. All of
    /// its pages count as resident at once.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what a kernel or a sandbox without rings answers.
    pub(crate) fn open(fd: BorrowedFd<'_>, octets: usize) -> io::Result<Self> {
        let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
        let blocks = (octets / BLOCK).max(1);
        let request = libc::tpacket_req {
            tp_block_size: u32::try_from(BLOCK).map_err(invalid)?,
            tp_block_nr: u32::try_from(blocks).map_err(invalid)?,
            tp_frame_size: u32::try_from(FRAME).map_err(invalid)?,
            tp_frame_nr: u32::try_from(blocks * FRAMES).map_err(invalid)?,
        };
        set(fd, libc::SOL_PACKET, libc::PACKET_VERSION, libc::tpacket_versions::TPACKET_V2 as libc::c_int)?;
        set(fd, libc::SOL_PACKET, libc::PACKET_COPY_THRESH, 1)?;
        // SAFETY: the kernel reads one request from a live one.
        syscall!(setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_RX_RING,
            (&raw const request).cast(),
            length_of::<libc::tpacket_req>(),
        ))?;
        Ok(Self { base: map(fd, blocks * BLOCK)?, blocks, block: 0, slot: 0 })
    }

    /// The next frame, if the kernel has handed it over.
    #[inline]
    pub(crate) fn frame(&self) -> Option<Frame<'_>> {
        // Acquire: what the kernel wrote before the status is visible after it.
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: a frame starts with this header of integers, is larger, and lies at a multiple of 64 from a page's
        // start. It is ours, so nobody writes to it; it is copied, without a reference.
        let header = unsafe { self.start().cast::<libc::tpacket2_hdr>().read() };
        let octets = match place(header.tp_net, header.tp_snaplen) {
            // SAFETY: within the frame, as just checked, and the frame within the mapping. It stays ours until
            // `give_back`, which wants the ring to itself and so ends this borrow.
            Some(place) => unsafe {
                std::slice::from_raw_parts(self.start().as_ptr().add(place.start), place.len())
            },
            None => &[],
        };
        let since_1970 = Duration::new(header.tp_sec.into(), header.tp_nsec);
        Some(Frame { status, length: header.tp_len as usize, octets, stamp: UNIX_EPOCH + since_1970 })
    }

    /// Returns the next frame to the kernel and goes on to the one after it.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        // Release: what was read from the frame was read before the kernel may write to it.
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.slot += 1;
        if self.slot == FRAMES {
            self.slot = 0;
            self.block = if self.block + 1 == self.blocks { 0 } else { self.block + 1 };
        }
    }

    /// How many frames there are.
    pub(crate) fn frames(&self) -> usize {
        self.blocks * FRAMES
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `block` is less than `blocks` and `slot` less than `FRAMES`, so this stays within the mapping.
        unsafe { self.base.add(self.block * BLOCK + self.slot * FRAME) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the status is the first word of a frame, aligned, valid as long as the mapping; the kernel and this
        // program change it as a whole and read it at any time, which is what an atomic is.
        unsafe { AtomicU32::from_ptr(self.start().as_ptr().cast()) }
    }
}

impl Drop for FrameRing {
    fn drop(&mut self) {
        // SAFETY: exactly what `open` mapped; no reference into it outlives this object.
        let _ = syscall!(munmap(self.base.as_ptr().cast(), self.blocks * BLOCK));
    }
}

/// Where in a frame the octets are that its header speaks of, if that is behind the header and within the frame.
fn place(offset: u16, octets: u32) -> Option<Range<usize>> {
    let start = usize::from(offset);
    let end = start.checked_add(usize::try_from(octets).ok()?)?;
    (start >= size_of::<libc::tpacket2_hdr>() && end <= FRAME).then_some(start..end)
}

fn map(fd: BorrowedFd<'_>, octets: usize) -> io::Result<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice. It keeps the ring alive for itself.
    let start =
        unsafe { libc::mmap(std::ptr::null_mut(), octets, access, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_leads_out_of_its_frame_leads_nowhere() {
        assert_eq!(place(80, 432), Some(80..FRAME));
        assert_eq!(place(512, 0), Some(FRAME..FRAME));
        for (offset, octets) in [(80, 433), (0, 40), (31, 1), (513, 0), (u16::MAX, 1), (80, u32::MAX)] {
            assert_eq!(place(offset, octets), None, "{offset}, {octets}");
        }
    }
}
