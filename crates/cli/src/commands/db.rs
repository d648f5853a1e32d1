//! `provost db`: the advisories that dependencies are judged by.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use provost_deps::{Builder, Database, Imported, Info, What};
use provost_model::{Timestamp, count, human_bytes, printable};
use provost_remote::{Client, Options};
use serde_json::json;

use crate::commands::Context;
use crate::commands::db_pack::{self, PackArgs, TrustArgs};
use crate::exit::Exit;
use crate::packs::{self, Origin};
use crate::{clock, render};

/// Bytes of a file to import at most.
const MAXIMUM_FILE: u64 = 8 << 30;

/// Arguments of `db`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DbArgs {
    #[command(subcommand)]
    what: What_,
}

const AFTER: &str = "\
Examples:
  provost db import crates.io/all.zip PyPI/all.zip   OSV's archives, as downloaded from its bucket
  provost db import epss_scores-current.csv.gz       FIRST's EPSS scores
  provost db import known_exploited_vulnerabilities.json
  provost db import --releases uvloop.json ~/go/pkg/mod/cache/download   when versions were published
  provost db update crates.io npm PyPI               fetch what is new; later without names
  provost db status                                  what is in it, and how old
  provost db show GHSA-q2q7-5pp4-w6pg                one advisory
  provost db pack create -o advisories.pack          sign it for others
  provost db trust publisher.pub                     whose packs count here
  provost db import advisories.pack                  take a pack: newer than the last, and not ended

The database is one file in provost's own directory; PROVOST_DB or --db names another. Nothing is fetched but by
`update`: bring the files as you bring other inputs into your network.";

#[derive(Debug, Subcommand)]
enum What_ {
    /// Import OSV archives, advisories, EPSS scores, the list of exploited vulnerabilities.
    Import(ImportArgs),
    /// Fetch what is new from where OSV's archives are published, or from a mirror of yours.
    Update(UpdateArgs),
    /// What is in the database, and how old it is.
    Status(StatusArgs),
    /// Show an advisory by its id or an alias.
    Show(ShowArgs),
    /// Sign the database as a pack for others.
    Pack(PackArgs),
    /// Trust a key's packs from now on; without one, list the keys.
    Trust(TrustArgs),
}

/// Which database.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The advisory database.
    #[arg(long = "db", id = "db", value_name = "FILE", env = "PROVOST_DB")]
    pub database: Option<PathBuf>,
}

impl Which {
    /// Where it lies.
    pub fn path(&self, context: &Context) -> PathBuf {
        self.database.clone().unwrap_or_else(|| context.home.path().join("advisories.db"))
    }

    /// Opens it.
    ///
    /// # Errors
    /// There is none, it is damaged, or it came as a pack that has ended.
    pub fn open(&self, context: &Context) -> Result<Database> {
        let database = self.open_ended(context)?;
        if let Some(origin) = Origin::of(database.path(), &database.info().digest)?
            && let Some(why) = packs::ended(&origin.pack, clock::now())
        {
            bail!("the advisories at {} do not count any more: {why}", database.path().display());
        }
        Ok(database)
    }

