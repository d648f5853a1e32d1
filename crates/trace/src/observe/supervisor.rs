//! The supervisor's own process: prepares the confinement, starts the command, serves its calls, and reports.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use provost_model::{BackEnd, Coverage, Ending, Observation};
use serde::{Deserialize, Serialize};

use super::ebpf::{self, Programs, Watch};
use super::eyes::{Eyes, Finished};
use super::filter::Receiver;
use super::forward::{Forwarding, Inside, host_resolvers};
use super::guard::{Mode, NetworkRule, Rules};
use super::notify::{Beginning, Notifier, ending_of};
use super::record::{Record, Relief};
use super::start::{self, FAILED, HELLO, Launch, NUMBERS, Pipes, STEPS};
use super::sys::{self, Listener, Mailbox};
use super::tracee::Proc;
use super::{Clock, Live, ObserveWish, Plan, Ready, Remembered, Report};
use crate::confine::{Confinement, ConfinementWish, Layers};
use crate::run::RunOutcome;
use crate::signals::{BlockedSignals, hand_on};

/// What passes between the caller and the supervisor's process.
#[derive(Serialize, Deserialize)]
pub(crate) enum Message {
    Plan(Box<Plan>),
    Ready(Ready),
    Go {
        live: bool,
    },
    Live(Live),
    Done(Box<Report>),
    /// The command could not be started, or the supervisor failed: what, and the errno where there is one.
    Failed {
        what: String,
        errno: Option<i32>,
        confinement: bool,
    },
}

/// How often the number of processes is looked at.
const CENSUS: Duration = Duration::from_millis(250);

/// How long ends of processes gather before they are noted: each would wake this thread. Far shorter than it takes to use
/// up all process numbers, so none is another's yet.
const GATHERING: Duration = Duration::from_millis(50);

/// The longest message, in bytes: a report of millions of files.
const LONGEST: u64 = 4 << 30;

pub(crate) fn send(stream: &mut UnixStream, message: &Message) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    stream.write_all(&(bytes.len() as u64).to_le_bytes())?;
    stream.write_all(&bytes)
}

pub(crate) fn receive(stream: &mut UnixStream) -> std::io::Result<Message> {
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(std::io::Error::other("a message is too long"));
    }
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

struct Failure {
    what: String,
    errno: Option<Errno>,
    confinement: bool,
}

impl Failure {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), errno: None, confinement: false }
    }

    fn kernel(what: &str, errno: Errno) -> Self {
        Self { what: what.to_owned(), errno: Some(errno), confinement: false }
    }
}

/// The whole life of the supervisor's process.
pub(crate) fn live(mut channel: UnixStream, signals: &BlockedSignals, clock: Clock) {
    // It ends with its caller, and the command with it.
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = nix::sys::prctl::set_dumpable(false);
    let Ok(Message::Plan(plan)) = receive(&mut channel) else { return };
    let result = prepare(&plan).and_then(|prepared| {
        let _ = send(&mut channel, &Message::Ready(prepared.ready.clone()));
        match receive(&mut channel) {
            Ok(Message::Go { live }) => supervise(&plan, prepared, &mut channel, signals, clock, live),
            _ => Err(Failure::new("the caller is gone")),
        }
    });
    let message = match result {
        Ok(report) => Message::Done(Box::new(report)),
        Err(Failure { what, errno, confinement }) => {
            Message::Failed { what, errno: errno.map(|e| e as i32), confinement }
        }
    };
    let _ = send(&mut channel, &message);
}

struct Prepared {
    confinement: Confinement,
    ready: Ready,
    own_network: bool,
    no_internet: bool,
    forwards: bool,
    resolvers: Vec<std::net::SocketAddr>,
    devices: Vec<Vec<u8>>,
    programs: Option<Programs>,
}

/// Disks and memory as devices: below all files, and all rules for files.
fn raw_devices() -> Vec<std::path::PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let raw = ["mem", "kmem", "port", "nvram", "userfaultfd"];
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_block_device())
                || entry.file_name().to_str().is_some_and(|name| raw.contains(&name))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Sockets and files that answer names or do work for whoever asks: not there for a run whose network is judged, or
/// that is held to its policy.
const SERVICES: &[&str] = &[
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "/run/snapd.socket",
    "/run/libvirt/libvirt-sock",
];
const NAME_SERVICES: &[&str] =
    &["/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/avahi-daemon/socket"];

