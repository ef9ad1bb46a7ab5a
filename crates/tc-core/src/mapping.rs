//! The `-x` map: which captured packets are replayed, and where to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tc_proto::{MacAddr, Transport};

/// One entry of `-x`: `[tcp:|udp:][sourceIP:]sourcePort[@sourceMAC]-targetIP:targetPort[@nextHopMAC]`, IPv6 addresses in
/// brackets.
///
/// An entry takes packets of both IP versions, as far as its clients can appear to the target: see
/// [`ClientPool::leads`](crate::ClientPool::leads).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// What is replayed: connections of TCP, or datagrams of UDP.
    pub transport: Transport,
    /// The online server's address, or any when it is left out.
    pub online: Option<IpAddr>,
    /// The online server's port.
    pub port: u16,
    /// The application under test.
    pub target: SocketAddr,
    /// What is given of the link layer.
    pub link: LinkAddresses,
}

/// Link-layer addresses of what is injected there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkAddresses {
    /// From where; the device's own when it is left out.
    pub source: Option<MacAddr>,
    /// Where to; found when it is left out.
    pub next_hop: Option<MacAddr>,
}

/// Why an entry of `-x` is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{entry}': {problem}; write [udp:][sourceIP:]sourcePort-targetIP:targetPort, as in 80-10.16.12.11:80")]
pub struct MappingError {
    entry: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("no '-' between source and target")]
    NoDash,
    #[error("'{0}' is no port from 1 to 65535")]
    Port(String),
    #[error("'{0}' is no IP address")]
    Address(String),
    #[error("'{0}' is no target address and port")]
    Target(String),
    #[error("an IPv6 address stands in brackets, as in [{0}]:80")]
    NoBrackets(Ipv6Addr),
    #[error("the target's address cannot be 0.0.0.0 or ::")]
    UnspecifiedTarget,
    #[error("'{0}' is no MAC address, as in 00:11:22:33:44:55")]
    Mac(String),
}

impl Mapping {
    /// Whether a packet to this address and port of the online host is taken.
    #[must_use]
    pub fn takes(&self, transport: Transport, destination: SocketAddr) -> bool {
        self.transport == transport
            && self.port == destination.port()
            && self.online.is_none_or(|online| online == destination.ip())
    }
}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(entry: &str) -> Result<Self, MappingError> {
        let problem = |problem| MappingError { entry: entry.to_owned(), problem };
        parse_entry(entry).map_err(problem)
    }
}

fn parse_entry(entry: &str) -> Result<Mapping, Problem> {
    let (transport, entry) = split_transport(entry);
    let (source, target) = entry.split_once('-').ok_or(Problem::NoDash)?;
    let ((source, source_mac), (target, next_hop)) = (split_mac(source)?, split_mac(target)?);
    let link = LinkAddresses { source: source_mac, next_hop };
    let (online, port) = parse_source(source)?;
    let target = match target.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => address,
        Ok(_) | Err(_) => {
            let bare = target.parse().map(Problem::NoBrackets);
            return Err(bare.unwrap_or_else(|_| Problem::Target(target.to_owned())));
        }
    };
    if target.ip().is_unspecified() {
        return Err(Problem::UnspecifiedTarget);
    }
    let target = SocketAddr::new(target.ip().to_canonical(), target.port());
    let online = online.map(|address| address.to_canonical());
    Ok(Mapping { transport, online, port, target, link })
}

fn split_mac(text: &str) -> Result<(&str, Option<MacAddr>), Problem> {
    let Some((rest, mac)) = text.split_once('@') else { return Ok((text, None)) };
    let usable = |mac: &MacAddr| !mac.is_zero() && mac.is_unicast();
    let parsed = mac.parse().ok().filter(usable);
    parsed.map(|mac| (rest, Some(mac))).ok_or_else(|| Problem::Mac(mac.to_owned()))
}

/// Without a prefix, an entry is for TCP.
fn split_transport(entry: &str) -> (Transport, &str) {
    let prefixed = |transport: Transport| {
        let rest = entry.strip_prefix(&transport.to_string())?.strip_prefix(':')?;
        Some((transport, rest))
    };
    Transport::ALL.into_iter().find_map(prefixed).unwrap_or((Transport::Tcp, entry))
}

fn parse_source(source: &str) -> Result<(Option<IpAddr>, u16), Problem> {
    let Some((address, port)) = source.rsplit_once(':') else {
        return Ok((None, parse_port(source)?));
    };
    let port = parse_port(port)?;
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = bare.parse().map_err(|_| Problem::Address(address.to_owned()))?;
    Ok((Some(address).filter(|address| !address.is_unspecified()), port))
}

