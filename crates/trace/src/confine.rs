//! Keeping the command from the keys, the store and the supervisor.
//!
//! Two ways, the better one first:
//!
//! 1. **namespaces+landlock**: a mount namespace (with a user namespace for an ordinary user) in which an empty file
//!    system lies over each protected directory, and a Landlock domain under which it cannot be taken away again.
//! 2. **landlock**: access is granted to everything that exists but the protected directories and their parents'
//!    own entries. Costs the command the right to make new files directly in those parents.
//!
//! In both the Landlock domain also keeps the command from tracing or signalling the supervisor. A probe, confined
//! like the command, tries to open what is protected: the evidence states what the probe met, not what was intended.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, Scope,
};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getgid, getuid};
use provost_model::Isolation;

use crate::TraceError;

/// How much the caller insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfinementWish {
    /// Without it the command does not start.
    Required,
    /// As much as the kernel gives; the evidence says what that was.
    BestEffort,
    /// None.
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Namespaces { user: bool },
    Landlock,
    None,
}

/// What the guard adds to keeping the keys out of reach. All paths are absolute and without links.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// May be read, but written only in `writable`.
    pub(crate) read_only: Option<PathBuf>,
    /// What may be written in `read_only`.
    pub(crate) writable: Vec<PathBuf>,
    /// Not there for the command: credentials, sockets of services.
    pub(crate) hidden: Vec<PathBuf>,
    /// A file or directory laid over another: (what, over what).
    pub(crate) laid_over: Vec<(PathBuf, PathBuf)>,
    /// What stays visible below a directory that another is laid over.
    pub(crate) kept: Vec<PathBuf>,
    /// IPC and host name of its own.
    pub(crate) own_ipc: bool,
    /// Process ids of its own (by whoever forks next).
    pub(crate) own_processes: bool,
    /// Settings of the kernel may be read only (a root's command could change them otherwise).
    pub(crate) settings: bool,
    /// Abstract sockets of others cannot be reached.
    pub(crate) own_abstract_sockets: bool,
}

/// A confinement that was tried out and can be applied to a child.
pub struct Confinement {
    mechanism: Mechanism,
    above: Vec<CString>,
    hidden: Vec<CString>,
    hidden_files: Vec<CString>,
    laid_over: Vec<(CString, CString, bool)>,
    kept: Vec<CString>,
    read_only: Option<CString>,
    writable: Vec<CString>,
    layers: Layers,
    ruleset: Option<RulesetCreated>,
    scopes: Option<RulesetCreated>,
    maps: Option<Maps>,
    isolation: Isolation,
}

struct Maps {
    uid: String,
    gid: String,
}

const DELEGATION: &str = "a service of this user outside the confinement (systemd --user, a container engine, cron) could be asked to read them";

impl Confinement {
    /// Finds the best confinement that keeps a child from `hidden` directories, by trying. `probes` are files in
    /// them that must turn out to be unreachable.
    ///
    /// # Errors
    /// It is required and cannot be had.
    pub fn prepare(wish: ConfinementWish, hidden: &[PathBuf], probes: &[PathBuf]) -> Result<Self, TraceError> {
        Self::prepare_layers(wish, hidden, probes, &Layers::default())
    }

