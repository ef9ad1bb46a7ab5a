//! The environment of a program that has more rights than its caller.

use crate::syscall::process;
use std::ffi::OsString;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Empties the environment, except what a terminal and the clock on the wall need.
pub(super) fn clean() {
    let kept = ["TERM", "TZ"].map(|name| (name, std::env::var_os(name).filter(is_harmless)));
    process::clear_environment();
    process::set_environment("PATH", PATH.as_ref());
    for (name, value) in kept {
        if let Some(value) = value {
            process::set_environment(name, &value);
        }
    }
}

/// A word: no path, and not long.
fn is_harmless(value: &OsString) -> bool {
    let word = |octet: &u8| octet.is_ascii_alphanumeric() || b"+-_,".contains(octet);
    let octets = value.as_encoded_bytes();
    let zone = value.to_str().is_some_and(|text| text.split('/').all(|part| !part.is_empty()));
    octets.len() <= 64 && zone && octets.iter().all(|octet| word(octet) || *octet == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_terminals_and_zones_are_kept_and_paths_are_not() {
        for kept in ["xterm-256color", "Europe/Berlin", "UTC", "GMT+3"] {
            assert!(is_harmless(&kept.into()), "{kept}");
        }
        for gone in ["/etc/shadow", ":/etc/shadow", "../etc/shadow", "a//b", "", "a\nb"] {
            assert!(!is_harmless(&gone.into()), "{gone}");
        }
    }
}
