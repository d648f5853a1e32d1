//! The server's side of a repository: its configuration in the git directory, its keys and its store in the user's own
//! directory, one lock, and a ticket for each push that git has not ended yet.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::Flock;
use provost_attest::{Envelope, Statement};
use provost_evidence::{NewRecord, Store, lock};
use provost_gate::{Ledger, RefChange, ReferenceUpdate, UpdateState};
use provost_model::Timestamp;
use provost_policy::Policy;
use provost_repo::View;
use serde::{Deserialize, Serialize};

use crate::home::{CONFIG_FILE, Home, Project};
use crate::judge::{Anchors, TrustedPolicy};
use crate::signing::{self, Role};
use crate::{clock, judge};

/// A served repository.
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) project: Project,
    pub(crate) git_dir: PathBuf,
}

/// A push that was accepted and that git has not ended yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The push's id in the log.
    pub(crate) push: String,
    /// The process of git that does it.
    pub(crate) process: u32,
    /// When that process started, in clock ticks since the machine did: a number can be given out again.
    pub(crate) started: u64,
    /// What is to change.
    pub(crate) changes: Vec<RefChange>,
    /// Who pushes.
    pub(crate) pusher: Option<String>,
}

impl Server {
    /// Opens a repository that `provost repo init` prepared.
    ///
    /// # Errors
    /// It was not prepared.
    pub(crate) fn open(home: &Home, git_dir: &Path) -> Result<Self> {
        let git_dir = git_dir.canonicalize().with_context(|| format!("{} is not there", git_dir.display()))?;
        if !git_dir.join(CONFIG_FILE).exists() {
            bail!("{} is not served by provost yet: run `provost repo init {0}`", git_dir.display());
        }
        if !git_dir.join("objects").is_dir() || !git_dir.join("HEAD").is_file() {
            bail!("{} is no git directory: give the bare repository itself", git_dir.display());
        }
        let project = Project::find(&git_dir)?;
        Ok(Self { home: home.clone(), project, git_dir })
    }