fn prepare(plan: &Plan) -> Result<Prepared, Failure> {
    let guard = &plan.guard;
    let prevents = guard.mode == Mode::Prevent;
    let wish = match plan.confinement.as_str() {
        "required" => ConfinementWish::Required,
        "off" => ConfinementWish::Off,
        _ => ConfinementWish::BestEffort,
    };
    let judged = guard.network != NetworkRule::Host;
    let resolvers = if plan.resolvers.is_empty() { host_resolvers() } else { plan.resolvers.clone() };
    let alone = plan.observe == ObserveWish::Ebpf;
    if alone {
        needs_the_notifier(guard)?;
    }
    // Nobody is asked by the calls of a run that is only watched: it ends with its supervisor because the kernel ends
    // its process ids with the first of them.
    let mut layers = Layers { own_ipc: prevents, own_processes: prevents || alone, ..Layers::default() };
    let there = |list: &[&str]| -> Vec<std::path::PathBuf> {
        list.iter().filter_map(|path| std::path::Path::new(path).canonicalize().ok()).collect()
    };
    if prevents {
        layers.hidden.extend(guard.credentials.iter().filter(|path| path.exists()).cloned());
        layers.hidden.extend(there(SERVICES));
        if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
            let runtime = std::path::Path::new(&runtime);
            let names = ["docker.sock", "podman/podman.sock", "bus", "systemd/private", "gnupg/S.gpg-agent"];
            layers.hidden.extend(names.iter().filter_map(|name| runtime.join(name).canonicalize().ok()));
        }
        layers.read_only.clone_from(&guard.source);
        layers.writable.clone_from(&guard.outputs);
    }
    if judged {
        layers.hidden.extend(there(NAME_SERVICES));
    }
    let devices = raw_devices();
    if nix::unistd::getuid().is_root() {
        // Another user could not open them anyway.
        layers.hidden.extend(devices.iter().cloned());
        layers.settings = true;
    }
    layers.hidden.retain(|path| !plan.hidden.iter().any(|hidden| path.starts_with(hidden)));
    if guard.private_temporary {
        let own = plan.scratch.join("tmp");
        std::fs::create_dir_all(&own).map_err(|e| Failure::new(format!("{}: {e}", own.display())))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(&own, mode).map_err(|e| Failure::new(format!("{}: {e}", own.display())))?;
        layers.laid_over.extend(["/tmp", "/var/tmp"].map(|over| (own.clone(), over.into())));
        layers.kept.push(plan.directory.clone());
        layers.kept.extend(guard.source.clone());
        layers.kept.extend(guard.outputs.iter().cloned());
        let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
        layers.kept.extend(home.filter(|home| home.is_dir()).and_then(|home| home.canonicalize().ok()));
        layers.kept.sort();
        layers.kept.dedup();
    }
    layers.own_abstract_sockets = judged && prevents;
    let mut own_network = judged;
    if let NetworkRule::Allow(_) = &guard.network {
        let file = plan.scratch.join("resolv.conf");
        std::fs::write(&file, "nameserver 127.0.0.1\noptions attempts:1 timeout:15\n")
            .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
        if let Ok(over) = std::path::Path::new("/etc/resolv.conf").canonicalize() {
            layers.laid_over.push((file, over));
        }
    }
    let confinement = Confinement::prepare_layers(wish, &plan.hidden, &plan.probes, &layers)
        .map_err(|error| Failure { what: error.to_string(), errno: None, confinement: true })?;
    if alone && !confinement.has_own_processes() {
        return Err(Failure::new(format!(
            "`--observe ebpf` needs process ids of its own for the command, so that it ends with its supervisor, and they cannot be had ({}): allow isolation and namespaces, or use `--observe notify`",
            confinement.isolation().limits.join("; ")
        )));
    }
    let mut held = Vec::new();
    let mut no_internet = false;
    if !confinement.has_namespaces() {
        own_network = false;
        match &guard.network {
            NetworkRule::Host => {}
            NetworkRule::None => no_internet = prevents,
            NetworkRule::Allow(_) if prevents => {
                return Err(Failure::new(
                    "a network allow list needs a network namespace, which cannot be had here; allow user namespaces, or use `network = \"none\"`",
                ));
            }
            NetworkRule::Allow(_) => {}
        }
        if prevents && guard.source.is_some() && confinement.isolation().mechanism == "none" {
            return Err(Failure::new(
                "nothing here can keep the source tree from being written: `mode = \"prevent\"` cannot be held",
            ));
        }
        if prevents && guard.private_temporary {
            held.push("temporary directories are shared with the host: there are no mounts of its own here".to_owned());
        }
    }
    let forwards = own_network && matches!(guard.network, NetworkRule::Allow(_));
    if guard.source.is_some() && prevents {
        held.push(format!(
            "the source tree is read-only but for {} outputs ({})",
            guard.outputs.len(),
            confinement.isolation().mechanism
        ));
    }
    if prevents && !guard.credentials.is_empty() {
        held.push(format!("credential files are not there ({})", confinement.isolation().mechanism));
    }
    if guard.private_temporary && confinement.has_namespaces() {
        held.push("temporary directories of its own (mounts)".into());
    }
    if confinement.has_own_processes() {
        held.push("process ids of its own (pid namespace)".into());
    }
    if confinement.has_namespaces() && prevents {
        held.push("IPC and host name of its own (namespaces)".into());
    }
    if own_network {
        let to = if forwards { "named places only, through the forwarder" } else { "nowhere" };
        held.push(format!("a network of its own (network namespace): it leads {to}"));
    } else if no_internet {
        held.push("no internet sockets (seccomp)".into());
    }
    if !alone && (!guard.tools.allow.is_empty() || !guard.tools.deny.is_empty()) {
        held.push(
            "programs by content (seccomp notification, and the kernel's own file once more after each execution)"
                .into(),
        );
    }
    let mut not_used = Vec::new();
    let back_end = match plan.observe {
        ObserveWish::None => return Err(Failure::new("nothing is to be observed")),
        ObserveWish::Ebpf => BackEnd::Ebpf,
        ObserveWish::Notify | ObserveWish::Both => {
            probe_notification()
                .map_err(|why| Failure::new(format!("seccomp notification cannot be had here: {why}")))?;
            BackEnd::Notify
        }
        ObserveWish::Ptrace => {
            probe_tracing().map_err(|why| Failure::new(format!("ptrace cannot be had here: {why}")))?;
            BackEnd::Ptrace
        }
        ObserveWish::Auto => match probe_notification() {
            Ok(()) => BackEnd::Notify,
            Err(why) => {
                let why = format!("seccomp notification cannot be had here: {why}");
                match probe_tracing() {
                    Ok(()) => {
                        not_used.push(why);
                        BackEnd::Ptrace
                    }
                    Err(other) => return Err(Failure::new(format!("{why}; nor can ptrace: {other}"))),
                }
            }
        },
    };
    let programs = if matches!(plan.observe, ObserveWish::Ebpf | ObserveWish::Both) {
        let hidden = prevents && !guard.credentials.is_empty();
        Some(Programs::attach(hidden).map_err(|why| Failure::new(format!("eBPF cannot be had here: {why}")))?)
    } else {
        None
    };
    let ready = Ready { isolation: confinement.isolation().clone(), back_end, layers: held, not_used };
    Ok(Prepared {
        confinement,
        ready,
        own_network,
        no_internet,
        forwards,
        resolvers,
        devices: devices.into_iter().map(|path| path.into_os_string().into_vec()).collect(),
        programs,
    })
}

