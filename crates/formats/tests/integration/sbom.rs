//! Documents made from inventories: what is written is read again, in every format.

use provost_formats::sbom::{self, Aggregate, Bom, cyclonedx, diff, spdx2};
use provost_model::{Completeness, Distribution, Ecosystem, Inventory, Package, PackageHash, PackageSource, Scopes};

use crate::sample;

fn packages(bom: &Bom) -> Vec<Package> {
    let mut packages: Vec<Package> = bom.components.iter().map(|component| component.package.clone()).collect();
    for package in &mut packages {
        package.line = None;
    }
    packages.sort_by(|one, other| {
        (one.ecosystem, &one.name, &one.version).cmp(&(other.ecosystem, &other.name, &other.version))
    });
    packages
}

#[test]
fn packages_survive_every_format() {
    let bom = sample::bom();
    assert_eq!(bom.components.len(), 19);
    let texts = [
        cyclonedx::write(&bom, cyclonedx::Edition::V1_6),
        cyclonedx::write(&bom, cyclonedx::Edition::V1_7),
        spdx2::write(&bom),
    ];
    for text in texts {
        let again = sbom::read(text.as_bytes()).unwrap();
        assert_eq!(again.problems, Vec::<String>::new(), "{}", again.format);
        assert_eq!(again.timestamp, bom.timestamp);
        assert_eq!(again.tools, bom.tools);
        assert_eq!(again.stated(), bom.stated(), "{}", again.format);
        assert!(diff(&bom, &again).is_empty(), "{}: {:?}", again.format, diff(&bom, &again));
        for (before, after) in packages(&bom).into_iter().zip(packages(&again)) {
            let mut before = before;
            if before.ecosystem == Ecosystem::Oci {
                // An image's digest is its version in the purl.
                before.hashes.dedup();
            }
            assert_eq!(after, before, "{}", again.format);
        }
        let edges = |bom: &Bom| bom.dependencies.values().map(std::collections::BTreeSet::len).sum::<usize>();
        assert_eq!(edges(&again), edges(&bom), "{}", again.format);
        let locations = |bom: &Bom| bom.components.iter().map(|one| one.locations.len()).sum::<usize>();
        assert_eq!(locations(&again), locations(&bom), "{}", again.format);
    }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let bom = sample::bom();
    let mut shuffled = bom.clone();
    shuffled.components.reverse();
    shuffled.components[0].properties.reverse();
    for write in [
        (|bom: &Bom| cyclonedx::write(bom, cyclonedx::Edition::V1_6)) as fn(&Bom) -> String,
        |bom| cyclonedx::write(bom, cyclonedx::Edition::V1_7),
        spdx2::write,
    ] {
        assert_eq!(write(&bom), write(&shuffled));
        let mut later = bom.clone();
        later.timestamp = "2026-01-02T03:04:06Z".parse().ok();
        assert_ne!(write(&bom), write(&later));
        // Read and written again: the same.
        let again = sbom::read(write(&bom).as_bytes()).unwrap();
        let second = write(&again);
        let third = write(&sbom::read(second.as_bytes()).unwrap());
        assert_eq!(second, third);
    }
}

#[test]
fn completeness_is_stated_honestly() {
    let complete = sample::bom();
    assert_eq!(complete.stated().components, Aggregate::Complete);
    // The subject's own needs are known: the lock says what was asked for.
    assert_eq!(complete.stated().dependencies, Aggregate::Complete);

    let mut builder = sample::builder();
    let mut list = Inventory::new("list", Completeness::List);
    list.packages.push(Package::new(Ecosystem::Deb, "a", Some("1".into())));
    builder.add("status", &list);
    let bom = builder.finish(Aggregate::Complete);
    assert_eq!(bom.stated().components, Aggregate::Complete);
    assert_eq!(bom.stated().dependencies, Aggregate::Unknown);

    let mut builder = sample::builder();
    let mut declared = Inventory::new("declared", Completeness::Declared);
    declared.packages.push(Package::new(Ecosystem::PyPi, "a", None));
    builder.add("a/Thing.lock", &sample::inventory());
    builder.add("requirements.txt", &declared);
    let bom = builder.finish(Aggregate::Complete);
    assert_eq!(bom.stated().components, Aggregate::Incomplete);
    assert_eq!(bom.stated().dependencies, Aggregate::Incomplete);

    // One line that could not be read is enough.
    let mut builder = sample::builder();
    let mut broken = sample::inventory();
    broken.problem(Some(7), "no package");
    builder.add("a/Thing.lock", &broken);
    let bom = builder.finish(Aggregate::Complete);
    assert_eq!(bom.stated().components, Aggregate::Incomplete);
    for text in [cyclonedx::write(&bom, cyclonedx::Edition::V1_6), spdx2::write(&bom)] {
        let again = sbom::read(text.as_bytes()).unwrap();
        assert_eq!(again.problems, ["a/Thing.lock, line 7: no package"]);
        assert_eq!(again.stated(), bom.stated(), "{}", again.format);
    }

    // And who does not know whether all was looked at says so.
    let mut builder = sample::builder();
    builder.add("a/Thing.lock", &sample::inventory());
    assert_eq!(builder.finish(Aggregate::Unknown).stated().components, Aggregate::Unknown);
}

