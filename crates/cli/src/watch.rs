//! Watching the wrapped command: which back end, with what guard, and what is shown meanwhile.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use provost_model::{BackEnd, Isolation, Observation, Permission, count, printable};
use provost_trace::observe::{Live, Mode, ObserveWish, Plan, Remembered, Watcher};
use provost_trace::{BlockedSignals, Confinement, ConfinementWish, RunOutcome, RunRequest};
use serde::Deserialize;

use crate::guard::GuardConfig;
use crate::status::StatusLine;
use crate::{clock, render, signing};

/// Who is to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Observe {
    /// The best back end that works here; where none does, the evidence says so.
    Auto,
    /// Seccomp notification, or the command does not start.
    Notify,
    /// Selective ptrace, or the command does not start.
    Ptrace,
    /// eBPF programs, or the command does not start: needs root and a build with the feature `ebpf`.
    Ebpf,
    /// Notification and eBPF at once; differences between them are reported.
    Both,
    /// Nobody: the tree before and after.
    None,
}

/// The supervisor's process, and the signals.
pub(crate) struct Watched<'a> {
    pub(crate) watcher: Watcher,
    pub(crate) signals: &'a BlockedSignals,
}

/// What is wanted for one run.
pub(crate) struct Wanted<'a> {
    pub(crate) wish: ConfinementWish,
    pub(crate) observe: Observe,
    pub(crate) hidden: &'a [PathBuf],
    pub(crate) probes: &'a [PathBuf],
    pub(crate) directory: &'a Path,
    pub(crate) time_limit: Option<u64>,
    pub(crate) guard: &'a GuardConfig,
    pub(crate) digest_cache: PathBuf,
}

/// Everything found out, nothing started.
pub(crate) struct Prepared<'a> {
    how: How,
    signals: &'a BlockedSignals,
    program: String,
    isolation: Isolation,
    /// Removed with this.
    _scratch: Scratch,
}

enum How {
    Watched { watcher: Box<Watcher>, memory: DigestMemory },
    Wrapped { confinement: Arc<Confinement>, request: RunRequest, reasons: Vec<String> },
}