/// What can only be held by whoever is asked before a call is done.
fn needs_the_notifier(guard: &super::Guard) -> Result<(), Failure> {
    let needs = "needs `observe = \"notify\"` or `\"both\"`: eBPF sees what happened after it happened";
    if matches!(guard.network, NetworkRule::Allow(_)) {
        return Err(Failure::new(format!("a network list {needs}")));
    }
    if guard.mode == Mode::Prevent && !(guard.tools.allow.is_empty() && guard.tools.deny.is_empty()) {
        return Err(Failure::new(format!("[guard] tools in `mode = \"prevent\"` {needs}")));
    }
    Ok(())
}

/// Tries it: a child under a filter opens a file, and reads it through the descriptor that we hand over.
fn probe_notification() -> Result<(), String> {
    let (from_child, to_parent) = pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
    // SAFETY: there is one thread; the child makes system calls and ends.
    match unsafe { fork() }.map_err(|e| e.to_string())? {
        ForkResult::Child => {
            let code = || -> Result<(), i32> {
                nix::sys::prctl::set_no_new_privs().map_err(|_| 2)?;
                nix::sys::prctl::set_dumpable(true).map_err(|_| 2)?;
                let filter = super::filter::program(super::filter::Receiver::Notify);
                let number = sys::install_filter_with_listener(&filter).map_err(|_| 3)?;
                nix::unistd::write(&to_parent, &number.to_le_bytes()).map_err(|_| 2)?;
                let file = nix::fcntl::open(c"/", OFlag::O_RDONLY, nix::sys::stat::Mode::empty()).map_err(|_| 4)?;
                sys::stat(file.as_fd()).map(drop).map_err(|_| 4)
            };
            // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
            unsafe { nix::libc::_exit(code().err().unwrap_or(0)) }
        }
        ForkResult::Parent { child } => {
            drop(to_parent);
            let served = serve_probe(child, &from_child);
            if served.is_err() {
                let _ = kill(child, Signal::SIGKILL);
            }
            let mut status = 0;
            // SAFETY: the status is our own live integer.
            while unsafe { nix::libc::waitpid(child.as_raw(), &raw mut status, 0) } < 0 && Errno::last() == Errno::EINTR
            {
            }
            match (ending_of(status), served) {
                (Ending::Exited(0), Ok(())) => Ok(()),
                (Ending::Exited(3), _) => Err("the kernel or a filter around us refuses a listener".into()),
                (_, Err(why)) => Err(why),
                (ending, Ok(())) => Err(format!("the probe ended with {ending}")),
            }
        }
    }
}

fn serve_probe(child: Pid, pipe: &OwnedFd) -> Result<(), String> {
    let mut number = [0; 4];
    if start::hear(pipe, &mut number) != Some(4) {
        return Err("no listener".into());
    }
    let pidfd = sys::open_pidfd(child.as_raw()).map_err(|e| format!("pidfd_open: {e}"))?;
    let fd =
        sys::copy_descriptor(pidfd.as_fd(), i32::from_le_bytes(number)).map_err(|e| format!("pidfd_getfd: {e}"))?;
    let mut ready = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, 5000_u16).map_err(|e| e.to_string())? == 0 {
        return Err("no notification came".into());
    }
    let listener = Listener::new(fd);
    let mut notification = sys::empty_notification();
    listener.receive(&mut notification).map_err(|e| format!("receiving: {e}"))?;
    let path = super::tracee::read_path(notification.pid.cast_signed(), notification.data.args[1])
        .map_err(|e| format!("reading its memory: {e}"))?;
    let file =
        sys::open_at(None, &path, nix::libc::O_RDONLY | nix::libc::O_CLOEXEC, 0, 0).map_err(|e| e.to_string())?;
    listener.give(notification.id, file.as_fd(), false).map_err(|e| format!("handing a descriptor over: {e}"))?;
    // Its end is a call too.
    if listener.receive(&mut notification).is_ok() {
        let _ = listener.go_on(notification.id);
    }
    Ok(())
}

