//! The eBPF back end on real runs. Needs root and a kernel that lets programs be loaded; says so and skips otherwise.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provost_model::{BackEnd, Ending, Observation, ObservedFile, Permission, Timestamp, Use, sha256};
use provost_trace::observe::{Guard, Mode, NetworkRule, ObserveWish, ObserverLimits, Plan, Report, Watcher};
use provost_trace::{BlockedSignals, TraceError};

fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_milliseconds(since.as_millis() as i64)
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("folder"));
        std::fs::create_dir(place.work()).expect("folder");
        std::fs::create_dir(place.0.path().join("scratch")).expect("folder");
        place
    }

    fn work(&self) -> PathBuf {
        self.0.path().canonicalize().expect("path").join("work")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, text).expect("file");
        path
    }

    fn run(&self, command: &[&str], observe: ObserveWish, guard: Guard) -> Result<Report, TraceError> {
        let signals = BlockedSignals::block().expect("signals");
        let mut watcher = Watcher::start(&signals, clock).expect("watcher");
        let plan = Plan {
            command: command.iter().map(|word| word.as_bytes().to_vec()).collect(),
            directory: self.work(),
            without: Vec::new(),
            time_limit: Some(60_000),
            confinement: "best-effort".into(),
            hidden: Vec::new(),
            probes: Vec::new(),
            observe,
            guard,
            limits: ObserverLimits::default(),
            scratch: self.0.path().join("scratch"),
            remembered: Vec::new(),
            resolvers: Vec::new(),
        };
        watcher.prepare(&plan)?;
        watcher.run(&signals, None)
    }

    /// Runs it, or says why that cannot be tried here.
    fn watched(&self, command: &[&str], observe: ObserveWish, guard: Guard) -> Option<Report> {
        match self.run(command, observe, guard) {
            Ok(report) => Some(report),
            Err(error) if error.to_string().contains("It needs root") || !nix::unistd::getuid().is_root() => {
                eprintln!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn python(&self, text: &str, observe: ObserveWish, guard: Guard) -> Option<Report> {
        let script = self.write("script.py", text);
        let python = Path::new("/usr/bin/python3");
        if !python.exists() {
            eprintln!("skipped: no /usr/bin/python3 here");
            return None;
        }
        self.watched(&["/usr/bin/python3", "-S", script.to_str().expect("text")], observe, guard)
    }
}

fn file<'a>(observation: &'a Observation, path: &Path) -> &'a ObservedFile {
    let name = path.to_str().expect("text");
    observation.files.iter().find(|file| file.name.text == name).unwrap_or_else(|| panic!("{name} was not seen"))
}

fn violations(observation: &Observation) -> Vec<(&str, &str, Permission)> {
    observation.violations.iter().map(|v| (v.kind.as_str(), v.what.as_str(), v.permission)).collect()
}

/// Nearly everything that a build makes is used, or the end comes, within moments of its making.
#[test]
fn ebpf_and_notifier_know_products_of_the_last_moment() {
    use std::os::unix::fs::MetadataExt as _;
    for observe in [ObserveWish::Notify, ObserveWish::Ebpf] {
        let place = Place::new();
        let script = "echo first > read; cat read >/dev/null; echo more >> read; cat read >/dev/null; echo x > last";
        let Some(report) = place.watched(&["/bin/sh", "-c", script], observe, Guard::default()) else { return };
        for (name, content) in [("read", "first\nmore\n"), ("last", "x\n")] {
            let found = std::fs::metadata(place.work().join(name)).expect("metadata");
            let known = report.products.iter().find(|known| known.inode == (found.dev(), found.ino()));
            assert_eq!(known.map(|known| known.digest), Some(sha256(content.as_bytes())), "{name}");
        }
    }
}

