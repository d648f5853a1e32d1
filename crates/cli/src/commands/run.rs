//! `provost run`: wrap a command; observe, state, sign, judge, log, show.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_attest::predicate::{self};
use provost_attest::{ClassicLink, Envelope, Statement};
use provost_evidence::{NewRecord, Receipt, Store, fault};
use provost_keys::{PublicKey, Signer};
use provost_model::{
    BackEnd, Digest, Ending, EnvironmentFact, FactSource, FileKind, FileSet, Finding, Outcome, RunRecord, Tool,
    Verdict, count, human_bytes, printable, sha256,
};
use provost_policy::{Facts, Passed};
use provost_trace::observe::Watcher;
use provost_trace::{BlockedSignals, ConfinementWish, Directory, Selection, Snapshot};

use crate::behaviour::{self, Suspicion};
use crate::caches::Caches;
use crate::commands::Context;
use crate::evidence_file::{EvidenceFile, beside};
use crate::exit::Exit;
use crate::gate::step::Passage;
use crate::home::Project;
use crate::judge::{self, Anchors, Options, TrustedPolicy};
use crate::learn::{self, Needs};
use crate::redact::Redaction;
use crate::signing::{self, Role};
use crate::statements::Statements;
use crate::summary::{self, Platform, Told};
use crate::{ci, clock, config, environment, gate, gather, observed, render, scan, setup, watch};

const AFTER: &str = "\
In CI: a job summary is added to the file that GITHUB_STEP_SUMMARY names; violations and findings are annotated on
GitHub Actions; on GitLab the summary is a section of the log. docs/report.md has snippets for both.";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct RunArgs {
    /// Name of the step, as the policy names it.
    #[arg(long, default_value = "build")]
    step: String,
    /// Where the command runs and which tree is recorded (default: the working directory).
    #[arg(short = 'C', long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A product that gets its evidence file beside it; a glob, may be given more than once.
    #[arg(long, value_name = "GLOB")]
    artifact: Vec<String>,
    /// End the command after so many seconds (default: never).
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// Refuse to start where the command cannot be kept from the keys.
    #[arg(long, conflicts_with = "no_isolation")]
    require_isolation: bool,
    /// Do not confine the command; the evidence says so.
    #[arg(long)]
    no_isolation: bool,
    /// Who watches the command: `auto`, `notify`, `ebpf`, `both`, or `none` for the tree before and after alone.
    #[arg(long, value_name = "BACK-END")]
    observe: Option<watch::Observe>,
    /// Write all that was seen as JSON to this file.
    #[arg(long, value_name = "FILE")]
    observation: Option<PathBuf>,
    /// Write findings of suspicious behaviour as SARIF to this file.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Write violations and findings as a GitLab Code Quality report to this file.
    #[arg(long, value_name = "FILE")]
    code_quality: Option<PathBuf>,
    /// Write the tightest guard under which this run passes, as a patch of provost.toml to review.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "provost.patch")]
    learn: Option<PathBuf>,
    /// Without network, secrets and privilege, or not at all: for what nobody has looked at yet. Whatever provost.toml
    /// says of a guard does not count.
    #[arg(long, conflicts_with_all = ["no_isolation", "learn"])]
    sandbox: bool,
    /// The ref that a critical step runs for (default: the branch that is checked out, or the CI system's word).
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Look for secrets in the files that the command wrote, in its command line and its environment.
    #[arg(long)]
    scan: bool,
    /// Also write a classic in-toto link into this directory, for `in-toto-verify`.
    #[arg(long, value_name = "DIR")]
    in_toto_link: Option<PathBuf>,
    /// Write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// No summary on the terminal, and no annotations. GitHub's job summary is still written.
    #[arg(short, long)]
    quiet: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a run left behind, for the summary and for machines.
struct Done {
    record: RunRecord,
    tools: Vec<Tool>,
    verdict: Verdict,
    refused: Vec<String>,
    envelopes: Vec<(String, Digest, u64)>,
    evidence_files: Vec<PathBuf>,
    signer: PublicKey,
    custody: &'static str,
    git: Option<provost_repo::GitFacts>,
    store: PathBuf,
    size: u64,
    root: Digest,
    invocation: String,
    findings: Vec<Finding>,
    step: String,
    guard_mode: &'static str,
}