    /// Where the server keeps what it must not lose between two hooks.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("servers").join(&self.project.config.project_id)
    }

    /// The signed policy in force.
    pub(crate) fn policy_path(&self) -> PathBuf {
        self.project.signed_policy(&self.home)
    }

    /// The key that vouches for the policy of this repository, and for no other.
    pub(crate) fn anchor_path(&self) -> PathBuf {
        self.project.folder(&self.home).join("keys/policy.pub")
    }

    /// Whose signature makes a policy this repository's: the key of the first, and the root keys of the one in force, which
    /// was held against the one before it when it was installed.
    ///
    /// # Errors
    /// A key cannot be read.
    pub(crate) fn anchors(&self) -> Result<Anchors> {
        let mut files = vec![self.anchor_path()];
        let folder = self.project.folder(&self.home).join("keys");
        let roots = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        files.extend(roots.filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("root-") && name.ends_with(".pub")
        }));
        Anchors::load(None, &files, &[])
    }

    /// Keeps the root keys of the policy in force.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn keep_roots(&self, policy: &Policy) -> Result<()> {
        let folder = self.project.folder(&self.home).join("keys");
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("root-") {
                std::fs::remove_file(entry.path()).with_context(|| entry.path().display().to_string())?;
            }
        }
        for key in policy.access.root.iter().flat_map(|root| &root.keys) {
            let path = folder.join(format!("root-{}.pub", key.id().digest().short()));
            std::fs::write(&path, key.to_pem()).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// The policy in force.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub(crate) fn policy(&self) -> Result<TrustedPolicy> {
        if !self.policy_path().exists() {
            bail!("no policy was installed yet: `provost repo policy {} FILE`", self.git_dir.display());
        }
        super::policy::load(&self.home, &self.policy_path(), &self.anchors()?)
    }

    /// The store with the log.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn store(&self) -> Result<Store> {
        judge::open_store(&self.home, &self.project.store(&self.home))
    }

    /// What the log says so far.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn ledger(&self, store: &Store, policy: &Policy) -> Result<Ledger> {
        super::ledger::read_by(&self.home, store, policy, &self.anchors()?.keys)
    }

    /// Signs statements with the server's key and appends them to the log.
    ///
    /// # Errors
    /// A key or the store cannot be used; nothing was written then.
    pub(crate) fn append(&self, store: &Store, statements: &[Statement]) -> Result<Vec<u64>> {
        let signer = signing::load(Role::Builder, &self.home, &self.project)?;
        let log = signing::load(Role::Log, &self.home, &self.project)?;
        super::record::append(&self.home, store, statements, signer.as_ref(), log.as_ref())
    }

    /// Appends an envelope that somebody else signed.
    ///
    /// # Errors
    /// As [`Server::append`].
    pub(crate) fn append_envelope(
        &self,
        store: &Store,
        envelope: Envelope,
        key: provost_keys::PublicKey,
    ) -> Result<()> {
        let log = signing::load(Role::Log, &self.home, &self.project)?;
        store.append(&[NewRecord { envelope, key }], log.as_ref())?;
        judge::remember_store(&self.home, store)?;
        Ok(())
    }

    /// One hook at a time.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn lock(&self) -> Result<Flock<std::fs::File>> {
        let folder = self.folder();
        std::fs::create_dir_all(folder.join("tickets")).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(lock(&folder.join("lock"))?)
    }

    fn ticket_path(&self, push: &str) -> PathBuf {
        self.folder().join("tickets").join(format!("{push}.json"))
    }

    /// Keeps a ticket until git has ended the push.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn keep(&self, ticket: &Ticket) -> Result<()> {
        let path = self.ticket_path(&ticket.push);
        let temporary = path.with_extension("new");
        let bytes = serde_json::to_vec(ticket)?;
        let write = || -> std::io::Result<()> {
            use std::io::Write as _;
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes a ticket away.
    pub(crate) fn drop_ticket(&self, push: &str) {
        let _ = std::fs::remove_file(self.ticket_path(push));
    }

    /// All tickets.
    ///
    /// # Errors
    /// One cannot be read: what it was for has to be looked at by a person.
    pub(crate) fn tickets(&self) -> Result<Vec<Ticket>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder().join("tickets")).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "json") {
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                found.push(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?);
            }
        }
        Ok(found)
    }

    /// Ends pushes whose git is gone: what it did not do after all is taken back in the log. Gives those still under way.
    ///
    /// # Errors
    /// The log cannot be written.
    pub(crate) fn reconcile(&self, store: &Store, policy: &Policy) -> Result<Vec<Ticket>> {
        let mut alive = Vec::new();
        for ticket in self.tickets()? {
            if process_started(ticket.process) == Some(ticket.started) {
                alive.push(ticket);
            } else {
                self.end(store, policy, &ticket)?;
            }
        }
        Ok(alive)
    }

    /// Ends a push: refs that git left as they were are taken back in the log.
    ///
    /// # Errors
    /// The log cannot be written: the ticket stays.
    pub(crate) fn end(&self, store: &Store, policy: &Policy, ticket: &Ticket) -> Result<()> {
        let view = View::open(&self.git_dir)?;
        let mut left = Vec::new();
        for change in &ticket.changes {
            if view.reference(&change.reference)? != change.to {
                left.push(change.clone());
            }
        }
        if !left.is_empty() {
            let note = "git ended without moving them".to_owned();
            let (push, now) = (ticket.push.clone(), clock::now());
            let entry = self.entry(policy, UpdateState::Aborted, push, now, left, None, vec![note]);
            self.append(store, &[entry.statement()?])?;
        }
        self.drop_ticket(&ticket.push);
        Ok(())
    }

    /// An entry of the reference log.
    #[allow(clippy::too_many_arguments, reason = "the parts of an entry, each from another place")]
    pub(crate) fn entry(
        &self,
        policy: &Policy,
        state: UpdateState,
        push: String,
        time: Timestamp,
        changes: Vec<RefChange>,
        pusher: Option<(&str, &str)>,
        notes: Vec<String>,
    ) -> ReferenceUpdate {
        ReferenceUpdate {
            repository: policy.access.repository.as_ref().map(|r| r.name.clone()).unwrap_or_default(),
            state,
            push,
            changes,
            pusher: pusher.map(|(name, _)| name.to_owned()),
            authenticated_by: pusher.map(|(_, how)| how.to_owned()).unwrap_or_default(),
            time,
            policy: policy.digest,
            policy_serial: policy.serial,
            notes,
        }
    }

    /// Refs that are not where the log left them; those of pushes under way, and our own, are no matter.
    ///
    /// # Errors
    /// The refs cannot be read.
    pub(crate) fn strays(
        &self,
        ledger: &Ledger,
        refs: &[(String, String)],
        under_way: &[Ticket],
    ) -> Vec<(String, Option<String>, Option<String>)> {
        let moving = |name: &str| under_way.iter().flat_map(|t| &t.changes).any(|change| change.reference == name);
        let actual: BTreeMap<&str, &str> = refs.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
        let names = ledger.refs.keys().map(String::as_str).chain(actual.keys().copied());
        let names: std::collections::BTreeSet<&str> = names.filter(|name| !is_own(name) && !moving(name)).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let (logged, now) = (ledger.refs.get(name).map(String::as_str), actual.get(name).copied());
                (logged != now).then(|| (name.to_owned(), logged.map(Into::into), now.map(Into::into)))
            })
            .collect()
    }

    /// A line in the file of who tried what. Refused attempts are no evidence of a state, so they are kept beside the log.
    pub(crate) fn audit(&self, what: &serde_json::Value) {
        use std::io::Write as _;
        let path = self.folder().join("audit.jsonl");
        let line = format!("{}\n", serde_json::json!({ "time": clock::now(), "event": what }));
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            anstream::eprintln!("provost: {} cannot be written: {error}", path.display());
        }
    }

    /// Makes what is new in the log part of the repository, for every clone to verify.
    ///
    /// # Errors
    /// The ref cannot be written.
    pub(crate) fn publish(&self, store: &Store) -> Result<()> {
        super::publish::publish(&self.git_dir, store, clock::now())?;
        super::publish::publish_policy(&self.git_dir, &self.policy_path(), clock::now())
    }
}

/// Refs that the server writes itself.
pub(crate) fn is_own(reference: &str) -> bool {
    reference.starts_with("refs/provost/")
}

/// When a process started, in clock ticks since the machine did (proc(5), `/proc/pid/stat`, field 22).
pub(crate) fn process_started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything.
    let rest = stat.rsplit_once(')')?.1;
    if rest.split_whitespace().next() == Some("Z") {
        return None;
    }
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// The git that runs this hook: the nearest ancestor of that name, since some servers put a script between.
pub(crate) fn git_process() -> u32 {
    let mut process = std::os::unix::process::parent_id();
    let first = process;
    for _ in 0..16 {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { break };
        let Some((before, rest)) = stat.rsplit_once(')') else { break };
        let name = before.split_once('(').map_or("", |(_, name)| name);
        if name.starts_with("git") {
            return process;
        }
        match rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()) {
            Some(parent) if parent > 1 => process = parent,
            _ => break,
        }
    }
    first
}
