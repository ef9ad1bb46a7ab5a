//! TCP options.

use crate::{SeqNum, WindowScale};

/// Kinds of the TCP option registry (IANA, "TCP Option Kind Numbers").
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// The timestamps option (RFC 7323, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub value: u32,
    /// `TSecr`: the other side's clock, echoed.
    pub echo: u32,
}

/// One block of the SACK option (RFC 2018): octets from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SackBlock {
    /// The first octet that arrived.
    pub start: SeqNum,
    /// The octet after the last.
    pub end: SeqNum,
}

/// The blocks of one SACK option: at most four fit into a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; 4],
    len: u8,
}

impl SackBlocks {
    /// The blocks in the order of the option.
    #[must_use]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Adds a block; a fifth is left out.
    pub fn push(&mut self, block: SackBlock) {
        if let Some(slot) = self.blocks.get_mut(usize::from(self.len)) {
            *slot = block;
            self.len += 1;
        }
    }
}

/// The options of a segment that tcpcopy understands; others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Maximum segment size, in octets of payload and options (RFC 9293, section 3.7.1).
    pub mss: Option<u16>,
    /// Window scale, on SYN segments only.
    pub window_scale: Option<WindowScale>,
    /// Whether selective acknowledgment is permitted, on SYN segments only.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// Selective acknowledgment.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// Reads the option octets of a TCP header. What stands behind a malformed option is not read, as in Linux.
    #[must_use]
    pub fn parse(mut octets: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((body, rest)) = split_option(octets) {
            options.take(body);
            octets = rest;
        }
        options
    }

    /// Takes one option, `[kind, length, data…]`, or one octet of padding.
    fn take(&mut self, option: &[u8]) {
        match *option {
            [kind::MSS, 4, a, b] => self.mss = Some(u16::from_be_bytes([a, b])),
            [kind::WINDOW_SCALE, 3, shift] => self.window_scale = Some(WindowScale::new(shift)),
            [kind::SACK_PERMITTED, 2] => self.sack_permitted = true,
            [kind::SACK, _, ref blocks @ ..] => self.take_sack(blocks),
            [kind::TIMESTAMPS, 10, ref stamps @ ..] => {
                self.timestamps = two_u32(stamps).map(|(value, echo)| Timestamps { value, echo });
            }
            _ => {}
        }
    }

    fn take_sack(&mut self, octets: &[u8]) {
        for (start, end) in octets.chunks_exact(8).filter_map(two_u32) {
            self.sack.push(SackBlock { start: SeqNum::new(start), end: SeqNum::new(end) });
        }
    }

    /// Octets that [`emit`](Self::emit) writes, a multiple of four.
    #[must_use]
    pub fn emitted_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let scale = if self.window_scale.is_some() { 4 } else { 0 };
        let timestamps = if self.timestamps.is_some() { 12 } else { 0 };
        let permitted = if self.sack_permitted { 4 } else { 0 };
        mss + scale + timestamps + permitted + self.emitted_sack_len()
    }

    fn emitted_sack_len(&self) -> usize {
        match self.sack.as_slice().len() {
            0 => 0,
            blocks => 4 + 8 * blocks,
        }
    }

    /// Appends the options to `buf`, each padded to four octets. More than 40 octets do not fit a TCP header; no
    /// combination that TCP allows comes near that but four SACK blocks with timestamps, which the caller avoids.
    pub fn emit(&self, buf: &mut Vec<u8>) {
        if let Some(mss) = self.mss {
            buf.extend_from_slice(&[kind::MSS, 4]);
            buf.extend_from_slice(&mss.to_be_bytes());
        }
        if self.sack_permitted {
            buf.extend_from_slice(&[kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2]);
        }
        if let Some(timestamps) = self.timestamps {
            buf.extend_from_slice(&[kind::NOP, kind::NOP, kind::TIMESTAMPS, 10]);
            buf.extend_from_slice(&timestamps.value.to_be_bytes());
            buf.extend_from_slice(&timestamps.echo.to_be_bytes());
        }
        if let Some(scale) = self.window_scale {
            buf.extend_from_slice(&[kind::NOP, kind::WINDOW_SCALE, 3, scale.shift()]);
        }
        self.emit_sack(buf);
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most four blocks")]
    fn emit_sack(&self, buf: &mut Vec<u8>) {
        let blocks = self.sack.as_slice();
        if blocks.is_empty() {
            return;
        }
        buf.extend_from_slice(&[kind::NOP, kind::NOP, kind::SACK, 2 + 8 * blocks.len() as u8]);
        for block in blocks {
            buf.extend_from_slice(&block.start.value().to_be_bytes());
            buf.extend_from_slice(&block.end.value().to_be_bytes());
        }
    }
}

