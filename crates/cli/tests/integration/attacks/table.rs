//! What has to come of each attack.

use super::stage::{Mode, Result};

/// One attack: a program of this name in `tests/attacks`.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What it is after: its first argument.
    pub(super) target: &'static str,
    /// `[guard]`, but for the mode.
    pub(super) guard: &'static str,
    pub(super) bare: Bare,
    /// What the evidence must hold in `detect`.
    pub(super) detect: &'static [Seen],
    /// What the evidence must hold in `prevent`, as refused.
    pub(super) prevent: &'static [Seen],
    pub(super) held: Held,
    /// In `detect` it goes on; false where it is refused to every command.
    pub(super) detect_lets_through: bool,
    pub(super) check: Option<Check>,
}

/// Something else that must hold of a run; what is wrong otherwise.
pub(super) type Check = fn(&Result, Mode) -> std::result::Result<(), String>;

/// What becomes of it when nobody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// It gets what it wants: the attack is real.
    Wins,
    /// This machine, or its kernel, keeps it from that anyway.
    May,
}

/// Whether `prevent` has to keep it from what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Blocked,
    /// It is no harm by itself: the evidence says what happened.
    Recorded,
    /// It is harm to a tracer alone: blocked under that back end.
    Traced,
}

/// Something in the evidence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// Kind, and a part of the words.
    Violation(&'static str, &'static str),
    /// A part of the address or name.
    Network(&'static str),
    /// A part of a name that was asked for.
    Question(&'static str),
    /// A part of a sentence on what is not complete.
    Incomplete(&'static str),
}

use Seen::{Incomplete, Network, Question, Violation};

const BASE: Attack = Attack {
    name: "",
    target: "",
    guard: "",
    bare: Bare::Wins,
    detect: &[],
    prevent: &[],
    held: Held::Blocked,
    detect_lets_through: true,
    check: None,
};

const SOURCE: Attack = Attack {
    target: "source",
    guard: "outputs = [\"out\"]\n",
    detect: &[Violation("source-write", "src/main.c")],
    prevent: &[Violation("source-write", "src/main.c")],
    ..BASE
};

const SECRET: Attack = Attack {
    target: "secret",
    guard: "outputs = [\"out\"]\n",
    detect: &[Violation("credential", ".ssh")],
    prevent: &[Violation("credential", ".ssh")],
    ..BASE
};

const TOOL: Attack = Attack {
    target: "tool",
    guard: "tools.deny = [\"FORBIDDEN\"]\n",
    detect: &[Violation("tool", "denied")],
    prevent: &[Violation("tool", "denied")],
    ..BASE
};

const MEMORY: Attack = Attack { target: "none", detect_lets_through: false, ..BASE };

const KERNEL: Attack = Attack { target: "none", bare: Bare::May, detect_lets_through: false, ..BASE };

const NETWORK: Attack = Attack { target: "none", guard: "NETWORK", ..BASE };

pub(super) const ATTACKS: &[Attack] = &[
    // ---- the sources -----------------------------------------------------------------------------------------------
    Attack { name: "source-open", ..SOURCE },
    Attack { name: "source-creat", ..SOURCE },
    Attack { name: "source-openat2", ..SOURCE },
    Attack { name: "source-truncate", ..SOURCE },
    Attack { name: "source-rename", ..SOURCE },
    Attack { name: "source-exchange", ..SOURCE },
    Attack { name: "source-unlink", ..SOURCE },
    Attack { name: "source-hardlink", ..SOURCE },
    Attack { name: "source-symlink", ..SOURCE },
    Attack { name: "source-mmap", ..SOURCE },
    Attack { name: "source-reopen", ..SOURCE },
    Attack { name: "source-proc-root", ..SOURCE },
    Attack { name: "source-proc-cwd", ..SOURCE },
    Attack { name: "source-splice", ..SOURCE },
    Attack { name: "source-mode", ..SOURCE },
    Attack { name: "source-mode-fchmodat2", ..SOURCE },
    // Attributes are no content: in `detect` they are not looked at.
    Attack { name: "source-xattr", detect: &[], prevent: &[], ..SOURCE },
    Attack { name: "source-new", ..SOURCE },
    Attack {
        name: "source-directory",
        detect: &[Violation("source-write", "/src")],
        prevent: &[Violation("source-write", "/src")],
        ..SOURCE
    },
    Attack { name: "source-restored", ..SOURCE },
    Attack {
        name: "source-remount",
        detect: &[
            Violation("kernel", "mount"),
            Violation("kernel", "umount2"),
            Violation("source-write", "src/main.c"),
        ],
        prevent: &[
            Violation("kernel", "mount"),
            Violation("kernel", "umount2"),
            Violation("source-write", "src/main.c"),
        ],
        ..SOURCE
    },
    Attack {
        name: "source-namespace",
        detect: &[Violation("kernel", "unshare"), Violation("kernel", "mount")],
        prevent: &[Violation("kernel", "unshare"), Violation("kernel", "mount")],
        ..SOURCE
    },
    Attack {
        name: "source-ring",
        detect: &[Violation("kernel", "io_uring_setup")],
        prevent: &[Violation("kernel", "io_uring_setup")],
        detect_lets_through: false,
        ..SOURCE
    },
    Attack {
        name: "source-compat",
        bare: Bare::May,
        detect: &[Violation("kernel", "32-bit")],
        prevent: &[Violation("kernel", "32-bit")],
        detect_lets_through: false,
        ..SOURCE
    },
    Attack {
        name: "source-handle",
        detect: &[Violation("kernel", "open_by_handle_at")],
        prevent: &[Violation("kernel", "open_by_handle_at")],
        detect_lets_through: false,
        ..SOURCE
    },
    // Which of the two is opened is decided by luck: it may be that the source never was.
    Attack { name: "source-race", detect: &[], prevent: &[], bare: Bare::May, ..SOURCE },
    Attack { name: "source-shared-directory", ..SOURCE },
    Attack { name: "source-moved", detect: &[], detect_lets_through: false, prevent: &[], ..SOURCE },
    Attack {
        name: "source-open-how",
        bare: Bare::May,
        detect: &[],
        prevent: &[],
        detect_lets_through: false,
        ..SOURCE
    },
    // ---- credentials -----------------------------------------------------------------------------------------------
    Attack { name: "credential-read", ..SECRET },
    Attack { name: "credential-symlink", prevent: &[], ..SECRET },
    Attack { name: "credential-hardlink", ..SECRET },
    Attack { name: "credential-renamed", ..SECRET },
    Attack { name: "credential-relative", prevent: &[], ..SECRET },
    Attack { name: "credential-path-only", prevent: &[], ..SECRET },
    Attack {
        name: "credential-proc-root",
        detect: &[Violation("memory", "root")],
        prevent: &[],
        detect_lets_through: false,
        ..SECRET
    },
    Attack { name: "credential-environment", detect: &[], prevent: &[], ..SECRET },
    Attack { name: "credential-inherited", detect: &[], prevent: &[], detect_lets_through: false, ..SECRET },
    Attack {
        name: "credential-namespace",
        detect: &[Violation("kernel", "unshare"), Violation("kernel", "umount2")],
        prevent: &[Violation("kernel", "unshare"), Violation("kernel", "umount2")],
        ..SECRET
    },
    Attack {
        name: "credential-setns",
        detect: &[Violation("memory", "ns")],
        prevent: &[],
        detect_lets_through: false,
        bare: Bare::May,
        ..SECRET
    },
    Attack { name: "credential-race", detect: &[], prevent: &[], bare: Bare::May, ..SECRET },
    // ---- tools -----------------------------------------------------------------------------------------------------
    Attack { name: "tool-copy", ..TOOL },
    Attack { name: "tool-symlink", ..TOOL },
    Attack { name: "tool-hardlink", ..TOOL },
    Attack {
        name: "tool-loader",
        detect: &[Violation("tool", "loader called by name")],
        prevent: &[Violation("tool", "loader called by name")],
        ..TOOL
    },
    Attack { name: "tool-script", ..TOOL },
    Attack { name: "tool-descriptor", ..TOOL },
    Attack { name: "tool-proc-descriptor", ..TOOL },
    Attack {
        name: "tool-memory",
        guard: "tools.allow = [\"ALLOWED\"]\ntools.built = false\n",
        detect: &[Violation("tool", "not among those")],
        prevent: &[],
        ..TOOL
    },
    Attack {
        name: "tool-stitched",
        guard: "tools.allow = [\"ALLOWED\"]\ntools.built = false\n",
        detect: &[Violation("tool", "not among those")],
        prevent: &[Violation("tool", "not among those")],
        ..TOOL
    },
    Attack { name: "tool-race", bare: Bare::May, detect: &[], prevent: &[], ..TOOL },
    Attack { name: "tool-link-race", bare: Bare::May, detect: &[], prevent: &[], ..TOOL },
    Attack { name: "tool-library", ..TOOL },
    // Reading denied content is refused already; where it is only recorded, so is the execution.
    Attack { name: "tool-lease", ..TOOL },
    Attack {
        name: "tool-unreadable",
        guard: "tools.allow = [\"ALLOWED\"]\ntools.built = false\n",
        detect: &[Violation("tool", "")],
        prevent: &[Violation("tool", "")],
        ..TOOL
    },
    Attack {
        name: "tool-other-thread",
        guard: "",
        held: Held::Recorded,
        detect: &[],
        prevent: &[],
        check: Some(all_twelve),
        ..TOOL
    },
    Attack { name: "tool-untraced", guard: "", detect: &[], prevent: &[], held: Held::Traced, ..TOOL },
    // ---- memory of others ------------------------------------------------------------------------------------------
    Attack { name: "memory-file", detect: &[Violation("memory", "/mem")], ..MEMORY },
    Attack { name: "memory-environment", detect: &[Violation("memory", "/environ")], ..MEMORY },
    Attack { name: "memory-maps", detect: &[Violation("memory", "/maps")], ..MEMORY },
    Attack { name: "memory-readv", detect: &[Violation("memory", "process_vm_readv")], ..MEMORY },
    Attack { name: "memory-ptrace", detect: &[Violation("memory", "ptrace")], ..MEMORY },
    Attack { name: "memory-descriptor", detect: &[Violation("memory", "pidfd_getfd")], prevent: &[], ..MEMORY },
    Attack { name: "memory-limits", detect: &[Violation("memory", "limits of process")], ..MEMORY },
    Attack { name: "memory-core", detect: &[Violation("memory", "signal")], ..MEMORY },
    Attack { name: "supervisor-kill", detect: &[Violation("memory", "signal 9")], ..MEMORY },
    Attack { name: "supervisor-stop", detect: &[Violation("memory", "signal")], ..MEMORY },
    Attack { name: "supervisor-files", bare: Bare::Wins, ..MEMORY },
    Attack {
        name: "memory-descriptor-path",
        bare: Bare::Wins,
        detect: &[Violation("memory", "outside the run")],
        prevent: &[],
        ..MEMORY
    },
    // ---- the kernel ------------------------------------------------------------------------------------------------
    Attack {
        name: "kernel-modules",
        detect: &[Violation("kernel", "init_module"), Violation("kernel", "kexec_load")],
        prevent: &[Violation("kernel", "finit_module")],
        ..KERNEL
    },
    Attack {
        name: "kernel-programs",
        bare: Bare::Wins,
        detect: &[Violation("kernel", "bpf"), Violation("kernel", "userfaultfd")],
        prevent: &[Violation("kernel", "perf_event_open"), Violation("kernel", "fanotify_init")],
        ..KERNEL
    },
    Attack {
        name: "kernel-keys",
        bare: Bare::Wins,
        detect: &[Violation("kernel", "keyctl")],
        prevent: &[Violation("kernel", "keyctl")],
        ..KERNEL
    },
    // Refused by the filter itself, which does not count.
    Attack { name: "kernel-terminal", bare: Bare::Wins, ..KERNEL },
    Attack {
        name: "kernel-settings",
        bare: Bare::Wins,
        detect: &[Violation("kernel", "/proc/sys/kernel/core_pattern")],
        prevent: &[Violation("kernel", "/proc/sys/kernel/core_pattern")],
        ..KERNEL
    },
    Attack { name: "kernel-settings-chroot", bare: Bare::Wins, detect: &[Violation("kernel", "chroot")], ..KERNEL },
    Attack {
        name: "kernel-disk",
        bare: Bare::May,
        detect: &[Violation("kernel", "/dev/")],
        prevent: &[Violation("kernel", "/dev/")],
        ..KERNEL
    },
    Attack {
        name: "kernel-faults",
        bare: Bare::May,
        detect: &[Violation("kernel", "/dev/userfaultfd")],
        prevent: &[Violation("kernel", "/dev/userfaultfd")],
        ..KERNEL
    },
    Attack {
        name: "kernel-device",
        detect: &[Violation("kernel", "out/disk")],
        prevent: &[Violation("kernel", "out/disk")],
        ..KERNEL
    },
    Attack {
        name: "kernel-group",
        detect: &[Violation("kernel", "cgroup")],
        prevent: &[Violation("kernel", "cgroup")],
        ..KERNEL
    },
    // ---- processes and floods --------------------------------------------------------------------------------------
    Attack {
        name: "daemon-survives",
        held: Held::Recorded,
        detect: &[Incomplete("still running")],
        prevent: &[Incomplete("still running")],
        check: Some(nothing_late),
        ..BASE
    },
    Attack {
        name: "flood-processes",
        guard: "limits.processes = 150\n",
        detect: &[Violation("limit", "processes at once")],
        prevent: &[Violation("limit", "processes at once")],
        detect_lets_through: false,
        check: Some(fails),
        ..BASE
    },
    Attack { name: "flood-files", guard: "limits.files = 500\n", held: Held::Recorded, check: Some(has_lost), ..BASE },
    Attack { name: "flood-arguments", held: Held::Recorded, check: Some(arguments_are_cut), ..BASE },
    // ---- the network -----------------------------------------------------------------------------------------------
    Attack {
        name: "network-address",
        detect: &[Violation("network", "45.0.0.1:443"), Network("45.0.0.1")],
        prevent: &[Violation("network", "45.0.0.1:443")],
        ..NETWORK
    },
    Attack {
        name: "network-address-six",
        detect: &[Violation("network", "2a00::1")],
        prevent: &[Violation("network", "2a00::1")],
        ..NETWORK
    },
    Attack {
        name: "network-address-mapped",
        detect: &[Violation("network", "45.0.0.1:443")],
        prevent: &[Violation("network", "45.0.0.1:443")],
        ..NETWORK
    },
    Attack {
        name: "network-datagram",
        detect: &[Violation("network", "udp 45.0.0.1:9999")],
        prevent: &[Violation("network", "udp 45.0.0.1:9999")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-datagram-message",
        detect: &[Violation("network", "udp 45.0.0.1:9999")],
        prevent: &[Violation("network", "udp 45.0.0.1:9999")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-datagram-many",
        detect: &[Violation("network", "udp 45.0.0.1:9999")],
        prevent: &[Violation("network", "udp 45.0.0.1:9999")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-datagram-connected",
        detect: &[Violation("network", "udp 45.0.0.1:9999")],
        prevent: &[Violation("network", "udp 45.0.0.1:9999")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-quic",
        detect: &[Violation("network", "udp allowed.test:443")],
        prevent: &[Violation("network", "udp allowed.test:443")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-resolver-direct",
        detect: &[Violation("network", "45.0.0.53:53")],
        prevent: &[Violation("network", "45.0.0.53:53")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-resolver-stream",
        detect: &[Violation("network", "45.0.0.53:53")],
        prevent: &[Violation("network", "45.0.0.53:53")],
        ..NETWORK
    },
    Attack {
        name: "network-resolver-own-stream",
        detect: &[Violation("network", "evil.test"), Question("evil.test")],
        prevent: &[Violation("network", "evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-resolver-tls",
        detect: &[Violation("network", "45.0.0.53:853")],
        prevent: &[Violation("network", "45.0.0.53:853")],
        ..NETWORK
    },
    Attack {
        name: "network-resolver-https",
        detect: &[Violation("network", "resolver.test")],
        prevent: &[Violation("network", "resolver.test")],
        ..NETWORK
    },
    Attack {
        name: "network-tunnel",
        detect: &[Question("c3rvbgvu.evil.test")],
        prevent: &[Violation("network", "c3rvbgvu.evil.test")],
        check: Some(nothing_is_asked),
        ..NETWORK
    },
    Attack {
        name: "network-tunnel-text",
        detect: &[Question("c3rvbgvu.allowed.test")],
        prevent: &[Violation("network", "c3rvbgvu.allowed.test")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-name",
        detect: &[Violation("network", "evil.test"), Network("evil.test")],
        prevent: &[Violation("network", "evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-name-server",
        detect: &[Violation("network", "TLS server name evil.test")],
        prevent: &[Violation("network", "TLS server name evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-name-pieces",
        detect: &[Violation("network", "TLS server name evil.test")],
        prevent: &[Violation("network", "TLS server name evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-protocol",
        detect: &[Violation("network", "neither TLS nor HTTP")],
        prevent: &[Violation("network", "neither TLS nor HTTP")],
        ..NETWORK
    },
    Attack {
        name: "network-host",
        detect: &[Violation("network", "HTTP host evil.test")],
        prevent: &[Violation("network", "HTTP host evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-host-twice",
        detect: &[Violation("network", "HTTP")],
        prevent: &[Violation("network", "HTTP")],
        ..NETWORK
    },
    Attack {
        name: "network-host-absolute",
        detect: &[Violation("network", "HTTP")],
        prevent: &[Violation("network", "HTTP")],
        ..NETWORK
    },
    Attack {
        name: "network-host-later",
        detect: &[Violation("network", "HTTP host evil.test")],
        prevent: &[Violation("network", "HTTP host evil.test")],
        ..NETWORK
    },
    Attack {
        name: "network-proxy",
        detect: &[Violation("network", "HTTP")],
        prevent: &[Violation("network", "HTTP")],
        ..NETWORK
    },
    Attack {
        name: "network-metadata",
        detect: &[Violation("network", "169.254.169.254")],
        prevent: &[Violation("network", "169.254.169.254")],
        ..NETWORK
    },
    Attack {
        name: "network-metadata-name",
        detect: &[Network("meta.test")],
        prevent: &[Violation("network", "meta.test")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-private",
        detect: &[Violation("network", "10.9.8.7")],
        prevent: &[Violation("network", "10.9.8.7")],
        ..NETWORK
    },
    Attack {
        name: "network-private-name",
        detect: &[Network("intern.test")],
        prevent: &[Violation("network", "intern.test")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-other-program",
        detect: &[Violation("network", "allowed.test:8443")],
        prevent: &[Violation("network", "allowed.test:8443")],
        ..NETWORK
    },
    Attack {
        name: "network-other-port",
        detect: &[Violation("network", "allowed.test:853")],
        prevent: &[Violation("network", "allowed.test:853")],
        ..NETWORK
    },
    Attack { name: "network-forwarder", bare: Bare::May, detect_lets_through: false, ..NETWORK },
    Attack {
        name: "network-again",
        detect: &[Violation("network", "45.0.0.1:443")],
        prevent: &[Violation("network", "45.0.0.1:443")],
        ..NETWORK
    },
    Attack {
        name: "network-fast-open",
        detect: &[Violation("network", "fast open")],
        prevent: &[Violation("network", "fast open")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-fast-open-option",
        detect: &[Violation("network", "45.0.0.1:443"), Violation("kernel", "setsockopt")],
        prevent: &[Violation("network", "45.0.0.1:443")],
        ..NETWORK
    },
    Attack {
        name: "network-raw",
        detect: &[Violation("network", "a socket of family 17"), Network("type 3")],
        prevent: &[Violation("network", "a socket of family 17")],
        detect_lets_through: false,
        ..NETWORK
    },
    Attack {
        name: "network-machine",
        bare: Bare::May,
        detect: &[Violation("network", "family 40")],
        prevent: &[Violation("network", "family 40")],
        ..NETWORK
    },
    Attack {
        name: "network-service",
        target: "docker",
        detect: &[Violation("delegation", "docker")],
        prevent: &[Violation("delegation", "docker")],
        ..NETWORK
    },
    Attack {
        name: "network-socket-file",
        target: "database",
        detect: &[Violation("network", "database.sock")],
        prevent: &[Violation("network", "database.sock")],
        ..NETWORK
    },
    Attack {
        name: "network-socket-link",
        target: "database",
        detect: &[Violation("network", "database.sock")],
        prevent: &[Violation("network", "database.sock")],
        ..NETWORK
    },
    Attack {
        name: "network-host-forms",
        detect: &[Violation("network", "HTTP")],
        prevent: &[Violation("network", "HTTP")],
        ..NETWORK
    },
    // In a network of its own nobody listens there.
    Attack {
        name: "network-abstract",
        target: "provost-attacks",
        detect: &[Network("@provost-attacks")],
        prevent: &[],
        detect_lets_through: false,
        ..NETWORK
    },
];

/// No server outside hears of a name that is not allowed.
fn nothing_is_asked(result: &Result, mode: Mode) -> std::result::Result<(), String> {
    if mode == Mode::Prevent && result.tunnelled > 0 { Err("the name server outside was asked".into()) } else { Ok(()) }
}

/// None of twelve executions is missing.
fn all_twelve(result: &Result, _: Mode) -> std::result::Result<(), String> {
    let seen = result.list("processes").iter().filter(|p| p.to_string().contains("one-of-twelve")).count();
    if seen == 12 { Ok(()) } else { Err(format!("{seen} of 12 executions are recorded")) }
}

/// The limit ends the run, and it does not pass.
fn fails(result: &Result, _: Mode) -> std::result::Result<(), String> {
    if result.exit == Some(0) { Err("the run passed".into()) } else { Ok(()) }
}

/// The survivor was ended with the run, before it could touch the products.
fn nothing_late(result: &Result, _: Mode) -> std::result::Result<(), String> {
    std::thread::sleep(std::time::Duration::from_millis(3500));
    if result.project.join("out/late").exists() { Err("it went on after the run".into()) } else { Ok(()) }
}

/// What did not fit is counted, and the evidence says that it is not whole.
fn has_lost(result: &Result, _: Mode) -> std::result::Result<(), String> {
    match result.coverage("eventsLost").as_u64() {
        Some(lost) if lost > 1000 => Ok(()),
        other => Err(format!("events lost: {other:?}")),
    }
}

fn arguments_are_cut(result: &Result, _: Mode) -> std::result::Result<(), String> {
    let cut = result.list("processes").iter().any(|process| {
        let programs = process.get("programs").and_then(|p| p.as_array()).cloned().unwrap_or_default();
        programs.iter().any(|p| p.get("argumentsCut").and_then(|c| c.as_bool()) == Some(true))
    });
    if cut { Ok(()) } else { Err("cut arguments are not marked".into()) }
}
