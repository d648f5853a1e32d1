//! Reads what `strace -f -y` wrote: lines to calls, calls to what they did to files, processes and sockets.
//!
//! It shares no code with the observer, so that a mistake is made by one of the two only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::seen::{Kind, Seen};

/// How strace is called. Every call that names a file, works on a descriptor, makes a process, changes who a process is,
/// or talks to a network.
pub(crate) const OPTIONS: &[&str] =
    &["-f", "-y", "-q", "-s", "256", "-e", "trace=%file,%desc,%process,%network,%creds", "-e", "signal=none"];

/// One call, both halves of it put together.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    name: String,
    arguments: Vec<String>,
    result: String,
}

/// A process or a thread.
#[derive(Clone)]
struct Task {
    /// The process that it is, or is a thread of.
    process: u32,
    /// Where its working directory is kept: threads share one.
    directory: usize,
}

struct Reader<'a> {
    seen: &'a mut Seen,
    tasks: HashMap<u32, Task>,
    ended: HashMap<u32, Task>,
    /// What each process runs.
    programs: HashMap<u32, String>,
    directories: Vec<String>,
    /// First halves of calls that have not ended.
    open: HashMap<u32, String>,
    /// Who makes which process, in the order of the trace: parent, and whether it shares the directory or is a thread.
    births: HashMap<u32, Vec<Birth>>,
    resolved: HashMap<String, String>,
    /// What was opened, in the end told apart: directories may be opened like files, and be gone afterwards.
    opened: Vec<(String, bool, bool)>,
    folders: HashSet<String>,
    /// Files that bytes went into, by whatever descriptor.
    filled: HashSet<String>,
    /// Files that the command began with open: its output.
    inherited: Vec<String>,
    /// Every process with its parent, by number; and what it first executed.
    family: Vec<(u64, Option<u64>)>,
    numbers: HashMap<u32, u64>,
    first: HashMap<u64, String>,
}

#[derive(Clone, Copy)]
struct Birth {
    parent: u32,
    thread: bool,
    shares_directory: bool,
}

/// Reads a trace of a command that began in `directory`. Paths are resolved against the file system as it is now: call
/// it while the tree is still there. `inherited` are the files that the command's own output goes to.
///
/// # Errors
/// A line is none of strace's.
pub(crate) fn read(text: &str, directory: &Path, inherited: &[String]) -> Result<Seen> {
    let mut seen = Seen::default();
    let start = directory.canonicalize()?.to_string_lossy().into_owned();
    let births = births(text)?;
    let mut reader = Reader {
        seen: &mut seen,
        tasks: HashMap::new(),
        ended: HashMap::new(),
        programs: HashMap::new(),
        directories: vec![start],
        open: HashMap::new(),
        births,
        resolved: HashMap::new(),
        opened: Vec::new(),
        folders: HashSet::new(),
        filled: HashSet::new(),
        inherited: inherited.to_vec(),
        family: Vec::new(),
        numbers: HashMap::new(),
        first: HashMap::new(),
    };
    for (number, line) in text.lines().enumerate() {
        reader.line(line).with_context(|| format!("line {} of the trace: {line}", number + 1))?;
    }
    reader.finish();
    Ok(seen)
}

/// Who makes whom: known before the rest is read, since a child's first calls come before its parent's call ends.
fn births(text: &str) -> Result<HashMap<u32, Vec<Birth>>> {
    let mut births: HashMap<u32, Vec<Birth>> = HashMap::new();
    let mut open: HashMap<u32, String> = HashMap::new();
    for line in text.lines() {
        let Some((pid, rest)) = split_pid(line) else { bail!("not a line of strace: {line}") };
        let makes = ["clone", "fork", "vfork", "<... clone", "<... fork", "<... vfork"];
        if !makes.iter().any(|start| rest.starts_with(start)) {
            continue;
        }
        let Some(whole) = halves(&mut open, pid, rest) else { continue };
        let Some(call) = parse_call(&whole) else { continue };
        let Ok(child) = call.result.split(' ').next().unwrap_or_default().parse::<u32>() else { continue };
        let flags = call.arguments.join(" ");
        births.entry(child).or_default().push(Birth {
            parent: pid,
            thread: flags.contains("CLONE_THREAD"),
            shares_directory: flags.contains("CLONE_FS"),
        });
    }
    for list in births.values_mut() {
        list.reverse();
    }
    Ok(births)
}

