//! The beginning of a tunnel: who may connect, which version it speaks, and whether it knows the key.

use super::tunnels::Standing;
use super::{CutReason, Event, Relay, TunnelId, Wire};
use std::net::IpAddr;
use std::time::Instant;
use tc_proto::tunnel::auth::{Nonce, Proof, Role};
use tc_proto::tunnel::{InterceptHello, Lock, RecordFormat, Reply, TUNNEL_VERSION, TcpcopyHello, VERSION};

impl Relay {
    /// A tcpcopy has connected from this address. `nonce` is random, and new for each tunnel.
    pub fn handle_tunnel_up(&mut self, now: Instant, tunnel: TunnelId, peer: IpAddr, nonce: Nonce) {
        if !self.config.allows(peer) {
            self.counters.tunnels_not_allowed += 1;
            return self.refuse(tunnel, CutReason::NotAllowed);
        }
        let crowded = self.tunnels.half_open_len() >= self.config.max_half_open;
        if crowded || self.tunnels.len() >= self.config.max_tunnels {
            self.counters.tunnels_displaced += 1;
            let Some(oldest) = self.tunnels.pop_half_open() else {
                return self.refuse(tunnel, CutReason::TooMany(self.config.max_tunnels));
            };
            self.cut(oldest, CutReason::Displaced);
        }
        self.counters.tunnels_up += 1;
        self.tunnels.insert(now, tunnel, nonce);
    }

    fn refuse(&mut self, tunnel: TunnelId, reason: CutReason) {
        self.events.push_back(Event::TunnelCut { tunnel, reason });
    }

    /// A C program's first message.
    pub(super) fn handle_version(&mut self, tunnel: TunnelId, version: u16) {
        if self.config.key.is_some() {
            return self.cut_wrong_key(tunnel, CutReason::NoKey);
        }
        let format = RecordFormat::for_version(version);
        if version != VERSION && format == RecordFormat::default() {
            self.events.push_back(Event::UnknownVersion { tunnel, version });
        }
        self.open(tunnel, Wire::Version1(format));
    }

    /// The first message of one of ours.
    pub(super) fn handle_offer(&mut self, tunnel: TunnelId, offered: u16) {
        if offered < TUNNEL_VERSION {
            return self.handle_version(tunnel, VERSION);
        }
        let lock = if self.config.key.is_some() { Lock::Locked } else { Lock::Open };
        let Some(entry) = self.tunnels.get_mut(tunnel) else { return };
        entry.wire = Wire::Version2;
        let hello = InterceptHello { version: TUNNEL_VERSION, lock, nonce: entry.nonce };
        self.tunnels.queue(tunnel, |out| hello.write(out));
        if lock == Lock::Open {
            self.open(tunnel, Wire::Version2);
        }
    }

    pub(super) fn handle_hello(&mut self, tunnel: TunnelId, hello: TcpcopyHello) {
        let Some(entry) = self.tunnels.get_mut(tunnel) else { return };
        entry.payload = hello.payload.min(self.config.max_payload);
        entry.times = hello.times;
        entry.peer_nonce = Some(hello.nonce);
        self.payload = self.tunnels.payload();
    }

    pub(super) fn handle_proof(&mut self, tunnel: TunnelId, proof: &Proof) {
        // Without a key there is nothing to prove. The peer, which has one, goes when it sees no proof of ours.
        let Some(key) = self.config.key.clone() else { return };
        let Some(entry) = self.tunnels.get_mut(tunnel) else { return };
        let known = entry.challenge().filter(|challenge| key.verify(Role::Tcpcopy, challenge, proof));
        match (known, entry.standing) {
            (Some(challenge), Standing::HalfOpen) => {
                let ours = key.prove(Role::Intercept, &challenge);
                self.tunnels.queue(tunnel, |out| Reply::write_proof(&ours, out));
                self.open(tunnel, Wire::Version2);
            }
            (Some(_), Standing::Ready) => {}
            (None, Standing::HalfOpen | Standing::Ready) => {
                self.cut_wrong_key(tunnel, CutReason::WrongKey);
            }
        }
    }

    fn cut_wrong_key(&mut self, tunnel: TunnelId, reason: CutReason) {
        self.counters.tunnels_wrong_key += 1;
        self.cut(tunnel, reason);
    }

    /// The hand-shake is over.
    fn open(&mut self, tunnel: TunnelId, wire: Wire) {
        if let Some(entry) = self.tunnels.get_mut(tunnel) {
            entry.wire = wire;
        }
        self.tunnels.set_ready(tunnel);
        self.payload = self.tunnels.payload();
        self.events.push_back(Event::TunnelReady { tunnel, wire });
    }
}
