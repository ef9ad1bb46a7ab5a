//! Reading what intercept says.

use super::body::Bodies;
use super::{DecodeError, FrameDecoder, Inbox, InterceptHello, MAGIC, RecordFormat, Reply, parse_record};

/// Reads what an intercept says from a stream that may be cut anywhere: version 2 if it begins with a hello, else the
/// frames of version 1.
#[derive(Debug)]
pub struct ReplyDecoder {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first octets, which tell the version.
    First(Inbox),
    Version1(FrameDecoder),
    Version2 {
        inbox: Inbox,
        bodies: Bodies,
        version: u16,
    },
}

impl Default for ReplyDecoder {
    fn default() -> Self {
        Self { stage: Stage::First(Inbox::default()) }
    }
}

impl ReplyDecoder {
    /// A decoder that waits for the first octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets of the stream.
    pub fn push(&mut self, octets: &[u8]) {
        match &mut self.stage {
            Stage::First(inbox) | Stage::Version2 { inbox, .. } => inbox.push(octets),
            Stage::Version1(frames) => frames.push(octets),
        }
    }

    /// What comes next, or `None` until more octets have come.
    ///
    /// # Errors
    ///
    /// The peer does not speak this protocol; nothing that follows can be understood.
    #[expect(clippy::should_implement_trait, reason = "it fails, lends, and goes on after None")]
    pub fn next(&mut self) -> Result<Option<Reply<'_>>, DecodeError> {
        self.begin()?;
        match &mut self.stage {
            Stage::First(_) => Ok(None),
            Stage::Version1(frames) => Ok(frames.next_record()?.map(|record| {
                parse_record(record).map_or(Reply::Malformed, |header| Reply::Response(header, &[]))
            })),
            Stage::Version2 { inbox, bodies, version } => {
                let next = bodies.next(inbox, Reply::longest)?;
                next.map(|(kind, body)| Reply::from_body(*version, kind, body)).transpose()
            }
        }
    }

    /// Finds out which version it is. A count of records is too small to begin like the magic.
    fn begin(&mut self) -> Result<(), DecodeError> {
        let Stage::First(inbox) = &mut self.stage else { return Ok(()) };
        let Some(&[first]) = inbox.peek(1) else { return Ok(()) };
        if first != MAGIC[0] {
            let mut frames = FrameDecoder::new(RecordFormat::Octets64);
            frames.push(inbox.rest());
            self.stage = Stage::Version1(frames);
        } else if let Some(preamble) = inbox.take_array() {
            let version = InterceptHello::version_of(preamble)?;
            let inbox = std::mem::take(inbox);
            self.stage = Stage::Version2 { inbox, bodies: Bodies::default(), version };
        }
        Ok(())
    }
}