/// Joins the halves of a call; `None` while only the first is there.
fn halves(open: &mut HashMap<u32, String>, pid: u32, rest: &str) -> Option<String> {
    if let Some(first) = rest.strip_suffix("<unfinished ...>") {
        // A call that ends the process is never resumed; one that was cut off has this in its second half.
        if rest.starts_with("<... ") {
            open.remove(&pid);
        } else {
            open.insert(pid, first.to_owned());
        }
        return None;
    }
    if let Some(second) = rest.strip_prefix("<... ") {
        let (_, second) = second.split_once(" resumed>")?;
        let first = open.remove(&pid)?;
        return Some(first + second);
    }
    Some(rest.to_owned())
}

fn split_pid(line: &str) -> Option<(u32, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    Some((pid.parse().ok()?, rest.trim_start()))
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<()> {
        let Some((pid, rest)) = split_pid(line) else { bail!("it does not begin with a process") };
        if rest.starts_with("--- ") {
            return Ok(());
        }
        if let Some(rest) = rest.strip_prefix("+++ superseded by execve in pid ") {
            // A thread executed: from here on it has the number of its process.
            let thread: u32 = rest.trim_end_matches(" +++").parse()?;
            if let Some(first) = self.open.remove(&thread) {
                self.open.insert(pid, first);
            }
            self.tasks.remove(&thread);
            return Ok(());
        }
        if rest.starts_with("+++ ") {
            // Its children may be seen only afterwards.
            let task = self.task(pid)?;
            self.tasks.remove(&pid);
            self.ended.insert(pid, task);
            self.open.remove(&pid);
            return Ok(());
        }
        self.task(pid)?;
        if let Some((first, number)) = rest.split_once(" <pid changed to ") {
            // The same, told by the thread itself.
            self.open.insert(number.trim_end_matches(" ...>").parse()?, first.to_owned());
            return Ok(());
        }
        let Some(whole) = halves(&mut self.open, pid, rest) else { return Ok(()) };
        let Some(call) = parse_call(&whole) else { bail!("not a call: {whole}") };
        self.call(pid, &call)
    }

    /// The task of this number, made at its first sight.
    fn task(&mut self, pid: u32) -> Result<Task> {
        if let Some(task) = self.tasks.get(&pid) {
            return Ok(task.clone());
        }
        let mut parent = None;
        let task = match self.births.get_mut(&pid).and_then(Vec::pop) {
            Some(birth) => {
                let maker = match self.ended.get(&birth.parent) {
                    Some(ended) if !self.tasks.contains_key(&birth.parent) => ended.clone(),
                    _ => self.task(birth.parent)?,
                };
                parent = Some(maker.process);
                let directory = if birth.shares_directory {
                    maker.directory
                } else {
                    self.directories.push(self.directories[maker.directory].clone());
                    self.directories.len() - 1
                };
                Task { process: if birth.thread { maker.process } else { pid }, directory }
            }
            None if self.tasks.is_empty() && self.seen.processes == 0 => Task { process: pid, directory: 0 },
            None => bail!("nobody made the process {pid}"),
        };
        if task.process == pid {
            self.seen.processes += 1;
            let number = self.family.len() as u64;
            self.family.push((number, parent.and_then(|parent| self.numbers.get(&parent).copied())));
            self.numbers.insert(pid, number);
            if let Some(program) = parent.and_then(|parent| self.programs.get(&parent)) {
                self.programs.insert(pid, program.clone());
            }
        }
        self.tasks.insert(pid, task.clone());
        Ok(task)
    }

    /// What can only be told at the end.
    fn finish(&mut self) {
        for (path, reads, writes) in std::mem::take(&mut self.opened) {
            if self.folders.contains(&path) || std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
                self.seen.add(Kind::Listed, &path);
                continue;
            }
            if reads {
                self.seen.add(Kind::Read, &path);
            }
            if writes {
                self.seen.add(Kind::Written, &path);
            }
        }
        // Whatever bytes went into was opened for writing, or it is a difference: the witness that needs no open.
        for path in std::mem::take(&mut self.filled) {
            if self.seen.is_new(Kind::Written, &path) {
                if self.inherited.contains(&path) {
                    self.seen.rule("inherited");
                } else {
                    self.seen.add(Kind::Written, &path);
                }
            }
        }
        for (number, parent) in std::mem::take(&mut self.family) {
            let program = |number: u64| self.first.get(&number).map(String::as_str);
            self.seen.child(number, program(number), parent.map(program));
        }
    }

    #[allow(clippy::too_many_lines)]
    fn call(&mut self, pid: u32, call: &Call) -> Result<()> {
        let worked = !call.result.starts_with('-') && !call.result.starts_with('?');
        let a = |at: usize| call.arguments.get(at).map_or("", String::as_str);
        const HERE: &str = "AT_FDCWD";
        match call.name.as_str() {
            "connect" => self.address("connect", a(1)),
            "bind" if worked => self.address("bind", a(1)),
            "sendto" if worked => self.address("datagram", a(4)),
            _ if !worked => {}
            "open" => self.opened(a(1), &call.result),
            "openat" => self.opened(a(2), &call.result),
            "openat2" => self.opened(a(2), &call.result),
            "creat" => self.opened("O_WRONLY|O_CREAT|O_TRUNC", &call.result),
            "execve" => self.executed(pid, HERE, a(0))?,
            "execveat" => self.executed(pid, a(0), a(1))?,
            "chdir" => {
                let to = self.path(pid, HERE, a(0), true)?;
                self.moved(pid, to)?;
            }
            "fchdir" => {
                let to = decoration(a(0)).context("no directory")?;
                self.moved(pid, to)?;
            }
            "rename" => self.renamed(pid, (HERE, a(0)), (HERE, a(1)))?,
            "renameat" | "renameat2" => self.renamed(pid, (a(0), a(1)), (a(2), a(3)))?,
            "link" => self.named(Kind::Written, pid, HERE, a(1), false)?,
            "linkat" => self.named(Kind::Written, pid, a(2), a(3), false)?,
            "symlink" => self.named(Kind::Written, pid, HERE, a(1), false)?,
            "symlinkat" => self.named(Kind::Written, pid, a(1), a(2), false)?,
            "mkdir" | "mknod" => self.named(Kind::Written, pid, HERE, a(0), false)?,
            "mkdirat" | "mknodat" => self.named(Kind::Written, pid, a(0), a(1), false)?,
            "truncate" => self.named(Kind::Written, pid, HERE, a(0), true)?,
            "unlink" | "rmdir" => self.named(Kind::Deleted, pid, HERE, a(0), false)?,
            "unlinkat" => self.named(Kind::Deleted, pid, a(0), a(1), false)?,
            "chmod" | "chown" => self.named(Kind::Changed, pid, HERE, a(0), true)?,
            "lchown" => self.named(Kind::Changed, pid, HERE, a(0), false)?,
            "fchmodat" => self.named(Kind::Changed, pid, a(0), a(1), true)?,
            "fchmodat2" | "fchownat" => {
                let flags = a(call.arguments.len().saturating_sub(1));
                self.named(Kind::Changed, pid, a(0), a(1), !flags.contains("AT_SYMLINK_NOFOLLOW"))?;
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate" => self.filled(a(0)),
            "sendfile" => self.filled(a(0)),
            "copy_file_range" | "splice" => self.filled(a(2)),
            "fstat" | "newfstatat" | "getdents64" if a(0).contains('<') => {
                let folder = call.name == "getdents64"
                    || a(0).starts_with(|c: char| c.is_ascii_digit()) && a(1).contains("S_IFDIR")
                    || a(1) == "\"\"" && a(2).contains("S_IFDIR");
                if folder && let Some(path) = decoration(a(0)) {
                    self.folders.insert(path);
                }
            }
            "fchmod" | "fchown" => self.held(Kind::Changed, a(0)),
            _ => {}
        }
        self.check_directory(pid, call)
    }

    /// strace names the working directory wherever a call says AT_FDCWD: it must be the one that was followed here.
    fn check_directory(&mut self, pid: u32, call: &Call) -> Result<()> {
        let Some(first) = call.arguments.first().filter(|first| first.starts_with("AT_FDCWD<")) else { return Ok(()) };
        let said = decoration(first).unwrap_or_default();
        let task = self.task(pid)?;
        let followed = &self.directories[task.directory];
        if said.trim_end_matches(" (deleted)") != *followed && !first.ends_with("(deleted)") {
            self.seen.note(format!("a working directory was followed to {followed}, and strace says {said}"));
            self.directories[task.directory] = said;
        }
        Ok(())
    }

    fn moved(&mut self, pid: u32, to: String) -> Result<()> {
        let task = self.task(pid)?;
        self.directories[task.directory] = to;
        Ok(())
    }

    fn opened(&mut self, flags: &str, result: &str) {
        let Some(path) = decoration(result).filter(|path| path.starts_with('/')) else {
            return self.seen.rule("no-name");
        };
        if flags.contains("O_TMPFILE") {
            return self.seen.rule("no-name");
        }
        if flags.contains("O_PATH") {
            return self.seen.rule("o-path");
        }
        if flags.contains("O_DIRECTORY") {
            self.folders.insert(path.clone());
        }
        let reads = flags.contains("O_RDONLY") || flags.contains("O_RDWR");
        let writes = !flags.contains("O_RDONLY") || flags.contains("O_TRUNC");
        let makes = flags.contains("O_CREAT") && flags.contains("O_EXCL");
        let reads = reads && (!makes || flags.contains("O_RDWR"));
        self.opened.push((path, reads, writes || makes));
    }

    fn executed(&mut self, pid: u32, at: &str, name: &str) -> Result<()> {
        let process = self.task(pid)?.process;
        let path = if unquote(name).is_empty() {
            decoration(at).context("no descriptor")?
        } else if let Some(itself) = self.programs.get(&process).filter(|_| unquote(name) == "/proc/self/exe") {
            itself.clone()
        } else {
            self.path(pid, at, name, true)?
        };
        self.seen.execution(&path);
        self.seen.add(Kind::Executed, &path);
        if let Some(number) = self.numbers.get(&process) {
            self.first.entry(*number).or_insert_with(|| path.clone());
        }
        let mut file = path.clone();
        for _ in 0..4 {
            let Ok(head) = head_of(Path::new(&file)) else {
                self.seen.rule("program-gone");
                break;
            };
            let Some(interpreter) = super::seen::first_line(&head) else { break };
            file = self.path(pid, "AT_FDCWD", &format!("\"{interpreter}\""), true)?;
            self.seen.add(Kind::Executed, &file);
        }
        self.programs.insert(process, file.clone());
        if file != path {
            self.seen.add(Kind::Interpreter, &format!("{file} < {path}"));
        }
        Ok(())
    }

    fn renamed(&mut self, pid: u32, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        self.named(Kind::Renamed, pid, from.0, from.1, false)?;
        self.named(Kind::Written, pid, to.0, to.1, false)?;
        self.resolved.clear();
        Ok(())
    }

    fn named(&mut self, kind: Kind, pid: u32, at: &str, name: &str, follow: bool) -> Result<()> {
        if unquote(name).is_empty() {
            self.held(kind, at);
            return Ok(());
        }
        let path = self.path(pid, at, name, follow)?;
        self.seen.add(kind, &path);
        Ok(())
    }

    /// Bytes went into the file behind a descriptor.
    fn filled(&mut self, descriptor: &str) {
        let Some(path) = decoration(descriptor).filter(|path| path.starts_with('/') && !path.starts_with("/memfd:"))
        else {
            return;
        };
        if !descriptor.ends_with("(deleted)") && !path.ends_with(" (deleted)") {
            self.filled.insert(path);
        }
    }

    /// The file behind a descriptor.
    fn held(&mut self, kind: Kind, descriptor: &str) {
        match decoration(descriptor).filter(|path| path.starts_with('/')) {
            Some(_) if descriptor.ends_with("(deleted)") => self.seen.rule("no-name"),
            Some(path) => self.seen.add(kind, &path),
            None => self.seen.rule("no-name"),
        }
    }

    /// The path that a call names: from its directory, links resolved.
    fn path(&mut self, pid: u32, at: &str, name: &str, follow: bool) -> Result<String> {
        let name = unquote(name);
        let whole = if name.starts_with('/') {
            name
        } else {
            let base = match decoration(at) {
                Some(base) => base,
                None if at == "AT_FDCWD" => {
                    let task = self.task(pid)?;
                    self.directories[task.directory].clone()
                }
                None => bail!("a path relative to {at}"),
            };
            format!("{base}/{name}")
        };
        let whole = whole.trim_end_matches('/');
        let whole = if whole.is_empty() { "/" } else { whole };
        let follow = follow || whole.ends_with("/.") || whole.ends_with("/..");
        if follow {
            return Ok(self.resolve(whole));
        }
        let (folder, last) = whole.rsplit_once('/').unwrap_or(("", whole));
        let folder = self.resolve(if folder.is_empty() { "/" } else { folder });
        Ok(format!("{}/{last}", folder.trim_end_matches('/')))
    }

    /// Resolves links as far as the path still exists.
    fn resolve(&mut self, path: &str) -> String {
        if let Some(known) = self.resolved.get(path) {
            return known.clone();
        }
        let resolved = resolve(Path::new(path)).to_string_lossy().into_owned();
        self.resolved.insert(path.to_owned(), resolved.clone());
        resolved
    }

    fn address(&mut self, what: &str, address: &str) {
        if let Some(place) = place(address) {
            self.seen.add(Kind::Network, &format!("{what} {place}"));
        }
    }
}