impl<'a> Watched<'a> {
    /// Finds out how the command can be watched and confined here.
    pub(crate) fn prepare(mut self, command: &[OsString], wanted: &Wanted<'_>) -> Result<Prepared<'a>> {
        let scratch = Scratch::new()?;
        let program = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut reasons = vec!["it was switched off".to_owned()];
        let prevents = wanted.guard.mode == Some(Mode::Prevent);
        if wanted.observe == Observe::None && prevents {
            bail!("[guard] mode = \"prevent\" needs somebody who watches: leave out `observe = \"none\"`");
        }
        if wanted.observe != Observe::None {
            let memory = DigestMemory::open(wanted.digest_cache.clone());
            let plan = plan(command, wanted, &scratch, &memory)?;
            match self.watcher.prepare(&plan) {
                Ok(ready) => {
                    return Ok(Prepared {
                        how: How::Watched { watcher: Box::new(self.watcher), memory },
                        signals: self.signals,
                        program,
                        isolation: ready.isolation,
                        _scratch: scratch,
                    });
                }
                // What is only wanted may be missing, and is then said to be; what is required may not.
                Err(provost_trace::TraceError::Supervisor(why)) if wanted.observe == Observe::Auto && !prevents => {
                    reasons = vec![why];
                }
                Err(error) if prevents => {
                    return Err(anyhow::Error::from(error).context(
                        "`mode = \"prevent\"` cannot be held on this machine, so the command was not started (`\"detect\"` records what it can)",
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let confinement = Arc::new(Confinement::prepare(wanted.wish, wanted.hidden, wanted.probes)?);
        let request = RunRequest {
            command: command.to_vec(),
            directory: wanted.directory.to_path_buf(),
            without: signing::SECRET_VARIABLES.iter().map(OsString::from).collect(),
            time_limit: wanted.time_limit.map(Duration::from_secs),
        };
        let isolation = confinement.isolation().clone();
        Ok(Prepared {
            how: How::Wrapped { confinement, request, reasons },
            signals: self.signals,
            program,
            isolation,
            _scratch: scratch,
        })
    }
}

fn plan(command: &[OsString], wanted: &Wanted<'_>, scratch: &Scratch, memory: &DigestMemory) -> Result<Plan> {
    Ok(Plan {
        command: command.iter().map(|word| word.as_bytes().to_vec()).collect(),
        directory: wanted.directory.to_path_buf(),
        without: signing::SECRET_VARIABLES.iter().map(|name| (*name).to_owned()).collect(),
        time_limit: wanted.time_limit.map(|seconds| seconds.saturating_mul(1000)),
        confinement: match wanted.wish {
            ConfinementWish::Required => "required",
            ConfinementWish::BestEffort => "best-effort",
            ConfinementWish::Off => "off",
        }
        .into(),
        hidden: wanted.hidden.to_vec(),
        probes: wanted.probes.to_vec(),
        observe: match wanted.observe {
            Observe::Auto => ObserveWish::Auto,
            Observe::Notify => ObserveWish::Notify,
            Observe::Ptrace => ObserveWish::Ptrace,
            Observe::Ebpf => ObserveWish::Ebpf,
            Observe::Both => ObserveWish::Both,
            Observe::None => ObserveWish::None,
        },
        guard: wanted.guard.resolve(wanted.directory).context("[guard]")?,
        limits: wanted.guard.limits(),
        scratch: scratch.0.clone(),
        remembered: memory.entries.clone(),
        resolvers: wanted.guard.resolvers.clone().unwrap_or_default(),
    })
}

impl Prepared<'_> {
    /// Runs the command to its end: how it ended, what was seen, and digests of what it wrote.
    pub(crate) fn run(self, quiet: bool) -> Result<(RunOutcome, Observation, Vec<Remembered>, Isolation)> {
        let started = |error: provost_trace::TraceError| match error {
            provost_trace::TraceError::Start { source, .. } => {
                anyhow::Error::from(provost_trace::TraceError::Start { command: self.program.clone(), source })
            }
            other => other.into(),
        };
        match self.how {
            How::Watched { watcher, memory } => {
                let line = StatusLine::new(quiet);
                let show = |now: Live| line.show(now);
                let live: Option<&dyn Fn(Live)> = if line.is_shown() { Some(&show) } else { None };
                let report = watcher.run(self.signals, live).map_err(started)?;
                line.clear();
                memory.keep(&report.remember);
                Ok((report.outcome, report.observation, report.products, self.isolation))
            }
            How::Wrapped { confinement, request, reasons } => {
                let outcome = provost_trace::run(&request, &confinement, self.signals, &clock::now).map_err(started)?;
                Ok((outcome, Observation::none(reasons), Vec::new(), self.isolation))
            }
        }
    }
}

/// Digests of files outside any tree (the tool chain, headers, libraries) between runs. It lies in the user's
/// directory, which the command never sees; damaged or gone, everything is hashed again.
struct DigestMemory {
    path: PathBuf,
    entries: Vec<Remembered>,
}

impl DigestMemory {
    /// Entries that are kept: newer ones push older ones out.
    const MOST: usize = 100_000;

    fn open(path: PathBuf) -> Self {
        let entries = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, entries: entries.unwrap_or_default() }
    }

    fn keep(self, used: &[Remembered]) {
        let before: HashMap<(u64, u64), Remembered> = self.entries.iter().map(|e| (e.inode, *e)).collect();
        if used.iter().all(|entry| before.get(&entry.inode) == Some(entry)) {
            return;
        }
        let now: HashSet<(u64, u64)> = used.iter().map(|entry| entry.inode).collect();
        let mut entries = used.to_vec();
        let older = self.entries.into_iter().filter(|old| !now.contains(&old.inode));
        entries.extend(older.take(Self::MOST.saturating_sub(used.len())));
        // A cache that cannot be written costs time in the next run, and nothing else.
        let temporary = self.path.with_extension("new");
        if let Some(folder) = self.path.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        if let Ok(bytes) = serde_json::to_vec(&entries)
            && std::fs::write(&temporary, bytes).is_ok()
        {
            let _ = std::fs::rename(&temporary, &self.path);
        }
    }
}

/// What was seen, for the terminal.
pub(crate) fn summary(observation: &Observation) -> String {
    if observation.back_end == BackEnd::None {
        let why = observation.coverage.not_used.join("; ");
        return render::line("watched", &format!("{} {}", render::warning("by nobody:"), printable(&why)));
    }
    let inputs = observation.files.iter().filter(|file| file.is_input()).count();
    let mut out = render::line(
        "watched",
        &format!(
            "{}, {} read, {} {}",
            count(observation.processes.len() as u64, "process", "processes"),
            count(inputs as u64, "file", "files"),
            count(observation.network.len() as u64, "network event", "network events"),
            render::dim(&format!(
                "({}, {})",
                observation.back_end.name(),
                if observation.is_complete() { "nothing lost" } else { "not complete" }
            )),
        ),
    );
    if let Some(compared) = &observation.coverage.compared {
        let same: u64 = compared.same.values().sum();
        let explained: u64 = compared.explained.values().sum();
        let text = format!(
            "{} and {} agree on {same} of {}; {explained} differences are explained",
            observation.back_end.name(),
            compared.with.name(),
            same + compared.different + explained
        );
        let text = if compared.different > 0 { render::warning(&text).to_string() } else { text };
        out += &render::line("compared", &text);
    }
    for why in observation.coverage.incomplete.iter().take(3) {
        out += &render::line("", &printable(why));
    }
    for service in observation.coverage.delegated.iter().take(3) {
        out += &render::line("", &format!("work was handed to {}: it is not seen", printable(service)));
    }
    for violation in observation.violations.iter().take(10) {
        let who = observation.processes.get(violation.process as usize).and_then(|p| p.programs.last());
        let who = who.map_or_else(|| "?".into(), |program| printable(&program.path.text));
        let refused = violation.permission == Permission::Refused;
        let word = if refused { render::error("refused") } else { render::warning("seen") };
        let times = if violation.count > 1 { format!(" ({} times)", violation.count) } else { String::new() };
        let what = printable(&format!("{}: {}{times}", violation.kind, violation.what));
        out += &render::line("guard", &format!("{word} {what} {}", render::dim(&format!("by {who}"))));
    }
    if observation.violations.len() > 10 {
        out += &render::line("", &format!("and {} more", observation.violations.len() - 10));
    }
    out
}

/// A directory for the run's own temporary files, in the host's; removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("provost-{}", clock::random_id(8)?));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Directories without permissions are nothing that root minds; for others they are opened first.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
