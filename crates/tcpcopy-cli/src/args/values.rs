//! Values of options, out of what the user typed.

use crate::offline::Speed;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use tc_core::{LoopbackClients, Mapping};
use tc_sys::capture::Backend;
use tc_sys::program::number;

/// The entries of `-x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MappingList(pub(crate) Vec<Mapping>);

impl FromStr for MappingList {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let parse = |entry: &str| entry.trim().parse::<Mapping>().map_err(|error| error.to_string());
        list.split(',').map(parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Display for MappingList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<_> = self.0.iter().map(Mapping::to_string).collect();
        f.write_str(&entries.join(","))
    }
}

/// A host of `-s`, with its own port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_host = || {
            "it is no host; give a name or an address, and a port behind a colon; an IPv6 address with a port in brackets"
                .to_owned()
        };
        if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let port = match rest.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if rest.is_empty() => None,
                None => return Err(no_host()),
            };
            return is_ipv6(address).then(|| Self { host: address.to_owned(), port }).ok_or_else(no_host);
        }
        if is_ipv6(text) {
            return Ok(Self { host: text.to_owned(), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => (host, Some(port(digits)?)),
            None => (text, None),
        };
        let odd = |character: char| !character.is_ascii_alphanumeric() && !"-._".contains(character);
        if host.is_empty() || host.contains(odd) {
            return Err(no_host());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Whether it is an IPv6 address, perhaps with the interface of a link-local one behind a percent sign.
fn is_ipv6(text: &str) -> bool {
    let (address, interface) = text.split_once('%').unwrap_or((text, "lo"));
    address.parse::<Ipv6Addr>().is_ok() && !interface.is_empty()
}

pub(super) fn interface(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("an entry is empty; give interface names with one comma between them".to_owned());
    }
    Ok(name.to_owned())
}

pub(super) fn backend(text: &str) -> Result<Backend, String> {
    match text {
        "ring" => Ok(Backend::Ring),
        "pnet" => Ok(Backend::Pnet),
        _ => Err("give ring or pnet".to_owned()),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    number(text, 1..=u16::MAX)
}

pub(super) fn loopback_clients(text: &str) -> Result<LoopbackClients, String> {
    let mut clients = LoopbackClients::default();
    for entry in text.split(',') {
        let usable = |address: &IpAddr| !address.is_unspecified() && !address.is_loopback();
        let taken = match entry.trim().parse().ok().filter(usable) {
            Some(IpAddr::V4(v4)) => clients.v4.replace(v4).is_some(),
            Some(IpAddr::V6(v6)) => clients.v6.replace(v6).is_some(),
            None => return Err("give an address that is not of the loopback network".to_owned()),
        };
        if taken {
            return Err("give at most one IPv4 and one IPv6 address".to_owned());
        }
    }
    Ok(clients)
}

pub(super) fn connections(text: &str) -> Result<u8, String> {
    number(text, 1..=16)
}

pub(super) fn milliseconds(text: &str) -> Result<u32, String> {
    number(text, 1..=86_400_000)
}

pub(super) fn times(text: &str) -> Result<u32, String> {
    number(text, 1..=1_000_000)
}

pub(super) fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Unlimited);
    }
    let factor = text.parse().ok().filter(|factor| (0.001..=1000.0).contains(factor));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is at most a million")]
    let thousandths = factor.and_then(|factor: f64| NonZeroU32::new((factor * 1000.0).round() as u32));
    thousandths.map(Speed::Thousandths).ok_or_else(|| "give a factor from 0.001 to 1000, or max".to_owned())
}

pub(super) fn threads(text: &str) -> Result<u16, String> {
    number(text, 1..=64)
}

pub(super) fn copies(text: &str) -> Result<u16, String> {
    number(text, 1..=1023)
}

pub(super) fn factor(text: &str) -> Result<u16, String> {
    number(text, 0..=1023)
}

pub(super) fn percentage(text: &str) -> Result<u8, String> {
    number(text, 1..=100)
}

pub(super) fn seconds(text: &str) -> Result<u32, String> {
    number(text, 1..=86_400)
}

pub(super) fn memory(text: &str) -> Result<u32, String> {
    number(text, 1..=1 << 20)
}

pub(super) fn mtu(text: &str) -> Result<u16, String> {
    number(text, 576..=65_535)
}

pub(super) fn mss(text: &str) -> Result<u16, String> {
    number(text, 64..=65_495)
}

pub(super) fn rtt(text: &str) -> Result<u16, String> {
    number(text, 1..=60_000)
}
