//! `scan image`: every layer read once; packages of what is visible, secrets of everything, and what is dangerous about the
//! image itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use provost_attest::ResourceDescriptor;
use provost_attest::predicate::ImageFacts;
use provost_deps::{Collected, Database, Files, Source, collect, of_binary};
use provost_formats::{lock, system};
use provost_image::{
    Danger, Entry, EntryId, EntryKind, Fate, FromRegistry, Image, Limits, Platform, Reference, RunsAs, Select, Walked,
    What, dangers, ports, runs_as, secret_variables,
};
use provost_model::{DigestSet, Ecosystem, Finding, Level, count, printable};
use provost_remote::registry::{Registry, Settings};
use provost_remote::{Client, DockerConfig, Options};
use provost_scan::{Check, Coverage, Limits as ScanLimits, Place, Scanner, Tally};

use super::{Known, Other, finish, image_age as age, judge_all};
use crate::commands::Context;
use crate::commands::deps::ImageArgs;
use crate::exit::Exit;
use crate::{clock, scan as scanning};

/// Why a finding in a file of a distribution's package is no secret.
const OF_A_PACKAGE: &str = "it came with the package";

/// Bytes of a program or Java archive that are held at once.
const LARGEST_BINARY: u64 = 512 << 20;

/// Ports that manage a machine or a cluster, and have no business in most images.
const MANAGEMENT: &[(u16, &str)] = &[
    (22, "SSH"),
    (23, "telnet"),
    (2375, "the Docker daemon, unprotected"),
    (2376, "the Docker daemon"),
    (3389, "remote desktop"),
    (5900, "VNC"),
    (5985, "WinRM"),
    (6443, "the Kubernetes API"),
    (10250, "the kubelet"),
    (2379, "etcd"),
];

/// Opens what was named: a path, else a reference to a registry.
fn open(args: &ImageArgs, limits: &Limits) -> Result<Image> {
    let platform = args.platform.as_deref().map(platform).transpose()?;
    let select = Select { name: args.name.clone(), platform };
    let path = Path::new(&args.image);
    if path.exists() {
        return Image::open_path(path, &select, limits).with_context(|| format!("{} cannot be read", args.image));
    }
    let looks_like_path =
        args.image.starts_with(['.', '/']) || [".tar", ".tar.gz", ".tgz"].iter().any(|e| args.image.ends_with(e));
    if looks_like_path {
        bail!("there is no {}", args.image);
    }
    // Nobody's registry is asked because of a misspelt path.
    let host = args.image.split('/').next().unwrap_or_default();
    if !args.image.contains('/') || !(host.contains(['.', ':']) || host == "localhost") {
        bail!(
            "there is no file {0}; a reference to a registry names its host: docker.io/library/{0}, registry.example.org/app:1.2",
            args.image
        );
    }
    let reference: Reference = args.image.parse().with_context(|| {
        format!("{} is neither a file nor a reference such as registry.example.org/app:1.2", args.image)
    })?;
    let client = Client::new(Options::default())?;
    let mut settings = Settings::default();
    if let Some(config) = docker_config()?
        && let Some(credentials) = config.credentials(&reference.registry)
    {
        settings.credentials.push((reference.registry.clone(), credentials.clone()));
    }
    let registry = Registry::new(client, settings, provost_remote::registry::Limits::default());
    let repository = registry.repository(&reference)?;
    let source = provost_image::Source::Registry(Box::new(FromRegistry::new(repository, reference)));
    Image::open(source, &select, limits).with_context(|| format!("{} cannot be read", args.image))
}

/// The user's docker configuration, for its credentials.
fn docker_config() -> Result<Option<DockerConfig>> {
    let directory = std::env::var_os("DOCKER_CONFIG")
        .map(std::path::PathBuf::from)
        .or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let Some(path) = directory.map(|directory| directory.join("config.json")).filter(|path| path.exists()) else {
        return Ok(None);
    };
    let bytes = crate::input::read(&path, 1 << 20)?;
    Ok(Some(DockerConfig::parse(&bytes).with_context(|| format!("{} cannot be used", path.display()))?))
}

fn platform(text: &str) -> Result<Platform> {
    let mut parts = text.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => Ok(Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.unwrap_or_default().to_owned(),
            ..Platform::default()
        }),
        _ => bail!("--platform {text}: os/architecture is expected, for example linux/arm64"),
    }
}