impl Done {
    fn told<'a>(&'a self, signer: &'a str) -> Told<'a> {
        Told {
            step: &self.step,
            record: &self.record,
            verdict: &self.verdict,
            findings: &self.findings,
            guard_mode: self.guard_mode,
            statements: &self.envelopes,
            signer,
        }
    }
}

/// Runs.
///
/// # Errors
/// The command cannot be started, or its evidence cannot be made or kept: then the step fails.
pub fn run(args: &RunArgs, context: &Context) -> Result<Exit> {
    // Before any thread is there.
    let signals = BlockedSignals::block()?;
    // Neither a core file of ours nor another process of this user may show the keys.
    let _ = nix::sys::prctl::set_dumpable(false);
    // Forked while there are no keys in memory.
    let watcher = Watcher::start(&signals, clock::now)?;
    let directory = match &args.directory {
        Some(path) => path.canonicalize().with_context(|| format!("cannot use {}", path.display()))?,
        None => std::env::current_dir().context("the working directory is gone")?,
    };
    let mut project = Project::find(&directory)?;
    if project.root.is_none() {
        if args.step.is_empty() || args.step.contains('/') || args.step.starts_with('.') {
            bail!("--step {}: a step's name is not empty, has no `/` and does not begin with a dot", args.step);
        }
        project.default_step.clone_from(&args.step);
    }
    if project.root.is_none()
        || !project.signed_policy(&context.home).exists() && std::env::var_os("PROVOST_KEY").is_none()
    {
        // Before anything is made and put into a store that is somebody else's.
        if let Some(store) = judge::store_if_there(&context.home, &project.store(&context.home))?
            && let Some(why) = gate::step::governed(&context.home, &store, None, &args.step, &[])
                .context("whether this step is gated cannot be found out, so the step fails")?
        {
            let mut platform = Platform::find(&|name| std::env::var_os(name));
            return Ok(governed_elsewhere(&mut platform, args, &why));
        }
        let wish = setup::Wish { step: args.step.clone(), ..setup::Wish::default() };
        setup::set_up(&context.home, &project, &wish).context("a run needs keys, a policy and a store")?;
    }
    crate::pin::check(&context.home, &project)?;
    // Held before the command runs, so that it cannot lead them elsewhere.
    let result_file = args.json.as_deref().map(hold_parent).transpose()?;
    let sarif_file = args.sarif.as_deref().map(hold_parent).transpose()?;
    let learn_file = args.learn.as_deref().map(hold_parent).transpose()?;
    let observation_file = args.observation.as_deref().map(hold_parent).transpose()?;
    let quality_file = args.code_quality.as_deref().map(hold_parent).transpose()?;
    let mut platform = Platform::find(&|name| std::env::var_os(name));
    let builder = signing::load(Role::Builder, &context.home, &project)?;
    let log_key = signing::load(Role::Log, &context.home, &project)?;
    let store_path = project.store(&context.home);
    let store = judge::open_store(&context.home, &store_path)?;
    let mut policy = project_policy(context, &project)?;
    if policy.policy.access.repository.is_some() {
        policy = gate::policy::load(
            &context.home,
            &project.signed_policy(&context.home),
            &Anchors::load(Some(&context.home), &[], &[])?,
        )?;
    }
    let keys = [builder.as_ref() as &dyn Signer, log_key.as_ref()];
    if let Some(why) = gate::step::governed(&context.home, &store, Some(&policy), &args.step, &keys)
        .context("whether this step is gated cannot be found out, so the step fails")?
    {
        return Ok(governed_elsewhere(&mut platform, args, &why));
    }
    let invocation = format!("urn:provost:run:{}", clock::random_id(16)?);
    let start = gate::step::Start {
        directory: &directory,
        step: &args.step,
        reference: args.reference.as_deref(),
        invocation: &invocation,
        sandboxed: args.sandbox,
    };
    let passage = gate::step::pass(&context.home, &policy.policy, &store, &start, builder.as_ref(), log_key.as_ref())?;
    let taken = match passage {
        Passage::Free => None,
        Passage::Taken(taken) => Some(taken),
        Passage::Refused { why, hint } => {
            anstream::eprintln!("{} {}", render::error("not started:"), printable(&why));
            anstream::eprintln!("  {}", render::dim(&format!("→ {}", printable(&hint))));
            platform.no_evidence(&args.step, &why, args.quiet);
            return Ok(Exit::Denied);
        }
    };
    let run = Started { invocation, taken };
    fault::point("run: ready");

    let watched = watch::Watched { watcher, signals: &signals };
    let done = supervise(
        args,
        context,
        &project,
        &directory,
        watched,
        &run,
        &store,
        &policy,
        builder.as_ref(),
        log_key.as_ref(),
    )
    .inspect_err(|error| platform.no_evidence(&args.step, &format!("{error:#}"), args.quiet))?;
    let signer = done.signer.id().digest().short();
    let told = done.told(&signer);
    if !args.quiet {
        platform.open_section(&told);
        show(&done, &project, &directory);
        platform.close_section();
        platform.annotate(&told, &directory);
    }
    platform.write(&told);
    if let Some((folder, name)) = &quality_file {
        let report = summary::code_quality(&told, &directory.to_string_lossy());
        folder.write_new(name, report.as_bytes()).with_context(|| format!("cannot write {}", name.display()))?;
    }
    if let Some((folder, name)) = &result_file {
        folder
            .write_new(name, format!("{}\n", to_json(&done)).as_bytes())
            .with_context(|| format!("cannot write {}", name.display()))?;
    }
    if let Some((folder, name)) = &sarif_file {
        let log = behaviour::sarif(&done.findings, &directory);
        folder.write_new(name, log.as_bytes()).with_context(|| format!("cannot write {}", name.display()))?;
    }
    if let Some((folder, name)) = &learn_file {
        learn(&done, &project, &directory, &args.step, folder, name)?;
    }
    if let Some((folder, name)) = &observation_file {
        let text = serde_json::to_vec(&done.record.observation)?;
        folder.write_new(name, &text).with_context(|| format!("cannot write {}", name.display()))?;
    }
    Ok(match done.record.ending {
        Ending::Exited(0) if done.verdict.outcome == Outcome::Passed => Exit::Pass,
        Ending::Exited(0) => Exit::Denied,
        Ending::Exited(status) => Exit::Command(u8::try_from(status).unwrap_or(255)),
        Ending::Signalled(number) => Exit::Signal(number),
        Ending::TimedOut => Exit::Command(124),
    })
}

