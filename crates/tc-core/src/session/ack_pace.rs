//! How long an acknowledgment may wait for company.

/// What is known of whether the target waits for our acknowledgments. One that does has an answer in several small
/// writes and Nagle's algorithm on (RFC 9293, section 3.7.4): what comes next of the answer comes behind the
/// acknowledgment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AckPace {
    /// Nothing.
    #[default]
    Unknown,
    /// An acknowledgment went out late, and nothing came since.
    Watched,
    /// The last late acknowledgment was followed by a request: nobody had waited for it.
    Patient,
    /// Something once came behind a late acknowledgment, or again because there was none.
    Prompt,
}

impl AckPace {
    /// An acknowledgment that had waited goes out, alone.
    pub(super) fn on_late_ack(&mut self) {
        if *self != Self::Prompt {
            *self = Self::Watched;
        }
    }

    /// The target says something; whether it has the latest request by then.
    pub(super) fn on_text(&mut self, has_request: bool) {
        if *self == Self::Watched || (*self == Self::Patient && !has_request) {
            *self = Self::Prompt;
        }
    }

    /// The target repeats itself: it misses an acknowledgment.
    pub(super) fn on_repetition(&mut self) {
        *self = Self::Prompt;
    }

    /// A request goes out.
    pub(super) fn on_request(&mut self) {
        if *self == Self::Watched {
            *self = Self::Patient;
        }
    }
}
