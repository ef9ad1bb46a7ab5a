//! The shared key, and the proofs that a peer knows it.
//!
//! Each side sends 32 random octets, its [`Nonce`], and proves with HMAC-SHA-256 over both that it knows the key. The
//! key itself never crosses the tunnel, a proof is of use for one connection only, and a proof of one role is none of
//! the other, so that a peer cannot be made to answer its own challenge.

use super::TUNNEL_VERSION;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Random octets, new for each connection.
pub type Nonce = [u8; 32];

/// A proof's octets.
pub type Proof = [u8; 32];

/// Who proves that it knows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program that connected.
    Tcpcopy,
    /// The program that accepted.
    Intercept,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Tcpcopy => b"tcpcopy tunnel: tcpcopy",
            Self::Intercept => b"tcpcopy tunnel: intercept",
        }
    }
}

/// What both sides know after their hellos: the two nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The nonce of intercept.
    pub intercept: Nonce,
    /// The nonce of tcpcopy.
    pub tcpcopy: Nonce,
}

/// A key that both programs were given. Its octets are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// A key that is too easy to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {0} octets and needs at least {min}; make one with: openssl rand -hex 32", min = Key::MIN_LEN)]
pub struct KeyTooShort(usize);

impl Key {
    /// The fewest octets of a key.
    pub const MIN_LEN: usize = 16;

    /// The key of a file's content: all of it but white space at both ends.
    ///
    /// # Errors
    ///
    /// Fewer octets than [`MIN_LEN`](Self::MIN_LEN).
    pub fn from_file_content(content: &[u8]) -> Result<Self, KeyTooShort> {
        let octets = content.trim_ascii();
        if octets.len() < Self::MIN_LEN {
            return Err(KeyTooShort(octets.len()));
        }
        Ok(Self(octets.to_vec()))
    }

    /// The proof of one side that it knows the key.
    #[must_use]
    pub fn prove(&self, role: Role, challenge: &Challenge) -> Proof {
        self.mac(role, challenge).map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether the other side knows the key. Takes the same time for each wrong proof.
    #[must_use]
    pub fn verify(&self, role: Role, challenge: &Challenge, proof: &Proof) -> bool {
        self.mac(role, challenge).is_some_and(|mac| mac.verify_slice(proof).is_ok())
    }

    /// `None` never happens: HMAC takes keys of any length.
    fn mac(&self, role: Role, challenge: &Challenge) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(role.label());
        mac.update(&TUNNEL_VERSION.to_be_bytes());
        mac.update(&challenge.intercept);
        mac.update(&challenge.tcpcopy);
        Some(mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, Key, Role};

    fn key(content: &[u8]) -> Key {
        Key::from_file_content(content).unwrap()
    }

    #[test]
    fn a_proof_holds_for_its_key_its_role_and_its_connection_only() {
        let ours = key(b"0123456789abcdef\n");
        let challenge = Challenge { intercept: [1; 32], tcpcopy: [2; 32] };
        let proof = ours.prove(Role::Tcpcopy, &challenge);
        assert!(key(b"0123456789abcdef").verify(Role::Tcpcopy, &challenge, &proof), "white space is no key");
        assert!(!key(b"0123456789abcdeg").verify(Role::Tcpcopy, &challenge, &proof));
        assert!(!ours.verify(Role::Intercept, &challenge, &proof), "a proof cannot be sent back");
        let later = Challenge { intercept: [3; 32], ..challenge };
        assert!(!ours.verify(Role::Tcpcopy, &later, &proof), "a proof cannot be used again");
    }

    #[test]
    fn a_short_key_is_refused_and_no_key_is_printed() {
        let error = Key::from_file_content(b"  secret \n").unwrap_err();
        assert!(error.to_string().starts_with("it has 6 octets and needs at least 16"));
        assert_eq!(format!("{:?}", key(b"0123456789abcdef")), "Key(..)");
    }
}