    /// The same, even where it came as a pack that has ended: to look at it.
    fn open_ended(&self, context: &Context) -> Result<Database> {
        let path = self.path(context);
        if !path.exists() {
            bail!(
                "there is no advisory database at {}: make one with `provost db import FILE…` from OSV's archives \
                 (osv-vulnerabilities.storage.googleapis.com/<ecosystem>/all.zip)",
                path.display()
            );
        }
        Ok(Database::open(&path)?)
    }
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// Archives (zip, tar, compressed or not), JSON or CSV files; directories are searched for .json files and RustSec's.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// The files say when versions were published: npm's packuments, PyPI's JSON, files of crates.io's sparse index, `.info` of
    /// Go's module cache, or lines with ecosystem, name, version and released. `--min-age` goes by that.
    #[arg(long, conflicts_with_all = ["fresh", "as_of", "strict"])]
    releases: bool,
    /// Begin anew instead of adding to what is there.
    #[arg(long)]
    fresh: bool,
    /// The day that the files were published (YYYY-MM-DD). Without it their age is that of the newest change within.
    #[arg(long, value_name = "DAY")]
    as_of: Option<String>,
    /// A database that begins anew may be older than the one before, or know less.
    #[arg(long)]
    allow_older: bool,
    /// Fail when an advisory cannot be read. Such are set aside and reported either way.
    #[arg(long)]
    strict: bool,
    /// For a pack: the public key of who may have signed it, instead of those of `db trust`.
    #[arg(long, value_name = "KEY")]
    signer: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    /// Ecosystems by the names that OSV gives them; those that the database has when absent.
    #[arg(value_name = "ECOSYSTEM")]
    ecosystems: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// Where the archives are: below it `<ecosystem>/all.zip` and `<ecosystem>/modified_id.csv`.
    #[arg(
        long,
        value_name = "URL",
        env = "PROVOST_DB_SOURCE",
        default_value = "https://osv-vulnerabilities.storage.googleapis.com"
    )]
    source: String,
    /// Refuse every connection: says what would be asked for.
    #[arg(long, env = "PROVOST_OFFLINE")]
    offline: bool,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Fail when the data of an ecosystem is older than so many days.
    #[arg(long, value_name = "DAYS")]
    max_age: Option<u64>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Ids or aliases.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// As JSON, in the OSV format.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(args: &DbArgs, context: &Context) -> Result<Exit> {
    match &args.what {
        What_::Import(args) => import(args, context),
        What_::Update(args) => update(args, context),
        What_::Status(args) => status(args, context),
        What_::Show(args) => show(args, context),
        What_::Pack(args) => db_pack::run(args, context),
        What_::Trust(args) => db_pack::trust(args, context),
    }
}

fn day(text: &str) -> Result<Timestamp> {
    format!("{text}T00:00:00Z").parse().with_context(|| format!("`{text}` is no day: YYYY-MM-DD is expected"))
}

fn import(args: &ImportArgs, context: &Context) -> Result<Exit> {
    let path = args.which.path(context);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    if args.files.iter().any(|file| packs::is_pack(file)) {
        if args.fresh || args.as_of.is_some() || args.allow_older || args.strict {
            bail!("--fresh, --as-of, --allow-older and --strict are not for packs: their signer answers for them");
        }
        return db_pack::import(&args.files, &args.signer, &path, context);
    }
    if !args.signer.is_empty() {
        bail!("--signer is for packs, and none of the files is one");
    }
    let as_of = args.as_of.as_deref().map(day).transpose()?;
    let now = clock::now();
    if as_of.is_some_and(|as_of| as_of > now) {
        bail!("--as-of lies in the future");
    }
    let begun = Instant::now();
    let mut builder = Builder::new(&path, args.fresh, now)?;
    if args.releases {
        return import_releases(args, builder, now);
    }
    let mut total = Imported::default();
    for file in files(&args.files, &importable)? {
        let bytes = crate::input::read(&file, MAXIMUM_FILE)?;
        let name = file.display().to_string();
        let (what, imported) = builder.import(&name, &bytes, as_of, now)?;
        let what = match what {
            What::Advisories => format!(
                "{} new, {} changed, {} known{}",
                imported.new,
                imported.changed,
                imported.known,
                if imported.quarantined > 0 {
                    format!(", {}", render::warning(&format!("{} set aside", imported.quarantined)))
                } else {
                    String::new()
                }
            ),
            What::Epss => "EPSS scores".to_owned(),
            What::Exploited => "list of exploited vulnerabilities".to_owned(),
        };
        anstream::print!("{}", render::line(&printable(&name), &what));
        total.new += imported.new;
        total.changed += imported.changed;
        total.known += imported.known;
        total.quarantined += imported.quarantined;
    }
    if args.fresh && path.exists() && !args.allow_older {
        let old = Database::open(&path)?;
        let back = builder.older_than(old.info());
        if !back.is_empty() {
            bail!(
                "the new database would know less, or older things, of {}: nothing was changed (--allow-older permits it)",
                back.join(", ")
            );
        }
    }
    let info = builder.finish()?;
    let size = std::fs::metadata(&path).map(|m| m.len()).unwrap_or_default();
    anstream::println!(
        "{} in {:.1} s: {}, {}",
        path.display(),
        begun.elapsed().as_secs_f64(),
        count(info.advisories, "advisory", "advisories"),
        human_bytes(size)
    );
    for one in info.quarantined.iter().take(10) {
        anstream::eprintln!("{} {}: {}", render::warning("set aside:"), printable(&one.name), printable(&one.why));
    }
    if info.quarantined_count > 10 {
        anstream::eprintln!("{}", render::dim("`provost db status --json` names all that were set aside"));
    }
    Ok(if args.strict && total.quarantined > 0 { Exit::Denied } else { Exit::Pass })
}

