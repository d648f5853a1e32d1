//! Preparing a repository for being served, installing its policy, taking over refs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use provost_attest::Envelope;
use provost_evidence::Store;
use provost_gate::{RefChange, UpdateState};
use provost_keys::PublicKey;
use provost_model::printable;
use provost_policy::{Delegated, Delegation, Policy};
use provost_repo::View;

use super::{Where, scripts};
use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::server::{Server, is_own};
use crate::gate::{ledger, policy as gate_policy};
use crate::home::{CONFIG_FILE, Project};
use crate::judge::{self, TrustedPolicy};
use crate::signing::{self, Role};
use crate::{clock, render, setup};

/// Arguments of `repo init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    at: Where,
    /// How the server tells who pushes.
    #[arg(long, value_enum, default_value_t = Identity::Provost)]
    identity: Identity,
}

/// How a server tells a hook who pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Identity {
    /// `provost repo serve-ssh` or `serve-http`.
    Provost,
    /// The web server: `REMOTE_USER`.
    Http,
    /// Gitea and Forgejo: `GITEA_PUSHER_NAME`.
    Gitea,
    /// GitLab: `GL_USERNAME`.
    Gitlab,
    /// GitHub Enterprise Server: `GITHUB_USER_LOGIN`.
    Github,
}

impl Identity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Provost => "provost",
            Self::Http => "http",
            Self::Gitea => "gitea",
            Self::Gitlab => "gitlab",
            Self::Github => "github",
        }
    }
}

/// Arguments of `repo policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(flatten)]
    at: Where,
    /// The signed policy.
    file: PathBuf,
    /// The public key that vouches for it: needed the first time, and never again.
    #[arg(long, value_name = "FILE")]
    policy_key: Option<PathBuf>,
}

/// Arguments of `repo adopt`.
#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    at: Where,
    /// Only these refs (default: all that are not where the log left them).
    #[arg(long = "ref", value_name = "REF")]
    refs: Vec<String>,
    /// Why: it is written into the log.
    #[arg(long)]
    reason: String,
}

/// Prepares a repository.
///
/// # Errors
/// There is none, or something cannot be written.
pub(crate) fn init(args: &InitArgs, context: &Context) -> Result<Exit> {
    let given = &args.at.git_dir;
    // A view opens it like any hook will: what cannot be judged is not served.
    let view = View::open(given)?;
    let git_dir = view.git_dir().canonicalize().with_context(|| given.display().to_string())?;
    let mut made = setup::Made::default();
    let id = clock::random_id(16)?;
    let name = git_dir.file_name().map_or("repository", |n| n.to_str().unwrap_or("repository"));
    let name = name.strip_suffix(".git").filter(|n| !n.is_empty()).unwrap_or(name);
    let config = format!(
        "# How provost serves this repository. The policy says who may do what: .provost/policy.dsse.json\n\
         [project]\nname = {}\nid = \"{id}\"\n",
        toml_string(name)
    );
    setup::write_new(&git_dir.join(CONFIG_FILE), config.as_bytes(), &mut made)?;
    let project = Project::find(&git_dir)?;
    crate::pin::check(&context.home, &project)?;
    let keys = context.home.keys(&project.config.project_id);
    for role in [Role::Builder, Role::Log] {
        let path = keys.join(format!("{}.key", role.name()));
        if !path.exists() {
            signing::generate(&path, role.algorithm(), false)?;
            made.new.push(path);
        }
    }
    let server_key = signing::load(Role::Builder, &context.home, &project)?;
    let log_key = signing::load(Role::Log, &context.home, &project)?;
    let root = project.store(&context.home);
    let store = if root.join("format").exists() {
        judge::open_store(&context.home, &root)?
    } else {
        let store = Store::create(&root, &format!("provost.local/{}", project.config.project_id), log_key.as_ref())?;
        judge::remember_store(&context.home, &store)?;
        made.new.push(root);
        store
    };
    hooks(&git_dir, context, args.identity, &mut made)?;
    for path in &made.new {
        anstream::eprintln!("  {} {}", render::bold("new"), path.display());
    }
    anstream::eprintln!(
        "\nEvery push is refused until a policy is installed. Put this into it:\n\n{}",
        render::dim(&snippet(name, &server_key.public_key().to_pem(), &store.log_key().to_string()))
    );
    anstream::eprintln!("then sign it (`provost policy sign`) and install it:");
    anstream::eprintln!(
        "  provost repo policy {} policy.dsse.json --policy-key policy.pub\n",
        printable(&git_dir.display().to_string())
    );
    Ok(Exit::Pass)
}

fn toml_string(text: &str) -> String {
    format!("\"{}\"", printable(text).replace('\\', "\\\\").replace('"', "\\\""))
}

