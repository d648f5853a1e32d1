//! RustSec's own form, held against the OSV archive that RustSec makes of it: the same versions, kinds, aliases, severities.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::ops::ControlFlow;

use provost_formats::osv::{self, Advisory, RangeKind};
use provost_formats::{archive, rustsec, version};
use provost_testkit::{files_below, vectors};

/// What decides a verdict on a version.
fn affects(advisory: &Advisory, wanted: &str) -> bool {
    advisory.affected.iter().any(|affected| {
        affected.versions.iter().any(|one| one == wanted)
            || affected
                .ranges
                .iter()
                .filter(|range| range.kind == RangeKind::SemVer)
                .any(|range| osv::includes(&range.events, wanted, &|a, b| version::compare_semver(a, b)))
    })
}

/// Versions at which either may change its mind, and those beside them.
fn versions(advisories: [&Advisory; 2]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = ["0.0.0", "0.1.0", "1.0.0", "999.0.0"].map(str::to_owned).into();
    let affected = advisories.into_iter().flat_map(|one| &one.affected);
    for event in affected.flat_map(|one| &one.ranges).flat_map(|range| &range.events) {
        let Ok(at) = event.version().parse::<semver::Version>() else { continue };
        all.insert(at.to_string());
        for (minor, patch) in [(at.minor, at.patch + 1), (at.minor + 1, 0), (at.minor, at.patch.saturating_sub(1))] {
            all.insert(format!("{}.{minor}.{patch}", at.major));
        }
        all.insert(format!("{}.{}.{}", at.major, at.minor, at.patch));
        all.insert(format!("{}.{}.{}-alpha.1", at.major, at.minor, at.patch));
    }
    all
}

/// `PROVOST_RUSTSEC` is a checkout of rustsec/advisory-db.
#[test]
fn the_same_as_the_archive_that_is_made_of_it() {
    let (Some(zip), Some(checkout)) = (vectors("osv/Rust.zip"), std::env::var_os("PROVOST_RUSTSEC")) else {
        eprintln!("skipped: PROVOST_RUSTSEC names no checkout of rustsec/advisory-db, or the OSV archive is not there");
        return;
    };
    let mut archived: BTreeMap<String, Advisory> = BTreeMap::new();
    let bytes = std::fs::read(zip).expect("archive");
    archive::members(archive::Kind::Zip, archive::Source::Seek(&mut Cursor::new(bytes)), 100_000, &mut |_, reader| {
        let mut text = Vec::new();
        if reader.expect("member").read_to_end(&mut text).is_ok()
            && let Ok(advisory) = Advisory::parse(&text)
        {
            archived.insert(advisory.id.clone(), advisory);
        }
        ControlFlow::Continue(())
    })
    .expect("walk");
    let (mut compared, mut judged, mut newer, mut differ, mut refused) = (0, 0, 0, Vec::new(), Vec::new());
    for path in files_below(checkout.as_ref()) {
        if !rustsec::is_advisory(&path.to_string_lossy()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let own = match rustsec::parse(&text) {
            Ok(own) => own,
            Err(error) => {
                refused.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        let Some(other) = archived.get(&own.id) else {
            newer += 1;
            continue;
        };
        compared += 1;
        let informational = |one: &Advisory| one.affected[0].database_specific["informational"].clone();
        if own.is_withdrawn() != other.is_withdrawn()
            || own.affected[0].package != other.affected[0].package
            || informational(&own) != informational(other)
            || own.severity != other.severity
            || own.aliases.iter().collect::<BTreeSet<_>>() != other.aliases.iter().collect::<BTreeSet<_>>()
            || own.affected[0].ecosystem_specific["affects"]["os"]
                != other.affected[0].ecosystem_specific["affects"]["os"]
        {
            differ.push(format!("{}: said otherwise", own.id));
        }
        // One that was taken back is about nothing. (The archive reads the `> 0` of one such as no tool of Rust's does.)
        if own.is_withdrawn() {
            continue;
        }
        for version in versions([&own, other]) {
            judged += 1;
            if affects(&own, &version) != affects(other, &version) {
                differ.push(format!("{} {version}: {}", own.id, affects(&own, &version)));
            }
        }
    }
    eprintln!("{compared} advisories, {judged} verdicts; {newer} are not in the archive");
    assert!(compared > 900, "{compared}");
    assert_eq!(refused, [] as [&str; 0], "{} are refused", refused.len());
    assert_eq!(differ, [] as [&str; 0], "{} differences in {compared} advisories", differ.len());
}
