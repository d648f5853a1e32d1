//! The seccomp filter, made from the list of calls.

use nix::libc;

use super::calls::{CALLS, Handling, When};

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_BITS: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

pub(crate) const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const NOTIFY: u32 = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF
const TRACE: u32 = 0x7ff0_0000; // SECCOMP_RET_TRACE
const ERRNO: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO

/// `AUDIT_ARCH_*` of this machine.
#[cfg(target_arch = "x86_64")]
pub(crate) const ARCHITECTURE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*` of this machine.
#[cfg(target_arch = "aarch64")]
pub(crate) const ARCHITECTURE: u32 = 0xc000_00b7;

/// Calls of the x32 entry have this bit.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Who gets the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// The listener of the filter.
    Notify,
    /// A tracer.
    Trace,
    /// Nobody: what no run is given is refused by the filter itself.
    Nobody,
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Low half of an argument: these machines are little-endian.
fn argument(index: u32) -> libc::sock_filter {
    step(LOAD, 0, 0, 16 + index * 8)
}

fn high_half(index: u32) -> libc::sock_filter {
    step(LOAD, 0, 0, 20 + index * 8)
}

/// The program.
pub(crate) fn program(receiver: Receiver) -> Vec<libc::sock_filter> {
    let seen = if receiver == Receiver::Notify { NOTIFY } else { TRACE };
    let mut program = vec![
        step(LOAD, 0, 0, 4), // seccomp_data.arch
        step(JUMP_EQUAL, 1, 0, ARCHITECTURE),
        // A foreign entry: seen and refused by whoever receives it.
        step(RETURN, 0, 0, seen),
        step(LOAD, 0, 0, 0), // seccomp_data.nr
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([step(JUMP_AT_LEAST, 0, 1, X32), step(RETURN, 0, 0, seen)]);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = JUMP_AT_LEAST;
    if receiver == Receiver::Trace {
        program.extend(untraceable());
    }
    for call in CALLS {
        let action = match call.handling {
            Handling::Silent(errno) => ERRNO | errno as u32,
            _ => seen,
        };
        let block = block(call.when, action);
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(step(JUMP_EQUAL, 0, length, call.number as u32));
        program.extend(block);
    }
    program.push(step(RETURN, 0, 0, ALLOW));
    program
}

/// A filter for runs that nobody is asked about: what no run is given is refused with an errno. Where the guard
/// prevents, so are new roots and namespaces.
pub(crate) fn refusals(prevents: bool) -> Vec<libc::sock_filter> {
    let refuse = |errno: i32| ERRNO | errno as u32;
    let mut program = vec![
        step(LOAD, 0, 0, 4), // seccomp_data.arch
        step(JUMP_EQUAL, 1, 0, ARCHITECTURE),
        step(RETURN, 0, 0, refuse(libc::ENOSYS)),
        step(LOAD, 0, 0, 0), // seccomp_data.nr
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([step(JUMP_AT_LEAST, 0, 1, X32), step(RETURN, 0, 0, refuse(libc::ENOSYS))]);
    for call in CALLS {
        let block = match (call.handling, call.name) {
            (Handling::Silent(errno), _) => block(call.when, refuse(errno)),
            (Handling::Refused, "io_uring_setup") => block(call.when, refuse(libc::ENOSYS)),
            (Handling::Refused, _) => block(call.when, refuse(libc::EPERM)),
            // Nothing else keeps the run from setting the limits of whoever watches it.
            (_, "prlimit64") => block(call.when, refuse(libc::EPERM)),
            (_, "chroot" | "setns") if prevents => block(When::Always, refuse(libc::EPERM)),
            (_, "unshare" | "clone") if prevents => vec![
                argument(0),
                step(JUMP_BITS, 0, 1, super::notify::NAMESPACES as u32),
                step(RETURN, 0, 0, refuse(libc::EPERM)),
                step(RETURN, 0, 0, ALLOW),
            ],
            _ => continue,
        };
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(step(JUMP_EQUAL, 0, length, call.number as u32));
        program.extend(block);
    }
    program.push(step(RETURN, 0, 0, ALLOW));
    program
}

/// Ways out of a tracer's sight: a listener of one's own, whose answers go before ours; a child that is not traced.
/// (Tracing, which only one can do, is refused when it is seen.)
fn untraceable() -> Vec<libc::sock_filter> {
    const NEW_LISTENER: u32 = 8;
    let number = step(LOAD, 0, 0, 0);
    vec![
        step(JUMP_EQUAL, 0, 4, libc::SYS_seccomp as u32),
        argument(1),
        step(JUMP_BITS, 0, 1, NEW_LISTENER),
        step(RETURN, 0, 0, ERRNO | libc::EBUSY as u32),
        number,
        step(JUMP_EQUAL, 0, 4, libc::SYS_clone as u32),
        argument(0),
        step(JUMP_BITS, 0, 1, libc::CLONE_UNTRACED as u32),
        step(RETURN, 0, 0, ERRNO | libc::EPERM as u32),
        number,
    ]
}

/// A filter under which no socket can be made but Unix ones and those of routing questions.
pub(crate) fn no_internet() -> Vec<libc::sock_filter> {
    vec![
        step(LOAD, 0, 0, 4),
        step(JUMP_EQUAL, 0, 5, ARCHITECTURE),
        step(LOAD, 0, 0, 0),
        step(JUMP_EQUAL, 0, 3, libc::SYS_socket as u32),
        argument(0),
        step(JUMP_EQUAL, 1, 0, libc::AF_UNIX as u32),
        step(JUMP_EQUAL, 0, 1, libc::AF_NETLINK as u32),
        step(RETURN, 0, 0, ALLOW),
        step(RETURN, 0, 0, ERRNO | libc::EACCES as u32),
    ]
}

fn block(when: When, action: u32) -> Vec<libc::sock_filter> {
    let yes = step(RETURN, 0, 0, action);
    let no = step(RETURN, 0, 0, ALLOW);
    match when {
        When::Always => vec![yes],
        When::Unusual => vec![
            argument(0),
            step(JUMP_BITS, 2, 0, super::notify::NAMESPACES as u32),
            step(JUMP_BITS, 2, 0, libc::CLONE_THREAD as u32),
            step(JUMP_BITS, 0, 1, libc::CLONE_FS as u32),
            yes,
            no,
        ],
        When::AddressOrFastOpen => vec![
            argument(4),
            step(JUMP_EQUAL, 0, 4, 0),
            high_half(4),
            step(JUMP_EQUAL, 0, 2, 0),
            argument(3),
            step(JUMP_BITS, 0, 1, libc::MSG_FASTOPEN as u32),
            yes,
            no,
        ],
        When::UnusualSocket => vec![
            argument(0),
            step(JUMP_EQUAL, 10, 0, libc::AF_UNIX as u32),
            step(JUMP_EQUAL, 0, 2, libc::AF_NETLINK as u32),
            argument(2),
            step(JUMP_EQUAL, 7, 6, 0), // NETLINK_ROUTE, which every resolver asks
            step(JUMP_EQUAL, 1, 0, libc::AF_INET as u32),
            step(JUMP_EQUAL, 0, 4, libc::AF_INET6 as u32),
            argument(1),
            step(AND, 0, 0, 0xf),
            step(JUMP_EQUAL, 1, 0, libc::SOCK_RAW as u32),
            step(JUMP_EQUAL, 0, 1, 10), // SOCK_PACKET
            yes,
            no,
        ],
        When::FastOpenOption => vec![
            argument(1),
            step(JUMP_EQUAL, 0, 3, libc::IPPROTO_TCP as u32),
            argument(2),
            step(JUMP_EQUAL, 0, 1, 30), // TCP_FASTOPEN_CONNECT
            yes,
            no,
        ],
        When::OtherProcess => vec![
            argument(0),
            step(JUMP_EQUAL, 4, 0, 0),
            argument(2),
            step(JUMP_EQUAL, 0, 3, 0),
            high_half(2),
            step(JUMP_EQUAL, 0, 1, 0),
            no,
            yes,
        ],
        // SIGURG wakes Go's threads; 0 asks whether somebody is there; 32 and 33 are the C library's own.
        When::Signal(at) => vec![
            argument(at),
            step(JUMP_EQUAL, 4, 0, libc::SIGURG as u32),
            step(JUMP_EQUAL, 3, 0, 0),
            step(JUMP_EQUAL, 2, 0, 32),
            step(JUMP_EQUAL, 1, 0, 33),
            yes,
            no,
        ],
        When::TerminalInjection => vec![
            argument(1),
            step(JUMP_EQUAL, 1, 0, 0x5412), // TIOCSTI
            step(JUMP_EQUAL, 0, 1, 0x541c), // TIOCLINUX
            yes,
            no,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program says of a call: a small interpreter of the instructions that it uses.
    fn judge(architecture: u32, number: libc::c_long, arguments: [u64; 6]) -> u32 {
        judge_by(&program(Receiver::Notify), architecture, number, arguments)
    }

    fn judge_by(program: &[libc::sock_filter], architecture: u32, number: libc::c_long, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend((number as u32).to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend(0_u64.to_le_bytes());
        for argument in arguments {
            data.extend(argument.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let step = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    let k = step.k as usize;
                    accumulator = u32::from_le_bytes(data[k..k + 4].try_into().expect("four bytes"));
                }
                JUMP_EQUAL => at += jump(accumulator == step.k),
                JUMP_AT_LEAST => at += jump(accumulator >= step.k),
                JUMP_BITS => at += jump(accumulator & step.k != 0),
                AND => accumulator &= step.k,
                RETURN => return step.k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn what_matters_is_seen_and_what_does_not_is_let_through() {
        let native = |number, arguments| judge(ARCHITECTURE, number, arguments);
        let none = [0; 6];
        assert_eq!(native(libc::SYS_openat, none), NOTIFY);
        assert_eq!(native(libc::SYS_read, none), ALLOW);
        assert_eq!(native(libc::SYS_getpid, none), ALLOW);
        assert_eq!(native(libc::SYS_io_uring_setup, none), NOTIFY);
        assert_eq!(native(libc::SYS_clone3, none), ERRNO | libc::ENOSYS as u32);
        let clone = |flags: i32| native(libc::SYS_clone, [flags as u64, 0, 0, 0, 0, 0]);
        assert_eq!(clone(libc::SIGCHLD), ALLOW);
        assert_eq!(clone(libc::CLONE_THREAD | libc::CLONE_FS | libc::CLONE_VM), ALLOW);
        assert_eq!(clone(libc::CLONE_FS | libc::CLONE_VM), NOTIFY);
        assert_eq!(clone(libc::CLONE_NEWUSER | libc::SIGCHLD), NOTIFY);
        assert_eq!(clone(libc::CLONE_NEWNET | libc::CLONE_THREAD), NOTIFY);
        assert_eq!(judge(0x4000_0003, libc::SYS_getpid, none), NOTIFY, "the 32-bit entry");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(native(i64::from(X32) | libc::SYS_getpid, none), NOTIFY);
    }

    #[test]
    fn refusals_without_a_listener() {
        let none = [0; 6];
        let refused = |prevents: bool, number: libc::c_long, arguments: [u64; 6]| match judge_by(
            &refusals(prevents),
            ARCHITECTURE,
            number,
            arguments,
        ) {
            ALLOW => None,
            action => Some((action & 0xffff) as i32),
        };
        for call in CALLS.iter().filter(|call| call.handling == Handling::Refused && call.when == When::Always) {
            assert!(refused(false, call.number, none).is_some(), "{}", call.name);
        }
        assert_eq!(refused(false, libc::SYS_io_uring_setup, none), Some(libc::ENOSYS));
        assert_eq!(refused(false, libc::SYS_openat, none), None);
        assert_eq!(refused(false, libc::SYS_prlimit64, [77, 7, 0x1000, 0, 0, 0]), Some(libc::EPERM));
        let namespace = [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0];
        for number in [libc::SYS_unshare, libc::SYS_clone] {
            assert_eq!(refused(false, number, namespace), None);
            assert_eq!(refused(true, number, namespace), Some(libc::EPERM));
            assert_eq!(refused(true, number, none), None);
        }
        assert_eq!(refused(true, libc::SYS_chroot, none), Some(libc::EPERM));
        let other = judge_by(&refusals(false), 0x4000_0003, libc::SYS_getpid, none);
        assert_eq!(other, ERRNO | libc::ENOSYS as u32);
    }

    #[test]
    fn sockets_by_kind() {
        let socket = |domain: i32, kind: i32, protocol: u64| {
            judge(ARCHITECTURE, libc::SYS_socket, [domain as u64, kind as u64, protocol, 0, 0, 0])
        };
        let stream = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        assert_eq!(socket(libc::AF_UNIX, stream, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET, stream, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0), ALLOW);
        assert_eq!(socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 1), NOTIFY);
        assert_eq!(socket(libc::AF_INET6, libc::SOCK_RAW, 58), NOTIFY);
        assert_eq!(socket(libc::AF_INET, 10, 3), NOTIFY);
        assert_eq!(socket(libc::AF_PACKET, libc::SOCK_DGRAM, 3), NOTIFY);
        assert_eq!(socket(libc::AF_VSOCK, stream, 0), NOTIFY);
        assert_eq!(socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0), ALLOW);
        assert_eq!(socket(libc::AF_NETLINK, libc::SOCK_RAW, 9), NOTIFY);
    }

    #[test]
    fn data_with_addresses_and_other_registers() {
        let call = |number, arguments| judge(ARCHITECTURE, number, arguments);
        assert_eq!(call(libc::SYS_sendto, [3, 1, 1, 0, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_sendto, [3, 1, 1, 0, 0x7fff, 16]), NOTIFY);
        assert_eq!(call(libc::SYS_sendto, [3, 1, 1, 0, 1 << 40, 16]), NOTIFY);
        assert_eq!(call(libc::SYS_sendto, [3, 1, 1, libc::MSG_FASTOPEN as u64, 0, 0]), NOTIFY);
        assert_eq!(call(libc::SYS_setsockopt, [3, 6, 30, 0, 0, 0]), NOTIFY);
        assert_eq!(call(libc::SYS_setsockopt, [3, 6, 1, 0, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_prlimit64, [0, 7, 0x1000, 0, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_prlimit64, [77, 7, 0, 0x1000, 0, 0]), ALLOW);
        assert_eq!(call(libc::SYS_prlimit64, [77, 7, 0x1000, 0, 0, 0]), NOTIFY);
        assert_eq!(call(libc::SYS_prlimit64, [77, 7, 1 << 40, 0, 0, 0]), NOTIFY);
        let refused = ERRNO | libc::EPERM as u32;
        assert_eq!(call(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]), refused);
        assert_eq!(call(libc::SYS_ioctl, [0, 0x541c, 0, 0, 0, 0]), refused);
        assert_eq!(call(libc::SYS_ioctl, [0, 0x5413, 0, 0, 0, 0]), ALLOW);
    }
}
