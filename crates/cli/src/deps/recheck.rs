//! `provost recheck`: stored bills of materials against the advisories of today, without the artifacts. What was known when
//! an artifact was scanned is not what is known now (SP 800-204D 3.2.1, BASE-9).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use provost_attest::predicate::{VULNS, Vulns};
use provost_attest::{Envelope, ResourceDescriptor, Statement, verify_envelope};
use provost_deps::{Answer, Cache, Collected, Database, Fault, from_bom, packages_of};
use provost_evidence::{NewRecord, Store};
use provost_model::{Digest, count, printable};
use provost_policy::Policy;
use rayon::prelude::*;
use serde_json::json;

use super::{Known, statement, tolerated};
use crate::commands::Context;
use crate::commands::deps::Counting;
use crate::commands::recheck::{Format, RecheckArgs};
use crate::exit::Exit;
use crate::home::Project;
use crate::judge::Anchors;
use crate::scan::output::put;
use crate::signing::{self, Role};
use crate::{clock, judge, render};

/// The last scan of an artifact.
struct Scan {
    subjects: Vec<ResourceDescriptor>,
    vulns: Vulns,
    entry: u64,
}

/// What became of it.
struct Rechecked {
    name: String,
    digest: String,
    entry: u64,
    /// Ids with the packages, then and now: only those that count.
    new: BTreeSet<String>,
    gone: BTreeSet<String>,
    before: usize,
    now: usize,
    /// Why it could not be judged.
    trouble: Option<String>,
}

impl Rechecked {
    /// A verdict that turns: clean before and not now, or the other way round.
    fn flips(&self) -> bool {
        self.trouble.is_none() && (self.before == 0) != (self.now == 0)
    }
}

/// Packs that are read before their statements are sorted by what they speak of.
const AT_ONCE: usize = 1024;

/// The newest statements about one artifact.
struct Claimed {
    entry: u64,
    envelope: Envelope,
    /// Entries of older ones, should the newest not hold.
    older: Vec<u64>,
}

/// The last scan of every artifact in a store that someone signed who may, by the policy. Only the newest of an artifact is
/// verified, unless it does not hold.
fn scans(store: &Store, policy: &Policy) -> Result<Vec<Scan>> {
    let mut claimed: BTreeMap<Digest, Claimed> = BTreeMap::new();
    for parts in store.parts_of(VULNS)?.chunks(AT_ONCE) {
        let read = parts.par_iter().map(|part| {
            let of = |(entry, envelope): (u64, Envelope)| {
                // What it says it is about decides what it is held against, not whether it counts.
                let statement = Statement::parse(envelope.unverified_payload()).ok()?;
                let digest = statement.subject.first().and_then(ResourceDescriptor::sha256)?;
                Some((digest, entry, envelope))
            };
            Ok(part.envelopes()?.into_iter().filter_map(of).collect::<Vec<_>>())
        });
        for (digest, entry, envelope) in read.collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            match claimed.entry(digest) {
                Entry::Vacant(place) => {
                    place.insert(Claimed { entry, envelope, older: Vec::new() });
                }
                Entry::Occupied(mut place) => {
                    let known = place.get_mut();
                    if known.entry < entry {
                        known.older.push(std::mem::replace(&mut known.entry, entry));
                        known.envelope = envelope;
                    } else {
                        known.older.push(entry);
                    }
                }
            }
        }
    }
    let root = store.root();
    let claimed: Vec<Claimed> = claimed.into_values().collect();
    let found = claimed.into_par_iter().map_init(
        || None,
        |store: &mut Option<Store>, mut claimed| {
            if let Some(scan) = verified(policy, claimed.entry, &claimed.envelope) {
                return Ok(Some(scan));
            }
            claimed.older.sort_unstable();
            for entry in claimed.older.into_iter().rev() {
                let store = match store {
                    Some(store) => store,
                    None => store.insert(Store::open(root)?),
                };
                if let Some(scan) = verified(policy, entry, &store.envelope(entry)?) {
                    return Ok(Some(scan));
                }
            }
            Ok(None)
        },
    );
    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn verified(policy: &Policy, entry: u64, envelope: &Envelope) -> Option<Scan> {
    let verified = verify_envelope(envelope, &judge::signers_of(policy, envelope), 1).ok()?;
    let statement = verified.value();
    let vulns = statement.predicate_as::<Vulns>(VULNS).ok()?;
    Some(Scan { subjects: statement.subject.clone(), vulns, entry })
}