/// What is kept of the merged view for the readers of packages.
fn is_wanted(path: &str, lockfiles: bool) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let system = system::wants(path).is_some()
        || system::os_release::PATHS.contains(&path)
        || matches!(path, "etc/passwd" | "etc/apk/world" | "var/lib/apt/extended_states" | "var/lib/dpkg/diversions")
        || name.ends_with(".sqlite-wal")
        || path.starts_with("var/lib/dpkg/info/") && name.ends_with(".list")
        || path.starts_with("var/lib/dpkg/status.d/")
        || path.starts_with("var/lib/pacman/local/");
    let beside = matches!(name, "direct_url.json" | "top_level.txt");
    let reader = lock::reader_of(path).is_some_and(|reader| lockfiles || lock::is_installed(reader));
    system || beside || reader
}

/// Where packages of an operating system put their files. What they claim elsewhere (`/app`, `/opt`, `/usr/local`) is not
/// believed: a database that lies could hide anything.
fn is_system_path(path: &str) -> bool {
    let top = ["usr/", "lib/", "lib64/", "bin/", "sbin/", "etc/", "var/lib/"].iter().any(|top| path.starts_with(top));
    top && !path.starts_with("usr/local/")
}

/// The visible files that matter, links followed within the root.
struct View<'w> {
    list: Vec<String>,
    contents: HashMap<String, Cow<'w, [u8]>>,
}

impl<'w> View<'w> {
    /// What was kept while the layers went by, and what only the merged view told to be of interest: another name of a file,
    /// a link to one.
    fn new(image: &Image, walked: &'w Walked, lockfiles: bool, coverage: &mut Coverage) -> Result<Self> {
        let mut wanted: Vec<(String, EntryId)> = Vec::new();
        for (path, _) in walked.tree.iter() {
            let Ok(path) = std::str::from_utf8(path) else {
                let shown = String::from_utf8_lossy(path).into_owned();
                if is_wanted(&shown, lockfiles) {
                    coverage.fail(shown, "its name is not UTF-8");
                }
                continue;
            };
            if !is_wanted(path, lockfiles) {
                continue;
            }
            match walked.tree.resolve(path) {
                Ok((_, node)) => wanted.extend(node.content.map(|entry| (path.to_owned(), entry))),
                Err(error) => coverage.part(path.to_owned(), &format!("a link that leads nowhere: {error}")),
            }
        }
        let missing: BTreeSet<EntryId> =
            wanted.iter().map(|(_, entry)| *entry).filter(|entry| walked.content_of(*entry).is_none()).collect();
        let again = if missing.is_empty() { BTreeMap::new() } else { image.contents(&missing)? };
        let mut view = Self { list: Vec::new(), contents: HashMap::new() };
        for (path, entry) in wanted {
            match walked.content_of(entry).map(Cow::Borrowed).or_else(|| again.get(&entry).cloned().map(Cow::Owned)) {
                Some(bytes) => {
                    view.list.push(path.clone());
                    view.contents.insert(path, bytes);
                }
                None => coverage.part(path, "it is too large to be kept"),
            }
        }
        Ok(view)
    }
}

impl Files for View<'_> {
    fn list(&self) -> &[String] {
        &self.list
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.contents.get(path).map(|bytes| bytes.to_vec()).ok_or_else(|| "there is no such file".to_owned())
    }
}

/// What was found while the layers went by.
#[derive(Default)]
struct Gathered {
    /// Packages that programs and archives tell of.
    binaries: Vec<(EntryId, Option<Source>, Coverage)>,
    coverage: Coverage,
    /// Entries with findings, by layer and path.
    places: HashMap<(usize, String), EntryId>,
}

