//! One packet of which some fragments were captured.

use std::time::Instant;
use tc_proto::fragment::{FragmentRef, assemble};

/// Memory that a packet takes apart from octets: its places in the tables.
const PARTIAL_OCTETS: usize = size_of::<Partial>() + 256;

/// What a fragment did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Something is missing still.
    Waits,
    /// Nothing is missing any more: the whole packet.
    Complete(Vec<u8>),
    /// It was there already.
    Duplicate,
    /// It contradicts what was there, or follows one that did: the packet is worth nothing (RFC 5722).
    Overlap,
}

/// The octets of one fragment.
#[derive(Debug)]
struct Piece {
    offset: usize,
    octets: Box<[u8]>,
}

impl Piece {
    const fn end(&self) -> usize {
        self.offset + self.octets.len()
    }
}

/// One packet of which some fragments were captured.
#[derive(Debug)]
pub(super) struct Partial {
    /// The number of its birth.
    pub(super) born: u64,
    pub(super) expires: Instant,
    /// The packet's header, once the first fragment is there.
    header: Option<Vec<u8>>,
    /// In order, without overlaps.
    pieces: Vec<Piece>,
    /// Where the packet ends, once the last fragment is there.
    end: Option<usize>,
    /// Octets in all pieces.
    len: usize,
    /// Whether fragments overlapped: it is remembered, that later ones begin no other.
    spoiled: bool,
}

impl Partial {
    pub(super) const fn new(born: u64, expires: Instant) -> Self {
        Self { born, expires, header: None, pieces: Vec::new(), end: None, len: 0, spoiled: false }
    }

    /// Fragments that are kept.
    pub(super) const fn fragments(&self) -> u64 {
        self.pieces.len() as u64
    }

    /// Octets of memory.
    pub(super) fn octets(&self) -> usize {
        let header = self.header.as_ref().map_or(0, Vec::capacity);
        PARTIAL_OCTETS + header + self.len + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Takes a fragment of this packet.
    pub(super) fn add(&mut self, fragment: &FragmentRef<'_>) -> Added {
        if self.spoiled {
            return Added::Overlap;
        }
        let place = self.pieces.partition_point(|piece| piece.offset < fragment.offset);
        let known = self.pieces.get(place).filter(|piece| piece.offset == fragment.offset);
        let ends_as_known = fragment.more != (self.end == Some(fragment.end()));
        if known.is_some_and(|piece| *piece.octets == *fragment.payload) && ends_as_known {
            return Added::Duplicate;
        }
        if self.contradicts(fragment, place) {
            self.spoil();
            return Added::Overlap;
        }
        self.pieces.insert(place, Piece { offset: fragment.offset, octets: fragment.payload.into() });
        self.len += fragment.payload.len();
        if !fragment.more {
            self.end = Some(fragment.end());
        }
        if fragment.offset == 0 {
            self.header = Some(fragment.header());
        }
        self.complete().map_or(Added::Waits, Added::Complete)
    }

    /// Whether a fragment that belongs at `place` overlaps a piece, or the end of the packet.
    fn contradicts(&self, fragment: &FragmentRef<'_>, place: usize) -> bool {
        let before = self.pieces[..place].last().map_or(0, Piece::end);
        let after = self.pieces.get(place).map_or(usize::MAX, |piece| piece.offset);
        let highest = self.pieces.last().map_or(0, Piece::end);
        let ends_wrong = match self.end {
            Some(end) => !fragment.more || fragment.end() > end,
            None => !fragment.more && fragment.end() < highest,
        };
        before > fragment.offset || fragment.end() > after || ends_wrong
    }

    fn spoil(&mut self) {
        self.spoiled = true;
        self.header = None;
        self.pieces = Vec::new();
        self.len = 0;
    }

    fn complete(&self) -> Option<Vec<u8>> {
        let header = self.header.as_ref().filter(|_| self.end == Some(self.len))?;
        let packet = assemble(header, self.pieces.iter().map(|piece| &*piece.octets));
        // A later fragment that is as long as can be does not fit behind the first one's longer header.
        u16::try_from(packet.len()).is_ok().then_some(packet)
    }
}