#[test]
fn processes_files_and_digests() {
    let place = Place::new();
    place.write("in.txt", "what went in");
    place.write("tool.sh", "#!/bin/sh\nread line < in.txt\necho \"$line\" > made.txt\nmv made.txt out.txt\n(exit 7)\n");
    place.write("gone.txt", "");
    let script = "sh tool.sh two 'words here'; chmod +x tool.sh; ./tool.sh; rm gone.txt; mkdir d; ln -s out.txt d/l; ln out.txt d/h; truncate -s 3 out.txt; exit 5";
    let Some(report) = place.watched(&["/bin/sh", "-c", script], ObserveWish::Ebpf, Guard::default()) else { return };
    let seen = &report.observation;
    assert_eq!(seen.back_end, BackEnd::Ebpf);
    assert_eq!(report.outcome.ending, Ending::Exited(5));
    assert!(seen.is_complete(), "{:?}", seen.coverage);
    assert_eq!(seen.coverage.counters["eventsSent"], seen.coverage.counters["eventsReceived"]);
    let work = place.work();
    let input = file(seen, &work.join("in.txt"));
    assert_eq!((input.first_use, input.digests.as_slice()), (Use::Read, &[sha256(b"what went in")][..]));
    assert_eq!(input.problem, None);
    let out = file(seen, &work.join("out.txt"));
    assert!(out.uses.contains(&Use::Created) && out.uses.contains(&Use::Written), "{out:?}");
    assert_eq!(out.final_digest, Some(sha256(b"wha")));
    assert!(file(seen, &work.join("made.txt")).uses.contains(&Use::Renamed));
    assert!(file(seen, &work.join("gone.txt")).uses.contains(&Use::Deleted));
    for name in ["d", "d/l", "d/h"] {
        assert_eq!(file(seen, &work.join(name)).first_use, Use::Created, "{name}");
    }
    let tool = seen.processes.iter().flat_map(|p| &p.programs).find(|p| p.script.is_some()).expect("a script");
    assert_eq!(tool.script.as_ref().map(|s| s.text.clone()), Some(work.join("tool.sh").display().to_string()));
    assert!(tool.digest.is_some() && tool.script_digest.is_some());
    let shell = seen.processes.iter().flat_map(|p| &p.programs).find(|p| p.arguments.len() == 4).expect("sh tool.sh");
    assert_eq!(shell.arguments, ["sh", "tool.sh", "two", "words here"]);
    assert_eq!(shell.directory.text, work.display().to_string());
    assert!(seen.processes.iter().all(|p| p.finished_on.is_some() && p.ending.is_some()), "every fork has an end");
    assert!(seen.processes.iter().skip(1).all(|p| p.parent.is_some()));
    // The kernel opens the loader itself.
    assert!(seen.files.iter().any(|f| f.name.text.contains("/ld-") && f.uses.contains(&Use::Executed)));
}

#[test]
fn both_back_ends_see_the_same() {
    let place = Place::new();
    place.write("main.c", "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n");
    let compile = if Path::new("/usr/bin/cc").exists() { "cc -O1 -o app main.c && ./app" } else { "cp main.c app" };
    let script =
        format!("{compile}; i=0; while [ $i -lt 20 ]; do cat main.c > copy$i; mv copy$i done$i; i=$((i+1)); done");
    let Some(report) = place.watched(&["/bin/sh", "-c", &script], ObserveWish::Both, Guard::default()) else { return };
    let seen = &report.observation;
    assert_eq!(seen.back_end, BackEnd::Notify);
    let compared = seen.coverage.compared.as_ref().expect("compared");
    assert_eq!(compared.different, 0, "{compared:?}");
    assert!(compared.same["programs"] >= 41 && compared.same["created"] >= 40, "{compared:?}");
    assert!(seen.is_complete(), "{:?}", seen.coverage.incomplete);
}