/// Where the bytes behind a digest come from.
type Blob<'a> = dyn Fn(&Digest) -> Result<Option<Vec<u8>>, String> + 'a;

/// Runs the command.
///
/// # Errors
/// The store or the database cannot be read.
pub(crate) fn run(args: &RecheckArgs, context: &Context) -> Result<Exit> {
    let begun = Instant::now();
    let database = args.which.open(context)?;
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &project.store(&context.home))
        .context("there is no evidence store here: `provost scan … --attest` fills one")?;
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let policy = judge::read_policy(&project.signed_policy(&context.home), &anchors, &[])
        .context("the signed policy says whose scans count")?;
    let scans = scans(&store, &policy.policy)?;
    let cache = Cache::default();
    let root = store.root().to_owned();
    let mut all: Vec<Rechecked> = scans
        .par_iter()
        .map_init(
            || Store::open(&root),
            |store, scan| {
                one(args, scan, &database, &cache, &|digest| match &*store {
                    Ok(store) => store.blob(digest).map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                })
            },
        )
        .collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.flips()), std::cmp::Reverse(one.new.len()), one.name.clone()));
    let report = match args.format {
        Format::Json => format!("{:#}\n", json_of(&all, &database)),
        Format::Text => text_of(&all, &database, begun),
    };
    put(args.output.as_deref(), &report)?;
    if args.attest {
        attest(&scans, &store, &database, context, &project)?;
    }
    Ok(if all.iter().any(|one| one.now > 0) {
        Exit::Denied
    } else if all.iter().any(|one| one.trouble.is_some()) {
        Exit::Undecided
    } else {
        Exit::Pass
    })
}

/// The SBOM of a scan.
fn sbom(scan: &Scan, blob: &Blob<'_>) -> Result<Vec<u8>, String> {
    let digest = scan.vulns.scan.as_ref().and_then(|facts| facts.sbom.as_ref()).ok_or("the scan names no SBOM")?;
    let digest: Digest = digest.parse().map_err(|_| "the scan names an SBOM by no digest")?;
    blob(&digest)?.ok_or_else(|| "its SBOM is not in the store".to_owned())
}

fn collected(scan: &Scan, blob: &Blob<'_>) -> Result<Collected, String> {
    let bytes = sbom(scan, blob)?;
    let document = provost_formats::sbom::read(&bytes).map_err(|error| error.to_string())?;
    let mut collected = Collected::default();
    collected.sources.push(provost_deps::Source {
        path: "SBOM".to_owned(),
        reader: "sbom".to_owned(),
        inventory: from_bom(&document),
        managed: None,
        functions: None,
    });
    Ok(collected)
}

