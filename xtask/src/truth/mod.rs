//! The truth test: a build under `strace -f` and under provost, in fresh copies at one path, round after round. What the
//! two saw must be the same, both ways, and the same in every round. `docs/truth.md` says more.

mod rules;
mod seen;
mod strace;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use self::seen::{Kind, Seen};

/// What is to be done.
struct Task<'a> {
    folder: PathBuf,
    command: &'a [&'a str],
    rounds: usize,
    /// Words before both ways: another user, a namespace.
    within: Vec<String>,
    work: PathBuf,
    provost: PathBuf,
    /// The back end of provost that is tested.
    observe: String,
    keep: bool,
}

/// `cargo xtask truth [--rounds N] [--within "WORDS"] [--observe BACK-END] [--keep] DIR CMD…`
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut rounds, mut within, mut keep, mut rest) = (5, Vec::new(), false, arguments);
    let mut observe = "notify";
    loop {
        rest = match rest {
            ["--rounds", number, rest @ ..] => {
                rounds = number.parse().context("--rounds takes a number")?;
                rest
            }
            ["--within", words, rest @ ..] => {
                within = words.split_whitespace().map(str::to_owned).collect();
                rest
            }
            ["--observe", name, rest @ ..] => {
                observe = name;
                rest
            }
            ["--keep", rest @ ..] => {
                keep = true;
                rest
            }
            _ => break,
        };
    }
    let [folder, command @ ..] = rest else { bail!("which folder, and which command?") };
    if command.is_empty() {
        bail!("which command?");
    }
    let task = Task {
        folder: Path::new(folder).canonicalize().with_context(|| format!("cannot use {folder}"))?,
        command,
        rounds,
        within,
        work: std::env::temp_dir().join(format!("provost-truth-{}", std::process::id())),
        provost: crate::debug()?,
        observe: observe.to_owned(),
        keep,
    };
    task.all_rounds()
}

impl Task<'_> {
    fn all_rounds(&self) -> Result<()> {
        self.must(&["mkdir", "-p", &self.path("home")])?;
        // Caches that a first run fills are the same for all that are compared.
        self.fresh_copy()?;
        self.build(&[], "once before")?;
        // So are the digests of the tool chain: the first time they are taken they cost time, which a build may notice
        // by limits of its own (pip gives `rustc --version` half a second).
        self.fresh_copy()?;
        let provost = self.provost.to_string_lossy().into_owned();
        self.build(&[&provost, "run", "-q", "--observe", &self.observe, "--"], "under provost, once before")?;
        let (mut traced, mut watched) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            let trace = self.path("trace");
            let words: Vec<&str> =
                ["strace"].iter().chain(strace::OPTIONS).chain(&["-o", &trace, "--"]).copied().collect();
            self.fresh_copy()?;
            self.build(&words, "under strace")?;
            let text = std::fs::read(&trace)?;
            let mut seen = strace::read(&String::from_utf8_lossy(&text), &self.work.join("tree"), &[self.path("log")])?;
            self.left_behind(&mut seen)?;
            println!("round {round}: strace {}", figures(&seen));
            traced.push(seen);

            let observation = self.path("observation");
            self.fresh_copy()?;
            self.build(
                &[&provost, "run", "-q", "--observe", &self.observe, "--observation", &observation, "--"],
                "under provost",
            )?;
            let text = std::fs::read(&observation)?;
            let mut seen = watched::read(&text)?;
            self.left_behind(&mut seen)?;
            println!("round {round}: provost {}", figures(&seen));
            watched.push(seen);
        }
        let different = report(&traced, &watched);
        if self.keep {
            println!("kept: {}", self.work.display());
        } else {
            self.must(&["rm", "-rf", &self.path("")])?;
        }
        if different > 0 {
            bail!("{different} differences that no rule explains");
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.work.join(name).to_string_lossy().into_owned()
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let all: Vec<&str> = self.within.iter().map(String::as_str).chain(words.iter().copied()).collect();
        let (program, arguments) = all.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).env("PROVOST_HOME", self.work.join("home"));
        // What cargo sets for this task is not the build's.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text == "CARGO" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        Ok(command)
    }

    fn must(&self, words: &[&str]) -> Result<()> {
        let status = self.command(words)?.status()?;
        if !status.success() {
            bail!("`{}` ended with {status}", words.join(" "));
        }
        Ok(())
    }

    fn fresh_copy(&self) -> Result<()> {
        let tree = self.path("tree");
        self.must(&["rm", "-rf", &tree])?;
        self.must(&["cp", "-r", "--preserve=mode,timestamps,links", &self.folder.to_string_lossy(), &tree])
    }

    fn build(&self, before: &[&str], how: &str) -> Result<()> {
        let words: Vec<&str> = before.iter().chain(self.command).copied().collect();
        let log_file = self.work.join("log");
        let log = std::fs::File::create(&log_file)?;
        let status = self
            .command(&words)?
            .current_dir(self.work.join("tree"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| words.join(" "))?;
        if !status.success() {
            let text = std::fs::read(&log_file)?;
            let text = String::from_utf8_lossy(&text);
            let last: Vec<&str> = text.lines().rev().take(15).collect();
            bail!("the build failed {how} ({status}):\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        Ok(())
    }

    /// Names and kinds of all that lies in the tree in the end.
    fn left_behind(&self, seen: &mut Seen) -> Result<()> {
        let root = self.work.join("tree");
        let mut todo = vec![root.clone()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata()?.permissions());
                let path = entry.path();
                let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
                seen.add(Kind::Left, &format!("{name} {mode:o}"));
                if kind.is_dir() {
                    todo.push(path);
                }
            }
        }
        Ok(())
    }
}

