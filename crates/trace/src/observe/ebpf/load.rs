//! Loading and attaching the programs. No type of the loader's crate leaves this file.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use aya::maps::{Array, HashMap, MapData, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::interests;
use super::kernel_types::needed;
use super::layout::{COUNTERS, Event, Kind};

/// The compiled programs. The loader reads headers in place, which must be aligned for that.
#[repr(C, align(8))]
struct Aligned<B: ?Sized>(B);
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/program.bpf.o")));

const TRACEPOINTS: &[(&str, &str)] = &[
    ("call_returns", "sys_exit"),
    ("forks", "sched_process_fork"),
    ("executes", "sched_process_exec"),
    ("ends", "sched_process_exit"),
];
const ADDRESSES: &[&str] = &["connects_four", "connects_six", "sends_four", "sends_six"];
/// The number of the outermost process namespace (PROC_PID_INIT_INO, linux/proc_ns.h).
const OUTERMOST: u64 = 0xEFFF_FFFC;

/// Files whose reading by the same name, unchanged, needs no telling again.
pub(super) struct Repeats(HashMap<MapData, [u64; 6], u32>);

impl Repeats {
    /// Adds one. When there is no room the events go on, and that is all.
    pub(super) fn add(&mut self, repeat: [u64; 6]) {
        let _ = self.0.insert(repeat, 1, 0);
    }
}

/// The programs, at work. They are taken away with this.
pub(super) struct Loaded {
    ebpf: Option<Ebpf>,
    events: RingBuf<MapData>,
    followed: HashMap<MapData, u32, u32>,
    repeats: Option<Repeats>,
    counters: Array<MapData, u64>,
    /// Records taken out of the ring so far.
    pub(super) received: u64,
    /// What is not attached, and why.
    pub(super) without: Vec<String>,
}

/// An error and its causes in one line. Of what the verifier says, which can be thousands of lines, the last ones tell
/// why.
fn explain(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        next = error.source();
    }
    if let Some((before, log)) = text.split_once("Verifier output:") {
        let told = |line: &&str| !line.starts_with("processed ") && !line.starts_with("stack depth");
        let last: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).filter(told).collect();
        let last = last.iter().rev().take(3).rev().map(|line| line.trim()).collect::<Vec<_>>().join("; ");
        text = format!("{before}The verifier says: {last}");
    }
    let text = format!("{what}: {}", text.replace('\n', " "));
    if text.contains("Operation not permitted") {
        return format!(
            "{text}. It needs root, or CAP_BPF with CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN, and a container that lets bpf() through; `--observe notify` needs no privilege"
        );
    }
    text
}

/// What the programs need of the kernel's type information.
fn kernel_types() -> Result<Btf, String> {
    const FILE: &str = "/sys/kernel/btf/vmlinux";
    let all = std::fs::read(FILE)
        .map_err(|e| format!("the kernel does not tell its types ({FILE}, CONFIG_DEBUG_INFO_BTF): {e}"))?;
    let needed = needed(&all).map_err(|why| format!("{FILE}: {why}"))?;
    Btf::parse(&needed, Endianness::default()).map_err(|e| explain(FILE, &e))
}

/// A loader that has read nothing yet. As it is made it reads all of the kernel's types, to have some if it is given
/// none, and that takes as long as everything else here: where no file can be opened it does without. There is one thread.
fn loader<'a>() -> Result<EbpfLoader<'a>, String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let limit = |e: Errno| format!("the limit of open files: {e}");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(limit)?;
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).map_err(limit)?;
    let loader = EbpfLoader::new();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(limit)?;
    Ok(loader)
}