#[test]
fn the_command_ends_with_its_supervisor() {
    let place = Place::new();
    // One that left its session and its parent, too.
    let script = "(setsid sleep 98.7654321 &) ; sleep 98.7654321";
    let living = || -> Vec<i32> {
        let entries = std::fs::read_dir("/proc").expect("proc");
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.starts_with(b"sleep\x0098.7654321")
            })
            .collect()
    };
    let parent = |pid: i32| -> i32 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or("0");
        line.trim().parse().unwrap_or(0)
    };
    let killer = std::thread::spawn(move || {
        let begun = Instant::now();
        while living().len() < 2 && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let found = living();
        if found.len() < 2 {
            return (0, living().len());
        }
        // The one that left has the first process of its own ids for a parent, and that has the supervisor.
        let supervisor = found.iter().map(|pid| parent(parent(*pid))).min().unwrap_or(0);
        assert!(supervisor > 1, "{found:?}");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), nix::sys::signal::Signal::SIGKILL)
            .expect("kill");
        let begun = Instant::now();
        while !living().is_empty() && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        (supervisor, living().len())
    });
    let result = place.run(&["/bin/sh", "-c", script], ObserveWish::Ebpf, Guard::default());
    if let Err(error) = &result
        && (error.to_string().contains("It needs root") || !nix::unistd::getuid().is_root())
    {
        eprintln!("skipped: {error}");
        return;
    }
    let (supervisor, left) = killer.join().expect("killer");
    assert!(supervisor > 0 && left == 0, "{left} processes outlived their supervisor");
    assert!(result.expect_err("no report").to_string().contains("without evidence"));
}

const CALLS: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 8, 0), libc.syscall(321, 5, 0, 0), libc.mount(b"x", b"/mnt", b"tmpfs", 0, 0), libc.unshare(0x10000000))
# mov eax, 20; int 0x80; ret
code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
import mmap
memory = mmap.mmap(-1, 4096, prot=7)
memory.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
ctypes.CFUNCTYPE(ctypes.c_int)(address)()
"#;

#[test]
fn what_no_run_is_given_is_refused_and_seen() {
    let place = Place::new();
    for mode in [Mode::Detect, Mode::Prevent] {
        let guard = Guard { mode, ..Guard::default() };
        let Some(report) = place.python(CALLS, ObserveWish::Ebpf, guard) else { return };
        let seen = violations(&report.observation);
        for what in [
            "io_uring_setup (the kernel itself)",
            "bpf (the kernel itself)",
            "mount (namespaces and mounts)",
            "a system call by the 32-bit or x32 entry",
        ] {
            assert!(seen.contains(&("kernel", what, Permission::Refused)), "{what}: {seen:?}");
        }
        let own = if mode == Mode::Prevent { Permission::Refused } else { Permission::Allowed };
        assert!(seen.contains(&("kernel", "unshare: a root or namespaces of its own", own)), "{seen:?}");
        assert_eq!(report.observation.coverage.counters["ringSubmissions"], 0);
    }
}

#[test]
fn what_only_the_notifier_can_hold_is_refused_before() {
    let place = Place::new();
    let network = NetworkRule::Allow(Vec::new());
    let guard = Guard { mode: Mode::Prevent, network, ..Guard::default() };
    let error = place.run(&["/bin/touch", "started"], ObserveWish::Ebpf, guard).expect_err("refused").to_string();
    assert!(error.contains("notify") && error.contains("both"), "{error}");
    let tools = provost_trace::observe::ToolRule { deny: vec![sha256(b"x")], ..Default::default() };
    let guard = Guard { mode: Mode::Prevent, tools, ..Guard::default() };
    let error = place.run(&["/bin/touch", "started"], ObserveWish::Ebpf, guard).expect_err("refused").to_string();
    assert!(error.contains("notify"), "{error}");
    assert!(!place.work().join("started").exists());
}

const NAMES: &str = r#"
import os, socket
def ask(name):
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + bytes([len(name)]) + name + b"\x04test\x00\x00\x01\x00\x01"
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.connect(("127.0.0.1", 53))
os.write(one.fileno(), ask(b"written"))
two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
two.sendto(ask(b"sentto"), ("127.0.0.1", 53))
three = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
three.sendmsg([ask(b"sentmsg")], [], 0, ("::1", 53))
tcp = socket.socket()
try: tcp.connect(("127.0.0.1", 9))
except OSError: pass
fast = socket.socket()
try: fast.sendto(b"x", 0x20000000, ("127.0.0.1", 7))
except OSError: pass
here = socket.socket(); here.bind(("127.0.0.1", 0)); here.listen(1)
"#;