/// `scan image`.
pub(crate) fn scan(args: &ImageArgs, context: &Context) -> Result<Exit> {
    let (began, begun) = (clock::now(), Instant::now());
    let known = Known::load(&args.judging, None, Path::new("."), context)?;
    let limits = Limits::default();
    let image = open(args, &limits)?;
    let secrets = if args.no_secrets { None } else { Some(scanning::for_images(context)?) };
    let checks: Vec<&dyn Check> = secrets.iter().map(|secrets| secrets as &dyn Check).collect();
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, ScanLimits::default(), globset::GlobSet::empty(), false, &tally);
    let mut gathered = Gathered::default();
    let walked = scanning::progress::during(args.judging.quiet, &tally, || {
        walk(&image, args, &scanner, !args.no_secrets, &tally, &mut gathered)
    })?;
    if !args.no_secrets {
        scanner.bytes(&Place::file(args.image.as_str()).member("configuration"), &image.config_bytes);
    }
    let secret_report = scanner.finish();
    let (collected, owned) =
        packages(&image, &walked, &known.database, gathered.binaries, gathered.coverage, args.lockfiles)?;
    let facts = facts(&image, &walked);
    let mut others = about_the_image(args, &image, &walked);
    let at = args.judging.supply.at.unwrap_or(began);
    others.extend(age::findings(args, &image, &walked, at));
    let (baseline, suppressions) = (known.baseline.clone(), known.suppressions.clone());
    let mut done = judge_all(&args.judging, known, args.image.clone(), collected, began, begun)?;
    others.extend(
        secret_report.findings.into_iter().map(|finding| with_fate(finding, &walked, &gathered.places, &owned)),
    );
    let judged = provost_scan::judge(others, baseline.as_ref(), &suppressions, &clock::now());
    let denied = |rule: &str| args.deny_image.iter().any(|one| one == rule || one == "all");
    done.others = judged
        .findings
        .into_iter()
        .map(|judged| {
            let of_image = judged.finding.rule.starts_with("image-");
            // What everyone has who has the distribution is no secret.
            let public = judged.finding.why.iter().any(|why| why.starts_with(OF_A_PACKAGE));
            let counts = !of_image && !public
                || denied(&judged.finding.rule)
                || matches!(judged.finding.rule.as_str(), "image-foreign-base" | "image-old" | "image-old-base")
                || judged.finding.rule == "image-refused-entry";
            Other { finding: judged.finding, state: judged.state, counts }
        })
        .collect();
    let coverage = &mut done.collected.coverage;
    for gap in secret_report.coverage.failures.iter().chain(&secret_report.coverage.parts) {
        coverage.part(gap.place.clone(), &format!("secrets: {}", gap.why));
    }
    for problem in walked.problems.listed.iter().filter(|problem| problem.what == What::Gap) {
        coverage.part(args.image.clone(), &problem.to_string());
    }
    done.image = Some(facts);
    done.elapsed = begun.elapsed();
    let subjects = subjects(&image, args)?;
    if !args.judging.quiet {
        anstream::eprintln!("{}", headline(&image, &walked));
    }
    finish(&args.judging, &done, &subjects, context)
}

/// What a statement about the image is about.
fn subjects(image: &Image, args: &ImageArgs) -> Result<Vec<ResourceDescriptor>> {
    if !args.judging.attest {
        return Ok(Vec::new());
    }
    let digest = image.subject().with_context(|| {
        format!("{} has neither manifest nor configuration: there is nothing that a statement could name", args.image)
    })?;
    let name = image.names.first().cloned().unwrap_or_else(|| args.image.clone());
    let mut subjects = vec![ResourceDescriptor::named(name.clone(), digest)];
    // The index may list other platforms: the statement is about the manifest. The configuration is the same image.
    if let (Some(_), Some(id)) = (image.digest, image.id) {
        let digest = DigestSet::from([("sha256".to_owned(), id.to_hex())]);
        subjects.push(ResourceDescriptor {
            name: Some(format!("{name} (configuration)")),
            digest,
            ..ResourceDescriptor::default()
        });
    }
    Ok(subjects)
}