    /// As [`Self::prepare`], with the guard's layers. Where they ask for process ids of its own and those cannot be
    /// had, it is tried again without.
    pub(crate) fn prepare_layers(
        wish: ConfinementWish,
        hidden: &[PathBuf],
        probes: &[PathBuf],
        layers: &Layers,
    ) -> Result<Self, TraceError> {
        let abi = landlock_abi();
        let mut reasons = Vec::new();
        if wish != ConfinementWish::Off {
            if abi < 2 {
                reasons.push("the kernel has no Landlock ABI 2 or later".to_owned());
            } else {
                let root = getuid().is_root();
                let candidates = [
                    root.then_some(Mechanism::Namespaces { user: false }),
                    Some(Mechanism::Namespaces { user: true }),
                    Some(Mechanism::Landlock),
                ];
                let fewer = Layers { own_processes: false, ..layers.clone() };
                for mechanism in candidates.into_iter().flatten() {
                    let tries = if layers.own_processes { vec![layers, &fewer] } else { vec![layers] };
                    for layers in tries {
                        match Self::build(mechanism, hidden, abi, layers).and_then(|c| c.probed(probes)) {
                            Ok(mut confinement) => {
                                confinement
                                    .isolation
                                    .limits
                                    .extend(reasons.iter().map(|why| format!("not used: {why}")));
                                return Ok(confinement);
                            }
                            Err(why) => reasons.push(why),
                        }
                        if mechanism == Mechanism::Landlock {
                            break;
                        }
                    }
                }
            }
        } else {
            reasons.push("it was switched off".to_owned());
        }
        if wish == ConfinementWish::Required {
            return Err(TraceError::NoConfinement { why: reasons.join("; ") });
        }
        let mut limits = vec!["the command could read the keys and change the store".to_owned()];
        limits.extend(reasons);
        let isolation = Isolation { mechanism: "none".into(), landlock_abi: abi, keys_unreachable: false, limits };
        Ok(Self {
            mechanism: Mechanism::None,
            above: Vec::new(),
            hidden: Vec::new(),
            hidden_files: Vec::new(),
            laid_over: Vec::new(),
            kept: Vec::new(),
            read_only: None,
            writable: Vec::new(),
            layers: Layers::default(),
            ruleset: None,
            scopes: None,
            maps: None,
            isolation,
        })
    }

    /// True when the command gets mounts of its own.
    pub(crate) fn has_namespaces(&self) -> bool {
        matches!(self.mechanism, Mechanism::Namespaces { .. })
    }

    /// True when the next fork begins process ids of its own.
    pub(crate) fn has_own_processes(&self) -> bool {
        self.has_namespaces() && self.layers.own_processes
    }