/// Says that the step is another policy's to let start.
fn governed_elsewhere(platform: &mut Platform, args: &RunArgs, why: &str) -> Exit {
    anstream::eprintln!("{} {}", render::error("not started:"), printable(why));
    let hint = "→ run it in a clone with that policy, or use another store and other keys";
    anstream::eprintln!("  {}", render::dim(hint));
    platform.no_evidence(&args.step, why, args.quiet);
    Exit::Undecided
}

/// Which run it is, and what let it start.
struct Started {
    invocation: String,
    /// The verdict that a critical step runs by.
    taken: Option<gate::step::Taken>,
}

/// Writes what the run needed, as a patch, and says how that differs from what is allowed now.
fn learn(done: &Done, project: &Project, directory: &Path, step: &str, folder: &Directory, name: &Path) -> Result<()> {
    if done.record.observation.back_end == BackEnd::None {
        bail!("nothing can be learned: nobody watched the command");
    }
    let needs = Needs::of(&done.record.observation, directory);
    let file = project.root.as_deref().unwrap_or(directory).join(crate::home::CONFIG_FILE);
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let patch = learn::patch(&file, &old, &needs.section(step), step);
    folder.write_new(name, patch.as_bytes()).with_context(|| format!("cannot write {}", name.display()))?;
    let mut out =
        render::line("learned", &format!("{}: review it, then `git apply`", printable(&name.to_string_lossy())));
    for line in needs.differences(&project.config.guard.for_step(step)).iter().take(30) {
        out += &render::line("", &printable(line));
    }
    let _ = std::io::Write::write_all(&mut anstream::stderr(), out.as_bytes());
    Ok(())
}