fn walk(
    image: &Image,
    args: &ImageArgs,
    scanner: &Scanner<'_>,
    secrets: bool,
    tally: &Tally,
    gathered: &mut Gathered,
) -> Result<Walked> {
    let lockfiles = args.lockfiles;
    let names: Vec<String> = image
        .layers
        .iter()
        .enumerate()
        .map(|(number, layer)| match layer.digest.or(layer.diff_id) {
            Some(digest) => format!("layer {} (sha256:{}…)", number + 1, &digest.to_hex()[..12]),
            None => format!("layer {}", number + 1),
        })
        .collect();
    let root = Place::file(args.image.as_str());
    let walked = image.walk(
        &mut |entry| std::str::from_utf8(&entry.path).is_ok_and(|path| is_wanted(path, lockfiles)),
        &mut |entry, content| {
            let Some(content) = content.filter(|_| entry.kind == EntryKind::File) else {
                return ControlFlow::Continue(());
            };
            let path = entry.name().text;
            let before = tally.findings.load(std::sync::atomic::Ordering::Relaxed);
            let place = root.member(names.get(entry.id.layer).map_or("a layer", String::as_str)).member(&path);
            file(entry, &path, content, scanner, secrets, &place, gathered);
            if tally.findings.load(std::sync::atomic::Ordering::Relaxed) > before {
                gathered.places.insert((entry.id.layer, path), entry.id);
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(walked)
}

/// One file of one layer.
fn file(
    entry: &Entry,
    path: &str,
    content: &mut dyn Read,
    scanner: &Scanner<'_>,
    secrets: bool,
    place: &Place,
    gathered: &mut Gathered,
) {
    let mut head = Vec::new();
    if content.take(system::binary::SNIFF as u64).read_to_end(&mut head).is_err() {
        // What cannot be read is a problem of the layer, and told there.
        return;
    }
    let archive = lock::jar::is_jar(path);
    let binary = system::binary::sniff(&head).is_some();
    if !binary && !archive {
        if secrets && !head.is_empty() {
            scanner.stream(place, &mut head.as_slice().chain(content));
        }
        return;
    }
    if entry.size > LARGEST_BINARY {
        gathered.coverage.part(path.to_owned(), &format!("a program of more than {LARGEST_BINARY} bytes"));
        if secrets {
            scanner.stream(place, &mut head.as_slice().chain(content));
        }
        return;
    }
    if content.take(LARGEST_BINARY).read_to_end(&mut head).is_err() {
        return;
    }
    let mut coverage = Coverage::default();
    let found = if binary {
        of_binary(path, &mut Cursor::new(&head), &mut coverage)
    } else {
        provost_deps::of_java_archive(path, &mut Cursor::new(&head), &mut coverage)
    };
    if found.is_some() || !coverage.is_complete() {
        gathered.binaries.push((entry.id, found, coverage));
    }
    if secrets {
        scanner.bytes(place, &head);
    }
}

/// The packages of what is visible. What an operating system's package brought is its own affair.
fn packages(
    image: &Image,
    walked: &Walked,
    database: &Database,
    binaries: Vec<(EntryId, Option<Source>, Coverage)>,
    coverage: Coverage,
    lockfiles: bool,
) -> Result<(Collected, HashMap<String, String>)> {
    let mut seen = Coverage::default();
    let view = View::new(image, walked, lockfiles, &mut seen)?;
    let mut collected = collect(&view, seen);
    if !lockfiles {
        // Lockfiles are kept where a reader of installed packages wanted them beside; they do not count by themselves.
        collected.sources.retain(|source| {
            let reader = lock::READERS.iter().flat_map(|group| group.iter()).find(|reader| reader.id == source.reader);
            reader.is_none_or(lock::is_installed)
        });
    }
    let has_database =
        collected.sources.iter().flat_map(|one| &one.inventory.packages).any(|p| p.distribution.is_some());
    for (entry, source, coverage) in binaries {
        if !matches!(walked.tree.fate(entry), Fate::Visible) {
            continue;
        }
        collected.coverage.add(coverage);
        // What a library says of the system's package that it is from, the system's database says better.
        let of_system = |package: &provost_model::Package| {
            matches!(package.ecosystem, Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm)
        };
        let noted = |source: &Source| has_database && source.inventory.packages.iter().all(of_system);
        collected.sources.extend(source.filter(|source| !noted(source)));
    }
    collected.coverage.add(coverage);
    let mut owned: HashMap<String, String> = HashMap::new();
    for source in &collected.sources {
        for package in source.inventory.packages.iter().filter(|package| package.distribution.is_some()) {
            for file in package.files.iter().map(|file| file.trim_start_matches('/')) {
                if is_system_path(file) {
                    owned.insert(file.to_owned(), package.name.clone());
                }
            }
        }
    }
    let system =
        collected.sources.iter().flat_map(|source| &source.inventory.packages).find_map(|p| p.distribution.clone());
    // Where there are no advisories for the distribution, nobody else judges what it brought.
    let covered = system.as_ref().is_some_and(|system| {
        provost_deps::ecosystem::of_distribution(system).iter().any(|name| database.covers(name))
    });
    for source in collected.sources.iter_mut().filter(|_| covered) {
        source.managed = owner(walked, &owned, &source.path);
    }
    let release = system::os_release::find(&|path| view.read(path).ok());
    if let (Some(release), None) = (&release, &system) {
        let why = format!("it says that it is {} {}, but no package database is visible", release.id, release.version);
        collected.coverage.part("etc/os-release".to_owned(), &why);
    }
    // Lists of files have served their purpose.
    for package in collected.sources.iter_mut().flat_map(|source| &mut source.inventory.packages) {
        package.files = Vec::new();
    }
    collected.sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((collected, owned))
}

/// The system's package that a file belongs to: by its own path, or by the one before `/usr` was merged.
fn owner(walked: &Walked, owned: &HashMap<String, String>, path: &str) -> Option<String> {
    if let Some(package) = owned.get(path) {
        return Some(package.clone());
    }
    let merged = path.strip_prefix("usr/").filter(|rest| owned.contains_key(*rest))?;
    let top = merged.split('/').next()?;
    walked.tree.node(top).filter(|node| node.link.is_some())?;
    owned.get(merged).cloned()
}

fn facts(image: &Image, walked: &Walked) -> ImageFacts {
    let config = image.config.as_ref();
    ImageFacts {
        manifest: image.subject().map(|digest| format!("sha256:{digest}")).unwrap_or_default(),
        index: image.index.map(|digest| format!("sha256:{digest}")),
        platform: image.platform.as_ref().map(ToString::to_string).unwrap_or_default(),
        chain: image.chain_ids().iter().map(|digest| format!("sha256:{digest}")).collect(),
        chain_created: image.layer_times(),
        user: match config.map(|config| runs_as(config, walked.content("etc/passwd"))) {
            Some(RunsAs::Root) => "root".to_owned(),
            Some(_) => config.map(|config| config.runtime.user.clone()).unwrap_or_default(),
            None => String::new(),
        },
        created: config.and_then(|config| config.created),
        findings: BTreeMap::new(),
    }
}

fn headline(image: &Image, walked: &Walked) -> String {
    let unpacked: u64 = walked.layers.iter().map(|layer| layer.unpacked).sum();
    let digest = image.subject().map(|digest| format!(" sha256:{digest}")).unwrap_or_default();
    let platform = image.platform.as_ref().map(|platform| format!(", {platform}")).unwrap_or_default();
    crate::render::dim(&printable(&format!(
        "{}{digest}{platform}: {}, {} unpacked, {} visible, {} hidden",
        image.kind,
        count(image.layers.len() as u64, "layer", "layers"),
        provost_model::human_bytes(unpacked),
        count(walked.tree.len() as u64, "path", "paths"),
        walked.tree.hidden().len()
    )))
}

/// A finding in a layer, with what became of its file.
fn with_fate(
    mut finding: Finding,
    walked: &Walked,
    places: &HashMap<(usize, String), EntryId>,
    owned: &HashMap<String, String>,
) -> Finding {
    let layer =
        finding.within.first().and_then(|name| name.strip_prefix("layer ")?.split(' ').next()?.parse::<usize>().ok());
    if let (Some(layer), Some(path)) = (layer, finding.within.get(1))
        && let Some(entry) = places.get(&(layer - 1, path.clone()))
    {
        match walked.tree.fate(*entry) {
            Fate::Visible => {
                if let Some(package) = owner(walked, owned, path) {
                    finding.level = Level::Note;
                    finding.why.push(format!("{OF_A_PACKAGE} {package}, as everyone has it"));
                }
            }
            Fate::Hidden(hidden) => finding.why.push(format!(
                "layer {} hides it, but everyone who has the image can read it: it has to be made without it, not on top",
                hidden.by + 1
            )),
            Fate::NotPlaced => finding.why.push("its entry has no place in the image, and can be read all the same".to_owned()),
        }
    }
    finding
}

fn about_the_image(args: &ImageArgs, image: &Image, walked: &Walked) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |rule: &str, level: Level, message: String, about: &str, path: Option<&str>, help: &str| {
        let mut finding = Finding::new(rule, level, message, &[about]).in_file(&args.image);
        finding.within.extend(path.map(str::to_owned));
        finding.help = Some(help.to_owned());
        found.push(finding);
    };
    if let Some(config) = &image.config {
        match runs_as(config, walked.content("etc/passwd")) {
            RunsAs::Root => say(
                "image-root-user",
                Level::Warning,
                "it runs as root unless whoever starts it says otherwise".to_owned(),
                "user",
                None,
                "make a user, and name it with USER",
            ),
            RunsAs::Unknown => say(
                "image-unknown-user",
                Level::Warning,
                format!("it runs as `{}`, whom its etc/passwd does not know", config.runtime.user),
                "user",
                None,
                "name a user by number, or make it",
            ),
            RunsAs::Other => {}
        }
        for port in ports(config) {
            let (first, last) = port.numbers;
            for (number, what) in MANAGEMENT.iter().filter(|(number, _)| (first..=last).contains(number)) {
                let message = format!("it says that it listens on port {number}: {what}");
                let help = "manage containers from outside, not through a service within them";
                say("image-management-port", Level::Warning, message, &number.to_string(), None, help);
            }
        }
        for name in secret_variables(config) {
            let message = format!("its variable {name} has a value that everyone who has the image can read");
            let help = "hand secrets over when the container starts, as files";
            say("image-secret-variable", Level::Error, message, name, None, help);
        }
        if config.runtime.healthcheck.is_none() {
            let message = "it has no health check".to_owned();
            say(
                "image-no-healthcheck",
                Level::Note,
                message,
                "healthcheck",
                None,
                "add HEALTHCHECK, or let the cluster probe it",
            );
        }
        for command in image.commands() {
            if let Some((rule, what, help)) = suspicious(command) {
                let shown: String = command.chars().take(120).collect();
                say(rule, Level::Warning, format!("its history {what}: {shown}"), command, None, help);
            }
        }
    }
    let chain: BTreeSet<String> = image.chain_ids().iter().map(|digest| format!("sha256:{digest}")).collect();
    let permitted: HashSet<String> = args
        .base_image
        .iter()
        .map(|id| if id.starts_with("sha256:") { id.clone() } else { format!("sha256:{id}") })
        .collect();
    if !permitted.is_empty() && !permitted.iter().any(|id| chain.contains(id)) {
        let message = "it is built on none of the permitted base images".to_owned();
        say("image-foreign-base", Level::Error, message, "base", None, "build it on one of them");
    }
    if let Some(claim) = image.base_claim()
        && claim.digest.is_none()
    {
        let name = claim.name.map(|name| name.to_string()).unwrap_or_default();
        let message = format!("it says that it is built on {name}, without a digest");
        say("image-unpinned-base", Level::Note, message, "base", None, "name the base image by digest");
    }
    for (path, _, danger) in dangers(&walked.tree) {
        let path = provost_model::FileName::from_bytes(path).text;
        let (rule, level, what, help) = match danger {
            Danger::Setuid => {
                ("image-setuid", Level::Note, "runs as its owner, whoever starts it", "remove the bit, or the program")
            }
            Danger::Setgid => (
                "image-setgid",
                Level::Note,
                "runs with its group, whoever starts it",
                "remove the bit, or the program",
            ),
            Danger::Capabilities => {
                ("image-capabilities", Level::Note, "has capabilities of its own", "remove them, or the program")
            }
            Danger::WritableFile => {
                ("image-writable-file", Level::Warning, "may be changed by anyone", "take the write permission away")
            }
            Danger::WritableDirectory => (
                "image-writable-directory",
                Level::Warning,
                "is a directory in which anyone may replace what others put there",
                "set the sticky bit, or take the write permission away",
            ),
            Danger::Device => ("image-device", Level::Warning, "is a device node", "leave devices to the runtime"),
        };
        say(rule, level, format!("{path} {what}"), &path, Some(&path), help);
    }
    for problem in walked.problems.listed.iter().filter(|problem| problem.what == What::Refused) {
        let help = "no honest tool writes such an entry: find out who made the layer";
        let place = problem.place.clone().unwrap_or_default();
        say("image-refused-entry", Level::Error, problem.to_string(), &place, None, help);
    }
    found
}

/// What in a step of the history deserves a look.
fn suspicious(command: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let lower = command.to_lowercase();
    let fetches = lower.contains("curl ") || lower.contains("wget ");
    let pipes =
        ["| sh", "|sh", "| bash", "|bash", "| python", "| sudo", "| perl", "| node"].iter().any(|p| lower.contains(p));
    if fetches && pipes {
        let help = "fetch, check the digest, then run";
        return Some(("image-piped-script", "runs a script as it comes from the network", help));
    }
    let adds = lower.contains("add http://") || lower.contains("add https://") || lower.starts_with("add http");
    if adds {
        let help = "fetch in a build step, and check the digest (ADD --checksum)";
        return Some(("image-remote-add", "adds a file from the network", help));
    }
    if lower.contains("chmod 777") || lower.contains("chmod -r 777") || lower.contains("chmod a+rwx") {
        return Some(("image-chmod-777", "lets anyone write", "give the permission to who needs it"));
    }
    if lower.contains("--allow-unauthenticated")
        || lower.contains("--allow-untrusted")
        || lower.contains("--no-gpg-check")
        || lower.contains("--nogpgcheck")
    {
        return Some((
            "image-unsigned-packages",
            "installs packages without looking at their signatures",
            "leave the check on",
        ));
    }
    None
}
