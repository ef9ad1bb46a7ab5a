//! The `-c` addresses: as whom the replayed clients appear at the target.

use ipnet::IpNet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use tc_proto::{Flow, PortShare};

/// Ports below this one are left to services.
pub(crate) const FIRST_PORT: u16 = 1024;

/// Client addresses to appear under. Without any, clients keep their own.
#[derive(Clone, Debug, Default)]
pub struct ClientPool {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// Why `-c` is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no client address; write an address, a range as 10.16.12.x, or a network as 10.16.12.0/24")]
pub struct ClientPoolError(String);

/// Consecutive addresses.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: IpAddr,
    len: u128,
}

impl Range {
    /// The address at `index`, which is below `len`.
    fn at(&self, index: u128) -> IpAddr {
        match self.first {
            #[expect(clippy::cast_possible_truncation, reason = "an IPv4 range has at most 2^32 addresses")]
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(index as u32)).into(),
            IpAddr::V6(first) => std::net::Ipv6Addr::from_bits(first.to_bits().wrapping_add(index)).into(),
        }
    }
}

impl FromStr for Range {
    type Err = ClientPoolError;

    fn from_str(text: &str) -> Result<Self, ClientPoolError> {
        let error = || ClientPoolError(text.to_owned());
        if let Some(prefix) = text.strip_suffix(".x") {
            let first = format!("{prefix}.1").parse::<Ipv4Addr>().map_err(|_| error())?;
            return Ok(Self { first: first.into(), len: 254 });
        }
        if let Ok(first) = text.parse::<IpAddr>() {
            return if first.is_unspecified() { Err(error()) } else { Ok(Self { first, len: 1 }) };
        }
        text.parse::<IpNet>().map(|net| Self::of_network(&net)).map_err(|_| error())
    }
}

impl Range {
    /// The host addresses of a network: for IPv4 without its own and the broadcast address, where it has them.
    fn of_network(net: &IpNet) -> Self {
        let bits = u32::from(net.max_prefix_len() - net.prefix_len());
        let all = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
        match net {
            IpNet::V4(v4) if bits >= 2 => {
                Self { first: Self { first: v4.network().into(), len: all }.at(1), len: all - 2 }
            }
            IpNet::V4(_) | IpNet::V6(_) => Self { first: net.network(), len: all },
        }
    }
}

impl FromStr for ClientPool {
    type Err = ClientPoolError;

    /// A comma list of addresses, `a.b.c.x` ranges (.1 to .254) and networks in CIDR notation.
    fn from_str(list: &str) -> Result<Self, ClientPoolError> {
        let mut pool = Self::default();
        for item in list.split(',') {
            let range: Range = item.trim().parse()?;
            let family = if range.first.is_ipv4() { &mut pool.v4 } else { &mut pool.v6 };
            family.push(range);
        }
        Ok(pool)
    }
}

impl ClientPool {
    /// Whether clients keep their own addresses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether clients can appear to this target: the pool is empty, or has addresses of its IP version.
    #[must_use]
    pub fn serves(&self, target: SocketAddr) -> bool {
        self.is_empty() || !self.family(target.ip()).is_empty()
    }

    /// Whether a client of the online server at `online` can appear to `target`: it keeps its address, or the pool has
    /// one of the target's IP version for it.
    #[must_use]
    pub fn leads(&self, online: IpAddr, target: IpAddr) -> bool {
        if self.is_empty() { online.is_ipv4() == target.is_ipv4() } else { !self.family(target).is_empty() }
    }

    fn family(&self, like: IpAddr) -> &[Range] {
        if like.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// The flow under which `client` appears to `target`, none for which `in_use` holds. Its port belongs to `ports`.
    ///
    /// The same client address gets the same pool address and keeps its port as long as that is free; then the
    /// other addresses are tried with its port, then other ports. `None`: all is in use, or the pool has no
    /// address of the target's IP version.
    pub fn allocate(
        &self,
        client: SocketAddr,
        target: SocketAddr,
        ports: PortShare,
        in_use: impl Fn(&Flow) -> bool,
    ) -> Option<Flow> {
        let addresses = self.addresses_for(client.ip(), target.ip());
        let free = |address, port| {
            let flow = Flow { client: SocketAddr::new(address, port), target };
            (address != target.ip() && ports.owns(port) && !in_use(&flow)).then_some(flow)
        };
        let own_port = || addresses.clone().find_map(|address| free(address, client.port()));
        let other_port = || {
            let first = spread(&client);
            let ports = (0..=u16::MAX - FIRST_PORT).map(move |step| {
                let offset = (u32::from(first) + u32::from(step)) % u32::from(u16::MAX - FIRST_PORT + 1);
                #[expect(clippy::cast_possible_truncation, reason = "below 64512")]
                let offset = offset as u16;
                FIRST_PORT + offset
            });
            addresses.clone().find_map(|address| ports.clone().find_map(|port| free(address, port)))
        };
        own_port().or_else(other_port)
    }

    /// The addresses to try for a client, its own pool address first; at most 4096 of a larger pool.
    fn addresses_for(&self, client: IpAddr, target: IpAddr) -> impl Iterator<Item = IpAddr> + Clone + '_ {
        let ranges = self.family(target);
        let total: u128 = ranges.iter().map(|range| range.len).fold(0, u128::saturating_add);
        let own = (self.is_empty() && client.is_ipv4() == target.is_ipv4()).then_some(client);
        let first = if total == 0 { 0 } else { u128::from(hash(&client)) % total };
        let steps = total.min(4096);
        let pooled = (0..steps).filter_map(move |step| nth(ranges, first.wrapping_add(step) % total));
        own.into_iter().chain(pooled)
    }
}

