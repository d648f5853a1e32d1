//! From events to the record: processes, executions and calls that are told by numbers alone.

use std::collections::{HashMap, HashSet};

use nix::libc;
use provost_model::{Digest, Permission, Timestamp, Use};

use super::super::calls::{Handling, by_number};
use super::super::guard::Rules;
use super::super::notify::ending_of;
use super::super::record::Record;
use super::super::tracee::Proc;
use super::layout::{COMPAT, DELEGATED, Event, Kind};
use super::load::Repeats;

/// A living process of the run, or one that a daemon made for it.
pub(super) struct Followed {
    pub(super) id: u32,
    /// The daemon.
    delegated_by: Option<String>,
}

/// The content of a file as it was when its digest was taken.
pub(super) struct Seen {
    pub(super) changed: (i64, i64),
    pub(super) size: u64,
    pub(super) digest: Option<Digest>,
}

/// Files that an execution uses beside the program itself: the loader that the kernel opens.
pub(super) type Companion = (Vec<u8>, Option<Digest>, u64);

/// What is known of the run so far.
pub(super) struct Collector {
    pub(super) record: Record,
    pub(super) proc: Proc,
    pub(super) rules: Rules,
    /// The command has process ids of its own: the numbers in its arguments are not ours.
    pub(super) own_processes: bool,
    /// Digests are wanted (not when another back end takes them).
    pub(super) digests: bool,
    pub(super) followed: HashMap<i32, Followed>,
    pub(super) seen: HashMap<(u64, u64), Seen>,
    pub(super) companions: HashMap<(u64, u64), Companion>,
    /// Addresses that the kernel told, until the call that they belong to returns.
    pub(super) addresses: HashMap<i32, Vec<Event>>,
    /// Daemons that the run connected to: their sockets.
    pub(super) daemons: HashMap<i32, String>,
    /// Devices of file systems that the kernel makes up.
    pub(super) made_up: Vec<u64>,
    /// Devices by the number of the mount, for file systems whose files have other numbers in `stat`.
    pub(super) mounts: HashMap<u64, u64>,
    /// Where files that were judged and hashed are put in.
    pub(super) repeats: Option<Repeats>,
    /// Files that are in it: device and inode.
    pub(super) repeated: HashSet<(u64, u64)>,
    /// When the run began, in seconds: what changed since may change again.
    pub(super) began: i64,
    /// Milliseconds from the monotonic clock to that of the record.
    offset: i64,
}

impl Collector {
    pub(super) fn new(record: Record, proc: Proc, rules: Rules, own_processes: bool, digests: bool) -> Self {
        let made_up = super::super::walk::devices_of(&proc, super::super::walk::MADE_UP);
        let began = (record.clock)().seconds();
        let offset = (record.clock)().milliseconds() - monotonic();
        Self {
            record,
            proc,
            rules,
            own_processes,
            digests,
            followed: HashMap::new(),
            seen: HashMap::new(),
            companions: HashMap::new(),
            addresses: HashMap::new(),
            daemons: HashMap::new(),
            made_up,
            mounts: HashMap::new(),
            repeats: None,
            repeated: HashSet::new(),
            began,
            offset,
        }
    }

    /// The command's own process.
    pub(super) fn begin(&mut self, command: i32) {
        let now = self.record.now();
        let id = self.record.process(command.cast_unsigned(), None, now);
        self.followed.insert(command, Followed { id, delegated_by: None });
    }

    pub(super) fn id_of(&self, process: i32) -> u32 {
        self.followed.get(&process).map_or(0, |followed| followed.id)
    }

    pub(super) fn violation(&mut self, event: &Event, kind: &str, what: String) {
        let id = self.id_of(event.process);
        let permission = if event.result < 0 { Permission::Refused } else { Permission::Allowed };
        self.record.violation(kind, id, what, permission);
    }

    /// What the policy says of a path.
    pub(super) fn judge_path(&mut self, event: &Event, name: &[u8], kind: Use) {
        if let Some((rule, what)) = self.rules.path(name, kind) {
            self.violation(event, rule, what);
        }
    }

    /// One event.
    pub(super) fn take(&mut self, event: Event) {
        self.record.moment =
            Some(Timestamp::from_milliseconds((event.time / 1_000_000).cast_signed().saturating_add(self.offset)));
        match event.kind {
            Kind::Fork => self.forked(&event),
            // Only what belongs to somebody: the rest is from before the beginning.
            _ if !self.followed.contains_key(&event.process) => {}
            Kind::Execution => self.executed(&event),
            Kind::Exit => self.ended(&event),
            Kind::Address => self.address(event),
            Kind::Call => self.call(&event),
        }
        self.record.moment = None;
    }