fn snippet(name: &str, server: &str, log: &str) -> String {
    format!(
        "[[functionary]]\nname = \"git-server\"\npublic-key = \"\"\"\n{server}\"\"\"\n\n[[log]]\nkey = \"{log}\"\n\n\
         [repository]\nname = {}\nuri = \"git+https://git.example.com/{}\"\nservers = [\"git-server\"]\n",
        toml_string(name),
        printable(name)
    )
}

/// Writes the hooks; one that is there and not ours is left alone and named.
fn hooks(git_dir: &Path, context: &Context, identity: Identity, made: &mut setup::Made) -> Result<()> {
    let folder = scripts::folder(git_dir, git_dir)?;
    let program = scripts::program()?;
    for name in ["pre-receive", "post-receive"] {
        let text = format!(
            "#!/bin/sh\n# provost: who may push what. See `provost repo hook --help`.\nPROVOST_HOME={} exec {program} repo hook {name} --identity {}\n",
            scripts::quoted(context.home.path()),
            identity.name()
        );
        made.new.extend(scripts::write(&folder, name, &text)?);
    }
    Ok(())
}

/// Installs a policy.
///
/// # Errors
/// It is not signed as it has to be, or may not follow the one in force.
pub(crate) fn policy(args: &PolicyArgs, context: &Context) -> Result<Exit> {
    let server = Server::open(&context.home, &args.at.git_dir)?;
    let _lock = server.lock()?;
    let bytes = crate::input::read(&args.file, crate::input::SMALL)?;
    let envelope = Envelope::parse(&bytes).with_context(|| args.file.display().to_string())?;
    let first = !server.policy_path().exists();
    if envelope.payload_type() == gate_policy::DELEGATED_PAYLOAD && !first {
        let name = install_delegated(&server, &envelope)?;
        server.publish(&server.store()?)?;
        anstream::eprintln!("{} the rules that are delegated to {}", render::bold("in force:"), printable(&name));
        return Ok(Exit::Pass);
    }
    if first {
        let Some(key) = &args.policy_key else {
            bail!("the first policy needs `--policy-key FILE`: the public key that everyone will hold it against");
        };
        let key = signing::read_public(key)?;
        let mut made = setup::Made::default();
        // A key from an installation that did not end is replaced: no policy stood on it.
        let path = server.anchor_path();
        let _ = std::fs::remove_file(&path);
        setup::write_new(&path, key.to_pem().as_bytes(), &mut made)?;
    } else if args.policy_key.is_some() {
        bail!("a policy is in force, and its key with it: `--policy-key` is for the first one only");
    }
    let installed = install(&server, &envelope);
    if installed.is_err() && first {
        let _ = std::fs::remove_file(server.anchor_path());
    }
    let policy = installed?;
    anstream::eprintln!("{} {} serial {}", render::bold("in force:"), printable(&policy.name), policy.serial);
    let store = server.store()?;
    let ledger = server.ledger(&store, &policy)?;
    if first && ledger.refs.is_empty() {
        let count = adopt_refs(&server, &store, &policy, &[], "the repository as it was found")?;
        if count > 0 {
            anstream::eprintln!("{} were taken over as they are", provost_model::count(count as u64, "ref", "refs"));
        }
    }
    server.publish(&store)?;
    Ok(Exit::Pass)
}

/// Whether a policy may be put into force here. `None`: it is in force already.
///
/// # Errors
/// Why not.
pub(crate) fn check(server: &Server, envelope: &Envelope) -> Result<Option<TrustedPolicy>> {
    let anchors = server.anchors()?;
    let path = server.policy_path();
    let next = if path.exists() {
        let now = server.policy()?;
        let same = now.policy.digest == provost_model::sha256(envelope.unverified_payload());
        if same {
            return Ok(None);
        }
        gate_policy::following(&now.policy, envelope, &anchors)?
    } else {
        let first = judge::trusted_policy(envelope, &anchors, &[])?;
        gate_policy::first_root(&first.policy, envelope)?;
        first
    };
    if next.policy.access.repository.is_none() {
        bail!("the policy says nothing of a repository: add `[repository]`");
    }
    if next.policy.expires < clock::now() {
        bail!("it expired on {}", next.policy.expires);
    }
    let store = server.store()?;
    let own = signing::load(Role::Builder, &server.home, &server.project)?;
    let signs = ledger::takes(&next.policy, &ledger::gate_names(&next.policy), own.public_key(), clock::now());
    if !signs {
        bail!(
            "the policy does not name this server's key: no entry of its log would count. `provost repo init` printed it"
        );
    }
    if !next.policy.log_keys().iter().any(|key| key.full_id() == store.log_key().full_id()) {
        bail!("the policy does not name this server's log: add its `[[log]]`. `provost repo init` printed it");
    }
    Ok(Some(next))
}

