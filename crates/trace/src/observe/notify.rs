//! The notification back end: receives the calls of the observed tree, does or judges them, and records them.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use provost_model::{Ending, Permission};

use super::balancer::Balancer;
use super::calls::{Call, Handling, by_number};
use super::execute::Pending;
use super::filter::ARCHITECTURE;
use super::guard::Rules;
use super::network::Forwarding;
use super::record::{Inode, Record, Relief};
use super::sys::{self, Listener, Notification};
use super::tracee::Proc;

/// What to do with a call.
pub(crate) enum Reply {
    /// The supervisor has the result.
    Done(Result<i64, Errno>),
    /// The kernel does it.
    GoOn,
    /// The caller gets this descriptor. `alone`: ours is closed before the caller goes on.
    Give { fd: OwnedFd, close_on_exec: bool, alone: bool },
    /// It was, or will be, answered elsewhere.
    Later,
    /// The kernel opens the file, and it is looked at before the caller goes on (ptrace).
    LookAfter(super::open::Opening),
    /// The kernel does it, with another number in the place of an argument (ptrace).
    With { argument: usize, value: u64 },
}

/// A directory of a process, held by descriptor.
pub(crate) struct Place {
    pub(crate) fd: OwnedFd,
    pub(crate) path: Vec<u8>,
}

/// What is remembered of a living process.
pub(crate) struct Tracked {
    pub(crate) id: u32,
    pub(crate) pidfd: Option<OwnedFd>,
    /// Its working directory, while it is known to be there.
    pub(crate) cwd: Option<Arc<Place>>,
    /// The thread that is changing the working directory.
    moving: Option<i32>,
    pub(crate) umask: Option<u32>,
    umask_touched: bool,
    /// Executions that were let through, by thread.
    pub(crate) pending: Vec<Pending>,
    pub(crate) exe: Inode,
    /// Its user, capabilities, root or mounts are not the supervisor's: the kernel does its calls.
    pub(crate) foreign: bool,
    /// Threads that may have other credentials since their last call, and whether nothing but users and groups of one
    /// number each was set.
    touched: Vec<(i32, bool)>,
    threads: Vec<i32>,
    /// Descriptors that are connected to a name server.
    pub(crate) resolvers: Vec<i32>,
    ending: Option<Ending>,
    /// Its working directory and mask may change by another's call, or differ between its threads.
    shares: bool,
}

/// The rights of a process: what its calls are done with.
pub(crate) struct Rights {
    /// As `Proc::credentials` tells them.
    credentials: String,
    /// Users and groups alone, where the kernel tells them by a descriptor.
    ids: Option<[u32; 8]>,
}

/// How a path that was seen before was resolved.
#[derive(Clone, Copy)]
pub(crate) struct Resolved {
    pub(crate) place: u32,
    pub(crate) inode: Inode,
}

/// By the numbers of processes and threads, which the kernel gives: nobody can choose them to collide.
pub(crate) type ByNumber<T> = HashMap<i32, T, std::hash::BuildHasherDefault<NumberHasher>>;

