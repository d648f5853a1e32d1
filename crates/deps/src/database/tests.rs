//! The database against itself and against the archives of real advisories.

use std::io::Cursor;
use std::ops::ControlFlow;

use provost_formats::archive::{self, Source as Bytes};
use provost_formats::osv::{Event, RangeKind};
use provost_model::{Ecosystem, Package};

use super::*;
use crate::ecosystem::order_of;
use crate::git::{GIT, History, NoHistory};
use crate::matching::{is_about, judge};

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn advisory(id: &str, modified: &str, body: &str) -> String {
    format!(r#"{{"id":"{id}","modified":"{modified}",{body}}}"#)
}

fn about(ecosystem: &str, name: &str, events: &str) -> String {
    format!(
        r#""affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}]}}]"#
    )
}

fn ids(database: &Database, ecosystem: Ecosystem, name: &str, version: &str) -> Vec<String> {
    let package = Package::new(ecosystem, name, Some(version.to_owned()));
    judge(database, &package, &NoHistory).expect("judge").vulnerabilities.into_iter().map(|one| one.id).collect()
}

#[test]
fn newer_forms_replace_older_ones_and_withdrawn_ones_say_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let range = about("npm", "left", r#"{"introduced":"0"},{"fixed":"2.0.0"}"#);
    let narrower = about("npm", "left", r#"{"introduced":"0"},{"fixed":"1.5.0"}"#);
    let import = |text: &str| {
        let mut builder = Builder::new(&path, false, now()).expect("builder");
        let (_, imported) = builder.import("test", text.as_bytes(), None, now()).expect("import");
        builder.finish().expect("finish");
        imported
    };
    assert_eq!(import(&advisory("GHSA-1", "2024-01-01T00:00:00Z", &range)).new, 1);
    let database = Database::open(&path).expect("open");
    assert_eq!(ids(&database, Ecosystem::Npm, "left", "1.7.0"), ["GHSA-1"]);
    assert_eq!(import(&advisory("GHSA-1", "2024-02-01T00:00:00Z", &narrower)).changed, 1);
    assert_eq!(import(&advisory("GHSA-1", "2024-01-01T00:00:00Z", &range)).known, 1, "an older form changes nothing");
    let database = Database::open(&path).expect("open");
    assert_eq!(ids(&database, Ecosystem::Npm, "left", "1.7.0"), [] as [&str; 0]);
    assert_eq!(ids(&database, Ecosystem::Npm, "left", "1.2.0"), ["GHSA-1"]);
    let withdrawn = format!(r#""withdrawn":"2024-03-01T00:00:00Z",{narrower}"#);
    import(&advisory("GHSA-1", "2024-03-01T00:00:00Z", &withdrawn));
    let database = Database::open(&path).expect("open");
    assert_eq!(ids(&database, Ecosystem::Npm, "left", "1.2.0"), [] as [&str; 0]);
    assert_eq!((database.info().advisories, database.info().withdrawn), (0, 1));
    assert_eq!(database.advisories("GHSA-1").expect("read").len(), 1, "it can still be shown");
}

#[test]
fn aliases_are_one_finding_with_every_id() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    let mut take = |id: &str, aliases: &str, events: &str| {
        let body = format!(r#""aliases":[{aliases}],{}"#, about("PyPI", "Some_Thing", events));
        let text = advisory(id, "2024-01-01T00:00:00Z", &body);
        builder.import(id, text.as_bytes(), None, now()).expect("import");
    };
    take("GHSA-a", r#""CVE-1""#, r#"{"introduced":"0"},{"fixed":"2.0"}"#);
    take("PYSEC-a", r#""CVE-1""#, r#"{"introduced":"0"},{"fixed":"2.1"}"#);
    take("PYSEC-b", r#""CVE-2""#, r#"{"introduced":"0"}"#);
    builder
        .import(
            "epss.csv",
            b"#model_version:v1,score_date:2025-05-05T00:00:00Z\ncve,epss,percentile\nCVE-1,0.5,0.9\n",
            None,
            now(),
        )
        .expect("epss");
    builder
        .import(
            "kev.json",
            br#"{"catalogVersion":"2025","vulnerabilities":[{"cveID":"CVE-2","dateAdded":"2024-05-06"}]}"#,
            None,
            now(),
        )
        .expect("kev");
    builder.finish().expect("finish");
    let database = Database::open(&path).expect("open");
    let package = Package::new(Ecosystem::PyPi, "some-thing", Some("1.0".to_owned()));
    let found = judge(&database, &package, &NoHistory).expect("judge").vulnerabilities;
    assert_eq!(found.len(), 2);
    let (exploited, other) = (&found[0], &found[1]);
    assert_eq!((exploited.id.as_str(), exploited.exploited.as_deref()), ("PYSEC-b", Some("2024-05-06")));
    assert_eq!(other.id, "PYSEC-a");
    assert_eq!(other.aliases, ["CVE-1", "GHSA-a"]);
    assert_eq!(other.fixed.as_deref(), Some("2.1"), "free of it by every database's word");
    assert_eq!(other.epss.map(|epss| epss.score), Some(0.5));
    assert_eq!(database.info().epss.as_deref(), Some("2025-05-05"));
}

#[test]
fn advisories_about_commits() {
    const COMMITS: [&str; 3] = [
        "1111111111111111111111111111111111111111",
        "2222222222222222222222222222222222222222",
        "3333333333333333333333333333333333333333",
    ];
    /// One after the other.
    struct Line;
    impl History for Line {
        fn precedes(&self, ancestor: &str, commit: &str) -> Option<bool> {
            Some(ancestor <= commit)
        }

        fn knows(&self, commit: &str) -> bool {
            !commit.starts_with('3')
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let range = |fixed: &str| {
        format!(
            r#"{{"type":"GIT","repo":"https://GitHub.com/Org/Lib.git","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}"#
        )
    };
    let import = |id: &str, affected: &str| {
        let mut builder = Builder::new(&path, false, now()).expect("builder");
        let text = advisory(id, "2024-01-01T00:00:00Z", &format!(r#""affected":[{affected}]"#));
        builder.import(id, text.as_bytes(), None, now()).expect("import");
        builder.finish().expect("finish");
        Database::open(&path).expect("open")
    };
    let at = |ecosystem, name: &str, version: Option<&str>, commit: &str| {
        let mut package = Package::new(ecosystem, name, version.map(str::to_owned));
        let url = "git@github.com:org/lib".to_owned();
        package.source = provost_model::PackageSource::Git { url, revision: Some(commit.to_owned()) };
        package
    };
    let ids = |database: &Database, package: &Package, history: &dyn History| {
        let answer = judge(database, package, history).expect("judge");
        let ids: Vec<String> = answer.vulnerabilities.iter().map(|one| one.id.clone()).collect();
        (ids, answer.undecided.len())
    };
    // In an advisory about a package of PyPI: a package from that repository is judged by its commit, not by what it calls
    // itself; of repositories as such nothing is known.
    let of_package = format!(
        r#"{{"package":{{"ecosystem":"PyPI","name":"lib"}},"ranges":[{},{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"2.0"}}]}}]}}"#,
        range(COMMITS[1])
    );
    let database = import("PYSEC-1", &of_package);
    assert!(!database.covers(GIT));
    let python = |commit: &str, version: &str| at(Ecosystem::PyPi, "lib", Some(version), commit);
    assert_eq!(ids(&database, &python(COMMITS[0], "2.0"), &Line), (vec!["PYSEC-1".to_owned()], 0));
    assert_eq!(ids(&database, &python(COMMITS[2], "1.0"), &Line), (vec![], 0), "mended before the next release");
    assert_eq!(
        ids(&database, &python(COMMITS[0], "1.0"), &NoHistory),
        (vec!["PYSEC-1".to_owned()], 0),
        "by its version"
    );
    let module = |commit: &str| at(Ecosystem::Generic, "github.com/org/lib", Some(commit), commit);
    assert_eq!(ids(&database, &module(COMMITS[0]), &Line), (vec!["PYSEC-1".to_owned()], 1), "and that is said");

    let database = import("OSV-1", &format!(r#"{{"ranges":[{}],"versions":["v1.2"]}}"#, range(COMMITS[2])));
    assert!(database.covers(GIT));
    let answer = judge(&database, &module(COMMITS[1]), &Line).expect("judge");
    assert_eq!(answer.vulnerabilities.len(), 1);
    assert_eq!(answer.vulnerabilities[0].id, "OSV-1");
    assert_eq!(answer.vulnerabilities[0].fixed.as_deref(), Some(COMMITS[2]));
    assert!(answer.undecided.is_empty());
    assert_eq!(
        ids(&database, &module(COMMITS[2]), &NoHistory),
        (vec![], 1),
        "the mend of one is known, of the other not"
    );
    assert_eq!(ids(&database, &module(COMMITS[0]), &NoHistory), (vec![], 2));
    // A tag that is listed, where the history is not at hand.
    let tagged = |version: &str| at(Ecosystem::Generic, "github.com/org/lib", Some(version), COMMITS[0]);
    assert_eq!(ids(&database, &tagged("1.2"), &NoHistory), (vec!["OSV-1".to_owned()], 1));
    let mut elsewhere = module(COMMITS[0]);
    elsewhere.source = provost_model::PackageSource::Git {
        url: "https://github.com/org/other".into(),
        revision: Some(COMMITS[0].into()),
    };
    assert_eq!(ids(&database, &elsewhere, &Line), (vec![], 0));
    // Taken over into a new database, it is the same.
    let again = import("OSV-1", &format!(r#"{{"ranges":[{}]}}"#, range(COMMITS[2])));
    assert_eq!(again.info().ecosystems.get(GIT).map(|one| one.records), Some(2));
}

#[test]
fn a_broken_advisory_is_set_aside_and_the_others_count() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let good = advisory("GOOD-1", "2024-01-01T00:00:00Z", &about("npm", "a", r#"{"introduced":"0"}"#));
    let bad = advisory("BAD-1", "2024-01-01T00:00:00Z", &about("npm", "a", r#"{"introduced":"0","fixed":"1"}"#));
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    let text = format!("{good}\n{bad}\nnot json\n");
    let (_, imported) = builder.import("lines", text.as_bytes(), None, now()).expect("import");
    assert_eq!((imported.new, imported.quarantined), (1, 2));
    let info = builder.finish().expect("finish");
    assert_eq!(info.quarantined_count, 2);
    assert!(info.quarantined[0].name.ends_with(":2"), "{:?}", info.quarantined);
    assert_eq!(ids(&Database::open(&path).expect("open"), Ecosystem::Npm, "a", "1.0.0"), ["GOOD-1"]);
}

#[test]
fn what_cannot_be_judged_is_said() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    let text = advisory("X-1", "2024-01-01T00:00:00Z", &about("npm", "a", r#"{"introduced":"0"}"#));
    builder.import("x", text.as_bytes(), None, now()).expect("import");
    builder.finish().expect("finish");
    let database = Database::open(&path).expect("open");
    let undecided = |package: &Package| judge(&database, package, &NoHistory).expect("judge").undecided;
    let mut package = Package::new(Ecosystem::Npm, "a", None);
    assert!(undecided(&package)[0].contains("not resolved"));
    package.version = Some("not a version".to_owned());
    assert!(undecided(&package)[0].contains("none by the rules"));
    package.name = "b".to_owned();
    assert!(undecided(&package).is_empty(), "nothing is known about any version of it");
    assert!(undecided(&Package::new(Ecosystem::Cargo, "a", Some("1.0.0".into())))[0].contains("crates.io"));
}

#[test]
fn a_database_that_is_damaged_is_an_error_and_no_answer() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.db");
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    for n in 0..8 {
        let body = about("npm", &format!("p{n}"), r#"{"introduced":"0"}"#);
        builder
            .import("x", advisory(&format!("X-{n}"), "2024-01-01T00:00:00Z", &body).as_bytes(), None, now())
            .expect("import");
    }
    builder.finish().expect("finish");
    let whole = std::fs::read(&path).expect("read");
    for cut in (0..whole.len()).step_by(211) {
        std::fs::write(&path, &whole[..cut]).expect("write");
        assert!(Database::open(&path).is_err(), "cut at {cut}");
    }
    for at in (0..whole.len()).step_by(29) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).expect("write");
        if let Ok(database) = Database::open(&path) {
            for n in 0..8 {
                let _ = database.lookup("npm", &format!("p{n}"));
                let _ = database.advisories(&format!("X-{n}"));
            }
        }
    }
}

/// The rule of the schema on every advisory of three real archives: each version that is listed is affected, each that is
/// named as fixed is not.
#[test]
fn every_listed_version_is_affected_and_every_fixed_one_is_not() {
    let Some(folder) = provost_testkit::vectors("osv") else { return };
    let target = tempfile::tempdir().expect("folder");
    let path = target.path().join("a.db");
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    let mut all = Vec::new();
    for name in ["Rust", "PyPI", "Go"] {
        let bytes = std::fs::read(folder.join(format!("{name}.zip"))).expect("archive");
        let (_, imported) = builder.import(name, &bytes, None, now()).expect("import");
        assert!(imported.new > 1000 && imported.quarantined == 0, "{name}: {imported:?}");
        archive::members(archive::Kind::Zip, Bytes::Seek(&mut Cursor::new(bytes)), 100_000, &mut |member, reader| {
            let mut text = Vec::new();
            if let Ok(reader) = reader {
                reader.read_to_end(&mut text).expect("read");
            }
            if member.name.ends_with(".json") {
                all.push(Advisory::parse(&text).expect("an advisory"));
            }
            ControlFlow::Continue(())
        })
        .expect("walk");
    }
    builder.finish().expect("finish");
    let database = Database::open(&path).expect("open");
    let (mut listed, mut fixed, mut missed, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for advisory in all.iter().filter(|one| !one.is_withdrawn()) {
        for affected in &advisory.affected {
            let Some(package) = &affected.package else { continue };
            let ecosystem = order_of(&package.ecosystem);
            let records = database.lookup(&package.ecosystem, &package.name).expect("look up");
            let here: Vec<&Record> = records.iter().filter(|record| record.id == advisory.id).collect();
            let has = |version: &str| here.iter().any(|record| is_about(record, ecosystem, version));
            for version in &affected.versions {
                listed += 1;
                if !has(version) {
                    missed.push(format!("{} {} {version}", advisory.id, package.name));
                }
            }
            for event in affected.ranges.iter().filter(|r| r.kind != RangeKind::Git).flat_map(|range| &range.events) {
                let Event::Fixed(version) = event else { continue };
                fixed += 1;
                // Where the advisory itself lists the version, or another of its ranges holds it, it is affected.
                let listed = advisory.affected.iter().any(|other| {
                    other.package.as_ref() == Some(package)
                        && (other.versions.contains(version) || in_other_range(other, ecosystem, version))
                });
                if !listed && has(version) {
                    wrong.push(format!("{} {} {version}", advisory.id, package.name));
                }
            }
        }
    }
    assert!(listed > 50_000 && fixed > 9_000, "{listed} {fixed}");
    assert_eq!(missed, [] as [&str; 0], "{} of {listed} listed versions are missed", missed.len());
    assert_eq!(wrong, [] as [&str; 0], "{} of {fixed} fixed versions are held to be affected", wrong.len());
}

fn in_other_range(affected: &provost_formats::osv::Affected, ecosystem: Ecosystem, version: &str) -> bool {
    use provost_formats::{osv, version as order};
    affected.ranges.iter().filter(|range| range.kind != RangeKind::Git).any(|range| {
        osv::includes(&range.events, version, &|a, b| match range.kind {
            RangeKind::SemVer => order::compare_semver(a, b),
            _ => order::compare(ecosystem, a, b),
        })
    })
}

/// RustSec's own form: two of one day are told apart by what comes later, and OSV's form of the same counts where it is newer.
#[test]
fn advisories_in_rustsecs_own_form() {
    let target = tempfile::tempdir().expect("folder");
    let path = target.path().join("a.db");
    let text = |patched: &str| {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"a\"\ndate = \"2020-01-01\"\n\
             informational = \"unmaintained\"\n[versions]\npatched = [{patched}]\n```\n\n# It is\n\nNot kept.\n"
        )
    };
    let answer = |builder: Builder| {
        builder.finish().expect("finish");
        let records = Database::open(&path).expect("open").lookup("crates.io", "a").expect("look up");
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].kind, super::Kind::Unmaintained);
        ["1.0.0", "2.0.0"].map(|version| is_about(&records[0], Ecosystem::Cargo, version))
    };
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    builder.import("one", text("").as_bytes(), None, now()).expect("import");
    let (_, again) = builder.import("two", text("\">= 2.0.0\"").as_bytes(), None, now()).expect("import");
    assert_eq!(again.changed, 1);
    let (_, bad) = builder.import("bad", text("\"nonsense\"").as_bytes(), None, now()).expect("import");
    assert_eq!(bad.quarantined, 1);
    assert_eq!(answer(builder), [true, false]);
    // An archive of the repository: what is about the language itself is left out.
    let mut archive = tar::Builder::new(Vec::new());
    for name in ["db/crates/a/RUSTSEC-2020-0001.md", "db/rust/std/RUSTSEC-2020-0002.md", "db/crates/a/README.md"] {
        let mut header = tar::Header::new_gnu();
        let text = text("\">= 1.0.0\"");
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes()).expect("tar");
    }
    let bytes = archive.into_inner().expect("tar");
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    let (_, imported) = builder.import("db.tar", &bytes, None, now()).expect("import");
    assert_eq!((imported.changed, imported.new, imported.quarantined), (1, 0, 0));
    assert_eq!(answer(builder), [false, false]);
    let newer = br#"{"id":"RUSTSEC-2020-0001","modified":"2020-02-01T00:00:00Z","affected":[{"package":{"ecosystem":"crates.io","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"database_specific":{"informational":"unmaintained"}}]}"#;
    let mut builder = Builder::new(&path, false, now()).expect("builder");
    builder.import("newer.json", newer, None, now()).expect("import");
    let (_, known) = builder.import("one", text("").as_bytes(), None, now()).expect("import");
    assert_eq!(known.known, 1);
    assert_eq!(answer(builder), [true, true]);
}