/// Resolves the part of a path that exists, and takes `.` and `..` out of the rest.
fn resolve(path: &Path) -> PathBuf {
    let mut at = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(at.pop()),
            std::path::Component::Normal(name) => {
                at.push(name);
                if let Ok(real) = at.canonicalize() {
                    at = real;
                }
            }
            _ => {}
        }
    }
    at
}

/// The first bytes of a file.
fn head_of(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(256).read_to_end(&mut head)?;
    Ok(head)
}

/// `inet 127.0.0.1:53`, `unix /run/socket`: an address as strace writes it.
fn place(address: &str) -> Option<String> {
    let fields: BTreeMap<&str, &str> = address
        .strip_prefix('{')?
        .trim_end_matches('}')
        .split(", ")
        .filter_map(|field| field.split_once('='))
        .collect();
    let inside = |text: &str, function: &str| -> Option<String> {
        let (_, rest) = text.split_once(&format!("{function}("))?;
        Some(rest.trim_end_matches(')').trim_matches('"').to_owned())
    };
    match *fields.get("sa_family")? {
        "AF_INET" => {
            let ip = inside(fields.get("sin_addr")?, "inet_addr")?;
            Some(format!("internet {ip} port {}", inside(fields.get("sin_port")?, "htons")?))
        }
        "AF_INET6" => {
            let ip = address.split("inet_pton(AF_INET6, \"").nth(1)?.split('"').next()?;
            let ip = ip.parse::<std::net::Ipv6Addr>().ok()?;
            let ip = ip.to_ipv4_mapped().map_or_else(|| ip.to_string(), |v4| v4.to_string());
            Some(format!("internet {ip} port {}", inside(fields.get("sin6_port")?, "htons")?))
        }
        "AF_UNIX" => {
            let path = fields.get("sun_path").copied().unwrap_or_default();
            let (at, path) = path.strip_prefix('@').map_or(("", path), |rest| ("@", rest));
            Some(format!("unix {at}{}", unquote(path)))
        }
        _ => None,
    }
}