#[test]
fn names_and_addresses() {
    let place = Place::new();
    let Some(report) = place.python(NAMES, ObserveWish::Ebpf, Guard::default()) else { return };
    let seen = &report.observation;
    let names: Vec<&str> = seen.names.iter().map(|question| question.name.as_str()).collect();
    assert_eq!(names, ["written.test", "sentto.test", "sentmsg.test"]);
    let has = |kind: &str, protocol: &str, address: &str, port: u16| {
        let network = &seen.network;
        let found = network.iter().any(|event| {
            format!("{:?}", event.kind) == kind
                && event.protocol == protocol
                && event.address == address
                && event.port == Some(port)
        });
        assert!(found, "{kind} {protocol} {address}:{port}: {network:?}");
    };
    has("Connect", "udp", "127.0.0.1", 53);
    has("Datagram", "udp", "127.0.0.1", 53);
    has("Datagram", "udp", "::1", 53);
    has("Connect", "tcp", "127.0.0.1", 9);
    // Data that travels with the connection.
    has("Connect", "tcp", "127.0.0.1", 7);
    assert!(seen.network.iter().any(|event| format!("{:?}", event.kind) == "Listen" && event.address == "127.0.0.1"));
    let refused = seen.network.iter().find(|event| event.port == Some(9)).expect("event");
    assert!(refused.error.is_some(), "{refused:?}");
}

const SWAPS: &str = r#"
import ctypes, os, threading
libc = ctypes.CDLL(None)
path = ctypes.create_string_buffer(b"aaaa")
stop = False
def flip():
    while not stop:
        path[0:4] = b"bbbb"
        path[0:4] = b"aaaa"
thread = threading.Thread(target=flip); thread.start()
for _ in range(3000):
    fd = libc.open(path, 0)
    if fd >= 0: os.close(fd)
stop = True; thread.join()
"#;

#[test]
fn a_path_that_is_swapped_changes_nothing() {
    let place = Place::new();
    let (a, b) = (place.write("aaaa", "content of a"), place.write("bbbb", "content of b"));
    let Some(report) = place.python(SWAPS, ObserveWish::Ebpf, Guard::default()) else { return };
    assert_eq!(file(&report.observation, &a).digests, [sha256(b"content of a")]);
    // Which of them were opened is chance; what is recorded is what was.
    if let Some(b) = report.observation.files.iter().find(|f| f.name.text == b.display().to_string()) {
        assert_eq!(b.digests, [sha256(b"content of b")]);
    }
    assert!(report.observation.is_complete(), "{:?}", report.observation.coverage.incomplete);
}

#[test]
fn a_cut_command_line_says_so() {
    let place = Place::new();
    let script = "import subprocess\nsubprocess.run(['/bin/true'] + ['x' * 100000] * 3)\n";
    let Some(report) = place.python(script, ObserveWish::Ebpf, Guard::default()) else { return };
    let programs: Vec<_> = report.observation.processes.iter().flat_map(|p| &p.programs).collect();
    let long = programs.iter().find(|p| p.path.text.ends_with("/true")).expect("true");
    assert!(long.arguments_cut && long.arguments.first().is_some_and(|name| name == "/bin/true"), "{long:?}");
    assert!(report.observation.is_complete(), "{:?}", report.observation.coverage.incomplete);
}

const DAEMON: &str = r#"
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.bind("socket"); s.listen(4); print("ready", flush=True)
while True:
    c, _ = s.accept()
    order = c.recv(1000).decode()
    subprocess.run(["/bin/sh", "-c", order]); c.send(b"done"); c.close()
"#;

const CLIENT: &str = r#"
import socket
s = socket.socket(socket.AF_UNIX); s.connect("socket"); s.send(b"echo from afar > delegated.txt; cat secret.txt > /dev/null"); s.recv(10)
"#;