/// Waits until there is something in a ring, at most so many milliseconds; whether there is.
pub(super) fn has_events(ring: BorrowedFd<'_>, milliseconds: u16) -> bool {
    let mut ready = [PollFd::new(ring, PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::from(milliseconds)).is_ok_and(|count| count > 0)
}

impl Loaded {
    /// Loads and attaches everything. Nobody is followed yet.
    pub(super) fn attach(supervisor: u32, hidden_may_be_tried: bool) -> Result<Self, String> {
        let btf = kernel_types()?;
        let namespace = std::fs::metadata("/proc/self/ns/pid")
            .map(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata))
            .map_err(|e| format!("/proc/self/ns/pid: {e}"))?;
        let cpus = aya::util::nr_cpus().map_err(|(what, e)| format!("{what}: {e}"))?;
        let (namespace_low, outermost) = (namespace as u32, u32::from(namespace == OUTERMOST));
        let hidden = u32::from(hidden_may_be_tried);
        let mut ebpf = loader()?
            .btf(Some(&btf))
            .override_global("SUPERVISOR", &supervisor, true)
            .override_global("NAMESPACE", &namespace_low, true)
            .override_global("OUTERMOST", &outermost, true)
            .override_global("HIDDEN_MAY_BE_TRIED", &hidden, true)
            .map_max_entries("SCRATCH", u32::try_from(cpus).unwrap_or(1))
            .load(&OBJECT.0)
            .map_err(|e| explain("the eBPF programs cannot be loaded", &e))?;
        let mut take = |name: &str| ebpf.take_map(name).ok_or_else(|| format!("the map {name} is missing"));
        let map = |e: aya::maps::MapError| explain("a map of the eBPF programs", &e);
        let mut wanted: Array<_, [u8; 8]> = take("INTERESTS")?.try_into().map_err(map)?;
        for (number, interest) in interests::all() {
            wanted.set(number, interest, 0).map_err(map)?;
        }
        let events = take("EVENTS")?.try_into().map_err(map)?;
        let followed = take("FOLLOWED")?.try_into().map_err(map)?;
        let repeats = Some(Repeats(take("REPEATS")?.try_into().map_err(map)?));
        let counters = take("COUNTERS")?.try_into().map_err(map)?;
        let mut loaded =
            Self { ebpf: Some(ebpf), events, followed, repeats, counters, received: 0, without: Vec::new() };
        for (program, point) in TRACEPOINTS {
            loaded.tracepoint(program, point)?;
        }
        if loaded.tracepoint("submits", "io_uring_submit_req").is_err() {
            loaded.without.push("submissions to io_uring rings (the kernel has no such tracepoint)".into());
        }
        loaded.addresses()?;
        loaded.try_out(supervisor)?;
        // What was counted until now was the trial.
        loaded.received = 0;
        for at in 0..COUNTERS as u32 {
            loaded.counters.set(at, 0, 0).map_err(|e| explain("a counter", &e))?;
        }
        Ok(loaded)
    }

    fn tracepoint(&mut self, name: &str, point: &str) -> Result<(), String> {
        let program = self
            .ebpf
            .as_mut()
            .and_then(|e| e.program_mut(name))
            .ok_or_else(|| format!("the program {name} is missing"))?;
        let program: &mut RawTracePoint = program.try_into().map_err(|e| explain(name, &e))?;
        let what = format!("the eBPF program at the tracepoint {point} cannot be used");
        program.load().map_err(|e| explain(&what, &e))?;
        program.attach(point).map(drop).map_err(|e| explain(&what, &e))
    }

    /// The hooks of a cgroup tell addresses as the kernel uses them. They are attached to the root: whoever is followed
    /// cannot leave it. Without a cgroup2 the calls' own arguments have to do, and that is stated.
    fn addresses(&mut self) -> Result<(), String> {
        for name in ADDRESSES {
            self.address_program(name)?.load().map_err(|e| explain(name, &e))?;
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(|e| format!("/proc/self/mounts: {e}"))?;
        let root = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let place = fields.next()?;
            (fields.next() == Some("cgroup2")).then(|| place.to_owned())
        });
        let Some(root) = root else {
            self.without.push("addresses from the kernel's side, since no cgroup2 is mounted: connections are recorded by the address in the caller's memory when the call returned".into());
            return Ok(());
        };
        let group = std::fs::File::open(&root).map_err(|e| format!("{root}: {e}"))?;
        for name in ADDRESSES {
            // A link never pushes another program out; the kernel takes no mode with it.
            let attached = self.address_program(name)?.attach(&group, CgroupAttachMode::Single);
            attached.map_err(|e| explain(&format!("{name} at {root}"), &e))?;
        }
        Ok(())
    }

    fn address_program(&mut self, name: &str) -> Result<&mut CgroupSockAddr, String> {
        let program = self
            .ebpf
            .as_mut()
            .and_then(|e| e.program_mut(name))
            .ok_or_else(|| format!("the program {name} is missing"))?;
        program.try_into().map_err(|e| explain(name, &e))
    }

    /// Opens a file and sees it: nothing is trusted to work because it could be loaded.
    fn try_out(&mut self, supervisor: u32) -> Result<(), String> {
        self.follow(supervisor).map_err(|e| format!("the eBPF programs cannot be told whom to follow: {e}"))?;
        let path = c"/proc/self/mounts";
        let opened = nix::fcntl::open(path, nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
        let _ = self.followed.remove(&supervisor);
        drop(opened.map_err(|e| format!("/proc/self/mounts: {e}"))?);
        let mut seen = false;
        for _ in 0..20 {
            self.wait(100);
            self.drain(&mut |bytes| {
                seen |= Event::parse(bytes).is_some_and(|event| {
                    event.kind == Kind::Call
                        && event.process == supervisor.cast_signed()
                        && event.walked(0).is_some_and(|path| path.ends_with(b"/mounts"))
                });
            });
            if seen {
                return Ok(());
            }
        }
        Err("the eBPF programs were loaded, but did not see a file that was opened to try them out".into())
    }

    /// Follows a process, and all that it makes from now on.
    pub(super) fn follow(&mut self, process: u32) -> Result<(), String> {
        self.followed.insert(process, 0, 0).map_err(|e| e.to_string())
    }

    /// Where repeated files are said to be, for whoever judges them.
    pub(super) fn take_repeats(&mut self) -> Option<Repeats> {
        self.repeats.take()
    }

    /// The ring, to wait for.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Takes the programs away; what they wrote is still in the ring, and their counters are still there.
    pub(super) fn detach(&mut self) {
        self.ebpf = None;
        // One that runs on another CPU at this moment ends first.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }

    /// Waits until there is something in the ring, at most so many milliseconds; whether there is.
    pub(super) fn wait(&self, milliseconds: u16) -> bool {
        has_events(self.descriptor(), milliseconds)
    }

    /// Takes out everything that is in the ring now, at most so much at once that others get their turn.
    pub(super) fn drain(&mut self, take: &mut dyn FnMut(&[u8])) -> usize {
        let mut count = 0;
        while count < 4096 {
            let Some(record) = self.events.next() else { break };
            take(&record);
            count += 1;
        }
        self.received += count as u64;
        count
    }

    /// All counters.
    pub(super) fn counters(&self) -> [u64; COUNTERS] {
        let mut all = [0; COUNTERS];
        for (at, value) in all.iter_mut().enumerate() {
            *value = self.counters.get(&(at as u32), 0).unwrap_or(u64::MAX);
        }
        all
    }

    /// How often a program was not run because it was running on that CPU already; `None` where that cannot be read.
    pub(super) fn misses(&self) -> Option<u64> {
        let mut sum = 0;
        for (_, program) in self.ebpf.as_ref()?.programs() {
            // One that was not loaded missed nothing.
            let Ok(fd) = program.fd() else { continue };
            sum += recursion_misses(fd.as_fd()).ok()?;
        }
        Some(sum)
    }
}

/// `recursion_misses` of `struct bpf_prog_info` (linux/bpf.h).
fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    const OBJECT_INFO: libc::c_long = 15; // BPF_OBJ_GET_INFO_BY_FD
    const AT: usize = 208;
    #[repr(C)]
    struct Request {
        fd: u32,
        length: u32,
        info: u64,
        rest: [u64; 14],
    }
    #[repr(align(8))]
    struct Info([u8; 256]);
    let mut info = Info([0; 256]);
    let request = Request {
        fd: program.as_raw_fd().cast_unsigned(),
        length: info.0.len() as u32,
        info: info.0.as_mut_ptr() as u64,
        rest: [0; 14],
    };
    // SAFETY: the kernel reads the request and writes at most `length` bytes to `info`; both are ours and live.
    let done = unsafe { libc::syscall(libc::SYS_bpf, OBJECT_INFO, &raw const request, size_of::<Request>()) };
    Errno::result(done)?;
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&info.0[AT..AT + 8]);
    Ok(u64::from_le_bytes(bytes))
}
