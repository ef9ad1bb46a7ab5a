//! Keys of tunnels, in files.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::lab::Lab;

/// A key.
pub const KEY: &str = "0e5f2a3d9c7b41868d2f3a1b5c6d7e8f";
/// Another one.
pub const OTHER_KEY: &str = "1e5f2a3d9c7b41868d2f3a1b5c6d7e8f";

/// Writes a key to a file of this name and mode.
///
/// # Panics
///
/// The file cannot be written.
#[must_use]
pub fn key_file(lab: &Lab, name: &str, key: &str, mode: u32) -> PathBuf {
    let path = lab.directory().join(name);
    let permissions = PermissionsExt::from_mode(mode);
    let written = std::fs::write(&path, key).and_then(|()| std::fs::set_permissions(&path, permissions));
    assert!(written.is_ok(), "{}: {written:?}", path.display());
    path
}
