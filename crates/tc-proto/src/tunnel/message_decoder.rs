//! Reading what tcpcopy says.

use super::body::{Bodies, MAX_BODY};
use super::{DecodeError, Inbox, Message};

/// Reads messages from a stream that may be cut anywhere: version 1, and version 2 behind [`Message::Switch`].
#[derive(Debug, Default)]
pub struct MessageDecoder {
    inbox: Inbox,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    First,
    /// Version 1 from a peer that knows no other.
    Version1,
    /// Version 1 from a peer that may switch.
    Offered,
    Version2(Bodies),
}

impl MessageDecoder {
    /// A decoder that waits for the first message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets of the stream.
    pub fn push(&mut self, octets: &[u8]) {
        self.inbox.push(octets);
    }

    /// The next whole message, or `None` until more octets have come.
    ///
    /// # Errors
    ///
    /// The peer does not speak this protocol; nothing that follows can be understood.
    #[expect(clippy::should_implement_trait, reason = "it fails, and goes on after None")]
    pub fn next(&mut self) -> Result<Option<Message>, DecodeError> {
        if let Stage::Version2(bodies) = &mut self.stage {
            let longest = |kind| Message::is_known(kind).then_some(MAX_BODY);
            let next = bodies.next(&mut self.inbox, longest)?;
            return next.map(|(kind, body)| Message::from_body(kind, body)).transpose();
        }
        let Some(octets) = self.inbox.take_array() else { return Ok(None) };
        let message = match self.stage {
            Stage::First => Message::first(octets)?,
            Stage::Version1 | Stage::Offered | Stage::Version2(_) => Message::from_v1(octets)?,
        };
        self.advance(&message)?;
        Ok(Some(message))
    }

    fn advance(&mut self, message: &Message) -> Result<(), DecodeError> {
        match (message, &self.stage) {
            (Message::Version(_), _) => self.stage = Stage::Version1,
            (Message::Offer(_), _) => self.stage = Stage::Offered,
            (Message::Switch, Stage::Offered) => self.stage = Stage::Version2(Bodies::default()),
            (Message::Switch, _) => return Err(DecodeError::MessageType(Message::SWITCH)),
            _ => {}
        }
        Ok(())
    }
}