#[test]
fn work_that_a_daemon_does_is_followed() {
    let place = Place::new();
    let daemon = place.write("daemon.py", DAEMON);
    place.write("secret.txt", "of the daemon");
    let started = Command::new("/usr/bin/python3")
        .arg("-S")
        .arg(&daemon)
        .current_dir(place.work())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut started) = started else {
        eprintln!("skipped: no /usr/bin/python3 here");
        return;
    };
    let mut said = [0; 5];
    started.stdout.as_mut().expect("stdout").read_exact(&mut said).expect("ready");
    let report = place.python(CLIENT, ObserveWish::Ebpf, Guard::default());
    std::fs::remove_file(place.work().join("delegated.txt")).unwrap_or_default();
    let both = place.python(CLIENT, ObserveWish::Both, Guard::default());
    started.kill().expect("kill");
    started.wait().expect("ended");
    let Some(report) = report else { return };
    let seen = &report.observation;
    let by = format!("a daemon at {} (process {})", place.work().join("socket").display(), started.id());
    assert_eq!(seen.coverage.delegated, [by.as_str()]);
    assert!(!seen.is_complete(), "work was handed to others");
    let shell = seen.processes.iter().find(|p| p.delegated_by.is_some() && !p.programs.is_empty()).expect("its shell");
    assert_eq!(shell.delegated_by.as_deref(), Some(by.as_str()));
    assert_eq!(shell.programs[0].arguments[0], "/bin/sh");
    let made = file(seen, &place.work().join("delegated.txt"));
    assert!(made.uses.contains(&Use::Created));
    assert!(seen.processes[made.first_by as usize].delegated_by.is_some());
    assert_eq!(file(seen, &place.work().join("secret.txt")).digests, [sha256(b"of the daemon")]);
    // With both, what only one of them can follow is in the one record.
    let Some(both) = both else { return };
    let seen = both.observation;
    assert_eq!(seen.coverage.compared.as_ref().map(|c| c.different), Some(0), "{:?}", seen.coverage.compared);
    let made = file(&seen, &place.work().join("delegated.txt"));
    let maker = &seen.processes[made.first_by as usize];
    assert_eq!((maker.id, maker.delegated_by.as_deref()), (made.first_by, Some(by.as_str())));
    assert_eq!(seen.coverage.delegated, [by.as_str()]);
}

#[test]
fn what_is_hidden_was_still_tried() {
    let place = Place::new();
    let secret = place.work().join(".secret");
    std::fs::create_dir(&secret).expect("folder");
    std::fs::write(secret.join("token"), "canary").expect("file");
    place.write("source.c", "int x;");
    let script = "cat .secret/token; echo y > source.c; echo z > out/made; exit 0";
    std::fs::create_dir(place.work().join("out")).expect("folder");
    let guard = |mode| Guard {
        mode,
        source: Some(place.work()),
        outputs: vec![place.work().join("out")],
        credentials: vec![secret.clone()],
        ..Guard::default()
    };
    let Some(report) = place.watched(&["/bin/sh", "-c", script], ObserveWish::Ebpf, guard(Mode::Prevent)) else {
        return;
    };
    let token = secret.join("token").display().to_string();
    let source = place.work().join("source.c").display().to_string();
    let seen = violations(&report.observation);
    assert!(seen.contains(&("credential", token.as_str(), Permission::Refused)), "{seen:?}");
    assert!(seen.contains(&("source-write", source.as_str(), Permission::Refused)), "{seen:?}");
    assert_eq!(std::fs::read(&source).expect("source"), b"int x;");
    let Some(report) = place.watched(&["/bin/sh", "-c", script], ObserveWish::Ebpf, guard(Mode::Detect)) else {
        return;
    };
    let seen = violations(&report.observation);
    assert!(seen.contains(&("credential", token.as_str(), Permission::Allowed)), "{seen:?}");
    assert!(seen.contains(&("source-write", source.as_str(), Permission::Allowed)), "{seen:?}");
}

#[test]
fn a_file_that_changed_after_its_use_says_so() {
    let place = Place::new();
    let path = place.write("busy.bin", "");
    // So large that hashing it takes a while, and changed right after it was opened.
    std::fs::File::options().write(true).open(&path).expect("file").write_at(b"x", 200 << 20).expect("written");
    let script = "import os\nfd = os.open('busy.bin', os.O_RDONLY)\nw = os.open('busy.bin', os.O_WRONLY)\nfor i in range(2000): os.pwrite(w, b'changed', i)\n";
    let Some(report) = place.python(script, ObserveWish::Ebpf, Guard::default()) else { return };
    let busy = file(&report.observation, &path);
    assert!(busy.problem.is_some(), "{busy:?}");
}
