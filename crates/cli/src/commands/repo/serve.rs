//! What `serve-ssh` and `serve-http` share: which repository is meant, whether it exists for whoever asks, which of its refs
//! they see, an environment that holds nothing of the client's, and a line in the audit file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use provost_model::printable;
use provost_policy::{Access, Operation, Person, PersonKey, Policy};

use super::hide::{Sees, sees};
use crate::clock;
use crate::gate::server::Server;
use crate::home::{CONFIG_FILE, Home};

/// Limits on what a client asks for.
pub(crate) struct Limits;

impl Limits {
    /// Length of a repository's path, in bytes.
    pub(crate) const PATH: usize = 1024;
    /// Folders within folders.
    pub(crate) const DEPTH: usize = 16;
    /// From so many refs on, whole folders of refs are named to git where all in them are shown: git compares each ref with
    /// each name.
    pub(crate) const NAMED_REFS: usize = 512;
}

/// What git's client wants to have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// A fetch or clone.
    UploadPack,
    /// A push.
    ReceivePack,
    /// `git archive --remote`.
    UploadArchive,
}

impl Service {
    /// The name in git's protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
            Self::UploadArchive => "git-upload-archive",
        }
    }

    /// The service of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::UploadPack, Self::ReceivePack, Self::UploadArchive].into_iter().find(|service| service.name() == name)
    }
}

/// Whoever asks, as the transport knows them. Which person that is, each repository's own policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// By name.
    Name(String),
    /// By the fingerprint of the SSH key that they proved to have.
    Key(String),
    /// By an account, as `http:ada`.
    Account(String),
    /// Not known.
    Nobody,
}

impl Whom {
    /// The person, where the policy names one whose access counts now.
    fn person<'a>(&self, access: &'a Access) -> Option<&'a Person> {
        let person = match self {
            Self::Name(name) => access.person(name),
            Self::Account(account) => access.by_account(account),
            Self::Key(wanted) => access.persons.iter().find(|person| {
                person.keys.iter().any(|key| matches!(key, PersonKey::Ssh(key) if key.fingerprint() == *wanted))
            }),
            Self::Nobody => None,
        };
        person.filter(|person| person.valid_at(clock::now()))
    }

    /// How the server knows, for the log.
    pub(crate) fn how(&self) -> String {
        match self {
            Self::Name(_) => "ssh: forced command".into(),
            Self::Key(key) => format!("ssh: {key}"),
            Self::Account(account) => account.replacen(':', ": ", 1),
            Self::Nobody => String::new(),
        }
    }
}

/// Why somebody is not served.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is not there, or not for whoever asks: both look the same.
    NotThere(String),
    /// It is there for them, and this may not be done.
    NotAllowed(String),
    /// It is there for them, and cannot be served.
    Broken(String),
}

impl Refused {
    /// The reason, for the audit file.
    fn why(&self) -> &str {
        match self {
            Self::NotThere(why) | Self::NotAllowed(why) | Self::Broken(why) => why,
        }
    }
}

/// Somebody who may go on, and with what.
pub(crate) struct Admitted {
    pub(crate) server: Server,
    /// The repository below the root, as git is told.
    pub(crate) relative: PathBuf,
    person: Option<String>,
    how: String,
    service: Service,
    sees: Sees,
    address: String,
    id: String,
}

/// Finds the repository and decides whether it exists for whoever asks. Refusals are written into the audit file here.
pub(crate) fn admit(
    home: &Home,
    root: &Path,
    asked: &str,
    service: Service,
    whom: &Whom,
    address: &str,
) -> Result<Admitted, Refused> {
    let mut served = None;
    let answer = decide(home, root, asked, service, whom, address, &mut served);
    if let Err(refused) = &answer {
        let event = serde_json::json!({
            "serve": service.name(),
            "repository": shortened(asked),
            "whom": whom_text(whom),
            "address": address,
            "outcome": "refused",
            "why": shortened(refused.why()),
        });
        match served {
            Some(server) => server.audit(&event),
            None => general_audit(home, &event),
        }
    }
    answer
}

