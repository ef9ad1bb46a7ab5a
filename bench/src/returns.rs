//! intercept: a relay between a target and one tunnel.

use crate::{TARGET, Template, client};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tc_core::relay::{Relay, RelayConfig, TunnelId, Verdict};
use tc_proto::tunnel::{Message, TUNNEL_VERSION, TcpcopyHello, Times};
use tc_proto::{Flags, Flow, SeqNum};

const TUNNEL: TunnelId = TunnelId(1);
const TCPCOPY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A relay with routes of one tunnel.
#[derive(Debug)]
pub struct Returns {
    /// What is measured.
    pub relay: Relay,
    now: Instant,
    written: Vec<u8>,
    response: Template,
}

impl Returns {
    /// A relay with so many routes.
    #[must_use]
    pub fn with_routes(count: usize) -> Self {
        let mut returns = Self {
            relay: Relay::new(RelayConfig::default()),
            now: Instant::now(),
            written: Vec::new(),
            response: Template::new(Flags::ACK | Flags::PSH, &[8; 1000]),
        };
        returns.relay.handle_tunnel_up(returns.now, TUNNEL, TCPCOPY, [1; 32]);
        for message in [Message::Offer(TUNNEL_VERSION), Message::Switch] {
            let octets = message.encode().expect("a message of version 1");
            returns.relay.handle_tunnel_octets(returns.now, TUNNEL, &octets);
        }
        returns.say(Message::Hello(TcpcopyHello { payload: 0, times: Times::Unwanted, nonce: [2; 32] }));
        for number in 0..count {
            returns.say(Message::AddRoute(Flow { client: client(number), target: TARGET }));
        }
        returns.write();
        returns
    }

    /// The target answers on a route.
    pub fn respond(&mut self, number: usize) {
        self.now += Duration::from_micros(20);
        let octets = self.response.with(TARGET, client(number), SeqNum::new(9), SeqNum::new(7));
        let verdict = self.relay.handle_response(self.now, octets, octets.len());
        assert_eq!(verdict, Verdict::Drop);
    }

    /// What waits goes to the tunnel.
    pub fn write(&mut self) {
        while let Some(tunnel) = self.relay.poll_ready() {
            self.written.clear();
            while self.relay.poll_tunnel_write(tunnel, &mut self.written).is_some() {}
        }
    }

    fn say(&mut self, message: Message) {
        let mut octets = Vec::new();
        message.write(&mut octets);
        self.relay.handle_tunnel_octets(self.now, TUNNEL, &octets);
    }
}