/// Tries it: a child under a filter opens a file, is stopped before and after, and is looked into.
#[cfg(target_arch = "x86_64")]
fn probe_tracing() -> Result<(), String> {
    use nix::sys::ptrace;
    let ((from_child, says), (hears, go)) =
        (pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?, pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?);
    // SAFETY: there is one thread; the child makes system calls and ends.
    match unsafe { fork() }.map_err(|e| e.to_string())? {
        ForkResult::Child => {
            let code = || -> Result<(), i32> {
                let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
                nix::sys::prctl::set_no_new_privs().map_err(|_| 2)?;
                nix::sys::prctl::set_dumpable(true).map_err(|_| 2)?;
                sys::install_filter(&super::filter::program(Receiver::Trace)).map_err(|_| 3)?;
                nix::unistd::write(&says, b"x").map_err(|_| 2)?;
                let mut byte = [0];
                nix::unistd::read(&hears, &mut byte).map_err(|_| 2)?;
                nix::fcntl::open(c"/", OFlag::O_RDONLY, nix::sys::stat::Mode::empty()).map(drop).map_err(|_| 4)
            };
            // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
            unsafe { nix::libc::_exit(code().err().unwrap_or(0)) }
        }
        ForkResult::Parent { child } => {
            drop((says, hears));
            let looked = || -> Result<(), String> {
                let mut byte = [0];
                if start::hear(&from_child, &mut byte) != Some(1) {
                    return Err("a filter around us refuses a filter".into());
                }
                let options = ptrace::Options::PTRACE_O_TRACESECCOMP | ptrace::Options::PTRACE_O_EXITKILL;
                ptrace::seize(child, options).map_err(|e| format!("ptrace(PTRACE_SEIZE): {}", e.desc()))?;
                nix::unistd::write(&go, b"x").map_err(|e| e.to_string())?;
                let mut status = 0;
                // SAFETY: the status is our own live integer.
                let done = unsafe { nix::libc::waitpid(child.as_raw(), &raw mut status, nix::libc::__WALL) };
                if done != child.as_raw() || status >> 16 != nix::libc::PTRACE_EVENT_SECCOMP {
                    return Err("its calls do not stop (another filter answers them)".into());
                }
                ptrace::getregs(child).map(drop).map_err(|e| format!("its registers: {e}"))
            };
            let result = looked();
            let _ = kill(child, Signal::SIGKILL);
            let mut status = 0;
            for _ in 0..100 {
                // SAFETY: the status is our own live integer.
                let done = unsafe { nix::libc::waitpid(child.as_raw(), &raw mut status, nix::libc::__WALL) };
                if done < 0 && Errno::last() == Errno::EINTR || done > 0 && nix::libc::WIFSTOPPED(status) {
                    continue;
                }
                break;
            }
            result
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn probe_tracing() -> Result<(), String> {
    Err("it is built for x86-64 only".into())
}

fn launch_of(plan: &Plan, prepared: &Prepared, signals: &BlockedSignals) -> Result<Launch, Failure> {
    let text =
        |bytes: &[u8]| CString::new(bytes).map_err(|_| Failure::new("an argument or a variable holds a zero byte"));
    let kept = |name: &str| match &plan.guard.environment {
        None => true,
        Some(list) => list.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == allowed,
        }),
    };
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if plan.without.iter().any(|hidden| *hidden == *shown) || !kept(&shown) {
            continue;
        }
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend_from_slice(value.as_bytes());
        environment.push(text(&line)?);
    }
    Ok(Launch {
        arguments: plan.command.iter().map(|a| text(a)).collect::<Result<_, _>>()?,
        environment,
        directory: text(plan.directory.as_os_str().as_bytes())?,
        mask: signals.before(),
        limits: plan.limits,
        own_network: prepared.own_network,
        forwarder: prepared.forwards,
        no_internet: prepared.no_internet,
        receiver: match prepared.ready.back_end {
            BackEnd::Ptrace => Receiver::Trace,
            BackEnd::Ebpf => Receiver::Nobody,
            _ => Receiver::Notify,
        },
        prevents: plan.guard.mode == Mode::Prevent,
    })
}

struct Started {
    /// Our direct child: the command, or the first process of its own ids.
    child: Pid,
    /// The command, as we see it.
    command: Pid,
    /// Readable when the command has ended, where we cannot wait for it.
    ended: Option<OwnedFd>,
    /// It has process ids of its own.
    own: bool,
    /// What the child says: its failure, or the end of the pipe when the command runs.
    says: OwnedFd,
    go: OwnedFd,
    /// Who answers calls; nobody where they are only told.
    listener: Option<Arc<Listener>>,
    /// The tracer's, with the pipe on which it tells how the command ended.
    tracer: Option<(Arc<Mailbox>, OwnedFd)>,
    sockets: [Option<OwnedFd>; 4],
    port: u16,
}