fn decide(
    home: &Home,
    root: &Path,
    asked: &str,
    service: Service,
    whom: &Whom,
    address: &str,
    served: &mut Option<Server>,
) -> Result<Admitted, Refused> {
    let not_there = |error: anyhow::Error| Refused::NotThere(format!("{error:#}"));
    let path = locate(root, asked).map_err(not_there)?;
    let server = Server::open(home, &path).map_err(not_there)?;
    *served = Server::open(home, &path).ok();
    // What is wrong with its policy is nothing that a stranger may learn: nobody is known before it is read.
    let trusted = server.policy().map_err(not_there)?;
    let policy = &trusted.policy;
    let person = whom.person(&policy.access);
    exists(policy, person)?;
    if policy.expires < clock::now() {
        let why = format!("the policy expired on {}: nothing is served until its signers renew it", policy.expires);
        return Err(Refused::Broken(why));
    }
    if service == Service::ReceivePack && person.is_none() {
        return Err(Refused::NotAllowed("only persons of the policy may push".into()));
    }
    let sees = sees(&server, policy, person, service).map_err(|e| Refused::Broken(format!("{e:#}")))?;
    if service == Service::UploadArchive && !sees.all {
        return Err(Refused::NotAllowed("`git archive` is only for those who may read every ref".into()));
    }
    let id = clock::random_id(16).map_err(|e| Refused::Broken(format!("{e:#}")))?;
    let relative = path.strip_prefix(root.canonicalize().unwrap_or_default()).unwrap_or(&path).to_path_buf();
    let how = if person.is_some() { whom.how() } else { String::new() };
    let person = person.map(|person| person.name.clone());
    Ok(Admitted { server, relative, person, how, service, sees, address: address.to_owned(), id })
}

/// Whoever may do nothing at all with a repository does not learn that there is one.
fn exists(policy: &Policy, person: Option<&Person>) -> Result<(), Refused> {
    use Operation::{Create, Delete, Force, Read, Update};
    if policy.access.permits_somewhere(person, &[Read, Create, Update, Force, Delete]) {
        return Ok(());
    }
    let who = person.map_or("someone whom the policy does not name", |person| &person.name);
    Err(Refused::NotThere(format!("no access rule names {who}")))
}

/// The repository below the root, and nothing else: no way up, no link that leads out, no folder inside of one.
pub(crate) fn locate(root: &Path, asked: &str) -> Result<PathBuf> {
    let root = root.canonicalize().with_context(|| format!("{} is not there", root.display()))?;
    if asked.len() > Limits::PATH || asked.chars().any(char::is_control) {
        bail!("no path of a repository");
    }
    let asked = asked.strip_prefix('/').unwrap_or(asked);
    let asked = asked.strip_suffix('/').unwrap_or(asked);
    if asked.is_empty() || asked.starts_with(['/', '~', '-']) || asked.contains('\\') {
        bail!("no path of a repository");
    }
    let mut depth = 0;
    for component in Path::new(asked).components() {
        depth += 1;
        let Component::Normal(name) = component else { bail!("the path has more than names in it") };
        // Path drops `.` in the middle by itself; git folders and hidden ones are never served.
        if name.as_encoded_bytes().starts_with(b".")
            || name.as_encoded_bytes().starts_with(b"-")
            || depth > Limits::DEPTH
        {
            bail!("the path names what is never served");
        }
    }
    if asked.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        bail!("the path has more than names in it");
    }
    for name in [asked.to_owned(), format!("{asked}.git")] {
        let path = root.join(&name);
        let Ok(real) = path.canonicalize() else { continue };
        if !real.starts_with(&root) || real == root {
            bail!("a link leads out of {}", root.display());
        }
        // A folder inside a repository is none, whatever lies in it.
        let inside = real.ancestors().skip(1).take_while(|above| above.starts_with(&root)).any(is_repository);
        if inside {
            bail!("it lies inside of a repository");
        }
        if is_repository(&real) {
            owned(&root, &real)?;
            return Ok(real);
        }
    }
    bail!("there is no served repository of this name");
}