    /// What the evidence says of it.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn build(mechanism: Mechanism, hidden: &[PathBuf], abi: u32, layers: &Layers) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("Landlock: {e}");
        let mut limits = vec![
            DELEGATION.to_owned(),
            "programs in it mount no file systems, and gain no privileges by set-user-id".to_owned(),
        ];
        let base = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let ruleset = match mechanism {
            Mechanism::None => return Err("none".into()),
            Mechanism::Namespaces { .. } => {
                // One right that nobody misses is enough to be in a domain: file systems can no longer be mounted or
                // unmounted, and processes outside the domain neither traced nor signalled.
                let rights: BitFlags<AccessFs> = AccessFs::MakeBlock | AccessFs::Refer;
                let ruleset = base.handle_access(rights).map_err(|e| failed(&e))?;
                let created = with_scope(ruleset, layers)?.create().map_err(|e| failed(&e))?;
                // Moving files between directories is refused by every domain that does not allow it by name.
                let top = PathFd::new("/").map_err(|e| failed(&e))?;
                created.add_rule(PathBeneath::new(top, AccessFs::Refer)).map_err(|e| failed(&e))?
            }
            Mechanism::Landlock => {
                let rights = AccessFs::from_all(ABI::V5);
                let ruleset = base.handle_access(rights).map_err(|e| failed(&e))?;
                let mut created = with_scope(ruleset, layers)?.create().map_err(|e| failed(&e))?;
                let mut apart: Vec<PathBuf> = hidden.iter().chain(&layers.hidden).cloned().collect();
                apart.extend(layers.read_only.clone());
                let mut rules: Vec<(PathBuf, BitFlags<AccessFs>)> =
                    everything_but(&apart).into_iter().map(|path| (path, rights)).collect();
                let reading = AccessFs::from_read(ABI::V5);
                rules.extend(layers.read_only.iter().map(|path| (path.clone(), reading)));
                rules.extend(layers.writable.iter().map(|path| (path.clone(), rights)));
                for (path, rights) in rules {
                    // What cannot be opened by us cannot be opened by the command either.
                    let Ok(fd) = PathFd::new(&path) else { continue };
                    let allowed = if path.is_dir() { rights } else { rights & AccessFs::from_file(ABI::V5) };
                    created = created.add_rule(PathBeneath::new(fd, allowed)).map_err(|e| failed(&e))?;
                }
                if !layers.laid_over.is_empty() {
                    limits.push("temporary directories are the host's".into());
                }
                limits.push(
                    "listing the parents of the protected directories, and new files directly in them, are refused"
                        .into(),
                );
                created
            }
        };
        if abi < 6 {
            limits.push(
                "the kernel does not keep the command from signalling the supervisor (Landlock ABI below 6)".into(),
            );
        }
        if getuid().is_root() {
            limits.push("root in it is without CAP_SYS_ADMIN, CAP_PERFMON and CAP_DAC_READ_SEARCH".into());
            match mechanism {
                Mechanism::Namespaces { .. } => limits.push("kernel settings in /proc and /sys are read-only".into()),
                _ => limits.push("root in it that changes its user or root may still write kernel settings".into()),
            }
        }
        let maps = match mechanism {
            Mechanism::Namespaces { user: true } => {
                let line = |id: u32| format!("{id} {id} 1\n");
                Some(Maps { uid: line(getuid().as_raw()), gid: line(getgid().as_raw()) })
            }
            _ => None,
        };
        let name = match mechanism {
            Mechanism::Namespaces { .. } => "namespaces+landlock",
            _ => "landlock",
        };
        let mut above: Vec<&Path> = hidden.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        above.retain(|path| path.parent().is_some());
        // From the top down: a mount made later lies in the one above it.
        above.sort_by_key(|path| path.components().count());
        above.dedup();
        let above = above
            .into_iter()
            .map(|path| CString::new(path.as_os_str().as_bytes()).map_err(|e| failed(&e)))
            .collect::<Result<Vec<_>, _>>()?;
        let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|e| failed(&e));
        let names = |directories: bool| -> Result<Vec<CString>, String> {
            hidden
                .iter()
                .chain(&layers.hidden)
                .filter(|path| path.is_dir() == directories && path.exists())
                .map(|path| CString::new(path.as_os_str().as_bytes()).map_err(|e| failed(&e)))
                .collect()
        };
        let (hidden, hidden_files) = (names(true)?, names(false)?);
        let isolation = Isolation { mechanism: name.into(), landlock_abi: abi, keys_unreachable: false, limits };
        let scopes = match mechanism {
            // The supervisor is in the domain of the files itself: a second one keeps the command from it.
            Mechanism::Landlock => {
                let base = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
                let rights: BitFlags<AccessFs> = AccessFs::MakeBlock.into();
                let base = base.handle_access(rights).map_err(|e| failed(&e))?;
                Some(with_scope(base, layers)?.create().map_err(|e| failed(&e))?)
            }
            _ => None,
        };
        let laid_over = layers
            .laid_over
            .iter()
            .filter(|(_, over)| over.exists())
            .map(|(what, over)| Ok((c_path(what)?, c_path(over)?, what.is_dir())))
            .collect::<Result<Vec<_>, String>>()?;
        let kept = layers.kept.iter().map(|path| c_path(path)).collect::<Result<Vec<_>, _>>()?;
        let read_only = layers.read_only.as_deref().map(c_path).transpose()?;
        let writable = layers.writable.iter().map(|path| c_path(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            mechanism,
            above,
            hidden,
            hidden_files,
            laid_over,
            kept,
            read_only,
            writable,
            layers: layers.clone(),
            ruleset: Some(ruleset),
            scopes,
            maps,
            isolation,
        })
    }

    /// Tries it in a child; on success the isolation says what was met.
    fn probed(mut self, probes: &[PathBuf]) -> Result<Self, String> {
        let any_probe = !probes.is_empty();
        let probes: Vec<CString> = probes.iter().filter_map(|p| CString::new(p.as_os_str().as_bytes()).ok()).collect();
        let name = self.isolation.mechanism.clone();
        // SAFETY: the child calls only `apply` and plain system calls, then `_exit`; it never returns into the
        // caller. glibc keeps its allocator usable after fork, should a call below allocate.
        match unsafe { fork() }.map_err(|e| format!("fork: {e}"))? {
            ForkResult::Child => {
                let code = match self.tried() {
                    Err(_) => 2,
                    Ok(()) => i32::from(probes.iter().any(can_open)),
                };
                // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
                unsafe { nix::libc::_exit(code) }
            }
            ForkResult::Parent { child } => loop {
                match waitpid(child, None) {
                    Err(nix::Error::EINTR) => {}
                    Ok(WaitStatus::Exited(_, 0)) => {
                        // Nothing probed is nothing shown.
                        self.isolation.keys_unreachable = any_probe;
                        return Ok(self);
                    }
                    Ok(WaitStatus::Exited(_, 1)) => {
                        return Err(format!("{name}: the protected files could still be opened"));
                    }
                    Ok(WaitStatus::Exited(..)) => return Err(format!("{name}: the kernel or a container refuses it")),
                    other => return Err(format!("{name}: the probe ended with {other:?}")),
                }
            },
        }
    }

    /// As the command would be confined; with process ids of its own a child mounts its `/proc` first.
    fn tried(&self) -> nix::Result<()> {
        self.enter()?;
        if self.has_own_processes() {
            // SAFETY: the child makes system calls and ends.
            match unsafe { fork_with_own_processes() }? {
                ForkResult::Child => {
                    let done = mount_proc();
                    // SAFETY: `_exit` ends the process at once, without running anything of the parent's.
                    unsafe { nix::libc::_exit(i32::from(done.is_err())) }
                }
                ForkResult::Parent { child } => {
                    if !matches!(waitpid(child, None)?, WaitStatus::Exited(_, 0)) {
                        return Err(nix::Error::EPERM);
                    }
                }
            }
        }
        self.restrict_supervisor()?;
        self.restrict()
    }

    /// Confines the calling process. Meant for the time between fork and exec.
    pub(crate) fn apply(&self) -> nix::Result<()> {
        self.enter()?;
        if self.mechanism == Mechanism::Landlock {
            self.restrict_supervisor()?;
        }
        self.restrict()
    }

    /// An ordinary user has every capability in the user namespace that was made for the run, and loses them by
    /// executing the command. The supervisor, which executes nothing, would open for the command what the command may
    /// not: it gives them up. Meant for after the command was started, before there are threads.
    pub(crate) fn be_as_the_command(&self) -> nix::Result<()> {
        let own_user = matches!(self.mechanism, Mechanism::Namespaces { user: true });
        if own_user && !nix::unistd::geteuid().is_root() { give_up(&OVER_FILES) } else { Ok(()) }
    }

    /// Enters the namespaces and mounts: what the supervisor shares with the command, so that it sees the same files.
    pub(crate) fn enter(&self) -> nix::Result<()> {
        let Mechanism::Namespaces { user } = self.mechanism else { return Ok(()) };
        let mut flags = CloneFlags::CLONE_NEWNS;
        if user {
            flags |= CloneFlags::CLONE_NEWUSER;
        }
        if self.layers.own_ipc {
            flags |= CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
        }
        if self.maps.is_some() {
            // The files of our own identity map belong to us only while we may be dumped.
            nix::sys::prctl::set_dumpable(true)?;
        }
        unshare(flags)?;
        if let Some(maps) = &self.maps {
            write_file(c"/proc/self/setgroups", b"deny")?;
            write_file(c"/proc/self/uid_map", maps.uid.as_bytes())?;
            write_file(c"/proc/self/gid_map", maps.gid.as_bytes())?;
            nix::sys::prctl::set_dumpable(false)?;
        }
        let none: Option<&std::ffi::CStr> = None;
        // Mounts of the host still arrive, ours do not leave.
        mount(none, c"/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
        self.lay_over()?;
        // A mount point cannot be renamed: what lies above the hidden directories stays where it is.
        for path in self.above.iter().filter(|path| !is_covered(path)) {
            mount(Some(path.as_c_str()), path.as_c_str(), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        }
        if let Some(source) = &self.read_only {
            mount(Some(source.as_c_str()), source.as_c_str(), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
            for path in &self.writable {
                mount(Some(path.as_c_str()), path.as_c_str(), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
            }
            make_read_only(source)?;
        }
        for path in self.hidden_files.iter().filter(|path| !is_covered(path)) {
            mount(Some(c"/dev/null"), path.as_c_str(), none, MsFlags::MS_BIND, none)?;
        }
        for path in self.hidden.iter().filter(|path| !is_covered(path)) {
            mount(
                Some(c"provost"),
                path.as_c_str(),
                Some(c"tmpfs"),
                MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
                Some(c"size=4k,mode=000"),
            )?;
        }
        if self.layers.settings {
            protect_settings()?;
        }
        refresh_directory()
    }

    /// Lays files and directories over others; what is to stay visible is carried over by descriptor.
    fn lay_over(&self) -> nix::Result<()> {
        let hold = |path: &CString| {
            let flags = nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC;
            nix::fcntl::open(path.as_c_str(), flags, nix::sys::stat::Mode::empty())
        };
        let covered = |path: &CString| {
            self.laid_over.iter().any(|(_, over, directory)| *directory && below(path.to_bytes(), over.to_bytes()))
        };
        // All of them are held before the first mount: it may cover the next one.
        let mut mounts = Vec::new();
        for (what, over, directory) in &self.laid_over {
            mounts.push((hold(what)?, over, *directory));
        }
        for path in self.kept.iter().filter(|path| covered(path)) {
            mounts.push((hold(path)?, path, true));
        }
        let none: Option<&std::ffi::CStr> = None;
        for (fd, over, directory) in mounts {
            use std::os::fd::AsRawFd as _;
            if directory && covered(over) {
                let target = Path::new(std::ffi::OsStr::from_bytes(over.to_bytes()));
                let made = std::fs::create_dir_all(target);
                made.map_err(|e| e.raw_os_error().map_or(nix::Error::EIO, nix::Error::from_raw))?;
            }
            let from = CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| nix::Error::EINVAL)?;
            let flags = if directory { MsFlags::MS_BIND | MsFlags::MS_REC } else { MsFlags::MS_BIND };
            mount(Some(from.as_c_str()), over.as_c_str(), none, flags, none)?;
        }
        Ok(())
    }

    /// The supervisor takes the command's file rules upon itself, where no mounts hold them: it opens files for it.
    pub(crate) fn restrict_supervisor(&self) -> nix::Result<()> {
        if self.mechanism != Mechanism::Landlock {
            return Ok(());
        }
        restrict_self(self.ruleset.as_ref())
    }

    /// What is taken from the command alone: capabilities, and reaching processes outside.
    pub(crate) fn restrict(&self) -> nix::Result<()> {
        if self.mechanism == Mechanism::None {
            return Ok(());
        }
        drop_overriding_capabilities()?;
        let ruleset = if self.mechanism == Mechanism::Landlock { &self.scopes } else { &self.ruleset };
        restrict_self(ruleset.as_ref())?;
        crate::filter::refuse_terminal_injection()?;
        refresh_directory()
    }
}

/// True for a path below a directory, not for the directory itself.
fn below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// True when nothing is there any more: it was covered.
fn is_covered(path: &CString) -> bool {
    nix::sys::stat::lstat(path.as_c_str()).is_err_and(|errno| errno == nix::Error::ENOENT)
}

/// Forks; the child is the first of process ids of its own. (Not `unshare`: after it a process can start no threads.)
///
/// # Safety
/// As for `fork`: the caller has one thread.
pub(crate) unsafe fn fork_with_own_processes() -> nix::Result<ForkResult> {
    let flags = (CloneFlags::CLONE_NEWPID.bits() | nix::libc::SIGCHLD) as nix::libc::c_ulong;
    // SAFETY: without a stack of its own the child goes on on a copy of the parent's, as with fork.
    let pid = nix::Error::result(unsafe { nix::libc::syscall(nix::libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok(match pid {
        0 => ForkResult::Child,
        pid => ForkResult::Parent { child: nix::unistd::Pid::from_raw(pid as i32) },
    })
}

/// Mounts the `/proc` of one's own process ids over the old one.
pub(crate) fn mount_proc() -> nix::Result<()> {
    let none: Option<&std::ffi::CStr> = None;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, none)?;
    if getuid().is_root() { protect_settings() } else { Ok(()) }
}

/// Files whose content is the kernel's state: as container engines keep them.
const SETTINGS: [&std::ffi::CStr; 6] =
    [c"/proc/sys", c"/proc/sysrq-trigger", c"/proc/irq", c"/proc/bus", c"/proc/fs", c"/sys"];

/// Settings of the kernel can be read and not written, whoever asks: a program named in `core_pattern` is started by
/// the kernel, outside of everything.
fn protect_settings() -> nix::Result<()> {
    let none: Option<&std::ffi::CStr> = None;
    for path in SETTINGS {
        match mount(Some(path), path, none, MsFlags::MS_BIND | MsFlags::MS_REC, none) {
            Ok(()) => set_read_only(path, true)?,
            Err(nix::Error::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn restrict_self(ruleset: Option<&RulesetCreated>) -> nix::Result<()> {
    let Some(ruleset) = ruleset else { return Ok(()) };
    let ruleset = ruleset.try_clone().map_err(|_| nix::Error::EBADF)?;
    ruleset.restrict_self().map(drop).map_err(|_| nix::Error::EPERM)
}

/// A working directory below a hidden one would still be reachable by relative names.
fn refresh_directory() -> nix::Result<()> {
    if let Ok(directory) = std::env::current_dir() {
        std::env::set_current_dir(directory).map_err(|_| nix::Error::EACCES)?;
    }
    Ok(())
}

/// Makes one mount read-only; those below it stay as they are.
fn make_read_only(path: &CString) -> nix::Result<()> {
    set_read_only(path, false)
}

/// Makes a mount read-only, with those below it or without.
fn set_read_only(path: &std::ffi::CStr, all: bool) -> nix::Result<()> {
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user: u64,
    }
    let attributes = Attributes { set: 1, clear: 0, propagation: 0, user: 0 }; // MOUNT_ATTR_RDONLY
    // SAFETY: path and structure live through the call, which only reads them (mount_setattr(2)).
    let done = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_mount_setattr,
            nix::libc::AT_FDCWD,
            path.as_ptr(),
            if all { nix::libc::AT_RECURSIVE } else { 0 },
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    nix::Error::result(done).map(drop)
}

/// Capabilities that lead past the confinement, taken for good: from the bounding set, and from what the process
/// holds now. CAP_SYS_ADMIN and CAP_PERFMON read other processes' environment; CAP_DAC_READ_SEARCH opens files by
/// handle, whatever lies over them; the others reach the kernel, devices or raw memory.
const OVERRIDING: [u32; 14] = [
    2,  // CAP_DAC_READ_SEARCH
    12, // CAP_NET_ADMIN
    16, // CAP_SYS_MODULE
    17, // CAP_SYS_RAWIO
    19, // CAP_SYS_PTRACE
    21, // CAP_SYS_ADMIN
    22, // CAP_SYS_BOOT
    25, // CAP_SYS_TIME: the times of files say whether they changed
    27, // CAP_MKNOD
    32, // CAP_MAC_OVERRIDE
    33, // CAP_MAC_ADMIN
    38, // CAP_PERFMON
    39, // CAP_BPF
    40, // CAP_CHECKPOINT_RESTORE
];

/// Capabilities over files, whoever owns them and whatever their mode says.
const OVER_FILES: [u32; 6] = [
    0, // CAP_CHOWN
    1, // CAP_DAC_OVERRIDE
    2, // CAP_DAC_READ_SEARCH
    3, // CAP_FOWNER
    4, // CAP_FSETID
    9, // CAP_LINUX_IMMUTABLE
];

fn drop_overriding_capabilities() -> nix::Result<()> {
    for capability in OVERRIDING {
        // SAFETY: PR_CAPBSET_DROP takes plain numbers. Without CAP_SETPCAP it is refused, and then there is nothing
        // that exec could give back.
        let _ = unsafe { nix::libc::prctl(nix::libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    give_up(&OVERRIDING)
}

/// Takes capabilities from the calling thread.
fn give_up(capabilities: &[u32]) -> nix::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // _LINUX_CAPABILITY_VERSION_3: 64 capabilities in two halves (capget(2)).
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: both pointers are to live, writable structures of the layout that this version asks for.
    nix::Error::result(unsafe { nix::libc::syscall(nix::libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    for capability in capabilities {
        let half = &mut data[*capability as usize / 32];
        let bit = !(1_u32 << (capability % 32));
        half.effective &= bit;
        half.permitted &= bit;
        half.inheritable &= bit;
    }
    // SAFETY: as above; only bits are taken away.
    nix::Error::result(unsafe { nix::libc::syscall(nix::libc::SYS_capset, &raw mut header, data.as_ptr()) })?;
    Ok(())
}

fn with_scope(ruleset: Ruleset, layers: &Layers) -> Result<Ruleset, String> {
    let mut scopes: BitFlags<Scope> = Scope::Signal.into();
    if layers.own_abstract_sockets {
        scopes |= Scope::AbstractUnixSocket;
    }
    ruleset.scope(scopes).map_err(|e| format!("Landlock: {e}"))
}

fn can_open(path: &CString) -> bool {
    nix::fcntl::open(
        path.as_c_str(),
        nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .is_ok()
}

fn write_file(path: &std::ffi::CStr, bytes: &[u8]) -> nix::Result<()> {
    let file = nix::fcntl::open(
        path,
        nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    let written = nix::unistd::write(&file, bytes)?;
    if written == bytes.len() { Ok(()) } else { Err(nix::Error::EIO) }
}

/// The existing entries that cover the whole file system but the hidden directories: at each level above a hidden
/// directory, its siblings.
fn everything_but(hidden: &[PathBuf]) -> Vec<PathBuf> {
    let mut open = Vec::new();
    let mut above = vec![PathBuf::from("/")];
    while let Some(directory) = above.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if hidden.contains(&path) {
                continue;
            }
            if hidden.iter().any(|h| h.starts_with(&path)) {
                above.push(path);
            } else if !is_symlink(&path) {
                // A link is followed by the kernel to what it names, which has a rule of its own.
                open.push(path);
            }
        }
    }
    open
}

fn is_symlink(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|m| m.file_type().is_symlink())
}

/// The Landlock ABI of the kernel; 0 where there is none.
fn landlock_abi() -> u32 {
    const VERSION: u32 = 1; // LANDLOCK_CREATE_RULESET_VERSION
    // SAFETY: with this flag the call reads no memory and only returns the ABI's number (landlock_create_ruleset(2)).
    let answer =
        unsafe { nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(answer).unwrap_or(0)
}
