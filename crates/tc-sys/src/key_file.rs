//! The file with the key that tcpcopy and intercept share.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tc_proto::tunnel::auth::Key;

use crate::SysError;

/// More than a key ever needs, and little enough to read a wrong file without harm.
const MAX_LEN: u64 = 4096;
const OTHERS: u32 = 0o007;

/// Reads the key of a file.
///
/// # Errors
///
/// There is none, others than its owner and its group may use it, or its key is too short or too long.
pub fn read(path: &Path) -> Result<Key, SysError> {
    let failed = |cause| SysError::new("read", format!("the key file {}", path.display()), cause);
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & OTHERS != 0 {
        let cause = io::Error::other("others than its owner and group may use it, so it is no secret");
        return Err(failed(cause).with_hint(format!("chmod 600 {}", path.display())));
    }
    let mut content = Vec::new();
    file.by_ref().take(MAX_LEN + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_LEN {
        return Err(failed(io::Error::other("it is longer than 4096 octets, so it is no key file")));
    }
    Key::from_file_content(&content).map_err(|short| failed(io::Error::other(short)))
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn refusal(content: &[u8], mode: u32) -> Option<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        let refusal = read(&path).err().map(|error| error.to_string());
        refusal.map(|line| line.replace(&directory.path().display().to_string(), ""))
    }

    #[test]
    fn a_key_is_read_only_from_a_file_that_others_cannot_use() {
        let key = [b'k'; 32];
        assert_eq!(refusal(&key, 0o600), None);
        assert_eq!(refusal(&key, 0o640), None);
        for mode in [0o604, 0o644, 0o602, 0o601] {
            let line = refusal(&key, mode).expect("a refusal");
            assert!(line.ends_with("so it is no secret; chmod 600 /key"), "{line}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_what_is_wrong_with_it() {
        for (content, wrong) in [
            (&b""[..], "it has 0 octets and needs at least 16"),
            (b"short\n", "it has 5 octets and needs at least 16"),
            (&[b'k'; 5000], "it is longer than 4096 octets"),
        ] {
            let line = refusal(content, 0o600).expect("a refusal");
            assert!(line.contains(wrong), "{line}");
        }
        let missing = read(std::path::Path::new("/nowhere/key")).expect_err("no file").to_string();
        assert!(missing.contains("/nowhere/key"), "{missing}");
    }
}