fn parse_port(port: &str) -> Result<u16, Problem> {
    port.parse().ok().filter(|port| *port != 0).ok_or_else(|| Problem::Port(port.to_owned()))
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transport != Transport::Tcp {
            write!(f, "{}:", self.transport)?;
        }
        match self.online {
            Some(online) => write!(f, "{}", SocketAddr::new(online, self.port))?,
            None => write!(f, "{}", self.port)?,
        }
        if let Some(source) = self.link.source {
            write!(f, "@{source}")?;
        }
        write!(f, "-{}", self.target)?;
        self.link.next_hop.map_or(Ok(()), |next_hop| write!(f, "@{next_hop}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Mapping;
    use tc_proto::Transport::{Tcp, Udp};

    fn parse(entry: &str) -> Mapping {
        entry.parse().unwrap()
    }

    #[test]
    fn an_entry_without_an_address_takes_any() {
        let mapping = parse("80-10.16.12.11:8080");
        assert_eq!((mapping.online, mapping.port), (None, 80));
        assert!(mapping.takes(Tcp, "192.0.2.7:80".parse().unwrap()));
        assert!(!mapping.takes(Tcp, "192.0.2.7:81".parse().unwrap()));
    }

    #[test]
    fn an_entry_with_an_address_takes_that_one_only() {
        let mapping = parse("192.0.2.7:80-10.16.12.11:8080");
        assert!(mapping.takes(Tcp, "192.0.2.7:80".parse().unwrap()));
        assert!(!mapping.takes(Tcp, "192.0.2.8:80".parse().unwrap()));
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        let mapping = parse("[2001:db8::1]:80-[2001:db8::2]:8080");
        assert_eq!(mapping.to_string(), "[2001:db8::1]:80-[2001:db8::2]:8080");
        assert_eq!(parse("80-[::ffff:10.0.0.1]:80").to_string(), "80-10.0.0.1:80");
    }

    #[test]
    fn udp_is_asked_for_by_a_prefix() {
        let mapping = parse("udp:192.0.2.7:53-10.16.12.11:5353");
        assert!(mapping.takes(Udp, "192.0.2.7:53".parse().unwrap()));
        assert!(!mapping.takes(Tcp, "192.0.2.7:53".parse().unwrap()));
        assert_eq!(mapping.to_string(), "udp:192.0.2.7:53-10.16.12.11:5353");
        assert_eq!(parse("tcp:80-10.16.12.11:80"), parse("80-10.16.12.11:80"));
        assert_eq!(parse("udp:[2001:db8::1]:53-[2001:db8::2]:53").port, 53);
    }

    #[test]
    fn addresses_of_the_link_layer_may_be_given() {
        let entry = "192.0.2.7:80@00:11:22:33:44:55-10.16.12.11:8080@66:77:88:99:aa:bb";
        let mapping = parse(entry);
        assert_eq!(mapping.link.source, Some("00:11:22:33:44:55".parse().unwrap()));
        assert_eq!(mapping.link.next_hop, Some("66:77:88:99:aa:bb".parse().unwrap()));
        assert_eq!((mapping.port, mapping.target.port()), (80, 8080));
        assert_eq!(mapping.to_string(), entry);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("80", "no '-' between source and target"),
            ("x-10.0.0.1:80", "'x' is no port from 1 to 65535"),
            ("0-10.0.0.1:80", "'0' is no port from 1 to 65535"),
            ("65536-10.0.0.1:80", "'65536' is no port from 1 to 65535"),
            ("host:80-10.0.0.1:80", "'host' is no IP address"),
            ("80-10.0.0.1", "'10.0.0.1' is no target address and port"),
            ("80-fd00::1", "an IPv6 address stands in brackets, as in [fd00::1]:80"),
            ("sctp:80-10.0.0.1:80", "'sctp' is no IP address"),
            ("udp:-10.0.0.1:80", "'' is no port from 1 to 65535"),
            ("80-10.0.0.1:0", "'10.0.0.1:0' is no target address and port"),
            ("80-0.0.0.0:80", "the target's address cannot be 0.0.0.0 or ::"),
            ("80-10.0.0.1:80@00:11:22", "'00:11:22' is no MAC address, as in 00:11:22:33:44:55"),
            (
                "80@ff:ff:ff:ff:ff:ff-10.0.0.1:80",
                "'ff:ff:ff:ff:ff:ff' is no MAC address, as in 00:11:22:33:44:55",
            ),
        ];
        for (entry, problem) in cases {
            let message = entry.parse::<Mapping>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("'{entry}': {problem}; ")), "{message}");
        }
    }
}