/// A bare repository that `provost repo init` prepared.
pub(crate) fn is_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join(CONFIG_FILE).is_file()
}

/// git runs what a repository's configuration names: it has to be of this user, of the root's owner, or of root.
fn owned(root: &Path, repository: &Path) -> Result<()> {
    let of = |path: &Path| std::fs::metadata(path).map(|m| m.uid()).with_context(|| path.display().to_string());
    let owner = of(repository)?;
    if owner == 0 || owner == nix::unistd::geteuid().as_raw() || owner == of(root)? {
        return Ok(());
    }
    bail!("{} belongs to another user ({owner}): chown it to the one that serves it", repository.display());
}

/// Files that are there as long as git runs.
struct Session(Vec<PathBuf>);

impl Drop for Session {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Admitted {
    /// Whether every ref is seen: whoever does not see all speaks version 0 of the protocol, since in version 2 git hands out
    /// any object by its id, whatever is hidden.
    pub(crate) fn sees_all(&self) -> bool {
        self.sees.all
    }

    /// Runs git and waits for it. `prepare` adds what the transport needs.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn run(
        &self,
        context: &Home,
        arguments: &[&std::ffi::OsStr],
        prepare: impl FnOnce(&mut Command),
    ) -> Result<i32> {
        let session = self.session()?;
        let mut command = Command::new("git");
        command.args(arguments);
        self.environment(&mut command, context, &session);
        prepare(&mut command);
        self.audit("begun", None);
        let status = command.status().context("git cannot be run");
        let code = match &status {
            Ok(status) => {
                use std::os::unix::process::ExitStatusExt as _;
                status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
            }
            Err(_) => 127,
        };
        self.audit(if code == 0 { "done" } else { "failed" }, Some(code));
        status.map(|_| code)
    }

    /// The environment, from nothing: whatever the client sent (`GIT_*`, `PROVOST_*`, `LD_*`, proxies) is not in it.
    fn environment(&self, command: &mut Command, home: &Home, session: &Session) {
        command.env_clear();
        for name in ["PATH", "HOME", "TMPDIR", "USER", "LOGNAME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C.UTF-8").env("PROVOST_HOME", home.path()).env("PROVOST_SESSION", &self.id);
        if let Some(person) = &self.person {
            command.env("PROVOST_PERSON", person).env("PROVOST_AUTHENTICATED_BY", &self.how);
        }
        if !self.sees.all {
            command.env("PROVOST_HIDES", "1");
        }
        // What everybody who clones gets is what is really there.
        let no_grafts = self.server.folder().join("sessions/no-grafts");
        command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", no_grafts);
        if let [forced, usual] = session.0.as_slice() {
            command.env("GIT_CONFIG_GLOBAL", usual);
            // The command line's configuration is the last that git reads: no repository overrides it.
            command.env("GIT_CONFIG_COUNT", "1");
            command.env("GIT_CONFIG_KEY_0", "include.path").env("GIT_CONFIG_VALUE_0", forced);
        }
    }

    /// Writes the configuration that git gets: what it has to obey, and what a repository may have otherwise.
    fn session(&self) -> Result<Session> {
        let folder = self.server.folder().join("sessions");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        sweep(&folder);
        let mut forced = String::new();
        let mut set = |section: &str, key: &str, value: &str| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(forced, "[{section}]\n\t{key} = \"{value}\"");
        };
        let whole = if self.sees.all { "true" } else { "false" };
        // A partial clone asks for objects by id later on: that goes only where there is nothing to hide.
        set("uploadpack", "allowFilter", whole);
        for key in ["allowTipSHA1InWant", "allowReachableSHA1InWant", "allowAnySHA1InWant"] {
            set("uploadpack", key, whole);
        }
        set("uploadarchive", "allowUnreachable", "false");
        set("http", "getanyfile", "false");
        set("http", "uploadpack", "true");
        set("http", "receivepack", if self.person.is_some() { "true" } else { "false" });
        set("core", "useReplaceRefs", "false");
        if !self.sees.all {
            // Otherwise a push is told the commits of repositories that this one borrows objects from.
            set("core", "alternateRefsPrefixes", "refs/provost/none/");
            // So that the hook can tell what came with a push from what was here.
            set("receive", "unpackLimit", "1");
        }
        set("safe", "directory", &self.server.git_dir.display().to_string());
        let section = if self.service == Service::ReceivePack { "receive" } else { "uploadpack" };
        for pattern in &self.sees.hide {
            set(section, "hideRefs", pattern);
        }
        let usual =
            "[receive]\n\tfsckObjects = true\n\tadvertisePushOptions = true\n[include]\n\tpath = ~/.gitconfig\n";
        let name = format!("{}-{}", std::process::id(), self.id);
        let session = Session(vec![folder.join(format!("{name}.forced")), folder.join(format!("{name}.usual"))]);
        for (path, text) in session.0.iter().zip([forced.as_str(), usual]) {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(session)
    }

