//! The beginning of a tunnel, from our side: which version it speaks, and whether both know the key.
//!
//! Until intercept says hello it may be a C program, and everything is said in version 1, at once: no connection waits
//! for an answer that may never come. Only what version 1 cannot do waits for the hello: IPv6 flows, and a key.

use crate::tunnel::Ended;
use std::io;
use tc_proto::tunnel::auth::{Challenge, Key, Nonce, Proof, Role};
use tc_proto::tunnel::{InterceptHello, Lock, Message, TUNNEL_VERSION, TcpcopyHello, Times};

/// Which flows a tunnel serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None yet: intercept has not proved that it knows the key.
    Nothing,
    /// Those that version 1 can carry.
    Ipv4,
    /// All.
    All,
}

/// What is said at the beginning of each tunnel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// What both sides must prove to know.
    pub(crate) key: Option<Key>,
    /// Octets of each response's payload that we want.
    pub(crate) payload: u16,
    /// Whether we want to know when responses were seen.
    pub(crate) times: Times,
}

/// How far the beginning of a tunnel is.
#[derive(Debug)]
pub(crate) struct Greeting {
    terms: Terms,
    nonce: Nonce,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No hello has come.
    Version1,
    /// We have proved that we know the key, and wait for intercept's proof.
    Proving(Challenge),
    Version2,
}

impl Greeting {
    pub(crate) fn new(terms: &Terms) -> io::Result<Self> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)?;
        Ok(Self { terms: terms.clone(), nonce, stage: Stage::Version1 })
    }

    /// Appends what is said first.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        self.write(&Message::Offer(TUNNEL_VERSION), out);
    }

    /// Appends a message in the version that is spoken; nothing if that one does not have it.
    pub(crate) fn write(&self, message: &Message, out: &mut Vec<u8>) {
        match (self.stage, message) {
            // The original never sends it.
            (Stage::Version1, Message::RemoveRoute(_)) => {}
            (Stage::Version1, message) => out.extend(message.encode().into_iter().flatten()),
            (Stage::Proving(_) | Stage::Version2, message) => message.write(out),
        }
    }

    /// Whether intercept is asked when it saw the answers.
    pub(crate) fn wants_times(&self) -> bool {
        self.terms.times == Times::Wanted
    }

    pub(crate) const fn reach(&self) -> Reach {
        match (self.stage, &self.terms.key) {
            (Stage::Version1, None) => Reach::Ipv4,
            (Stage::Version1, Some(_)) | (Stage::Proving(_), _) => Reach::Nothing,
            (Stage::Version2, _) => Reach::All,
        }
    }

    /// Intercept speaks version 2: so do we from here on.
    pub(crate) fn on_hello(&mut self, hello: &InterceptHello, out: &mut Vec<u8>) -> Result<(), Ended> {
        if self.stage != Stage::Version1 {
            return Ok(());
        }
        self.write(&Message::Switch, out);
        let challenge = Challenge { intercept: hello.nonce, tcpcopy: self.nonce };
        self.stage = match (&self.terms.key, hello.lock) {
            (None, Lock::Open) => Stage::Version2,
            (Some(_), Lock::Locked) => Stage::Proving(challenge),
            (None, Lock::Locked) => return Err(Ended::KeyWanted),
            (Some(_), Lock::Open) => return Err(Ended::NoKey),
        };
        let Terms { payload, times, .. } = self.terms;
        self.write(&Message::Hello(TcpcopyHello { payload, times, nonce: self.nonce }), out);
        if let Some(key) = &self.terms.key {
            self.write(&Message::Proof(key.prove(Role::Tcpcopy, &challenge)), out);
        }
        Ok(())
    }

    pub(crate) fn on_proof(&mut self, proof: &Proof) -> Result<(), Ended> {
        if let (Stage::Proving(challenge), Some(key)) = (self.stage, &self.terms.key) {
            if !key.verify(Role::Intercept, &challenge, proof) {
                return Err(Ended::NoProof);
            }
            self.stage = Stage::Version2;
        }
        Ok(())
    }

    /// Whether intercept may be believed.
    pub(crate) fn check_proved(&self) -> Result<(), Ended> {
        if self.reach() == Reach::Nothing { Err(Ended::NoProof) } else { Ok(()) }
    }

    /// What the end of the connection means.
    pub(crate) const fn on_end(&self) -> Ended {
        match self.stage {
            Stage::Proving(_) => Ended::KeyRefused,
            Stage::Version1 | Stage::Version2 => Ended::ByPeer,
        }
    }
}