/// The project's policy, verified with a trusted key.
fn project_policy(context: &Context, project: &Project) -> Result<TrustedPolicy> {
    let path = project.signed_policy(&context.home);
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let trusted = judge::read_policy(&path, &anchors, &[])?;
    judge::refuse_older_policy(&context.home, &trusted)?;
    let text = std::fs::read(project.policy_source(&context.home)).unwrap_or_default();
    if !text.is_empty() && sha256(&text) != trusted.policy.digest {
        anstream::eprintln!(
            "{} policy.toml differs from the signed policy, which is the one that counts: `provost policy sign`",
            render::warning("note:")
        );
    }
    // SP 800-204D 5.1.1: the policy is enforced before the build, not found wanting after it.
    if clock::now() > trusted.policy.expires {
        bail!(
            "the policy {} expired on {}: renew it with `provost policy sign`",
            path.display(),
            trusted.policy.expires
        );
    }
    Ok(trusted)
}

#[allow(clippy::too_many_arguments)]
fn supervise(
    args: &RunArgs,
    context: &Context,
    project: &Project,
    directory: &Path,
    watched: watch::Watched<'_>,
    run: &Started,
    store: &Store,
    policy: &TrustedPolicy,
    builder: &dyn Signer,
    log_key: &dyn Signer,
) -> Result<Done> {
    let config = &project.config;
    let invocation = run.invocation.clone();
    let arguments: Vec<String> = args.command.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let hidden = hidden_directories(context, project, store);
    let selections = Selections::new(config, directory, &hidden)?;
    let held = Directory::open(directory).with_context(|| format!("cannot use {}", directory.display()))?;
    let links = match &args.in_toto_link {
        None => None,
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            Some(Directory::open(folder).with_context(|| format!("cannot use {}", folder.display()))?)
        }
    };
    let publish = Selection::new(&[config.publish.clone(), args.artifact.clone()].concat(), &[])?;
    let any_published = !(config.publish.is_empty() && args.artifact.is_empty());

    let mut probes = vec![store.root().join("format")];
    for role in [Role::Builder, Role::Log, Role::Policy] {
        probes.push(context.home.keys(&config.project_id).join(format!("{}.key", role.name())));
    }
    probes.extend(key_files(project));
    probes.retain(|path| path.exists());
    let wish =
        match (args.require_isolation || args.sandbox || policy.policy.build.require_isolation, args.no_isolation) {
            (_, true) => ConfinementWish::Off,
            (true, _) => ConfinementWish::Required,
            _ => config.isolation,
        };
    let mut guard = config.guard.for_step(&args.step);
    if args.sandbox {
        guard = crate::guard::GuardConfig::sandbox();
    }
    if args.learn.is_some() {
        guard.learns();
    }
    let observe = args.observe.unwrap_or(config.observe);
    let wanted = watch::Wanted {
        wish,
        observe,
        hidden: &hidden,
        probes: &probes,
        directory,
        time_limit: args.time_limit,
        guard: &guard,
        digest_cache: context.home.digest_cache(),
    };
    let prepared = watched.prepare(&args.command, &wanted)?;

    let collected_from = clock::now();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut cache = environment::ToolCache::open(context.home.tool_cache());
    let mut tools = cache.on_path(&path, directory);
    let program = args.command.first().and_then(|name| environment::find_program(name, &path, directory));
    let program_tool = program.as_ref().and_then(|file| {
        let name = Path::new(&args.command[0]).file_name().unwrap_or_default().to_string_lossy().into_owned();
        cache.tool(&name, file)
    });
    if let Some(interpreter) = program.as_ref().and_then(|file| environment::interpreter(file)) {
        tools.extend(cache.tool("interpreter", &interpreter));
    }
    tools.extend(program_tool.clone());
    tools.sort();
    tools.dedup_by(|a, b| a.name == b.name && a.sha256 == b.sha256);
    cache.save();
    let git = provost_repo::look(directory);

    let credentials = guard.resolve(directory)?.credentials;
    let suspicion = Suspicion::prepare(&context.home, &config.project_id, &args.step, directory, credentials)?;
    let progress = Progress::new(args.quiet, "reading materials");
    let before = Snapshot::take(&held.through(), &selections.tree, &selections.materials, None, &[], &|f, b| {
        progress.tell(f, b)
    })?;
    let caches = Caches::record(&guard, directory, &|f, b| progress.tell(f, b))?;
    progress.done();
    fault::point("run: materials recorded");

    let (outcome, mut observation, products, isolation) = prepared.run(args.quiet)?;
    observed::place(&mut observation, directory);
    observed::redact(&mut observation);
    fault::point("run: command ended");

    let progress = Progress::new(args.quiet, "reading products");
    let after =
        Snapshot::take(&held.through(), &selections.tree, &selections.artifacts, Some(&before), &products, &|f, b| {
            progress.tell(f, b)
        })?;
    progress.done();
    if !held.is_in_place() {
        bail!(
            "the command replaced its working directory {}: nothing that lies there now was made by it",
            directory.display()
        );
    }
    let (products, deleted) = before.changes(&after, &selections.artifacts);
    let record = RunRecord {
        command: Redaction::of_environment().command_line(&arguments),
        directory: directory.to_string_lossy().into_owned(),
        process_id: outcome.process_id,
        collected_from,
        started: outcome.started,
        finished: outcome.finished,
        ending: outcome.ending,
        left_running: outcome.left_running,
        isolation,
        materials: before.to_set(&selections.materials),
        products,
        deleted,
        observation,
    };
    let mut findings = suspicion.check(&record.observation, &record.materials);
    if args.scan {
        findings.extend(scan::of_run::secrets(&context.home, &held.through(), &record.products, &arguments)?);
    }
    let mut facts = environment::facts();
    facts.extend(ci::facts(&|name| std::env::var(name).ok(), &|path| Path::new(path).exists()));
    if let Some(taken) = &run.taken {
        facts.push(EnvironmentFact {
            name: "gate-verdict".into(),
            value: taken.id.clone(),
            source: FactSource::Measured,
            basis: format!("entry {} of the log, taken in entry {}", taken.entry, taken.used),
        });
    }
    facts.push(EnvironmentFact {
        name: "signing-key-custody".into(),
        value: builder.custody().name().into(),
        source: FactSource::Measured,
        basis: "the signer in use".into(),
    });

    let mut writer = Statements {
        step: &args.step,
        invocation: &invocation,
        record: &record,
        policy,
        config,
        publish: any_published.then_some(&publish),
        blobs: Vec::new(),
        subjects: Vec::new(),
        guard_mode: guard.mode_name(),
        findings: &findings,
        caches,
        inputs: None,
    };
    let (materials, artifacts) = writer.lists()?;
    let environment = writer.environment(&facts, &tools)?;
    let process = writer.process(&facts, program_tool.as_ref())?;
    let materials_statement = writer.materials(&materials, &git, selections.materials.globs())?;
    let artifacts_statement = writer.artifacts(&artifacts, selections.artifacts.globs())?;
    let link = writer.link(&materials)?;
    let mut envelopes = Vec::new();
    for statement in [&environment, &process, &materials_statement, &artifacts_statement, &link] {
        envelopes.push(statement.sign(builder)?);
    }
    fault::point("run: evidence signed");

    // The build policy is judged on what was just signed as evidence, read back and verified like anyone else's; only
    // a pass signs anything as passed (SP 800-204D 5.1.3).
    let mut evidence =
        EvidenceFile { envelopes: envelopes.clone(), file_lists: writer.blobs.clone(), ..EvidenceFile::default() };
    // A step that takes in what others made is held against their evidence, which is in the same store.
    if policy.policy.steps.iter().any(|s| s.name == args.step && !s.materials_from.is_empty()) {
        evidence.bundles = gather::runs_behind(store, &record.materials)?;
    }
    let facts_for_policy = Facts {
        artifact: None,
        only_step: Some(args.step.clone()),
        now: clock::now(),
        policy_signers: policy.signers.clone(),
        pending: vec![predicate::PROVENANCE.into()],
        builder: Some(config.builder_id.clone()),
        before_logging: true,
    };
    let options = Options { home: None, log: None, accept_unproven_log: false };
    let judgement = judge::judge(&evidence, policy, &facts_for_policy, &options)?;
    if let Ok(passed) = Passed::from_verdict(&judgement.verdict) {
        let provenance = writer.provenance(&materials, &artifacts, &git)?;
        envelopes.push(passed.sign(&provenance, builder)?);
        envelopes.push(passed.sign(&writer.summary(&judgement.verdict, &envelopes)?, builder)?);
    } else {
        envelopes.push(writer.summary(&judgement.verdict, &envelopes)?.sign(builder)?);
    }
    if judgement.verdict.outcome == Outcome::Passed {
        suspicion.remember(&record.observation)?;
    }
    fault::point("run: judged");

    for blob in &writer.blobs {
        store.put_blob(blob)?;
    }
    let records: Vec<NewRecord> = envelopes
        .iter()
        .map(|envelope| NewRecord { envelope: envelope.clone(), key: builder.public_key().clone() })
        .collect();
    let receipts: Vec<Receipt> =
        store.append(&records, log_key).context("the evidence could not be kept, so the step fails")?;
    judge::remember_store(&context.home, store)?;
    fault::point("run: logged");

    if let Some(folder) = &links {
        let (name, content) = ClassicLink::from_statement(&link)?.sign(builder)?;
        folder.write_new(Path::new(&name), content.as_bytes()).with_context(|| format!("cannot write {name}"))?;
    }
    let evidence_files = if any_published && judgement.verdict.outcome == Outcome::Passed {
        publish_evidence(context, store, &held, &record.products, &publish, policy)?
    } else {
        Vec::new()
    };
    let checkpoint = receipts.last().map(|r| r.proof.checkpoint.unverified().clone());
    Ok(Done {
        tools,
        envelopes: records
            .iter()
            .zip(&receipts)
            .map(|(record, receipt)| (kind_of(&record.envelope), record.envelope.digest(), receipt.index))
            .collect(),
        verdict: judgement.verdict,
        refused: judgement.refused,
        evidence_files,
        signer: builder.public_key().clone(),
        custody: builder.custody().name(),
        git: git.unwrap_or(None),
        store: store.root().to_path_buf(),
        size: checkpoint.as_ref().map_or(0, |c| c.size),
        root: checkpoint.map_or_else(|| sha256(b""), |c| c.root),
        invocation,
        findings,
        step: args.step.clone(),
        guard_mode: guard.mode_name(),
        record,
    })
}