    fn audit(&self, outcome: &str, status: Option<i32>) {
        self.server.audit(&serde_json::json!({
            "serve": self.service.name(),
            "id": self.id,
            "repository": self.relative.display().to_string(),
            "person": self.person,
            "authenticated-by": self.how,
            "address": self.address,
            "refs-shown": self.sees.shown,
            "refs": self.sees.refs,
            "outcome": outcome,
            "status": status,
        }));
    }
}

/// Takes away what a killed server left: files of processes that are gone.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn whom_text(whom: &Whom) -> String {
    match whom {
        Whom::Name(text) | Whom::Key(text) | Whom::Account(text) => shortened(text),
        Whom::Nobody => String::new(),
    }
}

fn shortened(text: &str) -> String {
    printable(&text.chars().take(300).collect::<String>())
}

/// The file for what concerns no repository.
pub(crate) fn general_audit(home: &Home, event: &serde_json::Value) {
    let folder = home.path().join("servers");
    let line = format!("{}\n", serde_json::json!({ "time": clock::now(), "event": event }));
    let _ = std::fs::create_dir_all(&folder);
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("audit.jsonl"));
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        anstream::eprintln!("provost: {} cannot be written: {error}", folder.display());
    }
}

/// Repositories below a root, sorted; links are not followed.
pub(crate) fn repositories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if is_repository(&folder) {
            found.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if depth < Limits::DEPTH && !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((entry.path(), depth + 1));
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().join("srv");
        let make = |path: &Path| {
            std::fs::create_dir_all(path.join("objects")).expect("folder");
            std::fs::write(path.join("HEAD"), "ref: refs/heads/main\n").expect("file");
            std::fs::write(path.join(CONFIG_FILE), "").expect("file");
        };
        make(&root.join("shop.git"));
        make(&root.join("team/api.git"));
        make(&root.join("shop.git/inner.git"));
        make(&root.join(".hidden.git"));
        make(&folder.path().join("outside.git"));
        std::os::unix::fs::symlink(folder.path().join("outside.git"), root.join("out.git")).expect("link");
        std::os::unix::fs::symlink("shop.git", root.join("alias.git")).expect("link");
        for good in ["shop.git", "/shop.git", "shop", "/shop.git/", "team/api.git", "team/api", "alias.git"] {
            assert!(locate(&root, good).is_ok(), "{good}: {:?}", locate(&root, good));
        }
        let bad = [
            "",
            "/",
            ".",
            "..",
            "../outside.git",
            "team/../shop.git",
            "./shop.git",
            "team/./api.git",
            "//shop.git",
            "team//api.git",
            "~ada/shop.git",
            "~",
            "out.git",
            "out",
            "shop.git/inner.git",
            "shop.git/objects",
            ".hidden.git",
            "--upload-pack=x",
            "team/--help",
            "team",
            "shop.git\n",
            "shop\0.git",
            "team\\api.git",
            "nothing.git",
            "shop.git/..",
            "/etc",
        ];
        for bad in bad {
            assert!(locate(&root, bad).is_err(), "{bad:?}");
        }
    }
}