    fn forked(&mut self, event: &Event) {
        let now = self.record.now();
        let parent = self.followed.get(&event.process);
        let delegated_by = match parent {
            Some(parent) => parent.delegated_by.clone(),
            None if event.flags & DELEGATED != 0 => {
                Some(self.daemons.get(&event.process).cloned().unwrap_or_else(|| format!("process {}", event.process)))
            }
            None => return,
        };
        let parent = parent.map(|parent| parent.id);
        let id = self.record.process(event.other.cast_unsigned(), parent, now);
        if let Some(daemon) = &delegated_by {
            if !self.record.delegated.contains(daemon) && self.record.delegated.len() < 1000 {
                self.record.delegated.push(daemon.clone());
            }
            if let Some(process) = self.record.processes.get_mut(id as usize) {
                process.delegated_by = Some(daemon.clone());
            }
        }
        self.followed.insert(event.other, Followed { id, delegated_by });
    }

    fn ended(&mut self, event: &Event) {
        let id = self.id_of(event.process);
        self.flush_addresses(event.process);
        self.record.ended(id, Some(ending_of(event.result as i32)));
        self.followed.remove(&event.process);
    }

    /// Processes of the run's own tree that are still there. (Events of their ends may still be on their way.)
    pub(super) fn living(&self) -> Vec<i32> {
        let own = self.followed.iter().filter(|(_, known)| known.delegated_by.is_none()).map(|(pid, _)| *pid);
        own.filter(|pid| self.proc.stat_link(*pid, "exe").is_ok()).collect()
    }

    fn call(&mut self, event: &Event) {
        if event.flags & COMPAT != 0 {
            return self.violation(event, "kernel", "a system call by the 32-bit or x32 entry".into());
        }
        let Some(call) = by_number(libc::c_long::from(event.number)) else {
            if libc::c_long::from(event.number) == libc::SYS_write {
                self.question_of(event);
            }
            return;
        };
        if matches!(call.handling, Handling::Refused | Handling::Silent(_)) {
            return self.refused_to_all(event, call.name, call.group);
        }
        match call.name {
            "openat" | "open" | "creat" | "openat2" => self.opened(event),
            "connect" => self.connected(event),
            "bind" => self.bound(event),
            "listen" => self.listened(event),
            "sendto" | "sendmsg" | "sendmmsg" => self.sent(event),
            "socket" => self.unusual_socket(event),
            "kill" => self.outside(event, event.number_at(0), &format!("signal {} to process", event.number_at(1))),
            "prlimit64" if event.arguments[2] != 0 => {
                self.outside(event, event.number_at(0), "limits of process");
            }
            "prlimit64" => {}
            "ptrace" => self.outside(event, event.number_at(1), "ptrace on process"),
            "process_vm_readv" | "process_vm_writev" => {
                self.outside(event, event.number_at(0), &format!("{} on process", call.name));
            }
            "pidfd_getfd" => {
                self.violation(event, "memory", "a descriptor of another process (pidfd_getfd)".into());
            }
            "clone" => self.violation(event, "kernel", "clone: namespaces of its own".into()),
            "unshare" | "setns" | "chroot" => {
                self.violation(event, "kernel", format!("{}: a root or namespaces of its own", call.name));
            }
            name => self.changed(event, name),
        }
    }

    /// Calls that no run is given. Two of them are refused for some of their arguments only.
    fn refused_to_all(&mut self, event: &Event, name: &str, group: &str) {
        let concerns = match name {
            "ioctl" => matches!(event.arguments[1] as u32, 0x5412 | 0x541c),
            "setsockopt" => event.arguments[1] as i32 == libc::IPPROTO_TCP && event.arguments[2] as i32 == 30,
            _ => true,
        };
        if concerns {
            self.violation(event, "kernel", format!("{name} ({group})"));
        }
    }

    fn outside(&mut self, event: &Event, target: i32, what: &str) {
        if self.own_processes || target <= 1 || self.followed.contains_key(&target) {
            return;
        }
        // A thread is known by its process.
        let of_ours = self
            .proc
            .status(target)
            .is_some_and(|s| self.followed.contains_key(&s.tgid) || self.followed.contains_key(&s.parent));
        if !of_ours && event.result != -i64::from(libc::ESRCH) {
            self.violation(event, "memory", format!("{what} {target} outside the run"));
        }
    }

    /// Too many processes at once: the run ends, and says why.
    pub(super) fn flooded(&mut self, count: usize) {
        let what = format!("{count} processes at once, permitted are {}", self.record.limits.processes);
        self.record.violation("limit", 0, what, Permission::Refused);
    }
}

/// Milliseconds of the monotonic clock.
fn monotonic() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills our own live structure.
    let _ = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