fn kind_of(envelope: &Envelope) -> String {
    let named = Statement::unverified_type(envelope.unverified_payload());
    named.map_or_else(|| "?".to_owned(), |named| predicate::short_name(&named).to_owned())
}

/// The directory of a file that is to be written, held by descriptor, and the file's name.
fn hold_parent(path: &Path) -> Result<(Directory, PathBuf)> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let folder = Directory::open(parent).with_context(|| format!("cannot use {}", parent.display()))?;
    Ok((folder, PathBuf::from(name)))
}

/// Key files in use that lie outside the user's directory.
fn key_files(project: &Project) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        ["PROVOST_KEY", "PROVOST_LOG_KEY"].iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    if let config::SignerChoice::File(path) = &project.config.signer {
        files.push(project.root.as_deref().unwrap_or(Path::new("/")).join(path));
    }
    files.into_iter().filter(|path| path.is_file()).filter_map(|path| path.canonicalize().ok()).collect()
}

/// Keys, store and memory: what the command must not reach.
fn hidden_directories(context: &Context, project: &Project, store: &Store) -> Vec<PathBuf> {
    let mut hidden = vec![context.home.path().to_path_buf(), store.root().to_path_buf()];
    hidden.extend(key_files(project));
    let mut hidden: Vec<PathBuf> = hidden.into_iter().filter_map(|p| p.canonicalize().ok()).collect();
    hidden.sort();
    let all = hidden.clone();
    hidden.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
    hidden.dedup();
    hidden
}

