//! Which calls the programs look at, and how: made from the one list of calls.

use nix::libc;

use super::super::calls::{CALLS, Handling};

/// `enum class` of `program.bpf.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Open = 1,
    Change,
    Descriptor,
    Numbers,
    SocketName,
    Listen,
    SendTo,
    SendMessage,
    SendMessages,
    Write,
    Namespaces,
    Others,
}

/// No such argument.
const ABSENT: u8 = 7;

/// `struct interest`.
pub(super) type Interest = [u8; 8];

fn interest(class: Class) -> Interest {
    [class as u8, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, 0, 0]
}

fn open(directory: u8, path: u8, flags: u8, indirect: bool) -> Interest {
    [Class::Open as u8, directory, ABSENT, path, ABSENT, flags, u8::from(indirect), 0]
}

fn change(first: (u8, u8), second: (u8, u8)) -> Interest {
    [Class::Change as u8, first.0, second.0, first.1, second.1, ABSENT, 0, 0]
}

const NO: (u8, u8) = (ABSENT, ABSENT);

/// How a call is looked at; `None` where it is not.
fn of(name: &str, handling: Handling) -> Option<Interest> {
    let here = |path| (ABSENT, path);
    Some(match name {
        "openat" => open(0, 1, 2, false),
        "open" => open(ABSENT, 0, 1, false),
        "creat" => open(ABSENT, 0, ABSENT, false),
        "openat2" => open(0, 1, 2, true),
        "rename" => change(here(0), here(1)),
        "renameat" | "renameat2" | "linkat" => change((0, 1), (2, 3)),
        "link" => change(here(0), here(1)),
        // What a link says is no path of the call's.
        "symlink" => change(here(1), NO),
        "symlinkat" => change((1, 2), NO),
        "unlink" | "rmdir" | "mkdir" | "mknod" | "truncate" | "chmod" | "chown" | "lchown" => change(here(0), NO),
        "unlinkat" | "mkdirat" | "mknodat" | "fchmodat" | "fchmodat2" | "fchownat" => change((0, 1), NO),
        "fchmod" | "fchown" => interest(Class::Descriptor),
        "connect" | "bind" => interest(Class::SocketName),
        "listen" => interest(Class::Listen),
        "sendto" => interest(Class::SendTo),
        "sendmsg" => interest(Class::SendMessage),
        "sendmmsg" => interest(Class::SendMessages),
        "clone" | "unshare" => interest(Class::Namespaces),
        "kill" | "prlimit64" => interest(Class::Others),
        "socket" | "ptrace" | "process_vm_readv" | "process_vm_writev" | "pidfd_getfd" | "setns" | "chroot"
        | "setsockopt" | "ioctl" => interest(Class::Numbers),
        // The libraries try it once for each thread and process; the filter refuses it, and fork is seen anyway.
        "clone3" => return None,
        _ if handling == Handling::Refused => interest(Class::Numbers),
        _ => return None,
    })
}

/// The calls that are looked at, by number.
pub(super) fn all() -> Vec<(u32, Interest)> {
    let mut all: Vec<(u32, Interest)> = CALLS
        .iter()
        .filter_map(|call| Some((u32::try_from(call.number).ok()?, of(call.name, call.handling)?)))
        .collect();
    all.push((libc::SYS_write as u32, interest(Class::Write)));
    all
}

/// Names of the calls that are looked at and let through, and of those that a filter refuses.
pub(super) fn names() -> (Vec<String>, Vec<String>) {
    let refused = |handling| matches!(handling, Handling::Refused | Handling::Silent(_));
    let mut observed: Vec<String> =
        ["fork", "vfork", "clone", "execve", "execveat", "exit", "exit_group"].into_iter().map(str::to_owned).collect();
    let looked_at = CALLS.iter().filter(|call| !refused(call.handling) && of(call.name, call.handling).is_some());
    observed.extend(looked_at.map(|call| call.name.to_owned()).filter(|name| name != "clone"));
    let refused = CALLS.iter().filter(|call| refused(call.handling)).map(|call| call.name.to_owned()).collect();
    (observed, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_that_changes_files_is_looked_at() {
        for call in CALLS.iter().filter(|call| call.group == "changing files") {
            assert!(of(call.name, call.handling).is_some(), "{}", call.name);
        }
        for call in CALLS.iter().filter(|call| call.handling == Handling::Refused) {
            assert!(of(call.name, call.handling).is_some(), "{}", call.name);
        }
        assert!(all().iter().all(|(number, _)| *number < 512));
    }
}