/// Imports when versions were published.
fn import_releases(args: &ImportArgs, mut builder: Builder, now: Timestamp) -> Result<Exit> {
    let may_tell = |path: &Path| path.extension().is_none_or(|end| end == "json" || end == "jsonl" || end == "info");
    let (mut versions, mut silent, mut refused) = (0, 0, 0u64);
    for file in files(&args.files, &may_tell)? {
        let named = args.files.contains(&file);
        let name = file.display().to_string();
        let found = crate::input::read(&file, MAXIMUM_FILE)
            .and_then(|bytes| builder.releases(&name, &bytes, now).map_err(anyhow::Error::from));
        match found {
            Ok(0) => silent += 1,
            Ok(number) => versions += number,
            // What was named has to be of use; what lay beside it in a directory need not be.
            Err(error) if named => return Err(error),
            Err(error) => {
                refused += 1;
                if refused <= 5 {
                    anstream::eprintln!("{} {}", render::warning("not taken:"), printable(&format!("{error:#}")));
                }
            }
        }
    }
    if refused > 5 {
        anstream::eprintln!("{} {} more files", render::warning("not taken:"), refused - 5);
    }
    let info = builder.finish()?;
    let known = info.releases.map(|one| one.versions).unwrap_or_default();
    let dateless =
        if silent > 0 { format!("; {} without any date", count(silent, "file", "files")) } else { String::new() };
    anstream::println!("{} dated{dateless}; {known} in the database", count(versions, "version", "versions"));
    Ok(Exit::Pass)
}

/// Beyond so many changed advisories the whole archive is fetched.
const DELTA: usize = 500;

