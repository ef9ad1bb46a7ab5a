//! The programs as an administrator installs them for operators that are not root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Binaries;
use crate::lab::Host;

/// The user and group id of the operator: nobody's.
pub const OPERATOR: u32 = 65534;

/// Where an operator's rights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The setuid bit, of root.
    Setuid,
    /// File capabilities.
    Capabilities,
}

/// Copies of the programs that are more than their callers.
pub struct Installed {
    /// The programs themselves.
    pub programs: Binaries,
    /// Scripts that start them as the operator.
    pub scripts: Binaries,
}

impl Installed {
    /// Installs the programs below `directory`, which everybody may write to from then on.
    ///
    /// # Panics
    ///
    /// Something cannot be installed, most likely because the caller is not root.
    #[must_use]
    pub fn new(directory: &Path, rights: Rights) -> Self {
        set_mode(directory, 0o777);
        let built = Binaries::from_environment();
        let both = |install: &dyn Fn(&Path, &str) -> PathBuf| Binaries {
            tcpcopy: install(&built.tcpcopy, "tcpcopy"),
            intercept: install(&built.intercept, "intercept"),
            version: built.version,
            target_version: built.target_version,
        };
        Self {
            programs: both(&|from, name| install(from, &directory.join(format!("installed-{name}")), rights)),
            scripts: both(&|_, name| script(directory, name)),
        }
    }

    /// A command that runs a program on a host as the operator.
    #[must_use]
    pub fn command(host: &Host, program: &Path) -> Command {
        let mut command = host.command("setpriv");
        command.args(AS_OPERATOR).arg(program);
        command
    }
}

const AS_OPERATOR: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// Sets the mode of a file.
///
/// # Panics
///
/// It cannot be set.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
}

fn install(from: &Path, to: &Path, rights: Rights) -> PathBuf {
    fs::copy(from, to).expect("the program can be copied");
    chown(to, Some(0), Some(0)).expect("the caller is root");
    match rights {
        Rights::Setuid => set_mode(to, 0o4755),
        Rights::Capabilities => {
            set_mode(to, 0o755);
            let mut setcap = Command::new("setcap");
            let status = setcap.arg("cap_net_raw,cap_net_admin+ep").arg(to).status();
            assert!(status.expect("setcap can be run").success(), "setcap fails on {}", to.display());
        }
    }
    to.to_owned()
}

fn script(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(format!("operator-{name}"));
    let program = directory.join(format!("installed-{name}"));
    let text = format!("#!/bin/sh\nexec setpriv {} {} \"$@\"\n", AS_OPERATOR.join(" "), program.display());
    fs::write(&path, text).expect("the directory can be written to");
    set_mode(&path, 0o755);
    path
}
