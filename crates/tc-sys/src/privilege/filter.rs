//! The system calls that neither program makes once everything is open.
//!
//! A list of what is forbidden, not of what is allowed: allocators, C libraries and kernels differ in the harmless
//! calls they make, and a program that dies because a library has learnt a new one helps nobody. What is listed is
//! what an intruder wants: other programs, other processes, other rights, other file systems, the kernel itself.

use crate::SysError;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::io;

const FORBIDDEN: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_settimeofday,
    libc::SYS_setuid,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Makes the kernel answer each of these calls with `EPERM`, of all threads from now on. A kernel without seccomp, or
/// a processor that the filter's library does not know, goes without.
pub(super) fn install() -> Result<(), SysError> {
    let failed = |cause: io::Error| SysError::new("install", "the filter of system calls", cause);
    let Ok(architecture) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(()) };
    let program = compile(architecture).map_err(|error| failed(io::Error::other(error)))?;
    match seccompiler::apply_filter_all_threads(&program) {
        Ok(()) => Ok(()),
        Err(seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error))
            if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
        {
            Ok(())
        }
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

fn compile(architecture: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let rules = FORBIDDEN.iter().map(|number| (*number, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_forbidden_fails_and_all_else_goes_on() {
        // The filter stays with this thread, and with no other.
        let filtered = std::thread::spawn(|| {
            let program = compile(TargetArch::try_from(std::env::consts::ARCH).expect("known")).expect("valid");
            seccompiler::apply_filter(&program).expect("a filter");
            let executed = Command::new("/bin/true").status();
            (executed.map_err(|error| error.raw_os_error()).err(), std::fs::read("/proc/version").is_ok())
        });
        assert_eq!(filtered.join().expect("it ends"), (Some(Some(libc::EPERM)), true));
        assert!(Command::new("/bin/true").status().expect("it runs").success());
    }
}