fn one(args: &RecheckArgs, scan: &Scan, database: &Database, cache: &Cache, blob: &Blob<'_>) -> Rechecked {
    let subject = scan.subjects.first();
    let name = subject.and_then(|subject| subject.name.clone()).unwrap_or_else(|| "an artifact".to_owned());
    let digest = subject.and_then(ResourceDescriptor::sha256).map(|digest| digest.to_hex()).unwrap_or_default();
    let mut result = Rechecked {
        name,
        digest,
        entry: scan.entry,
        new: BTreeSet::new(),
        gone: BTreeSet::new(),
        before: 0,
        now: 0,
        trouble: None,
    };
    let read = sbom(scan, blob).and_then(|bytes| packages_of(&bytes).map_err(|error| error.to_string()));
    let packages = match read {
        Ok(packages) => packages,
        Err(why) => {
            result.trouble = Some(why);
            return result;
        }
    };
    // What was noted and did not count then is told by the same rule as now: by what the statement keeps of it.
    let mut before: HashMap<String, BTreeSet<String>> = HashMap::new();
    for found in &scan.vulns.scanner.result {
        for at in &found.annotations {
            if at.vex.is_none() && matches!(at.kind.as_str(), "vulnerability" | "malicious" | "") {
                let ids = std::iter::once(&found.id).chain(&at.aliases).cloned().collect();
                before.insert(format!("{} in {}", found.id, at.purl), ids);
            }
        }
    }
    let mut now: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &packages {
        let answer: std::sync::Arc<Answer> = match cache.judge(database, package) {
            Ok(answer) => answer,
            Err(error) => {
                result.trouble = Some(error.to_string());
                return result;
            }
        };
        for one in &answer.vulnerabilities {
            let fault = Fault::Advisory(std::sync::Arc::new(one.clone()));
            if tolerated(&args.counting, package, &fault).is_none() {
                let key = format!("{} in {}", one.id, package.purl());
                now.insert(key, one.ids().map(str::to_owned).collect());
            }
        }
    }
    let same_package = |a: &str, b: &str| a.split_once(" in ").map(|(_, p)| p) == b.split_once(" in ").map(|(_, p)| p);
    for (key, ids) in &now {
        let known = before.iter().any(|(old, old_ids)| same_package(old, key) && !old_ids.is_disjoint(ids));
        if !known {
            result.new.insert(key.clone());
        }
    }
    for (key, ids) in &before {
        if !now.iter().any(|(new, new_ids)| same_package(new, key) && !new_ids.is_disjoint(ids)) {
            result.gone.insert(key.clone());
        }
    }
    (result.before, result.now) = (before.len(), now.len());
    result
}

fn text_of(all: &[Rechecked], database: &Database, begun: Instant) -> String {
    let mut out = String::new();
    for one in
        all.iter().filter(|one| one.flips() || !one.new.is_empty() || !one.gone.is_empty() || one.trouble.is_some())
    {
        let word = match (&one.trouble, one.flips(), one.now) {
            (Some(_), ..) => render::warning("not judged"),
            (None, true, 0) => "now clean".to_owned(),
            (None, true, _) => render::error("now affected"),
            (None, false, _) => render::dim("changed"),
        };
        let short = one.digest.get(..12).unwrap_or_default();
        let _ = writeln!(
            out,
            "{word} {} {}",
            render::bold(&printable(&one.name)),
            render::dim(&format!("sha256:{short}…, entry {}", one.entry))
        );
        if let Some(trouble) = &one.trouble {
            let _ = writeln!(out, "  {}", printable(trouble));
        }
        for new in one.new.iter().take(20) {
            let _ = writeln!(out, "  + {}", printable(new));
        }
        if one.new.len() > 20 {
            let _ = writeln!(out, "  + … and {} more", one.new.len() - 20);
        }
        for gone in one.gone.iter().take(5) {
            let _ = writeln!(out, "  - {}", render::dim(&printable(gone)));
        }
    }
    let flips = all.iter().filter(|one| one.flips()).count();
    let affected = all.iter().filter(|one| one.now > 0).count();
    let _ = writeln!(
        out,
        "{} judged anew in {:.2} s by {}: {} affected, {} of another verdict than before",
        count(all.len() as u64, "artifact", "artifacts"),
        begun.elapsed().as_secs_f64(),
        count(database.info().advisories, "advisory", "advisories"),
        affected,
        flips
    );
    out
}

fn json_of(all: &[Rechecked], database: &Database) -> serde_json::Value {
    let list: Vec<_> = all
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "sha256": one.digest,
                "entry": one.entry,
                "before": one.before,
                "now": one.now,
                "flips": one.flips(),
                "new": one.new,
                "gone": one.gone,
                "notJudged": one.trouble,
            })
        })
        .collect();
    json!({"database": {"digest": database.info().digest, "created": database.info().created}, "artifacts": list})
}

