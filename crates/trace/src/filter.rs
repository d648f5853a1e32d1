//! A filter that ends a process at its first attempt to make a socket: proof by the kernel that a command needs no
//! network.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::libc;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const EQUALS: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const KILL: u32 = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

/// Makes a command that the kernel kills (SIGSYS) when it, or anything it starts, calls `socket`, `socketpair` or
/// `connect`, or uses another architecture's entry to get around that.
pub fn kill_on_socket(command: &mut Command) {
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let program = [
        instruction(LOAD, 0, 0, 4), // seccomp_data.arch
        instruction(EQUALS, 1, 0, ARCHITECTURE),
        instruction(RETURN, 0, 0, KILL),
        instruction(LOAD, 0, 0, 0), // seccomp_data.nr
        instruction(EQUALS, 2, 0, number(libc::SYS_socket)),
        instruction(EQUALS, 1, 0, number(libc::SYS_socketpair)),
        instruction(EQUALS, 0, 1, number(libc::SYS_connect)),
        instruction(RETURN, 0, 0, KILL),
        instruction(RETURN, 0, 0, ALLOW),
    ];
    // SAFETY: the closure makes two prctl calls on data that it owns, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
            nix::sys::prctl::set_no_new_privs()?;
            if libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Refuses the two terminal requests that type into somebody else's shell (TIOCSTI) or console (TIOCLINUX). Needs
/// `no_new_privs`, which Landlock sets.
pub(crate) fn refuse_terminal_injection() -> nix::Result<()> {
    const REFUSE: u32 = 0x0005_0000 | libc::EPERM as u32; // SECCOMP_RET_ERRNO
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let program = [
        instruction(LOAD, 0, 0, 4), // seccomp_data.arch
        instruction(EQUALS, 0, 5, ARCHITECTURE),
        instruction(LOAD, 0, 0, 0), // seccomp_data.nr
        instruction(EQUALS, 0, 3, u32::try_from(libc::SYS_ioctl).unwrap_or(u32::MAX)),
        instruction(LOAD, 0, 0, 24),       // seccomp_data.args[1], low half
        instruction(EQUALS, 2, 0, 0x5412), // TIOCSTI
        instruction(EQUALS, 1, 0, 0x541c), // TIOCLINUX
        instruction(RETURN, 0, 0, ALLOW),
        instruction(RETURN, 0, 0, REFUSE),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: prctl copies the program, which lives until it returns.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    nix::Error::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn the_filter_really_kills() {
        let mut fine = Command::new("true");
        kill_on_socket(&mut fine);
        assert!(fine.status().expect("runs").success());
        let mut socket = Command::new("python3");
        socket.args(["-c", "import socket; socket.socket()"]);
        kill_on_socket(&mut socket);
        match socket.output() {
            Ok(done) => assert_eq!(done.status.signal(), Some(libc::SIGSYS), "{done:?}"),
            Err(_) => eprintln!("skipped: no python3 here"),
        }
    }
}