fn start_command(launch: &Launch, confinement: &Confinement, proc: &Proc) -> Result<Started, Failure> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|e| Failure::kernel("pipe", e));
    let ((from_child, says), (hears, go)) = (pipe()?, pipe()?);
    let own = confinement.has_own_processes();
    let (ended, tells) = pipe()?;
    // SAFETY: there is one thread; the child goes on in functions that never return.
    let forked = unsafe { if own { crate::confine::fork_with_own_processes() } else { fork() } };
    let child = match forked.map_err(|e| Failure::kernel("fork", e))? {
        ForkResult::Child => {
            drop((from_child, go, ended));
            let pipes = Pipes { says, hears };
            if own {
                start::first_process(launch, confinement, pipes, tells)
            }
            drop(tells);
            start::become_command(launch, confinement, &pipes)
        }
        ForkResult::Parent { child } => child,
    };
    drop((says, hears, tells));
    let mut message = [0; 1 + 4 * NUMBERS];
    let failed = |what: &str| {
        let _ = kill(child, Signal::SIGKILL);
        start::collect(child);
        Failure::new(what)
    };
    match start::hear(&from_child, &mut message) {
        Some(length) if length == message.len() && message[0] == HELLO => {}
        Some(length) if length >= 6 && message[0] == FAILED => {
            let step = STEPS.get(usize::from(message[1])).copied().unwrap_or("starting");
            let errno = i32::from_le_bytes([message[2], message[3], message[4], message[5]]);
            return Err(failed(&format!("{step}: {}", Errno::from_raw(errno))));
        }
        _ => return Err(failed("the command's process ended before it began")),
    }
    let mut numbers = [-1; NUMBERS];
    for (at, number) in numbers.iter_mut().enumerate() {
        let bytes = &message[1 + at * 4..5 + at * 4];
        *number = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let command = if own {
        proc.children(child.as_raw())
            .first()
            .copied()
            .map(Pid::from_raw)
            .ok_or_else(|| failed("the command's process is not to be found"))?
    } else {
        child
    };
    let copy = |number: i32| -> Result<OwnedFd, Failure> {
        let pidfd = sys::open_pidfd(command.as_raw()).map_err(|e| Failure::kernel("pidfd_open", e))?;
        sys::copy_descriptor(pidfd.as_fd(), number).map_err(|e| Failure::kernel("pidfd_getfd", e))
    };
    let mut tracer = None;
    let mut ended = own.then_some(ended);
    let listener = match launch.receiver {
        Receiver::Notify => Some(Listener::new(copy(numbers[0]).inspect_err(|_| {
            let _ = kill(child, Signal::SIGKILL);
        })?)),
        Receiver::Nobody => None,
        Receiver::Trace => {
            let mailbox = Arc::new(Mailbox::default());
            let (hears, tells) = pipe()?;
            ended = Some(hears);
            tracer = Some((Arc::clone(&mailbox), tells));
            Some(Listener::Tracer(mailbox))
        }
    };
    let listener = listener.map(Arc::new);
    let mut sockets = [None, None, None, None];
    for (at, socket) in sockets.iter_mut().enumerate() {
        if numbers[at + 1] >= 0 {
            *socket = Some(copy(numbers[at + 1])?);
        }
    }
    let port = u16::try_from(numbers[5].max(0)).unwrap_or(0);
    Ok(Started { child, command, ended, own, says: from_child, go, listener, tracer, sockets, port })
}

extern "C" fn nothing(_: i32) {}