/// Splits `name(argument, argument) = result`.
fn parse_call(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let mut arguments = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let mut quoted = false;
    let mut decorated = false;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' if !decorated => quoted = !quoted,
            _ if quoted => {}
            // `3</path>`: the brackets of the path itself are written as numbers.
            b'<' if at > 0
                && bytes.get(at + 1) != Some(&b'<')
                && (bytes[at - 1].is_ascii_digit() || rest[..at].ends_with("AT_FDCWD")) =>
            {
                decorated = true
            }
            b'>' if decorated => decorated = false,
            _ if decorated => {}
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b')' if depth == 0 => {
                arguments.push(rest[start..at].trim().to_owned());
                let result = rest[at + 1..].trim_start().strip_prefix('=')?.trim().to_owned();
                return Some(Call { name: name.to_owned(), arguments, result });
            }
            b')' => depth -= 1,
            b',' if depth == 0 => {
                arguments.push(rest[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The path in `3</path>`, `AT_FDCWD</path>` and `3</path>(deleted)`.
fn decoration(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let end = rest.rfind('>')?;
    Some(unescape(&rest[..end]))
}

/// The text of a C string.
fn unquote(text: &str) -> String {
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.strip_suffix("...").unwrap_or(text);
    unescape(text.strip_suffix('"').unwrap_or(text))
}

fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'v') => out.push(0x0b),
            Some(b'f') => out.push(0x0c),
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(next) = bytes.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                    value = value * 8 + u32::from(next - b'0');
                }
                out.push(value as u8);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_split_at_the_right_commas() {
        let call = parse_call(r#"openat(AT_FDCWD</a, b(c>, "x\", (y", O_RDONLY|O_CLOEXEC) = 3</a, b(c/x\", (y>"#);
        let call = call.expect("a call");
        assert_eq!(call.name, "openat");
        assert_eq!(call.arguments, ["AT_FDCWD</a, b(c>", r#""x\", (y""#, "O_RDONLY|O_CLOEXEC"]);
        assert_eq!(decoration(&call.result).as_deref(), Some("/a, b(c/x\", (y"));
        let call = parse_call(r#"execve("/bin/ls", ["ls", ")"], 0x7ffd /* 39 vars */) = 0"#).expect("a call");
        assert_eq!(call.arguments[0], "\"/bin/ls\"");
        assert_eq!(call.result, "0");
        let call = parse_call("capget({pid=7}, {effective=1<<CAP_CHOWN|1<<CAP_KILL}) = 0").expect("a call");
        assert_eq!(call.arguments, ["{pid=7}", "{effective=1<<CAP_CHOWN|1<<CAP_KILL}"]);
    }

    #[test]
    fn texts_and_addresses() {
        assert_eq!(decoration(r"3</tmp/s p\76x>(deleted)").as_deref(), Some("/tmp/s p>x"));
        assert_eq!(unquote(r#""a\303\244\n\"\\""#), "aä\n\"\\");
        let place = |text| super::place(text).unwrap_or_default();
        assert_eq!(
            place(r#"{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}"#),
            "internet 127.0.0.1 port 53"
        );
        assert_eq!(place(r#"{sa_family=AF_UNIX, sun_path="/run/nscd/socket"}"#), "unix /run/nscd/socket");
        assert_eq!(place(r#"{sa_family=AF_UNIX, sun_path=@"x"}"#), "unix @x");
        let six = r#"{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}"#;
        assert_eq!(place(six), "internet ::1 port 80");
    }

    #[test]
    fn directories_are_inherited_and_calls_are_joined() {
        let folder = std::env::temp_dir().join(format!("truth-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("sub")).expect("folder");
        let folder = folder.canonicalize().expect("path");
        let root = folder.display();
        let trace = format!(
            "10 execve(\"/no/such/sh\", [\"sh\"], 0x1 /* 1 var */) = 0\n\
             10 chdir(\"sub\") = 0\n\
             10 vfork( <unfinished ...>\n\
             11 mkdir(\"made\", 0777) = 0\n\
             11 chdir(\"/\") = 0\n\
             11 exit_group(0) = ?\n\
             10 <... vfork resumed>) = 11\n\
             11 +++ exited with 0 +++\n\
             10 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_THREAD, parent_tid=[12]) = 12\n\
             12 unlink(\"gone\" <unfinished ...>\n\
             10 rename(\"a\", \"b\") = 0\n\
             12 <... unlink resumed>) = 0\n\
             12 execve(\"/no/such/tool\", [\"tool\"], 0x1 /* 1 var */ <unfinished ...>\n\
             10 +++ superseded by execve in pid 12 +++\n\
             10 <... execve resumed>) = 0\n\
             10 openat(AT_FDCWD<{root}/sub>, \"x\", O_RDWR|O_CREAT, 0666) = 3<{root}/sub/x>\n\
             10 write(7<{root}/sub/y>, \"a\", 1) = 1\n\
             10 +++ exited with 0 +++\n"
        );
        let seen = read(&trace, &folder, &[]).expect("read");
        let names = |kind| -> Vec<String> { seen.names(kind).map(str::to_owned).collect() };
        assert_eq!(seen.processes, 2);
        assert_eq!(names(Kind::Deleted), [format!("{root}/sub/gone")]);
        assert_eq!(names(Kind::Renamed), [format!("{root}/sub/a")]);
        assert_eq!(names(Kind::Written), ["b", "made", "x", "y"].map(|name| format!("{root}/sub/{name}")));
        assert_eq!(names(Kind::Read), [format!("{root}/sub/x")]);
        assert_eq!(seen.executions.values().sum::<u64>(), 2);
        assert!(seen.notes.is_empty(), "{:?}", seen.notes);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
