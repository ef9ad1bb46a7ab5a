//! What the relay counts.

use tc_proto::ParseError;

/// One counter for each outcome, since the start.
///
/// A response is exactly one of passed, forwarded, held, `held_refused`, `datagrams`, or one of the `dropped_*`. A held header
/// ends as `held_delivered`, `held_superseded`, `held_expired` or `held_displaced`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Responses of the target, all of them.
    pub responses: u64,
    /// Responses that went on, because their destination is on the passlist.
    pub passed: u64,
    /// Headers that went to their tunnel at once.
    pub forwarded: u64,
    /// Headers that were held, because their flow had no route.
    pub held: u64,
    /// Held headers whose route came.
    pub held_delivered: u64,
    /// Held headers of a connection that the target has opened anew since.
    pub held_superseded: u64,
    /// Held headers whose route did not come in time.
    pub held_expired: u64,
    /// Held headers that made room for later ones.
    pub held_displaced: u64,
    /// Headers without a route that were not held: too many of their flow were.
    pub held_refused: u64,
    /// Responses shorter than their headers.
    pub dropped_truncated: u64,
    /// Responses with an impossible header length.
    pub dropped_header_length: u64,
    /// Responses that are neither IPv4 nor IPv6.
    pub dropped_ip_version: u64,
    /// Responses that are datagrams of UDP.
    pub datagrams: u64,
    /// Headers of these that went to tunnels: once for each that had asked for them.
    pub datagrams_returned: u64,
    /// Of these, those that no tunnel had asked for.
    pub datagrams_unrouted: u64,
    /// Responses that are neither TCP nor UDP.
    pub dropped_not_tcp: u64,
    /// Responses that are fragments.
    pub dropped_fragment: u64,
    /// Headers that waited for a tunnel when it ended.
    pub lost_with_tunnel: u64,
    /// Routes that a tunnel announced before it proved that it knows the key, and which were passed over.
    pub routes_refused: u64,
    /// Routes that were announced, renewals included.
    pub routes_announced: u64,
    /// Announcements of a route that the same tunnel had already.
    pub routes_renewed: u64,
    /// Announcements of a route that another tunnel had.
    pub routes_taken_over: u64,
    /// Routes that went some time after their tunnel took them back.
    pub routes_removed: u64,
    /// Routes that went some time after the target's FIN or RST.
    pub routes_closed: u64,
    /// Routes that went because no response came for long.
    pub routes_idle: u64,
    /// Routes that made room for others.
    pub routes_evicted: u64,
    /// Routes that went with their tunnel.
    pub routes_orphaned: u64,
    /// Removals of a route that the tunnel does not have.
    pub removals_unknown: u64,
    /// Tunnels that connected.
    pub tunnels_up: u64,
    /// Tunnels that ended, for whatever reason.
    pub tunnels_down: u64,
    /// Tunnels that were cut because they did not speak the protocol.
    pub tunnels_refused: u64,
    /// Tunnels that were cut because they did not say their version in time.
    pub tunnels_silent: u64,
    /// Connections that were refused because of their address.
    pub tunnels_not_allowed: u64,
    /// Tunnels that were cut because they did not prove that they know the key.
    pub tunnels_wrong_key: u64,
    /// Tunnels that were cut before their hand-shake was over, to make room for others, or found no room.
    pub tunnels_displaced: u64,
    /// Tunnels that were cut because they did not keep up.
    pub tunnels_slow: u64,
    /// Frames that were made.
    pub frames: u64,
}

impl Counters {
    pub(super) const fn count_parse_error(&mut self, error: ParseError) {
        let counter = match error {
            ParseError::Truncated { .. } => &mut self.dropped_truncated,
            ParseError::HeaderLength { .. } => &mut self.dropped_header_length,
            ParseError::Version(_) => &mut self.dropped_ip_version,
            ParseError::NotTcp(_) | ParseError::NotUdp(_) => &mut self.dropped_not_tcp,
            ParseError::Fragment | ParseError::FragmentLength { .. } => &mut self.dropped_fragment,
        };
        *counter += 1;
    }

    /// Headers that were put into frames, or wait for that.
    #[must_use]
    pub const fn returned(&self) -> u64 {
        self.forwarded + self.held_delivered + self.datagrams_returned
    }
}
