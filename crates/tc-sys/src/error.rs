//! The error of this crate: one line with operation, object, cause and remedy.

use std::io;

/// A system operation that failed.
///
/// Printed as one line: `cannot open the raw socket: Operation not permitted; run with sudo, …`. The cause is part of
/// the line, therefore [`std::error::Error::source`] is `None`: nobody prints it twice.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object}: {}{}", reason(.cause), remedy(.hint.as_deref()))]
pub struct SysError {
    /// What was tried: a verb, as in "open".
    pub operation: &'static str,
    /// On what: with its article or its name, as in "the raw socket" or "/run/tcpcopy.pid".
    pub object: String,
    /// What the system answered.
    pub cause: io::Error,
    /// What helps, if we know it.
    pub hint: Option<String>,
}

impl SysError {
    /// An error without a hint.
    pub fn new(operation: &'static str, object: impl Into<String>, cause: io::Error) -> Self {
        Self { operation, object: object.into(), cause, hint: None }
    }

    /// The same with a remedy, a phrase in the imperative without a full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, naming the ways to get privileges when they are what is missing (`EPERM` or `EACCES`).
    #[must_use]
    pub fn with_privilege_hint(self) -> Self {
        if self.cause.kind() == io::ErrorKind::PermissionDenied && self.hint.is_none() {
            return self.with_hint(privilege_hint());
        }
        self
    }
}

/// The ways to get the privileges that raw sockets and the netfilter queue need.
#[must_use]
pub fn privilege_hint() -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "<program>".to_owned(), |path| path.display().to_string());
    format!(
        "CAP_NET_RAW and CAP_NET_ADMIN are needed: run with sudo, install setuid root, or: \
         setcap cap_net_raw,cap_net_admin+ep {program}"
    )
}

/// The system's text without Rust's "(os error N)".
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) if error.raw_os_error().is_some() => text[..end].to_owned(),
        _ => text,
    }
}

fn remedy(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_operation_object_cause_and_remedy() {
        let cause = io::Error::from_raw_os_error(libc::EPERM);
        let error = SysError::new("open", "the raw socket", cause).with_hint("run with sudo");
        assert_eq!(error.to_string(), "cannot open the raw socket: Operation not permitted; run with sudo");
    }

    #[test]
    fn a_missing_privilege_names_sudo_setuid_and_setcap() {
        let cause = io::Error::from_raw_os_error(libc::EPERM);
        let line = SysError::new("open", "the raw socket", cause).with_privilege_hint().to_string();
        for word in ["sudo", "setuid", "setcap cap_net_raw,cap_net_admin+ep /"] {
            assert!(line.contains(word), "{line}");
        }
        assert!(!line.contains('\n'));
    }

    #[test]
    fn another_cause_gets_no_privilege_hint() {
        let cause = io::Error::from_raw_os_error(libc::EMFILE);
        let error = SysError::new("open", "the raw socket", cause).with_privilege_hint();
        assert_eq!(error.to_string(), "cannot open the raw socket: Too many open files");
    }
}