#[allow(clippy::too_many_lines)]
fn supervise(
    plan: &Plan,
    mut prepared: Prepared,
    channel: &mut UnixStream,
    signals: &BlockedSignals,
    clock: Clock,
    live: bool,
) -> Result<Report, Failure> {
    let proc = Proc::open().map_err(|e| Failure::kernel("/proc", e))?;
    nix::sys::prctl::set_child_subreaper(true).map_err(|e| Failure::kernel("prctl", e))?;
    raise_descriptors();
    let launch = launch_of(plan, &prepared, signals)?;
    let initial_umask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    prepared.confinement.enter().map_err(|e| Failure::kernel("entering the namespaces", e))?;
    prepared.confinement.restrict_supervisor().map_err(|e| Failure::kernel("Landlock", e))?;
    let descriptor = signals.descriptor().map_err(|e| Failure::new(e.to_string()))?;
    let started_at = clock();
    let begun = Instant::now();
    // The child sets the umask of its own again by inheritance: ours is only for what we make for it.
    nix::sys::stat::umask(initial_umask);
    let mut started = start_command(&launch, &prepared.confinement, &proc)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    prepared.confinement.be_as_the_command().map_err(|e| Failure::kernel("giving up capabilities", e))?;

    let ends = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| Failure::kernel("epoll", e))?);
    let forwarding = match (&plan.guard.network, prepared.forwards) {
        (NetworkRule::Allow(rules), true) => {
            Some(Forwarding::new(plan.guard.mode, rules.clone(), prepared.resolvers.clone(), started.port))
        }
        _ => None,
    };
    let new_record = || {
        let mut record = Record::new(clock, plan.limits);
        record.remember(&plan.remembered);
        record
    };
    let own_processes = prepared.confinement.has_own_processes();
    let programs = match prepared.programs.take() {
        None => None,
        Some(programs) => {
            let proc = Proc::open_again(&proc).map_err(|e| Failure::kernel("/proc", e))?;
            let watch = Watch::start(ebpf::Beginning {
                programs,
                record: new_record(),
                proc,
                rules: Rules::new(plan.guard.clone()),
                own_processes,
                digests: started.listener.is_none(),
                command: started.command.as_raw(),
            });
            Some(watch.map_err(|why| Failure::new(format!("the command cannot be watched: {why}")))?)
        }
    };
    let notifier = started.listener.clone().map(|listener| {
        Notifier::new(Beginning {
            listener,
            proc,
            record: new_record(),
            own_processes,
            initial_umask: initial_umask.bits(),
            rules: Rules::new(plan.guard.clone()),
            ends: Arc::clone(&ends),
            forwarding: forwarding.clone(),
            devices: prepared.devices,
            confined: prepared.confinement.isolation().mechanism != "none",
        })
    });
    if let (Some(forwarding), Some(notifier)) = (forwarding, &notifier) {
        let inside = inside(std::mem::take(&mut started.sockets))
            .ok_or_else(|| Failure::new("the forwarder's sockets are missing"))?;
        forwarding
            .start(inside, Arc::downgrade(notifier))
            .map_err(|e| Failure::new(format!("the forwarder cannot be started: {e}")))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    // The end of a lease that we hold for a moment is no reason to end.
    // SAFETY: an ignored signal runs no code of ours.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGIO, SigHandler::SigIgn) };
    // Ends the wait for the next notification.
    let quiet = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    let _ = unsafe { sigaction(Signal::SIGURG, &quiet) };
    let relief = Arc::new(Relief::default());
    let mut servers = Vec::new();
    if let (Some(notifier), Some(listener)) = (&notifier, &started.listener) {
        notifier.lock().unwrap_or_else(PoisonError::into_inner).record.relief = Some(Arc::clone(&relief));
        if let Some((mailbox, tells)) = started.tracer.take() {
            servers.push(start_tracer(notifier, &mailbox, started.command, tells, &stop)?);
        }
        let receives = listener.hands_over();
        for second in [false, true].into_iter().filter(|_| receives) {
            let (notifier, listener, stop) = (Arc::clone(notifier), Arc::clone(listener), Arc::clone(&stop));
            let relief = second.then(|| Arc::clone(&relief));
            let server = std::thread::Builder::new()
                .name("notifications".into())
                .spawn(move || Notifier::serve(&notifier, &listener, &stop, relief.as_deref()))
                .map_err(|e| Failure::new(format!("no thread for the notifications: {e}")))?;
            servers.push(server);
        }
    }
    let eyes = Eyes { notifier, programs };
    nix::unistd::write(&started.go, &[1]).map_err(|e| Failure::kernel("telling the command to go", e))?;
    let failed = |step: u8, errno: i32| {
        let step = STEPS.get(usize::from(step)).copied().unwrap_or("starting");
        Failure { what: step.to_owned(), errno: Some(Errno::from_raw(errno)), confinement: false }
    };
    let mut message = [0; 8];
    if let Some(length) = start::hear(&started.says, &mut message)
        && length >= 6
        && message[0] == FAILED
    {
        let _ = kill(started.child, Signal::SIGKILL);
        start::collect(started.child);
        let errno = i32::from_le_bytes([message[2], message[3], message[4], message[5]]);
        return Err(failed(message[1], errno));
    }

    let (mut timed_out, mut flooded) = (false, false);
    let limit = plan.time_limit.map(Duration::from_millis);
    let mut shown = Instant::now();
    let direct = if started.ended.is_none() {
        Some(sys::open_pidfd(started.child.as_raw()).map_err(|e| Failure::kernel("pidfd_open", e))?)
    } else {
        None
    };
    let (others, threads_before) = (census(), threads());
    let mut counted = Instant::now();
    let mut noted = Instant::now();
    let status = loop {
        let end = started.ended.as_ref().or(direct.as_ref()).map(|fd| fd.as_fd());
        let gathering = GATHERING.checked_sub(noted.elapsed());
        let mut ready = vec![
            PollFd::new(descriptor.as_fd(), PollFlags::POLLIN),
            PollFd::new(ends.0.as_fd(), if gathering.is_none() { PollFlags::POLLIN } else { PollFlags::empty() }),
            PollFd::new(channel.as_fd(), PollFlags::POLLIN),
        ];
        ready.extend(end.map(|end| PollFd::new(end, PollFlags::POLLIN)));
        let mut wait = limit.map(|limit| limit.saturating_sub(begun.elapsed()).min(Duration::from_secs(3600)));
        if timed_out {
            wait = Some(Duration::from_millis(500));
        }
        wait = Some(wait.unwrap_or(CENSUS).min(gathering.unwrap_or(CENSUS)));
        if live {
            wait = Some(wait.unwrap_or(Duration::from_secs(3600)).min(Duration::from_millis(200)));
        }
        let wait = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.as_millis().max(1) as i32).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut ready, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::kernel("poll", errno)),
        }
        let caller_gone = ready[2].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
        while let Ok(Some(info)) = descriptor.read_signal() {
            hand_on(&info, started.command);
        }
        if ready[1].revents().is_some_and(|events| events.contains(PollFlags::POLLIN)) {
            noted = Instant::now();
            eyes.note_ends();
        }
        if caller_gone {
            let _ = kill(started.child, Signal::SIGKILL);
            return Err(Failure::new("the caller is gone"));
        }
        if let Some(ended) = &started.ended {
            let events = ready.get(3).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            if events.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
                let mut status = [0; 4];
                break match start::hear(ended, &mut status) {
                    Some(4) => Some(i32::from_le_bytes(status)),
                    // The first process itself was killed.
                    _ => None,
                };
            }
        } else if let Some(status) = start::wait_status(started.child) {
            break Some(status);
        }
        if let Some(limit) = limit {
            if begun.elapsed() >= limit + Duration::from_secs(10) {
                let _ = kill(started.command, Signal::SIGKILL);
            } else if begun.elapsed() >= limit && !timed_out {
                timed_out = true;
                let _ = kill(started.command, Signal::SIGTERM);
            }
        }
        if counted.elapsed() >= CENSUS {
            counted = Instant::now();
            // There are no more processes than threads, and those are counted by the kernel.
            let more = threads().zip(threads_before).map_or(usize::MAX, |(now, before)| now.saturating_sub(before));
            let count = if more > plan.limits.processes / 2 { census().saturating_sub(others) } else { 0 };
            if count > plan.limits.processes {
                eyes.flooded(count);
                flooded = true;
                kill_all(&started);
            }
        }
        if live && shown.elapsed() >= Duration::from_millis(200) {
            shown = Instant::now();
            let _ = send(channel, &Message::Live(eyes.live()));
        }
    };
    let finished = clock();
    let ending = match status {
        _ if timed_out => Ending::TimedOut,
        Some(status) => ending_of(status),
        None => Ending::Signalled(nix::libc::SIGKILL),
    };
    let left_running = end_the_rest(&eyes, &started, timed_out || flooded);
    stop.store(true, Ordering::SeqCst);
    relief.over();
    while !servers.iter().all(std::thread::JoinHandle::is_finished) {
        use std::os::unix::thread::JoinHandleExt as _;
        for server in servers.iter().filter(|server| !server.is_finished()) {
            let _ = nix::sys::pthread::pthread_kill(server.as_pthread_t() as _, Signal::SIGURG);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let Finished { mut observation, remember, products } =
        eyes.finish(prepared.ready.layers, left_running, started_at.seconds() - 2);
    observation.back_end = prepared.ready.back_end;
    observation.coverage.not_used = prepared.ready.not_used;
    let outcome = RunOutcome {
        process_id: started.command.as_raw().cast_unsigned(),
        started: started_at,
        finished,
        ending,
        left_running,
    };
    Ok(Report { outcome, observation, remember, products })
}

/// Starts the tracer; it holds the command then.
#[cfg(target_arch = "x86_64")]
fn start_tracer(
    notifier: &Arc<Mutex<Notifier>>,
    mailbox: &Arc<Mailbox>,
    command: Pid,
    tells: OwnedFd,
    stop: &Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<()>, Failure> {
    super::ptrace::start(notifier, mailbox, command, tells, stop).map_err(Failure::new)
}

#[cfg(not(target_arch = "x86_64"))]
fn start_tracer(
    _: &Arc<Mutex<Notifier>>,
    _: &Arc<Mailbox>,
    _: Pid,
    _: OwnedFd,
    _: &Arc<AtomicBool>,
) -> Result<std::thread::JoinHandle<()>, Failure> {
    Err(Failure::new("tracing is built for x86-64 only"))
}

/// Two descriptors for each living process, and some.
fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
}

fn inside(sockets: [Option<OwnedFd>; 4]) -> Option<Inside> {
    let [four, six, names, names_stream] = sockets;
    let mut stream = vec![std::net::TcpListener::from(four?)];
    stream.extend(six.map(std::net::TcpListener::from));
    Some(Inside { stream, names: names?.into(), names_stream: names_stream?.into() })
}

/// How many processes there are on the machine: the run's own cannot be more than came since it began. (A fork makes no
/// call that is observed.)
fn census() -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit()).count()
}