struct Selections {
    tree: Selection,
    materials: Selection,
    artifacts: Selection,
}

impl Selections {
    /// What is hidden from the command is no material either, should it lie in the tree.
    fn new(config: &config::Config, directory: &Path, hidden: &[PathBuf]) -> Result<Self> {
        let mut always: Vec<String> = config::ALWAYS_EXCLUDED.iter().map(|g| (*g).to_owned()).collect();
        let inside = hidden.iter().filter_map(|path| path.strip_prefix(directory).ok());
        always.extend(inside.map(|path| format!("/{}", path.display())));
        Ok(Self {
            tree: Selection::new(&[], &always)?,
            materials: Selection::new(
                &config.materials_include,
                &[always.clone(), config.materials_exclude.clone()].concat(),
            )?,
            artifacts: Selection::new(&config.artifacts_include, &[always, config.artifacts_exclude.clone()].concat())?,
        })
    }
}

/// Writes the evidence file beside each published product.
fn publish_evidence(
    context: &Context,
    store: &Store,
    directory: &Directory,
    products: &FileSet,
    publish: &Selection,
    policy: &TrustedPolicy,
) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let policy_keys = crate::commands::policy_keys(&context.home, policy)?;
    for entry in products.entries.iter().filter(|e| e.kind == FileKind::File && e.size > 0) {
        let (Some(digest), Some(bytes)) = (entry.digest, entry.name.to_bytes()) else { continue };
        let name = PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes));
        if !publish.takes(&name) {
            continue;
        }
        let mut file = gather::for_artifact(store, &digest, false)?;
        file.policy_keys.clone_from(&policy_keys);
        // The place is inside the build's own tree: no link that it left there leads us elsewhere.
        let path = beside(&name);
        directory
            .write_new(&path, file.to_text().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Progress on long work, on a terminal only.
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn new(quiet: bool, what: &'static str) -> Self {
        if quiet || !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            return Self(None);
        }
        let bar = indicatif::ProgressBar::new_spinner();
        bar.set_message(what);
        Self(Some(bar))
    }

    fn tell(&self, files: u64, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{}, {}", count(files, "file", "files"), human_bytes(bytes)));
            bar.tick();
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn show(done: &Done, project: &Project, directory: &Path) {
    let record = &done.record;
    let mut out =
        format!("\n{} {}\n", render::bold("provost"), render::dim(&format!("step {}", printable(&done.step))));
    let seconds = (record.finished.milliseconds() - record.started.milliseconds()) as f64 / 1000.0;
    let ended = match record.ending {
        Ending::Exited(status) => format!("exit {status}"),
        Ending::Signalled(number) => format!("ended by signal {number}"),
        Ending::TimedOut => "stopped at its time limit".into(),
    };
    let command = printable(&record.command.join(" "));
    let command: String =
        if command.chars().count() > 60 { command.chars().take(59).chain(['…']).collect() } else { command };
    out += &render::line(
        "ran",
        &format!("{}  {}", render::bold(&command), render::dim(&format!("{ended}, {seconds:.1} s"))),
    );
    let mut came_in = format!(
        "{}, {}",
        count(record.materials.entries.len() as u64, "file", "files"),
        human_bytes(record.materials.bytes())
    );
    if let Some(git) = &done.git {
        let commit =
            git.commit.as_deref().map_or_else(|| "no commit yet".into(), |c| c.chars().take(12).collect::<String>());
        let state = match git.dirty {
            Some(true) => ", with local changes",
            Some(false) => ", clean",
            None => "",
        };
        came_in += &format!(" at {commit}{state}");
    }
    came_in += &render::dim(&format!("; {}", count(done.tools.len() as u64, "tool", "tools by digest")));
    out += &render::line("came in", &came_in);
    let mut went_out = count(record.products.entries.len() as u64, "file", "files");
    went_out += &format!(", {}", human_bytes(record.products.bytes()));
    let mut largest: Vec<_> = record.products.entries.iter().filter(|e| e.kind == FileKind::File).collect();
    largest.sort_by_key(|e| (std::cmp::Reverse((e.executable, e.size)), &e.name));
    if let Some(entry) = largest.first() {
        went_out += &render::dim(&format!("; largest {} ({})", printable(&entry.name.text), human_bytes(entry.size)));
    }
    out += &render::line("went out", &went_out);
    let uncertain = record.materials.uncertain()
        + record.products.uncertain()
        + record.materials.not_listed.len()
        + record.products.not_listed.len();
    if uncertain > 0 {
        out += &render::line(
            "note",
            &format!(
                "{} without certain content: `provost inspect` names them",
                count(uncertain as u64, "file", "files")
            ),
        );
    }
    let isolation = if record.isolation.keys_unreachable {
        format!(
            "keys and store out of the command's reach {}",
            render::dim(&format!("({}, probed)", record.isolation.mechanism))
        )
    } else {
        format!(
            "{} the command could reach the keys: {}",
            render::warning("not isolated:"),
            printable(record.isolation.limits.get(1).map_or("", |s| s))
        )
    };
    out += &render::line("isolation", &isolation);
    out += &watch::summary(&record.observation);
    out += &behaviour::summary(&done.findings);
    out += &render::line(
        "signed by",
        &format!(
            "{} {}… {}",
            done.signer.algorithm().name(),
            done.signer.id().digest().short(),
            render::dim(&format!("({})", done.custody))
        ),
    );
    out += &render::line(
        "kept in",
        &format!(
            "{}, entries {} to {} {}",
            printable(&done.store.display().to_string()),
            done.envelopes.first().map_or(0, |e| e.2),
            done.envelopes.last().map_or(0, |e| e.2),
            render::dim(&format!("(log of {}, root {}…)", done.size, done.root.short()))
        ),
    );
    for file in &done.evidence_files {
        out +=
            &render::line("evidence", &printable(&file.strip_prefix(directory).unwrap_or(file).display().to_string()));
    }
    let policy = if project.root.is_some() {
        printable(&done.verdict.policy)
    } else {
        "default policy; `provost init` makes one for this project".into()
    };
    out += &render::line(
        "verdict",
        &format!("{}  {}", render::outcome(done.verdict.outcome), render::dim(&format!("by {policy}"))),
    );
    out += &render::verdict(&done.verdict, false);
    for refused in &done.refused {
        out += &format!("  {} {}\n", render::error("refused"), printable(refused));
    }
    // A closed or full standard error must not undo a run that is done.
    let _ = std::io::Write::write_all(&mut anstream::stderr(), out.as_bytes());
}

fn to_json(done: &Done) -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "kind": "run",
        "invocationId": done.invocation,
        "command": done.record.command,
        "ending": done.record.ending,
        "startedOn": done.record.started,
        "finishedOn": done.record.finished,
        "materials": done.record.materials.entries.len(),
        "products": done.record.products.entries.iter().map(|e| serde_json::json!({"name": e.name.text, "sha256": e.digest, "size": e.size})).take(1000).collect::<Vec<_>>(),
        "isolation": done.record.isolation,
        "findings": done.findings,
        "violations": done.record.observation.violations,
        "signer": done.signer.id().to_string(),
        "log": {"store": done.store.to_string_lossy(), "size": done.size, "root": done.root},
        "statements": done.envelopes.iter().map(|(kind, digest, index)| serde_json::json!({"kind": kind, "envelope": digest, "index": index})).collect::<Vec<_>>(),
        "evidenceFiles": done.evidence_files.iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
        "verdict": done.verdict,
    })
}
