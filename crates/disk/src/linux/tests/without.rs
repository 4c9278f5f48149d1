//! A thread for which the kernel lacks some calls, as older kernels and containers do: a seccomp
//! filter (seccomp(2)) answers in its place. Everything else is the real machine.
//!
//! Called by tests of this crate.
#![allow(unsafe_code)]

use std::io::Write;

/// What can be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// renameat2 with RENAME_EXCHANGE.
    Exchange,
    /// renameat2 with RENAME_NOREPLACE.
    NoReplace,
    /// A second name for an inode.
    Link,
    /// openat2.
    Openat2,
    /// statx.
    Statx,
    /// name_to_handle_at.
    Handles,
    /// fcntl with F_SETLEASE.
    Leases,
    /// What root may do and its user alone may not: no call, but all capabilities(7).
    Privilege,
}

/// A condition on one argument.
enum Argument {
    Any,
    /// Its number, and bits of which one is set.
    Has(u32, u32),
    /// Its number, and what it is.
    Is(u32, u32),
}

impl Call {
    /// Number of the system call, which uses of it, and how those are refused.
    fn rule(self) -> (libc::c_long, Argument, libc::c_int) {
        let flags = 4;
        match self {
            Call::Exchange => {
                (libc::SYS_renameat2, Argument::Has(flags, libc::RENAME_EXCHANGE), libc::EINVAL)
            }
            Call::NoReplace => {
                (libc::SYS_renameat2, Argument::Has(flags, libc::RENAME_NOREPLACE), libc::EINVAL)
            }
            Call::Link => (libc::SYS_linkat, Argument::Any, libc::EPERM),
            Call::Openat2 => (libc::SYS_openat2, Argument::Any, libc::ENOSYS),
            Call::Statx => (libc::SYS_statx, Argument::Any, libc::ENOSYS),
            Call::Handles => (libc::SYS_name_to_handle_at, Argument::Any, libc::EOPNOTSUPP),
            // Raising them again is what is refused; `install` lays them down.
            Call::Privilege => (libc::SYS_capset, Argument::Any, libc::EPERM),
            Call::Leases => {
                let set = u32::try_from(libc::F_SETLEASE).unwrap();
                (libc::SYS_fcntl, Argument::Is(1, set), libc::EINVAL)
            }
        }
    }
}

/// Runs a test on a thread that lacks these calls, with all threads that it starts.
pub(crate) fn without(calls: &[Call], test: impl FnOnce() + Send + 'static) {
    let filter = filter(calls);
    let privileged = !calls.contains(&Call::Privilege);
    let thread = std::thread::spawn(move || {
        if (privileged || lay_down()) && install(&filter) {
            test();
        } else {
            // Past the test harness, which would swallow what a passing test prints.
            let line = b"SKIPPED without some calls: this machine takes no seccomp filter\n";
            std::io::stderr().write_all(line).unwrap();
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn filter(calls: &[Call]) -> Vec<libc::sock_filter> {
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let jump = |test, no, k| step(libc::BPF_JMP | test | libc::BPF_K, 0, no, k);
    let answer = |what| step(libc::BPF_RET | libc::BPF_K, 0, 0, what);
    // struct seccomp_data: the number at 0, the arguments from 16 on, little-endian here.
    let argument =
        |number: u32| load(16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 });
    let mut all = Vec::new();
    for call in calls {
        let (number, which, errno) = call.rule();
        let test = match which {
            Argument::Any => Vec::new(),
            Argument::Has(at, bits) => vec![argument(at), jump(libc::BPF_JSET, 1, bits)],
            Argument::Is(at, value) => vec![argument(at), jump(libc::BPF_JEQ, 1, value)],
        };
        let rest = u8::try_from(test.len()).unwrap() + 1;
        all.push(load(0));
        all.push(jump(libc::BPF_JEQ, rest, u32::try_from(number).unwrap()));
        all.extend(test);
        all.push(answer(libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap()));
    }
    all.push(answer(libc::SECCOMP_RET_ALLOW));
    all
}

fn step(code: u32, yes: u8, no: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt: yes, jf: no, k }
}

/// Whether the filter is in force; for this thread alone and for as long as it lives.
fn install(filter: &[libc::sock_filter]) -> bool {
    let length = u16::try_from(filter.len()).unwrap();
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program is well-formed (jumps end within it), says its true length and outlives
    // the calls, which copy it.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    }
}

/// Takes all effective capabilities from this thread (capset(2), version 3).
fn lay_down() -> bool {
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0_u32; 6];
    // SAFETY: both are as large as this version of the call says, and outlive it.
    unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) == 0 }
}