/// How many threads there are on the machine (proc(5), `/proc/loadavg`).
fn threads() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

/// Ends the whole tree, as often as it takes: others may be made meanwhile.
fn kill_all(started: &Started) {
    let _ = kill(started.child, Signal::SIGKILL);
    if started.own {
        // With the first of its process ids go all; and /proc names them by other numbers than ours.
        return;
    }
    // Nobody is collected here: how the command itself ended is still to be asked for.
    for _ in 0..100 {
        let found = crate::run::descendants();
        if found.is_empty() {
            break;
        }
        found.into_iter().for_each(crate::run::end_descendant);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Nothing outlives the run: what is still there gets a moment to end by itself, and is then ended.
fn end_the_rest(eyes: &Eyes, started: &Started, at_once: bool) -> u32 {
    let living = || -> Vec<i32> {
        let command = started.command.as_raw();
        eyes.living().into_iter().filter(|pid| *pid != command).collect()
    };
    let receives = started.tracer.is_none() && started.listener.as_ref().is_none_or(|listener| listener.hands_over());
    let begun = Instant::now();
    let patience = if at_once { Duration::ZERO } else { Duration::from_millis(200) };
    loop {
        eyes.note_ends();
        if living().is_empty() || begun.elapsed() >= patience {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let left = living();
    // What is traced is waited for by the tracer.
    let collect = || {
        while receives
            && nix::sys::wait::waitpid(Pid::from_raw(-1), Some(nix::sys::wait::WaitPidFlag::WNOHANG))
                .is_ok_and(|status| status != nix::sys::wait::WaitStatus::StillAlive)
        {}
    };
    if started.own {
        // With it go all of its process ids.
        let _ = kill(started.child, Signal::SIGKILL);
        if receives {
            start::collect(started.child);
        }
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let now = living();
        // Also those that were never seen making a call.
        let unseen = if started.own { Vec::new() } else { crate::run::descendants() };
        if now.is_empty() && unseen.is_empty() || Instant::now() >= deadline {
            break;
        }
        eyes.end_all_but(started.command.as_raw());
        unseen.into_iter().for_each(crate::run::end_descendant);
        collect();
        std::thread::sleep(Duration::from_millis(1));
        eyes.note_ends();
    }
    u32::try_from(left.len()).unwrap_or(u32::MAX)
}

impl Notifier {
    /// Ends what is still there of the run, by descriptors: a number may be a stranger's by now.
    pub(super) fn end_all_but(&self, command: i32) {
        let rest = self.tracked.iter().filter(|(pid, _)| **pid != command);
        rest.filter_map(|(_, tracked)| tracked.pidfd.as_ref()).for_each(|held| crate::run::send_kill(held.as_fd()));
    }

    pub(super) fn finish(&mut self, layers: Vec<String>, left_running: u32, remember: Vec<Remembered>) -> Finished {
        self.last_words();
        let record = &mut self.record;
        let (files, products) = record.finish_files(record.counters.foreign == 0 && record.counters.unreadable == 0);
        let counters = &record.counters;
        let counters: BTreeMap<String, u64> = [
            ("calls", counters.calls),
            ("opens", counters.opens),
            ("opensFailed", counters.opens_failed),
            ("continued", counters.continued),
            ("unreadable", counters.unreadable),
            ("executions", counters.executions),
            ("hashedFiles", counters.hashed_files),
            ("hashedBytes", counters.hashed_bytes),
            ("refused", counters.refused),
            ("rememberedDigests", counters.remembered),
            ("parentUnknown", counters.orphans),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let (observed, refused) = super::table::observed_calls();
        let mut not_seen = vec![
            "looking at names, kinds, sizes and times of files (stat, access, readlink, getdents)".to_owned(),
            "time of use of a mapping: a file counts from its opening on".to_owned(),
            "peers of accepted connections".to_owned(),
            "processes that were killed before they made a single call that is observed, exit being one".to_owned(),
        ];
        if matches!(self.rules.guard.network, NetworkRule::Host) {
            not_seen.push("what travels in connections; names asked with write() on a connected socket".into());
        }
        let mut incomplete = std::mem::take(&mut record.incomplete);
        if record.counters.unreadable > 0 {
            incomplete.push(format!(
                "{} calls came from processes that could not be looked into, and were refused",
                record.counters.unreadable
            ));
        }
        if record.counters.foreign > 0 {
            incomplete.push(format!(
                "{} files were opened or changed by processes with another user, root or namespaces than the run began with: the kernel did that, on paths as they were asked for",
                record.counters.foreign
            ));
        }
        if record.counters.remembered > 0 {
            not_seen.push(format!(
                "changes of {} files that left device, inode, size and times as they were: their digests are from earlier runs",
                record.counters.remembered
            ));
        }
        if record.counters.continued > 0 {
            not_seen.push(format!(
                "{} calls were recorded as asked for and done by the kernel: another thread could have changed their arguments in between",
                record.counters.continued
            ));
        }
        if left_running > 0 {
            incomplete.push(format!("{left_running} processes were still running at the end, and were ended"));
        }
        let coverage = Coverage {
            not_used: Vec::new(),
            observed,
            refused,
            not_seen,
            delegated: std::mem::take(&mut record.delegated),
            layers,
            counters,
            events_lost: record.lost,
            incomplete,
            compared: None,
        };
        let observation = Observation {
            back_end: BackEnd::Notify,
            processes: std::mem::take(&mut record.processes),
            files,
            network: std::mem::take(&mut record.network),
            names: std::mem::take(&mut record.questions),
            violations: std::mem::take(&mut record.violations),
            coverage,
        };
        Finished { observation, remember, products }
    }
}