/// Spreads a number over all bits (multiplication by 2^64 over the golden ratio).
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl std::hash::Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i32(i32::from(*byte)));
    }

    fn write_i32(&mut self, number: i32) {
        self.0 = (self.0 ^ u64::from(number.cast_unsigned())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// The supervisor's knowledge.
pub(crate) struct Notifier {
    pub(crate) listener: Arc<Listener>,
    pub(crate) proc: Proc,
    pub(crate) record: Record,
    pub(crate) tracked: ByNumber<Tracked>,
    pub(crate) threads: ByNumber<i32>,
    pub(crate) resolved: HashMap<Box<[u8]>, Resolved>,
    pub(crate) key: Vec<u8>,
    pub(crate) missed: super::open::Missed,
    /// Room for the path of the call at hand.
    pub(crate) room: Vec<u8>,
    /// Devices of all mounted `/proc` file systems.
    pub(crate) proc_devices: Vec<u64>,
    /// The command has process ids of its own: others' processes have no names in it.
    pub(crate) own_processes: bool,
    pub(crate) initial_umask: u32,
    pub(crate) rules: Rules,
    pub(crate) ends: Arc<Epoll>,
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    dead: Vec<(u32, OwnedFd)>,
    /// What the run began with.
    pub(crate) initial: Option<Rights>,
    /// The paths that the call at hand would change.
    pub(crate) last_paths: Vec<Vec<u8>>,
    /// Sources and credentials that got a second name in this run, by inode.
    pub(crate) aliases: HashMap<Inode, Vec<u8>>,
    /// Directories above sources and credentials that were moved: where to, and from where.
    pub(crate) moved: Vec<(Vec<u8>, Vec<u8>)>,
    /// Devices that lead past all files.
    pub(crate) devices: Vec<Vec<u8>>,
    /// The command is confined.
    pub(crate) confined: bool,
    /// Outputs that stand ready for the run to make them.
    pub(crate) standing: std::collections::HashSet<Vec<u8>>,
    /// Socket files that the run made itself.
    pub(crate) own_sockets: std::collections::HashSet<Vec<u8>>,
    /// Devices of file systems that the kernel makes up: their files have no content of their own.
    pub(crate) made_up: Vec<u64>,
    pub(crate) shared: std::sync::Weak<Mutex<Notifier>>,
}

/// What a notifier begins with.
pub(crate) struct Beginning {
    pub(crate) listener: Arc<Listener>,
    pub(crate) proc: Proc,
    pub(crate) record: Record,
    pub(crate) own_processes: bool,
    pub(crate) initial_umask: u32,
    pub(crate) rules: Rules,
    pub(crate) ends: Arc<Epoll>,
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    pub(crate) devices: Vec<Vec<u8>>,
    pub(crate) confined: bool,
}

impl Notifier {
    pub(crate) fn new(beginning: Beginning) -> Arc<Mutex<Self>> {
        let Beginning {
            listener,
            proc,
            record,
            own_processes,
            initial_umask,
            rules,
            ends,
            forwarding,
            devices,
            confined,
        } = beginning;
        let made_up = super::walk::devices_of(&proc, super::walk::MADE_UP);
        let standing = rules.guard.made.iter().map(|path| path.as_os_str().as_encoded_bytes().to_vec()).collect();
        Arc::new_cyclic(|shared| {
            Mutex::new(Self {
                proc_devices: super::walk::devices_of(&proc, &["proc"]),
                listener,
                proc,
                record,
                tracked: ByNumber::default(),
                threads: ByNumber::default(),
                resolved: HashMap::new(),
                key: Vec::new(),
                missed: super::open::Missed::new(),
                room: Vec::new(),
                own_processes,
                initial_umask,
                rules,
                ends,
                forwarding,
                dead: Vec::new(),
                initial: None,
                last_paths: Vec::new(),
                aliases: HashMap::new(),
                moved: Vec::new(),
                devices,
                confined,
                standing,
                own_sockets: std::collections::HashSet::new(),
                made_up,
                shared: shared.clone(),
            })
        })
    }

    /// Receives until told to stop; `stop` is looked at after each interruption.
    ///
    /// One thread does it: two would wake each other for nothing. The second, with `relief`, receives while the first is
    /// busy for long, since a call that was received waits for nothing but its answer, while one that was not can be
    /// interrupted by a signal and then fails in a way that programs do not expect.
    pub(crate) fn serve(
        shared: &Mutex<Self>,
        listener: &Listener,
        stop: &std::sync::atomic::AtomicBool,
        relief: Option<&Relief>,
    ) {
        let mut balancer = relief.is_none().then(Balancer::new);
        let proc = shared.lock().unwrap_or_else(PoisonError::into_inner).proc.fd().try_clone_to_owned();
        let _ = proc.map(|proc| sys::own_directory(proc.as_fd()));
        let mut notification = sys::empty_notification();
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            if let Some(relief) = relief {
                relief.wait();
            }
            let one = Self::serve_one(shared, listener, &mut notification, stop);
            if let (true, Some(balancer)) = (one, &mut balancer) {
                balancer.answered(notification.pid);
            }
        }
    }

    /// Receives one call and answers it; whether there was one.
    fn serve_one(
        shared: &Mutex<Self>,
        listener: &Listener,
        notification: &mut Notification,
        stop: &std::sync::atomic::AtomicBool,
    ) -> bool {
        if stop.load(std::sync::atomic::Ordering::SeqCst) {
            return false;
        }
        match listener.receive(notification) {
            Ok(()) => {}
            Err(Errno::EINTR) => return false,
            Err(_) => {
                // Its sender was killed, or nobody is left: no hurry.
                std::thread::sleep(std::time::Duration::from_micros(100));
                return false;
            }
        }
        let reply = {
            let mut notifier = shared.lock().unwrap_or_else(PoisonError::into_inner);
            notifier.handle(notification)
        };
        let id = notification.id;
        // A caller that was killed meanwhile needs no answer.
        let _ = match reply {
            Reply::Done(result) => listener.answer(id, result),
            Reply::GoOn => listener.go_on(id),
            Reply::Give { fd, close_on_exec, alone: true } => {
                give_or_fail(listener, id, |l| l.give_alone(id, fd, close_on_exec))
            }
            Reply::Give { fd, close_on_exec, alone: false } => {
                give_or_fail(listener, id, |l| l.give(id, fd.as_fd(), close_on_exec))
            }
            Reply::Later | Reply::LookAfter(_) | Reply::With { .. } => Ok(()),
        };
        true
    }

    pub(crate) fn handle(&mut self, n: &Notification) -> Reply {
        self.record.counters.calls += 1;
        let tid = n.pid.cast_signed();
        let Some(tgid) = self.tgid(tid) else {
            // It is gone: nothing is done. Or it is hidden from us: what cannot be looked at is not done either.
            if !self.listener.is_valid(n.id) {
                return Reply::Later;
            }
            self.record.counters.unreadable += 1;
            return Reply::Done(Err(Errno::EPERM));
        };
        if self.tracked.get(&tgid).is_some_and(|known| !known.pending.is_empty() || !known.touched.is_empty()) {
            self.settle(tgid, tid);
            self.check_credentials(tgid, tid);
        }
        let number = libc::c_long::from(n.data.nr);
        let foreign_entry = n.data.arch != ARCHITECTURE || cfg!(target_arch = "x86_64") && n.data.nr & 0x4000_0000 != 0;
        if foreign_entry {
            self.violation(tgid, "kernel", "a system call by the 32-bit or x32 entry".into(), Permission::Refused);
            return Reply::Done(Err(Errno::ENOSYS));
        }
        let Some(call) = by_number(number) else { return Reply::GoOn };
        self.dispatch(n, tid, tgid, call)
    }

    #[allow(clippy::too_many_lines)]
    fn dispatch(&mut self, n: &Notification, tid: i32, tgid: i32, call: &'static Call) -> Reply {
        let a = n.data.args;
        let int = |at: usize| a[at] as i32;
        if call.handling == Handling::Refused {
            self.violation(tgid, "kernel", format!("{} ({})", call.name, call.group), Permission::Refused);
            let errno = if call.name == "io_uring_setup" { Errno::ENOSYS } else { Errno::EPERM };
            return Reply::Done(Err(errno));
        }
        const AT_FDCWD: i32 = libc::AT_FDCWD;
        match call.name {
            "openat" => self.open(n, tid, tgid, int(0), a[1], int(2), a[3] as u32, 0),
            "open" => self.open(n, tid, tgid, AT_FDCWD, a[0], int(1), a[2] as u32, 0),
            "creat" => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                self.open(n, tid, tgid, AT_FDCWD, a[0], flags, a[1] as u32, 0)
            }
            "openat2" => self.open_how(n, tid, tgid, int(0), a[1], a[2], a[3]),
            "execve" => self.execute(tid, tgid, AT_FDCWD, a[0], a[1], 0),
            "execveat" => self.execute(tid, tgid, int(0), a[1], a[2], int(4)),
            "clone" => self.clone_unusually(tgid, a[0]),
            "exit" => {
                if let Some(tracked) = self.tracked.get_mut(&tgid) {
                    tracked.ending = Some(Ending::Exited(int(0) & 0xff));
                    tracked.threads.retain(|thread| *thread != tid);
                }
                // Another thread gets them, and names them in its turn; the last one's get another process.
                self.name_children(&self.proc.children_of(tgid, tid));
                self.threads.remove(&tid);
                Reply::GoOn
            }
            "exit_group" => {
                if let Some(tracked) = self.tracked.get_mut(&tgid) {
                    tracked.ending = Some(Ending::Exited(int(0) & 0xff));
                }
                self.name_children(&self.proc.children(tgid));
                Reply::GoOn
            }
            "chdir" | "fchdir" => {
                if let Some(tracked) = self.tracked.get_mut(&tgid) {
                    tracked.cwd = None;
                    tracked.moving = Some(tid);
                }
                Reply::GoOn
            }
            "umask" => {
                if let Some(tracked) = self.tracked.get_mut(&tgid) {
                    tracked.umask = None;
                    tracked.umask_touched = true;
                }
                Reply::GoOn
            }
            "chroot" | "setns" | "unshare" => {
                // A namespace of its own needs no permission of ours, and gives none: mounting stays refused.
                let what = format!("{}: a root or namespaces of its own", call.name);
                let harmless = call.name == "unshare" && a[0] & NAMESPACES == 0;
                if !harmless {
                    let permission = self.rules.refused_in_prevent();
                    self.violation(tgid, "kernel", what, permission);
                    if permission == Permission::Refused {
                        return Reply::Done(Err(Errno::EPERM));
                    }
                    self.becomes_foreign(tgid);
                }
                if call.name == "unshare"
                    && a[0] & libc::CLONE_FS as u64 != 0
                    && let Some(tracked) = self.tracked.get_mut(&tgid)
                {
                    tracked.shares = true;
                    tracked.cwd = None;
                    tracked.umask_touched = true;
                }
                Reply::GoOn
            }
            "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid" | "setfsuid" | "setfsgid"
            | "setgroups" | "capset" => {
                // Many programs set what they have already: what they are afterwards is looked at with their next call.
                if let Some(tracked) = self.tracked.get_mut(&tgid) {
                    let only_ids = !matches!(call.name, "setgroups" | "capset");
                    tracked.touched.retain(|(thread, _)| *thread != tid);
                    tracked.touched.push((tid, only_ids));
                }
                Reply::GoOn
            }
            "kill" | "tkill" | "rt_sigqueueinfo" => {
                self.note_signal(tgid, int(0), int(1));
                Reply::GoOn
            }
            "tgkill" | "rt_tgsigqueueinfo" => {
                self.note_signal(tgid, int(0), int(2));
                Reply::GoOn
            }
            "pidfd_send_signal" => {
                if let Some(target) = self.proc.pid_of(tid, int(0)) {
                    self.note_signal(tgid, target, int(1));
                }
                Reply::GoOn
            }
            "prlimit64" => {
                if !self.is_stranger(int(0)) {
                    return Reply::GoOn;
                }
                self.violation(
                    tgid,
                    "memory",
                    format!("limits of process {} outside the run", int(0)),
                    Permission::Refused,
                );
                Reply::Done(Err(Errno::EPERM))
            }
            "ptrace" | "process_vm_readv" | "process_vm_writev" => {
                let target = if call.name == "ptrace" { int(1) } else { int(0) };
                // The kernel refuses it across the boundary (Landlock); inside the run it is the build's own affair.
                if call.name == "ptrace" && !self.listener.hands_over() {
                    let what = format!("ptrace on process {target}: whoever watches the run traces it");
                    self.violation(tgid, "memory", what, Permission::Refused);
                    return Reply::Done(Err(Errno::EPERM));
                }
                if self.is_stranger(target) {
                    let what = format!("{} on process {target} outside the run", call.name);
                    self.violation(tgid, "memory", what, Permission::Refused);
                    return Reply::Done(Err(Errno::EPERM));
                }
                Reply::GoOn
            }
            "pidfd_getfd" => {
                // The kernel refuses it across the boundary, as it does tracing.
                let target = self.proc.pid_of(tid, int(0));
                if !self.own_processes && target.is_none_or(|target| !self.is_known(target)) {
                    let what = "a descriptor of a process outside the run (pidfd_getfd)".to_owned();
                    self.violation(tgid, "memory", what, Permission::Refused);
                    return Reply::Done(Err(Errno::EPERM));
                }
                Reply::GoOn
            }
            "memfd_create" => self.make_memory_file(a[1]),
            "connect" => self.connect(n, tid, tgid, int(0), a[1], a[2]),
            "sendto" => self.send_to(n, tid, tgid, a),
            "sendmsg" => self.send_message(tid, tgid, int(0), a[1], 1, int(2)),
            "sendmmsg" => self.send_message(tid, tgid, int(0), a[1], (a[2] as u32).min(1024), int(3)),
            "bind" => self.bind(tid, tgid, int(0), a[1], a[2]),
            "listen" => self.listen(tgid, int(0)),
            "socket" => self.socket(tgid, int(0), int(1), int(2)),
            _ => self.change(n, tid, tgid, call.name, a),
        }
    }

    // ---- processes ------------------------------------------------------------------------------------------------

    fn tgid(&mut self, tid: i32) -> Option<i32> {
        if let Some(tgid) = self.threads.get(&tid) {
            return Some(*tgid);
        }
        let (tgid, parent, pidfd) = self.kin(tid)?;
        if !self.tracked.contains_key(&tgid) {
            self.discover(tgid, parent, pidfd);
        }
        let tracked = self.tracked.get_mut(&tgid)?;
        tracked.threads.push(tid);
        self.threads.insert(tid, tgid);
        Some(tgid)
    }

    /// The process of a thread, its parent, and, where the process is not known yet, its descriptor.
    fn kin(&self, tid: i32) -> Option<(i32, i32, Option<OwnedFd>)> {
        // There is one for processes only, and another for single threads, which is no good for waiting.
        let pidfd = sys::open_pidfd(tid).ok();
        let told = |held: &OwnedFd| sys::kin(held.as_fd());
        let kin = match &pidfd {
            Some(held) => told(held),
            None => sys::open_thread(tid).ok().and_then(|held| told(&held)),
        };
        let (tgid, parent) = match kin {
            Some(kin) => kin,
            None => self.proc.status(tid).map(|status| (status.tgid, status.parent))?,
        };
        let unknown = || !self.tracked.contains_key(&tgid);
        let pidfd = pidfd.filter(|_| tgid == tid).or_else(|| unknown().then(|| sys::open_pidfd(tgid).ok())?);
        Some((tgid, parent, pidfd))
    }

    /// The ancestors of a process that have made no call yet, up to one that is known: a subshell that only starts others
    /// is seen through them. They come first.
    fn discover_ancestors(&mut self, mut parent: i32) {
        let mut unseen = Vec::new();
        while !self.tracked.contains_key(&parent) {
            // Not the run's: the way leads past the supervisor.
            let Some(kin) = self.kin(parent).filter(|_| unseen.len() < 1000) else { return };
            parent = kin.1;
            unseen.push(kin);
        }
        while let Some((tgid, parent, pidfd)) = unseen.pop() {
            self.discover(tgid, parent, pidfd);
        }
    }

    fn discover(&mut self, tgid: i32, parent_number: i32, pidfd: Option<OwnedFd>) {
        if !self.record.processes.is_empty() {
            self.discover_ancestors(parent_number);
        }
        let now = self.record.now();
        let (mut parent, mut foreign, mut umask_touched, mut credentials_touched) = (None, false, false, false);
        let mut shares = false;
        match self.tracked.get(&parent_number) {
            Some(known) => {
                parent = Some(known.id);
                foreign = known.foreign;
                umask_touched = known.umask_touched;
                shares = known.shares;
                credentials_touched = !known.touched.is_empty();
            }
            // Its parent was killed, and so could not name it.
            None if !self.record.processes.is_empty() => self.record.counters.orphans += 1,
            None => {}
        }
        let id = self.record.process(tgid.cast_unsigned(), parent, now);
        if let Some(pidfd) = &pidfd {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, tgid as u64);
            let _ = self.ends.add(pidfd, event);
        }
        if self.initial.is_none() {
            self.initial = self.rights_of(tgid, pidfd.as_ref());
        }
        let exe = self.proc.stat_link(tgid, "exe").map_or((0, 0), |stat| (stat.st_dev, stat.st_ino));
        let tracked = Tracked {
            id,
            pidfd,
            cwd: None,
            moving: None,
            umask: None,
            umask_touched,
            pending: Vec::new(),
            exe,
            foreign,
            touched: if credentials_touched { vec![(tgid, false)] } else { Vec::new() },
            threads: Vec::new(),
            resolvers: Vec::new(),
            ending: None,
            shares,
        };
        self.tracked.insert(tgid, tracked);
    }

    /// A thread or process that was made a moment ago.
    pub(crate) fn appears(&mut self, tid: i32) {
        let _ = self.tgid(tid);
    }

    /// A process runs another program now.
    pub(crate) fn has_executed(&mut self, tgid: i32) {
        if self.tgid(tgid).is_some() {
            self.settle(tgid, tgid);
        }
    }

    fn clone_unusually(&mut self, tgid: i32, flags: u64) -> Reply {
        if flags & NAMESPACES != 0 {
            let permission = self.rules.refused_in_prevent();
            self.violation(tgid, "kernel", "clone: namespaces of its own".into(), permission);
            if permission == Permission::Refused {
                return Reply::Done(Err(Errno::EPERM));
            }
        }
        if flags & NAMESPACES != 0 {
            // In other namespaces: the kernel does its calls.
            self.becomes_foreign(tgid);
        } else if let Some(tracked) = self.tracked.get_mut(&tgid) {
            // Two processes with one working directory and mask: neither is remembered, and neither for the child.
            tracked.shares = true;
            tracked.cwd = None;
            tracked.umask = None;
            tracked.umask_touched = true;
        }
        Reply::GoOn
    }

    /// Before a process or thread ends: its children, which will have another parent in a moment.
    fn name_children(&mut self, children: &[i32]) {
        for child in children {
            if !self.tracked.contains_key(child)
                && let Some((tgid, parent, pidfd)) = self.kin(*child)
            {
                self.discover(tgid, parent, pidfd);
            }
        }
    }

    /// After an execution a process has one thread: the numbers of the others may go to other processes.
    pub(crate) fn only_thread(&mut self, tgid: i32, tid: i32) {
        let Some(tracked) = self.tracked.get_mut(&tgid) else { return };
        if !tracked.touched.is_empty() {
            tracked.touched = vec![(tgid, false)];
        }
        for thread in tracked.threads.extract_if(.., |thread| *thread != tid) {
            self.threads.remove(&thread);
        }
    }

    /// Processes that have ended, by their descriptors: who is gone holds nothing any more.
    pub(crate) fn note_ends(&mut self) {
        let ends = Arc::clone(&self.ends);
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = ends.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            if count == 0 {
                return;
            }
            for event in events.iter().take(count) {
                self.has_ended(event.data() as i32);
            }
        }
    }

    /// A process has ended: its descriptor says so.
    pub(crate) fn has_ended(&mut self, tgid: i32) {
        let Some(mut tracked) = self.tracked.remove(&tgid) else { return };
        for thread in &tracked.threads {
            self.threads.remove(thread);
        }
        for pending in std::mem::take(&mut tracked.pending) {
            self.settle_ended(tracked.id, pending);
        }
        self.record.ended(tracked.id, tracked.ending);
        if let Some(pidfd) = tracked.pidfd.take() {
            let _ = self.ends.delete(&pidfd);
            match sys::exit_status(pidfd.as_fd()) {
                Some(status) => self.record.ended(tracked.id, Some(ending_of(status))),
                None if tracked.ending.is_none() && self.dead.len() < 4096 => self.dead.push((tracked.id, pidfd)),
                None => {}
            }
        }
    }

    /// The end of the run: what is still unknown of the dead.
    pub(crate) fn last_words(&mut self) {
        for (id, pidfd) in std::mem::take(&mut self.dead) {
            if let Some(status) = sys::exit_status(pidfd.as_fd()) {
                self.record.ended(id, Some(ending_of(status)));
            }
        }
    }

    /// True for a process that is not the run's. With process ids of its own the command can name only its own, and
    /// the first of them, which is ours.
    fn is_stranger(&self, pid: i32) -> bool {
        if self.own_processes { pid == 1 } else { pid > 0 && !self.is_known(pid) }
    }

    fn is_known(&self, pid: i32) -> bool {
        self.tracked.contains_key(&pid)
            || self.threads.contains_key(&pid)
            || self.proc.status(pid).is_some_and(|status| {
                self.tracked.contains_key(&status.tgid) || self.tracked.contains_key(&status.parent)
            })
    }

    fn becomes_foreign(&mut self, tgid: i32) {
        if let Some(tracked) = self.tracked.get_mut(&tgid) {
            tracked.foreign = true;
        }
    }

    /// A process with a thread that is another user than the run began as does its calls itself: ours would have other rights.
    fn check_credentials(&mut self, tgid: i32, tid: i32) {
        let Some(tracked) = self.tracked.get_mut(&tgid) else { return };
        if tracked.touched.is_empty() {
            return;
        }
        // One that is not among them may have been made by one that is.
        let at = tracked.touched.iter().position(|(thread, _)| *thread == tid);
        let only_ids = at.is_some_and(|at| tracked.touched.swap_remove(at).1);
        // The descriptor tells of the first thread. Who has the same users and groups as ever, and set nothing else, has
        // the same capabilities (capabilities(7), "Effect of user ID changes on capabilities").
        let ids = tracked.pidfd.as_ref().filter(|_| only_ids && tid == tgid);
        let ids = ids.and_then(|pidfd| sys::users_and_groups(pidfd.as_fd()));
        let initial = self.initial.as_ref();
        if ids.is_some() && ids == initial.and_then(|initial| initial.ids) {
            return;
        }
        let now = self.proc.credentials(tid);
        tracked.foreign |= now.is_none() || now.as_ref() != initial.map(|initial| &initial.credentials);
    }

    /// The rights of a process that has one thread.
    pub(crate) fn rights_of(&self, tgid: i32, pidfd: Option<&OwnedFd>) -> Option<Rights> {
        let ids = pidfd.and_then(|pidfd| sys::users_and_groups(pidfd.as_fd()));
        self.proc.credentials(tgid).map(|credentials| Rights { credentials, ids })
    }

    fn note_signal(&mut self, tgid: i32, target: i32, signal: i32) {
        if signal == 0 || !self.is_stranger(target) {
            return;
        }
        self.violation(
            tgid,
            "memory",
            format!("signal {signal} to process {target} outside the run"),
            Permission::Refused,
        );
    }

    pub(crate) fn id_of(&self, tgid: i32) -> u32 {
        self.tracked.get(&tgid).map_or(0, |tracked| tracked.id)
    }

    /// Too many processes at once: the run ends, and says why.
    pub(crate) fn flooded(&mut self, count: usize) {
        let what = format!("{count} processes at once, permitted are {}", self.record.limits.processes);
        self.record.violation("limit", 0, what, Permission::Refused);
    }

    pub(crate) fn violation(&mut self, tgid: i32, kind: &str, what: String, permission: Permission) {
        let id = self.id_of(tgid);
        self.record.violation(kind, id, what, permission);
    }

    // ---- places ---------------------------------------------------------------------------------------------------

    /// The directory that a relative path begins at.
    pub(crate) fn base(&mut self, tid: i32, tgid: i32, dirfd: i32) -> Result<Arc<Place>, Errno> {
        if dirfd != libc::AT_FDCWD {
            let flags = libc::O_PATH | libc::O_DIRECTORY;
            let fd = match self.proc.open_link(tid, &format!("fd/{dirfd}"), flags) {
                Err(Errno::ENOENT) => return Err(Errno::EBADF),
                // A process that may not be dumped hides its descriptors in /proc from an ordinary user.
                Err(Errno::EACCES) => self.borrow(tgid, dirfd)?,
                other => other?,
            };
            return self.place(fd).map(Arc::new);
        }
        if let Some(tracked) = self.tracked.get_mut(&tgid) {
            // The same thread asks again: its change of directory is done.
            if tracked.moving == Some(tid) {
                tracked.moving = None;
                tracked.cwd = None;
            }
            if let Some(cwd) = &tracked.cwd {
                return Ok(Arc::clone(cwd));
            }
        }
        let fd = self.proc.open_link(tid, "cwd", libc::O_PATH | libc::O_DIRECTORY)?;
        let place = Arc::new(self.place(fd)?);
        if let Some(tracked) = self.tracked.get_mut(&tgid)
            && tracked.moving.is_none()
            && !tracked.foreign
            && !tracked.shares
        {
            tracked.cwd = Some(Arc::clone(&place));
        }
        Ok(place)
    }

    fn place(&self, fd: OwnedFd) -> Result<Place, Errno> {
        let path = self.proc.path_of(fd.as_fd()).ok_or(Errno::ENOENT)?;
        Ok(Place { fd, path })
    }

    /// The file creation mask of a process.
    pub(crate) fn umask(&mut self, tid: i32, tgid: i32) -> u32 {
        let Some(tracked) = self.tracked.get(&tgid) else { return 0o077 };
        if !tracked.umask_touched {
            return self.initial_umask;
        }
        if let Some(umask) = tracked.umask.filter(|_| !tracked.shares) {
            return umask;
        }
        let umask = self.proc.status(tid).map_or(0o077, |status| status.umask);
        if let Some(tracked) = self.tracked.get_mut(&tgid) {
            tracked.umask = Some(umask);
        }
        umask
    }

    pub(crate) fn is_foreign(&self, tgid: i32) -> bool {
        self.tracked.get(&tgid).is_none_or(|tracked| tracked.foreign)
    }

    /// A copy of one of the process's descriptors.
    pub(crate) fn borrow(&self, tgid: i32, fd: i32) -> Result<OwnedFd, Errno> {
        let pidfd = self.tracked.get(&tgid).and_then(|tracked| tracked.pidfd.as_ref()).ok_or(Errno::EBADF)?;
        sys::copy_descriptor(pidfd.as_fd(), fd)
    }
}

/// Flags of `clone` and `unshare` that make namespaces.
pub(crate) const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// A descriptor that the caller cannot take (its table is full) is an error of its call, not silence.
fn give_or_fail(listener: &Listener, id: u64, give: impl FnOnce(&Listener) -> Result<(), Errno>) -> Result<(), Errno> {
    match give(listener) {
        Err(Errno::ENOENT) | Ok(()) => Ok(()),
        Err(errno) => listener.answer(id, Err(errno)),
    }
}

/// How a process ended, from its wait status.
pub(crate) fn ending_of(status: i32) -> Ending {
    if status & 0x7f == 0 { Ending::Exited((status >> 8) & 0xff) } else { Ending::Signalled(status & 0x7f) }
}

/// A path as a C string.
pub(crate) fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}

/// The path of a descriptor, as text for the log.
pub(crate) fn raw(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as usize
}