/// Checks a policy against the one in force, puts it into the log and into force.
///
/// # Errors
/// It may not follow, or something cannot be written.
pub(crate) fn install(server: &Server, envelope: &Envelope) -> Result<Policy> {
    let Some(next) = check(server, envelope)? else { return Ok(server.policy()?.policy) };
    let (anchors, path, store) = (server.anchors()?, server.policy_path(), server.store()?);
    // Into the log first: a policy that was in force and is not in the log could not be replayed.
    let key = signing_key(envelope, next.policy.access.root.iter().flat_map(|r| &r.keys).chain(&anchors.keys))?;
    let mut logged = envelope.clone();
    logged.put_first(&key);
    server.append_envelope(&store, logged, key)?;
    let temporary = path.with_extension("new");
    let write = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| std::fs::write(&temporary, format!("{}\n", envelope.to_json())))
        .and_then(|()| std::fs::rename(&temporary, &path));
    write.with_context(|| format!("cannot write {}", path.display()))?;
    server.keep_roots(&next.policy)?;
    Ok(server.policy()?.policy)
}

/// A key that signed an envelope, of those that may have.
fn signing_key<'k>(envelope: &Envelope, keys: impl Iterator<Item = &'k PublicKey>) -> Result<PublicKey> {
    let mut keys = keys.filter(|key| envelope.signed_by(key));
    keys.next().cloned().context("no known key signed it")
}

/// Whether the rules of a delegation may be put into force here.
///
/// # Errors
/// Too few of its keys signed them, or they are not newer.
pub(crate) fn check_delegated(server: &Server, envelope: &Envelope) -> Result<(Delegation, Delegated)> {
    let policy = server.policy()?.policy;
    let (delegation, document) = gate_policy::delegated_of(&policy.access, envelope)?;
    let path = delegated_path(server, &document.name);
    if path.exists() {
        let before = Envelope::parse(&crate::input::read(&path, crate::input::SMALL)?)?;
        // Rules of a delegation that has other keys now are nothing that newer ones have to follow.
        if let Ok((_, before)) = gate_policy::delegated_of(&policy.access, &before)
            && document.serial <= before.serial
        {
            bail!("its serial {} is not above {}", document.serial, before.serial);
        }
    }
    Ok((delegation, document))
}

fn delegated_path(server: &Server, name: &str) -> PathBuf {
    server.policy_path().with_file_name("delegated").join(format!("{name}.dsse.json"))
}

/// Puts the rules of a delegation into the log and into force.
///
/// # Errors
/// They may not, or something cannot be written.
pub(crate) fn install_delegated(server: &Server, envelope: &Envelope) -> Result<String> {
    let (delegation, document) = check_delegated(server, envelope)?;
    let path = delegated_path(server, &document.name);
    let key = signing_key(envelope, delegation.keys.iter())?;
    let mut logged = envelope.clone();
    logged.put_first(&key);
    server.append_envelope(&server.store()?, logged, key)?;
    let write = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| std::fs::write(path.with_extension("new"), format!("{}\n", envelope.to_json())))
        .and_then(|()| std::fs::rename(path.with_extension("new"), &path));
    write.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(document.name)
}

/// Takes refs over.
///
/// # Errors
/// The log cannot be written.
pub(crate) fn adopt(args: &AdoptArgs, context: &Context) -> Result<Exit> {
    let server = Server::open(&context.home, &args.at.git_dir)?;
    let _lock = server.lock()?;
    if args.reason.trim().len() < 10 {
        bail!("say why, in a sentence: it is written into the log");
    }
    let policy = server.policy()?.policy;
    let store = server.store()?;
    server.reconcile(&store, &policy)?;
    let count = adopt_refs(&server, &store, &policy, &args.refs, &args.reason)?;
    server.publish(&store)?;
    anstream::eprintln!("{} taken over", provost_model::count(count as u64, "ref", "refs"));
    Ok(Exit::Pass)
}

fn adopt_refs(server: &Server, store: &Store, policy: &Policy, only: &[String], reason: &str) -> Result<usize> {
    let view = View::open(&server.git_dir)?;
    let ledger = server.ledger(store, policy)?;
    let refs = view.refs()?;
    let mut changes = Vec::new();
    for (name, logged, now) in server.strays(&ledger, &refs, &server.tickets()?) {
        if is_own(&name) || (!only.is_empty() && !only.contains(&name)) {
            continue;
        }
        let tree = now.as_deref().and_then(|id| view.peel(id).ok()).and_then(|commit| view.tree_of(&commit).ok());
        changes.push(RefChange {
            reference: name,
            from: logged,
            to: now,
            tree,
            rules: Vec::new(),
            approvals: Vec::new(),
            kept_approvals: false,
            broken_glass: false,
            commits: Vec::new(),
        });
    }
    let count = changes.len();
    let now = ledger.now(clock::now());
    // A statement has a bounded number of subjects.
    for part in changes.chunks(provost_attest::Limits::SUBJECTS.min(500)) {
        let notes = vec![reason.to_owned()];
        let push = clock::random_id(16)?;
        let entry = server.entry(policy, UpdateState::Adopted, push, now, part.to_vec(), None, notes);
        server.append(store, &[entry.statement()?])?;
    }
    Ok(count)
}