#[test]
fn packages_of_several_places_are_one_unless_their_digests_differ() {
    let mut builder = sample::builder();
    for (place, digest) in [("a", "aa"), ("b", "aa"), ("c", "bb")] {
        let mut inventory = Inventory::new("x", Completeness::Graph);
        let mut package = Package::new(Ecosystem::Npm, "left-pad", Some("1.0.0".into()));
        package.hashes.push(PackageHash { algorithm: "sha256".into(), value: digest.repeat(32) });
        inventory.packages.push(package);
        builder.add(place, &inventory);
    }
    let bom = builder.finish(Aggregate::Complete);
    assert_eq!(bom.components.len(), 2);
    assert_eq!(bom.components[0].locations.len(), 2);
    assert_eq!(bom.components[1].reference, "pkg:npm/left-pad@1.0.0 (2)");
}

#[test]
fn what_changed() {
    let component = |bom: &mut Bom, name: &str, version: &str| {
        let package = Package::new(Ecosystem::Cargo, name, Some(version.into()));
        bom.components.push(sbom::Component::of_package(&package));
        bom.components.len() - 1
    };
    let (mut before, mut after) = (Bom::default(), Bom::default());
    component(&mut before, "gone", "1.0.0");
    component(&mut after, "new", "1.0.0");
    component(&mut before, "moved", "1.0.0");
    component(&mut after, "moved", "1.1.0");
    for (bom, digest, licence) in [(&mut before, "aa", "MIT"), (&mut after, "bb", "BUSL-1.1")] {
        let index = component(bom, "same", "1.0.0");
        let one = &mut bom.components[index];
        one.package.hashes.push(PackageHash { algorithm: "sha256".into(), value: digest.repeat(32) });
        one.package.hashes.push(PackageHash { algorithm: "sha1".into(), value: "aa".repeat(20) });
        one.licences.push(sbom::LicenceStatement { text: licence.into(), concluded: false });
        if digest == "bb" {
            one.package.scopes = Scopes::only(provost_model::Scope::Production);
        }
    }
    // An algorithm that only one side has is no change.
    let index = component(&mut before, "quiet", "1.0.0");
    before.components[index].package.hashes.push(PackageHash { algorithm: "md5".into(), value: "00".repeat(16) });
    component(&mut after, "quiet", "1.0.0");

    // A commit is part of the version; another release of the system makes no other package.
    for (bom, revision, release) in [(&mut before, "abc", "12.1"), (&mut after, "def", "12.2")] {
        let mut package = Package::new(Ecosystem::Cargo, "forked", Some("1.0.0".into()));
        package.source = PackageSource::Git { url: "https://example.org/a".into(), revision: Some(revision.into()) };
        bom.components.push(sbom::Component::of_package(&package));
        let mut package = Package::new(Ecosystem::Deb, "bash", Some("5.2".into()));
        package.distribution = Some(Distribution { id: "debian".into(), version: release.into(), like: Vec::new() });
        bom.components.push(sbom::Component::of_package(&package));
    }

    // A Go module is the same with `v` and without.
    for (bom, version) in [(&mut before, "v1.2.3"), (&mut after, "1.2.3")] {
        let package = Package::new(Ecosystem::Go, "example.org/m", Some(version.into()));
        bom.components.push(sbom::Component::of_package(&package));
    }

    let diff = diff(&before, &after);
    assert_eq!(diff.added, ["pkg:cargo/new@1.0.0"]);
    assert_eq!(diff.removed, ["pkg:cargo/gone@1.0.0"]);
    let versions: Vec<_> = diff.versions.iter().map(|one| (one.before.join(" "), one.after.join(" "))).collect();
    assert_eq!(versions, [("1.0.0#abc".to_owned(), "1.0.0#def".to_owned()), ("1.0.0".to_owned(), "1.1.0".to_owned())]);
    assert_eq!(diff.hashes.len(), 1);
    assert_eq!(diff.hashes[0].package, "pkg:cargo/same@1.0.0");
    assert_eq!((diff.licences[0].before.as_str(), diff.licences[0].after.as_str()), ("MIT", "BUSL-1.1"));
    assert_eq!((diff.scopes[0].before.as_str(), diff.scopes[0].after.as_str()), ("", "production"));
}
