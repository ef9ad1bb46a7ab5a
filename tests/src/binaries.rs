//! Where the programs are.

use std::path::{Path, PathBuf};

use crate::lab::IpVersion;

/// The two programs under test, and what they are tested over.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The program of the online host.
    pub tcpcopy: PathBuf,
    /// The program of the target host.
    pub intercept: PathBuf,
    /// The IP version of the clients.
    pub version: IpVersion,
    /// The IP version of the target and of the tunnel.
    pub target_version: IpVersion,
}

impl Binaries {
    /// The programs named by `TCPCOPY_BIN` and `INTERCEPT_BIN`, by default those beside the test program.
    ///
    /// # Panics
    ///
    /// One of them does not exist.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            tcpcopy: under_test("TCPCOPY_BIN", "tcpcopy"),
            intercept: under_test("INTERCEPT_BIN", "intercept"),
            version: IpVersion::V4,
            target_version: IpVersion::V4,
        }
    }

    /// The same over other IP versions: that of the clients, and that of the target.
    #[must_use]
    pub fn over(self, version: IpVersion, target_version: IpVersion) -> Self {
        Self { version, target_version, ..self }
    }
}

fn under_test(variable: &str, name: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let path = named.unwrap_or_else(|| beside_this(name));
    assert!(
        path.is_file(),
        "{} does not exist: run `cargo build --workspace` first, or name the program in {variable}",
        path.display()
    );
    std::path::absolute(path).expect("there is a working directory")
}

/// A program of this package.
///
/// # Panics
///
/// It has not been built.
#[must_use]
pub fn helper(name: &str) -> PathBuf {
    let path = beside_this(name);
    assert!(path.is_file(), "{} does not exist: run `cargo build --workspace` first", path.display());
    path
}

/// The path of a program in the directory that this program was built into.
fn beside_this(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its path");
    let directory = this.parent().unwrap_or(Path::new("."));
    let directory = match directory.file_name() {
        Some(last) if last == "deps" => directory.parent().unwrap_or(directory),
        _ => directory,
    };
    directory.join(name)
}
