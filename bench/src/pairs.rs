//! The pairs of programs that are compared.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use tc_tests::binaries::Binaries;
use tc_tests::lab::IpVersion;

/// A tcpcopy and an intercept with their arguments, and what the two are called.
#[derive(Clone, Debug)]
pub(crate) struct NamedPair {
    pub(crate) name: String,
    pub(crate) binaries: Binaries,
    pub(crate) tcpcopy: Vec<String>,
    pub(crate) intercept: Vec<String>,
}

impl FromStr for NamedPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, programs) = text.split_once('=').ok_or("give name=tcpcopy,intercept")?;
        let (tcpcopy, intercept) =
            programs.split_once(',').ok_or("give both programs, with a comma between")?;
        let (tcpcopy, tcpcopy_arguments) = program(tcpcopy)?;
        let (intercept, intercept_arguments) = program(intercept)?;
        Ok(Self {
            name: name.to_owned(),
            binaries: Binaries { tcpcopy, intercept, version: IpVersion::V4, target_version: IpVersion::V4 },
            tcpcopy: tcpcopy_arguments,
            intercept: intercept_arguments,
        })
    }
}

fn program(text: &str) -> Result<(PathBuf, Vec<String>), String> {
    let mut words = text.split_whitespace();
    let path = Path::new(words.next().ok_or("a program is missing")?);
    if !path.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    Ok((path, words.map(str::to_owned).collect()))
}