fn update(args: &UpdateArgs, context: &Context) -> Result<Exit> {
    let path = args.which.path(context);
    let mut ecosystems = args.ecosystems.clone();
    if ecosystems.is_empty() && path.exists() {
        let database = Database::open(&path)?;
        // Releases of distributions come in the archive of the whole.
        let names = database.info().ecosystems.keys().map(|name| name.split(':').next().unwrap_or(name).to_owned());
        ecosystems = names.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    }
    if ecosystems.is_empty() {
        bail!(
            "the database is empty: name ecosystems, for example `provost db update crates.io npm PyPI Go Debian Alpine`"
        );
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let client = Client::new(Options { offline: args.offline, ..Options::default() })?;
    let source = args.source.trim_end_matches('/');
    let mut builder = Builder::new(&path, false, clock::now())?;
    let mut failed = 0;
    for ecosystem in &ecosystems {
        let now = clock::now();
        let base = format!("{source}/{}", escaped(ecosystem));
        let result = fetch(&client, &base, ecosystem, &mut builder, now);
        match result {
            Ok((how, imported)) => {
                let text = format!(
                    "{how}: {} new, {} changed, {} set aside",
                    imported.new, imported.changed, imported.quarantined
                );
                anstream::print!("{}", render::line(&printable(ecosystem), &printable(&text)));
            }
            Err(error) => {
                failed += 1;
                anstream::eprintln!(
                    "{} {}: {}",
                    render::error("not updated:"),
                    printable(ecosystem),
                    printable(&format!("{error:#}"))
                );
            }
        }
    }
    if failed == ecosystems.len() {
        bail!("nothing was updated; the database is as it was");
    }
    let info = builder.finish()?;
    anstream::println!("{}: {}", path.display(), count(info.advisories, "advisory", "advisories"));
    Ok(if failed > 0 { Exit::Undecided } else { Exit::Pass })
}

/// A name as part of an address.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Fetches what changed of an ecosystem: single advisories where they are few, else the archive.
fn fetch(
    client: &Client,
    base: &str,
    ecosystem: &str,
    builder: &mut Builder,
    now: Timestamp,
) -> Result<(&'static str, Imported)> {
    let get = |url: &str, limit: u64| client.get(url, "*/*", limit)?.success()?.bytes();
    let changes = match get(&format!("{base}/modified_id.csv"), 256 << 20) {
        Ok(bytes) => Some(String::from_utf8(bytes).context("modified_id.csv is not text")?),
        Err(provost_remote::Error::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let missing: Option<Vec<&str>> = changes.as_ref().map(|text| {
        let lines = text.lines().filter_map(|line| line.split_once(','));
        lines.filter(|(modified, id)| !builder.has(id.trim(), modified.trim())).map(|(_, id)| id.trim()).collect()
    });
    let name = format!("{base}/all.zip");
    match missing {
        Some(ids) if ids.len() <= DELTA && builder.knows(ecosystem) => {
            let mut imported = Imported::default();
            for id in ids {
                // The list is as foreign as the rest: nothing in it may lead elsewhere.
                if id.is_empty() || id.contains('/') || id.contains("..") {
                    builder.quarantine(id, "no id that can be fetched", &mut imported);
                    continue;
                }
                let url = format!("{base}/{}.json", escaped(id));
                match get(&url, provost_formats::osv::MAXIMUM_BYTES as u64) {
                    Ok(bytes) => builder.advisory(&bytes, &url, &mut imported)?,
                    Err(error) => builder.quarantine(id, error, &mut imported),
                }
            }
            builder.as_of_releases(ecosystem, now);
            Ok(("what changed", imported))
        }
        _ => {
            let bytes = get(&name, 4 << 30)?;
            let (_, imported) = builder.import(&name, &bytes, Some(now), now)?;
            Ok(("the archive", imported))
        }
    }
}

fn importable(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "json") || provost_formats::rustsec::is_advisory(&path.to_string_lossy())
}

/// The files to import: directories stand for those below them that are wanted.
fn files(paths: &[PathBuf], wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        below(path, &mut found, 0, wanted)?;
        if found.len() == before {
            bail!("{} holds no files to import", path.display());
        }
    }
    Ok(found)
}

fn below(directory: &Path, found: &mut Vec<PathBuf>, depth: usize, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    let mut entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 32 {
            below(&entry.path(), found, depth + 1, wanted)?;
        } else if kind.is_file() && wanted(&entry.path()) {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Whole days between two times.
pub fn age(now: Timestamp, then: Timestamp) -> i64 {
    (now.seconds() - then.seconds()).max(0) / 86_400
}

fn status(args: &StatusArgs, context: &Context) -> Result<Exit> {
    let database = args.which.open_ended(context)?;
    let info = database.info();
    let now = clock::now();
    let origin = Origin::of(database.path(), &info.digest)?;
    let ended = origin.as_ref().and_then(|origin| packs::ended(&origin.pack, now));
    let old: Vec<&String> = match args.max_age {
        Some(limit) => {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let old = info.ecosystems.iter().filter(|(_, one)| age(now, one.as_of) > limit);
            old.map(|(name, _)| name).collect()
        }
        None => Vec::new(),
    };
    if args.json {
        anstream::println!(
            "{:#}",
            json!({"path": database.path(), "database": info, "tooOld": old, "pack": origin, "packEnded": ended})
        );
    } else {
        anstream::print!("{}", describe(database.path(), info, now));
        if let Some(Origin { pack, signer, .. }) = &origin {
            let text = format!("`{}`, version {}, until {}", pack.name, pack.version, &pack.expires.to_string()[..10]);
            anstream::print!("{}", render::line("pack", &printable(&text)));
            anstream::print!("{}", render::line("signed by", &format!("sha256:{signer}")));
        }
        if let Some(why) = &ended {
            anstream::eprintln!("{} {why}", render::error("ended:"));
        }
        for name in &old {
            anstream::eprintln!("{} the data of {name} is too old", render::error("too old:"));
        }
    }
    Ok(if old.is_empty() && ended.is_none() { Exit::Pass } else { Exit::Denied })
}

fn describe(path: &Path, info: &Info, now: Timestamp) -> String {
    let mut out = String::new();
    let days = |then| count(age(now, then).unsigned_abs(), "day", "days");
    let _ = writeln!(out, "{}", render::bold(&path.display().to_string()));
    out.push_str(&render::line("changed", &format!("{} ({} ago)", info.created, days(info.created))));
    let withdrawn = if info.withdrawn > 0 { format!(", {} withdrawn", info.withdrawn) } else { String::new() };
    out.push_str(&render::line("holds", &format!("{}{withdrawn}", count(info.advisories, "advisory", "advisories"))));
    if info.quarantined_count > 0 {
        out.push_str(&render::line("set aside", &info.quarantined_count.to_string()));
    }
    let width = info.ecosystems.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(9);
    let _ = writeln!(out, "\n  {:width$} {:>9} {:>9}  data as of", "ecosystem", "packages", "records");
    for (name, one) in &info.ecosystems {
        let _ = writeln!(
            out,
            "  {name:width$} {:>9} {:>9}  {} ({} ago)",
            one.packages,
            one.records,
            &one.as_of.to_string()[..10],
            days(one.as_of)
        );
    }
    let _ = writeln!(out);
    let none = "none: import FIRST's CSV".to_owned();
    out.push_str(&render::line("EPSS", info.epss.as_ref().unwrap_or(&none)));
    let none = "none: import CISA's catalogue".to_owned();
    out.push_str(&render::line("exploited", info.exploited.as_ref().unwrap_or(&none)));
    let releases = info.releases.as_ref().map_or_else(
        || "none: `provost db import --releases`".to_owned(),
        |one| format!("{}, imported {}", count(one.versions, "version", "versions"), &one.imported.to_string()[..10]),
    );
    out.push_str(&render::line("releases", &releases));
    out.push_str(&render::line("digest", &info.digest));
    out
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit> {
    let database = args.which.open_ended(context)?;
    let mut exit = Exit::Pass;
    for id in &args.ids {
        let found = database.advisories(id)?;
        if found.is_empty() {
            anstream::eprintln!("{} the database has no advisory {}", render::error("none:"), printable(id));
            exit = Exit::Denied;
        }
        for advisory in found {
            if args.json {
                anstream::println!("{}", serde_json::to_string_pretty(&advisory)?);
            } else {
                anstream::print!("{}", one(&advisory));
            }
        }
    }
    Ok(exit)
}

fn one(advisory: &provost_formats::osv::Advisory) -> String {
    use provost_formats::osv::Event;
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", render::bold(&printable(&advisory.id)), printable(&advisory.summary));
    if !advisory.aliases.is_empty() {
        out.push_str(&render::line("also", &printable(&advisory.aliases.join(", "))));
    }
    if let Some(withdrawn) = &advisory.withdrawn {
        out.push_str(&render::line("withdrawn", &printable(withdrawn)));
    }
    for severity in &advisory.severity {
        let rating = provost_deps::rate(std::slice::from_ref(severity), None);
        let score = rating.score.map(|score| format!(" ({score:.1} {})", rating.severity.name())).unwrap_or_default();
        out.push_str(&render::line("severity", &printable(&format!("{}{score}", severity.score))));
    }
    for affected in &advisory.affected {
        let Some(package) = &affected.package else { continue };
        let ranges: Vec<String> = affected
            .ranges
            .iter()
            .map(|range| {
                let events = range.events.iter().map(|event| match event {
                    Event::Introduced(version) => format!("from {version}"),
                    Event::Fixed(version) => format!("before {version}"),
                    Event::LastAffected(version) => format!("up to {version}"),
                    Event::Limit(version) => format!("(below {version})"),
                });
                events.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let listed = match affected.versions.len() {
            0 => String::new(),
            n => format!("; {}", count(n as u64, "single version", "single versions")),
        };
        let text = format!("{} {}: {}{listed}", package.ecosystem, package.name, ranges.join("; "));
        out.push_str(&render::line("affects", &printable(&text)));
    }
    for reference in advisory.references.iter().take(10) {
        out.push_str(&render::line("see", &printable(&reference.url)));
    }
    if !advisory.details.is_empty() {
        let _ = writeln!(out);
        for line in advisory.details.lines() {
            let _ = writeln!(out, "  {}", printable(line));
        }
    }
    let _ = writeln!(out);
    out
}
