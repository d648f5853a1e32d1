//! The system calls that the observer knows, and what it does with each. The filter and the table in
//! `docs/observer.md` are made from this one list.

use nix::libc;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// The supervisor does it on its own copy of the arguments: what was judged is what is done.
    Performed,
    /// It is seen, and then done by the kernel.
    Noted,
    /// It is seen and refused.
    Refused,
    /// It is refused by the filter, without being counted: programs try it and go on otherwise.
    Silent(i32),
}

/// Which of a call's uses are looked at, decided on register values alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Namespaces of its own, or a working directory shared with another process.
    Unusual,
    /// An address is given, or data travels with the connection.
    AddressOrFastOpen,
    /// Anything but plain Unix, IPv4, IPv6 and routing sockets.
    UnusualSocket,
    /// TCP_FASTOPEN_CONNECT.
    FastOpenOption,
    /// The limits of another process are set.
    OtherProcess,
    /// Input typed into somebody's terminal.
    TerminalInjection,
    /// Any signal (the argument of this number) but those that runtimes send their own threads all the time.
    Signal(u32),
}

/// One call.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) number: libc::c_long,
    pub(crate) handling: Handling,
    pub(crate) when: When,
    pub(crate) group: &'static str,
}

macro_rules! calls {
    ($($group:literal { $($(#[$attribute:meta])* $name:ident $constant:ident $handling:expr, $when:expr;)* })*) => {
        /// Every call that the observer knows.
        pub(crate) const CALLS: &[Call] = &[$($(
            $(#[$attribute])*
            Call {
                name: stringify!($name),
                number: libc::$constant,
                handling: $handling,
                when: $when,
                group: $group,
            },
        )*)*];
    };
}

use Handling::{Noted, Performed, Refused, Silent};
use When::{
    AddressOrFastOpen, Always, FastOpenOption, OtherProcess, Signal, TerminalInjection, Unusual, UnusualSocket,
};

calls! {
    "opening files" {
        openat SYS_openat Performed, Always;
        #[cfg(target_arch = "x86_64")] open SYS_open Performed, Always;
        #[cfg(target_arch = "x86_64")] creat SYS_creat Performed, Always;
        openat2 SYS_openat2 Performed, Always;
        open_by_handle_at SYS_open_by_handle_at Refused, Always;
        memfd_create SYS_memfd_create Noted, Always;
    }
    "changing files" {
        truncate SYS_truncate Performed, Always;
        #[cfg(target_arch = "x86_64")] rename SYS_rename Performed, Always;
        renameat SYS_renameat Performed, Always;
        renameat2 SYS_renameat2 Performed, Always;
        #[cfg(target_arch = "x86_64")] link SYS_link Performed, Always;
        linkat SYS_linkat Performed, Always;
        #[cfg(target_arch = "x86_64")] symlink SYS_symlink Performed, Always;
        symlinkat SYS_symlinkat Performed, Always;
        #[cfg(target_arch = "x86_64")] unlink SYS_unlink Performed, Always;
        unlinkat SYS_unlinkat Performed, Always;
        #[cfg(target_arch = "x86_64")] mkdir SYS_mkdir Performed, Always;
        mkdirat SYS_mkdirat Performed, Always;
        #[cfg(target_arch = "x86_64")] rmdir SYS_rmdir Performed, Always;
        #[cfg(target_arch = "x86_64")] mknod SYS_mknod Performed, Always;
        mknodat SYS_mknodat Performed, Always;
        #[cfg(target_arch = "x86_64")] chmod SYS_chmod Performed, Always;
        fchmodat SYS_fchmodat Performed, Always;
        fchmodat2 SYS_fchmodat2 Performed, Always;
        #[cfg(target_arch = "x86_64")] chown SYS_chown Performed, Always;
        #[cfg(target_arch = "x86_64")] lchown SYS_lchown Performed, Always;
        fchownat SYS_fchownat Performed, Always;
        fchmod SYS_fchmod Noted, Always;
        fchown SYS_fchown Noted, Always;
    }
    "processes" {
        execve SYS_execve Noted, Always;
        execveat SYS_execveat Noted, Always;
        clone SYS_clone Noted, Unusual;
        clone3 SYS_clone3 Silent(libc::ENOSYS), Always;
        exit SYS_exit Noted, Always;
        exit_group SYS_exit_group Noted, Always;
        chdir SYS_chdir Noted, Always;
        fchdir SYS_fchdir Noted, Always;
        chroot SYS_chroot Noted, Always;
        umask SYS_umask Noted, Always;
        kill SYS_kill Noted, Always;
        tkill SYS_tkill Noted, Signal(1);
        tgkill SYS_tgkill Noted, Signal(2);
        rt_sigqueueinfo SYS_rt_sigqueueinfo Noted, Always;
        rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo Noted, Always;
        pidfd_send_signal SYS_pidfd_send_signal Noted, Always;
        prlimit64 SYS_prlimit64 Noted, OtherProcess;
    }
    "credentials" {
        setuid SYS_setuid Noted, Always;
        setgid SYS_setgid Noted, Always;
        setreuid SYS_setreuid Noted, Always;
        setregid SYS_setregid Noted, Always;
        setresuid SYS_setresuid Noted, Always;
        setresgid SYS_setresgid Noted, Always;
        setfsuid SYS_setfsuid Noted, Always;
        setfsgid SYS_setfsgid Noted, Always;
        setgroups SYS_setgroups Noted, Always;
        capset SYS_capset Noted, Always;
    }
    "network" {
        connect SYS_connect Performed, Always;
        sendto SYS_sendto Performed, AddressOrFastOpen;
        sendmsg SYS_sendmsg Noted, Always;
        sendmmsg SYS_sendmmsg Noted, Always;
        bind SYS_bind Noted, Always;
        listen SYS_listen Noted, Always;
        socket SYS_socket Noted, UnusualSocket;
        setsockopt SYS_setsockopt Refused, FastOpenOption;
    }
    "other processes' memory" {
        ptrace SYS_ptrace Noted, Always;
        process_vm_readv SYS_process_vm_readv Noted, Always;
        process_vm_writev SYS_process_vm_writev Noted, Always;
        pidfd_getfd SYS_pidfd_getfd Noted, Always;
    }
    "namespaces and mounts" {
        unshare SYS_unshare Noted, Always;
        setns SYS_setns Noted, Always;
        mount SYS_mount Refused, Always;
        umount2 SYS_umount2 Refused, Always;
        pivot_root SYS_pivot_root Refused, Always;
        move_mount SYS_move_mount Refused, Always;
        open_tree SYS_open_tree Refused, Always;
        fsopen SYS_fsopen Refused, Always;
        fsmount SYS_fsmount Refused, Always;
        fspick SYS_fspick Refused, Always;
        mount_setattr SYS_mount_setattr Refused, Always;
    }
    "the kernel itself" {
        io_uring_setup SYS_io_uring_setup Refused, Always;
        bpf SYS_bpf Refused, Always;
        perf_event_open SYS_perf_event_open Refused, Always;
        userfaultfd SYS_userfaultfd Refused, Always;
        fanotify_init SYS_fanotify_init Refused, Always;
        add_key SYS_add_key Refused, Always;
        request_key SYS_request_key Refused, Always;
        keyctl SYS_keyctl Refused, Always;
        kexec_load SYS_kexec_load Refused, Always;
        kexec_file_load SYS_kexec_file_load Refused, Always;
        init_module SYS_init_module Refused, Always;
        finit_module SYS_finit_module Refused, Always;
        delete_module SYS_delete_module Refused, Always;
        reboot SYS_reboot Refused, Always;
        swapon SYS_swapon Refused, Always;
        swapoff SYS_swapoff Refused, Always;
        acct SYS_acct Refused, Always;
        quotactl SYS_quotactl Refused, Always;
        ioctl SYS_ioctl Silent(libc::EPERM), TerminalInjection;
    }
}

/// Calls that need no notification, because what they work on was seen when it was opened.
pub(crate) const COVERED_ELSEWHERE: &[(&str, &str)] = &[
    (
        "fork, vfork, clone",
        "a process is seen at its first call that is observed, its exit at the latest, and its parent's exit names it before; one that is killed earlier than that is not. (A call that waits for the supervisor can be interrupted by a signal, and programs do not expect that of fork.)",
    ),
    ("read, write, pread, pwrite, readv, writev", "the file was seen when it was opened, with its content's digest"),
    (
        "mmap, mprotect",
        "a mapping of a file needs a descriptor, which was seen when it was opened; a file open for writing counts as written from then on, mapped or not",
    ),
    (
        "sendfile, splice, copy_file_range, ioctl(FICLONE), ftruncate, fallocate",
        "both descriptors were seen when they were opened, the written one as written",
    ),
    ("dup, fcntl, SCM_RIGHTS", "the file was seen when it was opened, by whoever opened it"),
    ("io_uring_enter, io_uring_register", "there is no ring without io_uring_setup, which is refused"),
    (
        "stat, access, readlink, getdents",
        "looking at names, kinds and times is not recorded; no content of a file goes this way",
    ),
];

/// The call of this number.
pub(crate) fn by_number(number: libc::c_long) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.number == number)
}