fn figures(seen: &Seen) -> String {
    let parts = Kind::ALL.iter().map(|kind| format!("{} {}", seen.names(*kind).count(), kind.name()));
    let executions: u64 = seen.executions.values().sum();
    let rest = format!("{} programs, {executions} executions, {} processes", seen.executions.len(), seen.processes);
    format!("{}, {rest}", parts.collect::<Vec<_>>().join(", "))
}

/// Prints what differs, and gives how many differences no rule explains.
fn report(traced: &[Seen], watched: &[Seen]) -> usize {
    let by_round = |list: &[Seen]| list.iter().map(Seen::facts).collect::<Vec<_>>();
    let (traced_facts, watched_facts) = (by_round(traced), by_round(watched));
    let names: BTreeSet<&String> = traced_facts.iter().chain(&watched_facts).flat_map(BTreeMap::keys).collect();
    let (mut different, mut varying) = (0, 0);
    for name in names {
        let values = |rounds: &[BTreeMap<String, u64>]| -> Vec<u64> {
            rounds.iter().map(|facts| facts.get(name).copied().unwrap_or(0)).collect()
        };
        let (there, here) = (values(&traced_facts), values(&watched_facts));
        let same = |values: &[u64]| values.windows(2).all(|pair| pair[0] == pair[1]);
        if there == here && same(&there) {
            continue;
        }
        // What the build itself does now this way, now that, provost must show within the same bounds.
        let least = there.iter().min().copied().unwrap_or(0);
        let most = there.iter().max().copied().unwrap_or(0);
        if same(&there) || here.iter().any(|value| !(least..=most).contains(value)) {
            different += 1;
            println!("DIFFERENT  {name}: strace {there:?}, provost {here:?}");
        } else {
            varying += 1;
            println!("the build varies  {name}: strace {there:?}, provost {here:?}");
        }
    }
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in traced.iter().chain(watched).flat_map(|seen| &seen.rules) {
        *rules.entry(name).or_default() += count;
    }
    for (name, count) in rules {
        let reason = rules::PATTERNS.iter().chain(rules::RULES).find(|(rule, _)| *rule == name).map_or("", |r| r.1);
        println!("rule {name} ({count} times): {reason}");
    }
    for (who, list) in [("strace", traced), ("provost", watched)] {
        let mut notes: BTreeMap<&str, usize> = BTreeMap::new();
        for note in list.iter().flat_map(|seen| &seen.notes) {
            *notes.entry(note).or_default() += 1;
        }
        for (note, rounds) in notes.iter().take(60) {
            println!("{who} says ({rounds} times): {note}");
        }
    }
    println!("{different} differences unexplained, {varying} facts that vary in the build itself");
    if let Some(last) = watched.last() {
        let mut cells: Vec<String> = Kind::ALL.iter().map(|kind| last.names(*kind).count().to_string()).collect();
        let executions: u64 = last.executions.values().sum();
        cells.extend([last.executions.len() as u64, executions, last.processes].map(|number| number.to_string()));
        cells.extend([watched.len(), different, varying].map(|number| number.to_string()));
        let heads: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        println!("| {} | programs | executions | processes | rounds | unexplained | varying |", heads.join(" | "));
        println!("| {} |", cells.join(" | "));
    }
    different
}
