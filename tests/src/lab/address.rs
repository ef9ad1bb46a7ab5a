//! The addresses of the hosts, in both versions of IP.

use std::fmt::Write;
use std::net::IpAddr;

/// What the IPv4 addresses of a lab begin with; `10.198.1.7` is `fd98:1::7` in the other version.
const PREFIX: &str = "10.198.";

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpVersion {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The host that has this IPv4 address.
    ///
    /// # Panics
    ///
    /// It is no address of a lab.
    #[must_use]
    pub fn of(self, address: &str) -> IpAddr {
        self.translate(address).parse().expect("an address")
    }

    /// A text with all IPv4 addresses of a lab in this version.
    #[must_use]
    pub fn translate(self, text: &str) -> String {
        if self == Self::V4 {
            return text.to_owned();
        }
        let mut parts = text.split(PREFIX);
        let mut translated = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(part.len());
            let (address, rest) = part.split_at(end);
            let (net, number) = address.split_once('.').unwrap_or((address, "0"));
            let number: u8 = number.parse().expect("the number of a host");
            write!(translated, "fd98:{net}::{number:x}{rest}").expect("a string grows");
        }
        translated
    }

    /// The address that stands for all of a host.
    #[must_use]
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => [0; 4].into(),
            Self::V6 => [0; 16].into(),
        }
    }

    /// The address of a host to itself.
    #[must_use]
    pub fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => [127, 0, 0, 1].into(),
            Self::V6 => std::net::Ipv6Addr::LOCALHOST.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::IpVersion::{V4, V6};

    #[test]
    fn addresses_of_a_lab_are_translated_wherever_they_stand() {
        let text = "--from 10.198.1.1-10.198.1.50 --connections 10 -c 10.198.2.254";
        assert_eq!(V4.translate(text), text);
        assert_eq!(V6.translate(text), "--from fd98:1::1-fd98:1::32 --connections 10 -c fd98:2::fe");
    }
}