fn nth(ranges: &[Range], mut index: u128) -> Option<IpAddr> {
    for range in ranges {
        if index < range.len {
            return Some(range.at(index));
        }
        index -= range.len;
    }
    None
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Where a client's search for another port begins.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are as good as any")]
fn spread(client: &SocketAddr) -> u16 {
    hash(client) as u16
}

#[cfg(test)]
mod tests {
    use super::ClientPool;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::net::SocketAddr;
    use tc_proto::{Flow, PortShare};

    fn pool(list: &str) -> ClientPool {
        list.parse().unwrap()
    }

    fn target() -> SocketAddr {
        "10.0.0.2:80".parse().unwrap()
    }

    fn all_addresses(list: &str) -> HashSet<String> {
        let client = "192.0.2.1:4000".parse::<SocketAddr>().unwrap();
        pool(list).addresses_for(client.ip(), target().ip()).map(|address| address.to_string()).collect()
    }

    #[test]
    fn a_range_ends_before_broadcast_and_begins_behind_the_network() {
        let range = all_addresses("10.16.12.x");
        assert_eq!(range.len(), 254);
        assert!(range.contains("10.16.12.1") && range.contains("10.16.12.254"));
        assert_eq!(all_addresses("10.16.12.0/24"), range);
        assert_eq!(all_addresses("10.16.12.4/31").len(), 2);
        assert_eq!(all_addresses("10.16.12.4/32,10.16.12.9").len(), 2);
    }

    #[test]
    fn a_client_keeps_its_address_and_port_without_a_pool() {
        let client = "192.0.2.1:4000".parse().unwrap();
        let flow = ClientPool::default().allocate(client, target(), PortShare::WHOLE, |_| false).unwrap();
        assert_eq!(flow.client, client);
    }

    #[test]
    fn a_used_port_is_replaced() {
        let client = "192.0.2.1:4000".parse().unwrap();
        let flow = pool("10.0.0.9")
            .allocate(client, target(), PortShare::WHOLE, |flow| flow.client.port() == 4000)
            .unwrap();
        assert_eq!(flow.client.ip().to_string(), "10.0.0.9");
        assert!(flow.client.port() >= 1024 && flow.client.port() != 4000);
    }

    #[test]
    fn other_addresses_are_tried_before_other_ports() {
        let client = "192.0.2.1:4000".parse().unwrap();
        let pool = pool("10.0.0.8,10.0.0.9");
        let first = pool.allocate(client, target(), PortShare::WHOLE, |_| false).unwrap();
        let second = pool.allocate(client, target(), PortShare::WHOLE, |flow| *flow == first).unwrap();
        assert_eq!(second.client.port(), 4000);
        assert_ne!(second.client.ip(), first.client.ip());
    }

    #[test]
    fn a_pool_of_the_other_ip_version_serves_no_client() {
        let client = "192.0.2.1:4000".parse().unwrap();
        let six = pool("2001:db8::/64");
        assert!(!six.serves(target()));
        assert_eq!(six.allocate(client, target(), PortShare::WHOLE, |_| false), None);
    }

    #[test]
    fn clients_reach_a_target_of_the_other_ip_version_under_an_address_of_the_pool_only() {
        let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let none = ClientPool::default();
        assert!(
            none.leads(four, four) && none.leads(six, six) && !none.leads(four, six) && !none.leads(six, four)
        );
        let pool = pool("2001:db8::/64");
        assert!(pool.leads(four, six) && pool.leads(six, six) && !pool.leads(four, four));
        let client = "192.0.2.1:4000".parse().unwrap();
        let flow =
            pool.allocate(client, "[2001:db8:1::2]:80".parse().unwrap(), PortShare::WHOLE, |_| false).unwrap();
        assert!(flow.client.is_ipv6() && flow.client.port() == 4000);
    }

    #[test]
    fn thousands_of_clients_share_one_address() {
        let mut used = HashSet::new();
        let pool = pool("10.0.0.9");
        for client in 0..3000_u32 {
            let address = std::net::Ipv4Addr::from_bits(client / 1000 + 1);
            let client = (address, 1024 + u16::try_from(client % 1000).unwrap()).into();
            let flow = pool.allocate(client, target(), PortShare::WHOLE, |flow| used.contains(flow)).unwrap();
            assert!(used.insert(flow));
        }
    }

    #[test]
    fn flows_of_several_workers_never_meet() {
        let pool = pool("10.0.0.9");
        let mut used = HashSet::new();
        for client in 0..2000_u16 {
            let client: SocketAddr =
                ([192, 0, 2, 1 + u8::try_from(client / 500).unwrap()], 1024 + client % 500).into();
            let share = PortShare::split(3).find(|share| share.owns(client.port())).unwrap();
            // No worker knows the flows of the others.
            let own = |flow: &Flow| used.contains(flow) && share.owns(flow.client.port());
            let flow = pool.allocate(client, target(), share, own).unwrap();
            assert!(used.insert(flow), "{flow:?}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "x", "10.0.0", "10.0.0.300", "10.0.0.0/33", "10.0.x", "10.0.0.1,", "0.0.0.0"] {
            assert!(text.parse::<ClientPool>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn two_live_flows_never_collide(clients in proptest::collection::vec((1_u8..5, 1024_u16..1100), 1..300)) {
            let pool = pool("10.0.0.8,10.0.0.9");
            let mut used = HashSet::new();
            for (host, port) in clients {
                let client = (std::net::Ipv4Addr::new(192, 0, 2, host), port).into();
                let flow = pool.allocate(client, target(), PortShare::WHOLE, |flow| used.contains(flow)).unwrap();
                prop_assert!(used.insert(flow));
            }
        }
    }
}