/// Takes over what advisories say nothing of, and the bill of materials does not tell: what was wrong with locks and with what
/// was installed, what was deprecated or taken back, and how near to what runs a package was.
fn keep(old: &Vulns, new: &mut Vulns) {
    let mut near: HashMap<&str, &String> = HashMap::new();
    for at in old.scanner.result.iter().flat_map(|result| &result.annotations) {
        near.extend(at.reach.as_ref().map(|reach| (at.purl.as_str(), reach)));
    }
    for at in new.scanner.result.iter_mut().flat_map(|result| &mut result.annotations) {
        at.reach = near.get(at.purl.as_str()).map(|reach| (*reach).clone());
    }
    let of_scan = |kind: &str| {
        kind.starts_with("lock-")
            || matches!(kind, "not-as-locked" | "not-locked" | "deprecated" | "yanked" | "licence" | "young")
    };
    for result in &old.scanner.result {
        let kept: Vec<_> = result.annotations.iter().filter(|at| of_scan(&at.kind)).cloned().collect();
        if kept.is_empty() {
            continue;
        }
        match new.scanner.result.iter_mut().find(|known| known.id == result.id) {
            Some(known) => {
                let there: Vec<String> = known.annotations.iter().map(|at| at.purl.clone()).collect();
                known.annotations.extend(kept.into_iter().filter(|at| !there.contains(&at.purl)));
            }
            None => new.scanner.result.push(provost_attest::predicate::ScanResult {
                id: result.id.clone(),
                severity: result.severity.clone(),
                annotations: kept,
            }),
        }
    }
}
/// Statements that are judged and appended together: a pack of the store holds so many.
const TOGETHER: usize = 256;

/// Signs the new answers, so that `verify` goes by them.
fn attest(scans: &[Scan], store: &Store, database: &Database, context: &Context, project: &Project) -> Result<()> {
    let signer = signing::load(Role::Builder, &context.home, project)?;
    let log_key = signing::load(Role::Log, &context.home, project)?;
    let root = store.root();
    let mut signed = 0;
    for scans in scans.chunks(TOGETHER) {
        // Judged by all processors; a token or an agent signs one after the other.
        let judged = scans.par_iter().map_init(
            || Store::open(root),
            |store, scan| {
                let store = store.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
                anew(scan, database, &|digest| store.blob(digest).map_err(|error| error.to_string()))
            },
        );
        let mut records = Vec::new();
        for (scan, predicate) in scans.iter().zip(judged.collect::<Result<Vec<_>>>()?) {
            let Some(predicate) = predicate else { continue };
            let envelope = Statement::new(scan.subjects.clone(), VULNS, &predicate)?.sign(signer.as_ref())?;
            records.push(NewRecord { envelope, key: signer.public_key().clone() });
        }
        if !records.is_empty() {
            store.append(&records, log_key.as_ref()).context("the statements could not be kept")?;
            signed += records.len() as u64;
        }
    }
    if signed > 0 {
        judge::remember_store(&context.home, store)?;
        anstream::eprintln!("{}", render::dim(&format!("{} signed", count(signed, "statement", "statements"))));
    }
    Ok(())
}

/// What a scan says by the advisories of today; none where its SBOM cannot be read.
fn anew(scan: &Scan, database: &Database, blob: &Blob<'_>) -> Result<Option<Vulns>> {
    let began = clock::now();
    let Ok(collected) = collected(scan, blob) else { return Ok(None) };
    let known = Known {
        database: Database::open(database.path())?,
        baseline: None,
        suppressions: provost_scan::Suppressions::default(),
        vex: super::vex::Statements::default(),
        asked: super::supply::Asked::default(),
        root: None,
    };
    let old = scan.vulns.scan.clone().unwrap_or_default();
    // A statement says all that is known; what of it counts is the policy's to say.
    let done =
        super::judge_known(&Counting::everything(), known, old.target.clone(), collected, began, Instant::now())?;
    let mut predicate = statement::predicate(&done, old.sbom.clone());
    keep(&scan.vulns, &mut predicate);
    if let Some(facts) = &mut predicate.scan {
        // What the scan could not read then is not read now either.
        facts.complete = facts.complete && old.read_whole;
        facts.read_whole = old.read_whole;
        facts.gaps.extend(old.gaps.iter().filter(|_| !old.read_whole).cloned());
        facts.image = old.image;
        facts.licences = old.licences;
        facts.releases = old.releases;
    }
    Ok(Some(predicate))
}
