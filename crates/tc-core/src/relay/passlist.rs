//! The passlist on its own, for whoever gives verdicts without a relay.

use super::{Verdict, destination};
use ipnet::IpNet;

/// Destinations whose responses go on to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passlist(Vec<IpNet>);

impl From<Vec<IpNet>> for Passlist {
    fn from(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }
}

impl Passlist {
    /// The verdict that [`Relay::handle_response`](super::Relay::handle_response) gives to the same packet.
    #[must_use]
    pub fn verdict(&self, octets: &[u8]) -> Verdict {
        let passes = |address| self.0.iter().any(|network| network.contains(&address));
        if !self.0.is_empty() && destination(octets).is_some_and(passes) {
            Verdict::Accept
        } else {
            Verdict::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passlist_alone_says_what_the_relay_says() {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let passlist = Passlist::from(networks);
        let mut four = [0x45; 20];
        four[16..].copy_from_slice(&[10, 1, 2, 3]);
        let mut six = [0; 40];
        (six[0], six[39]) = (0x60, 1);
        for (octets, verdict) in [
            (&four[..], Verdict::Accept),
            (&four[..19], Verdict::Drop),
            (&six[..], Verdict::Accept),
            (&[0x60; 40], Verdict::Drop),
            (&[], Verdict::Drop),
        ] {
            assert_eq!(passlist.verdict(octets), verdict, "{octets:?}");
        }
        assert_eq!(Passlist::default().verdict(&four), Verdict::Drop);
    }
}