/// Cuts the first option off: its octets, and the rest. `None` at the end of the list or at a malformed option.
fn split_option(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    match *octets {
        [kind::NOP, ..] => octets.split_at_checked(1),
        [] | [_] | [kind::END, ..] => None,
        [_, len, ..] if len < 2 => None,
        [_, len, ..] => octets.split_at_checked(usize::from(len)),
    }
}

/// Two numbers in network byte order.
fn two_u32(octets: &[u8]) -> Option<(u32, u32)> {
    let (first, rest) = octets.split_first_chunk()?;
    Some((u32::from_be_bytes(*first), u32::from_be_bytes(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::{SackBlock, SackBlocks, TcpOptions, Timestamps};
    use crate::{SeqNum, WindowScale};
    use proptest::prelude::*;

    fn emitted(options: &TcpOptions) -> Vec<u8> {
        let mut octets = Vec::new();
        options.emit(&mut octets);
        octets
    }

    #[test]
    fn the_options_of_a_linux_syn_are_understood() {
        let octets = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
        let expected = TcpOptions {
            mss: Some(1460),
            window_scale: Some(WindowScale::new(7)),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 9, echo: 0 }),
            sack: SackBlocks::default(),
        };
        assert_eq!(TcpOptions::parse(&octets), expected);
    }

    #[test]
    fn an_option_of_length_zero_ends_the_list() {
        assert_eq!(TcpOptions::parse(&[8, 0, 2, 4, 5, 180]), TcpOptions::default());
        assert_eq!(TcpOptions::parse(&[3, 1, 2, 4, 5, 180]), TcpOptions::default());
    }

    #[test]
    fn an_option_longer_than_the_header_ends_the_list() {
        assert_eq!(TcpOptions::parse(&[1, 1, 8, 10, 0, 0]), TcpOptions::default());
        assert_eq!(TcpOptions::parse(&[2]), TcpOptions::default());
    }

    #[test]
    fn an_option_of_the_wrong_length_is_passed_over() {
        let options = TcpOptions::parse(&[8, 4, 0, 0, 2, 4, 5, 180]);
        assert_eq!(options.timestamps, None);
        assert_eq!(options.mss, Some(1460));
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_read_back(
            mss: Option<u16>,
            shift in proptest::option::of(0_u8..=14),
            sack_permitted: bool,
            stamps: Option<(u32, u32)>,
            blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..=4),
        ) {
            let mut sack = SackBlocks::default();
            for (start, end) in blocks {
                sack.push(SackBlock { start: SeqNum::new(start), end: SeqNum::new(end) });
            }
            let options = TcpOptions {
                mss,
                window_scale: shift.map(WindowScale::new),
                sack_permitted,
                timestamps: stamps.map(|(value, echo)| Timestamps { value, echo }),
                sack,
            };
            let octets = emitted(&options);
            prop_assert_eq!(octets.len(), options.emitted_len());
            prop_assert_eq!(octets.len() % 4, 0);
            prop_assert_eq!(TcpOptions::parse(&octets), options);
        }

        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = TcpOptions::parse(&octets);
        }
    }
}
