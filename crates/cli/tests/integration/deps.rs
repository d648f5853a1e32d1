//! Dependencies, bills of materials and images, as people run them.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::scan::{commit, git_ok, write};
use crate::{World, text_of};

/// An advisory about a range of versions of a package.
pub(crate) fn advisory(id: &str, ecosystem: &str, name: &str, fixed: &str, more: Value) -> Value {
    let mut value = json!({
        "id": id,
        "modified": "2026-01-01T00:00:00Z",
        "published": "2025-06-01T00:00:00Z",
        "summary": format!("A hole in {name}"),
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        }],
    });
    for (key, one) in more.as_object().into_iter().flatten() {
        value[key] = one.clone();
    }
    value
}

pub(crate) fn import(world: &World, name: &str, advisories: &[Value]) {
    let text: Vec<String> = advisories.iter().map(ToString::to_string).collect();
    write(world, name, &text.join("\n"));
    world.expect(0, &["db", "import", name]);
    std::fs::remove_file(world.project().join(name)).expect("remove");
}

fn lock(world: &World, packages: &[(&str, &str)]) {
    let mut text =
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"middle\"]\n".to_owned();
    for (name, version) in packages {
        let needs = if *name == "middle" { "dependencies = [\"deep\"]\n" } else { "" };
        text.push_str(&format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{:064}\"\n{needs}",
            7
        ));
    }
    write(world, "Cargo.lock", &text);
    write(world, "Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\n\n[dependencies]\nmiddle = \"1\"\n");
}

pub(crate) fn report(world: &World, code: i32, arguments: &[&str]) -> Value {
    let output = world.run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", text_of(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_lock_is_judged_and_nothing_is_passed_over() {
    let world = World::new();
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.1")]);
    let without = world.run(&["scan", "deps"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(text_of(&without).contains("db import"), "{}", text_of(&without));
    import(&world, "a.json", &[advisory("RUSTSEC-1", "crates.io", "deep", "0.3.5", json!({"aliases": ["CVE-1"]}))]);

    let text = world.expect(1, &["scan", "deps"]);
    for wanted in
        ["critical 9.8", "deep 0.3.1 → 0.3.5", "RUSTSEC-1 CVE-1", "middle 1.0.0 → deep 0.3.1", "cargo update -p deep"]
    {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let json = report(&world, 1, &["scan", "deps", "--format", "json", "-q"]);
    assert_eq!(json["issues"][0]["package"]["purl"], "pkg:cargo/deep@0.3.1");
    assert_eq!(json["complete"], true);
    assert_eq!(json, report(&world, 1, &["scan", "deps", "--format", "json", "-q"]), "the same bytes again");
    let sarif = report(&world, 1, &["scan", "deps", "--format", "sarif", "-q"]);
    assert_eq!(sarif["runs"][0]["results"][0]["properties"]["security-severity"], "9.8");

    // What cannot be judged ends with 3, and says so.
    write(&world, "sub/package.json", r#"{"name":"x","dependencies":{"left":"^1"}}"#);
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.5")]);
    let text = world.expect(3, &["scan", "deps"]);
    assert!(text.contains("not judged") && text.contains("without a lockfile"), "{text}");
    world.expect(0, &["scan", "deps", "--allow-partial"]);
    world.expect(0, &["scan", "deps", "Cargo.lock"]);
    world.expect(2, &["scan", "deps", "build.sh"]);
}

#[test]
fn what_counts_can_be_said() {
    let world = World::new();
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.1")]);
    let low = json!({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]});
    let mut old = advisory("RUSTSEC-2", "crates.io", "middle", "9.0.0", json!({}));
    old["affected"][0]["database_specific"] = json!({"informational": "unmaintained"});
    import(&world, "a.json", &[advisory("RUSTSEC-1", "crates.io", "deep", "0.3.5", low), old]);
    let text = world.expect(1, &["scan", "deps"]);
    assert!(text.contains("1 issue found") && text.contains("1 noted"), "{text}");
    world.expect(0, &["scan", "deps", "--fail-on", "high"]);
    world.expect(1, &["scan", "deps", "--fail-on", "high", "--deny", "unmaintained"]);
    world.expect(0, &["scan", "deps", "--write-baseline", "base.json"]);
    let text = world.expect(0, &["scan", "deps", "--baseline", "base.json"]);
    assert!(text.contains("1 known from the baseline"), "{text}");
    // The data has an age of its own.
    world.expect(3, &["scan", "deps", "--fail-on", "high", "--max-age", "0"]);
    assert!(world.expect(0, &["db", "status"]).contains("crates.io"));
    world.expect(1, &["db", "status", "--max-age", "0"]);
    assert!(world.expect(0, &["db", "show", "RUSTSEC-1"]).contains("A hole in deep"));
    world.expect(1, &["db", "show", "RUSTSEC-404"]);
}

#[test]
fn a_broken_advisory_is_set_aside_and_an_older_database_refused() {
    let world = World::new();
    write(
        &world,
        "a.json",
        "{\"id\":\"BAD\",\"modified\":\"x\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{}]}]}]}",
    );
    let text = world.expect(1, &["db", "import", "a.json", "--strict"]);
    assert!(text.contains("set aside") && text.contains("BAD") || text.contains("one of introduced"), "{text}");
    let new = advisory("N-1", "npm", "a", "2.0.0", json!({}));
    import(&world, "new.json", &[new]);
    let old = advisory(
        "N-0",
        "npm",
        "a",
        "2.0.0",
        json!({"modified": "2020-01-01T00:00:00Z", "published": "2020-01-01T00:00:00Z"}),
    );
    write(&world, "old.json", &old.to_string());
    let text = world.expect(2, &["db", "import", "--fresh", "old.json"]);
    assert!(text.contains("--allow-older"), "{text}");
    world.expect(0, &["db", "show", "N-1"]);
    world.expect(0, &["db", "import", "--fresh", "--allow-older", "old.json"]);
    world.expect(1, &["db", "show", "N-1"]);
}

#[test]
fn a_change_is_reviewed_without_a_checkout() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.5")]);
    let base = commit(&world, "before");
    lock(&world, &[("middle", "1.1.0"), ("deep", "0.3.1"), ("serde-json", "1.0.0")]);
    commit(&world, "after");
    import(&world, "a.json", &[advisory("RUSTSEC-1", "crates.io", "deep", "0.3.5", json!({}))]);
    let range = format!("{base}..HEAD");
    let text = world.expect(1, &["deps", "diff", &range]);
    for wanted in [
        "+ serde-json 1.0.0 (new to the project)",
        "resembles serde_json",
        "~ deep 0.3.5 → 0.3.1",
        "became older",
        "brings critical 9.8: RUSTSEC-1",
        "~ middle 1.0.0 → 1.1.0",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let markdown = world.expect(1, &["deps", "diff", &range, "--format", "markdown"]);
    assert!(markdown.contains("| ⛔ | deep |"), "{markdown}");
    assert!(world.expect(0, &["deps", "diff", "HEAD..HEAD"]).contains("no change"));
    world.expect(2, &["deps", "diff", "HEAD"]);
    let why = world.expect(0, &["deps", "why", "deep"]);
    assert!(why.contains("middle 1.1.0") && why.contains("deep 0.3.1"), "{why}");
    world.expect(1, &["deps", "why", "nowhere"]);
}

#[test]
fn a_bill_of_materials_goes_out_and_comes_in() {
    let world = World::new();
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.1")]);
    import(&world, "a.json", &[advisory("RUSTSEC-1", "crates.io", "deep", "0.3.5", json!({}))]);
    for name in ["app.cdx.json", "app.spdx.json"] {
        world.expect(0, &["sbom", "create", "Cargo.lock", "-o", name]);
        world.expect(0, &["sbom", "check", name]);
        let text = world.expect(1, &["scan", "deps", name]);
        assert!(text.contains("RUSTSEC-1"), "{name}\n{text}");
    }
    lock(&world, &[("middle", "1.0.0"), ("deep", "0.3.5")]);
    world.expect(0, &["sbom", "create", "Cargo.lock", "-o", "new.cdx.json"]);
    let text = world.expect(0, &["sbom", "diff", "app.cdx.json", "new.cdx.json"]);
    assert!(text.contains("pkg:cargo/deep 0.3.1 → 0.3.5"), "{text}");
    world.expect(1, &["sbom", "diff", "--exit-code", "app.cdx.json", "new.cdx.json"]);
    write(&world, "not.json", "{}");
    world.expect(1, &["sbom", "check", "not.json"]);
}

/// A tar with these files.
pub(crate) fn layer(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_cksum();
        builder.append_data(&mut header, path, *content).expect("append");
    }
    builder.into_inner().expect("finish")
}

/// An OCI layout with these layers; returns the digest of its manifest.
pub(crate) fn layout(root: &Path, layers: &[Vec<u8>], config: Value) -> String {
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("folder");
    let put = |bytes: &[u8]| {
        let digest = provost_model::sha256(bytes).to_hex();
        std::fs::write(blobs.join(&digest), bytes).expect("blob");
        digest
    };
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| format!("sha256:{}", provost_model::sha256(layer).to_hex())).collect();
    let mut config = config;
    config["architecture"] = "amd64".into();
    config["os"] = "linux".into();
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    let config = config.to_string();
    let descriptors: Vec<Value> = layers
        .iter()
        .map(|layer| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{}", put(layer)), "size": layer.len()}))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", put(config.as_bytes())), "size": config.len()},
        "layers": descriptors,
    })
    .to_string();
    let digest = put(manifest.as_bytes());
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{digest}"), "size": manifest.len()}],
    });
    std::fs::write(root.join("index.json"), index.to_string()).expect("index");
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("layout");
    digest
}

pub(crate) const OS_RELEASE: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\n";
pub(crate) const STATUS: &[u8] =
    b"Package: libdeep1\nStatus: install ok installed\nArchitecture: amd64\nSource: deep\nVersion: 1.0-1\n\n";
const METADATA: &[u8] = b"Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.4\n";

fn image(world: &World) -> String {
    let token = ["h4Kq0zPx", "9WvT2mLr", "Q7sN"].concat();
    let secret = format!("API_TOKEN={token}\n");
    let base = layer(&[("etc/os-release", OS_RELEASE, 0o644), ("var/lib/dpkg/status", STATUS, 0o644)]);
    let app = layer(&[
        ("app/.env", secret.as_bytes(), 0o644),
        ("usr/lib/python3/site-packages/urllib3-1.26.4.dist-info/METADATA", METADATA, 0o644),
        ("usr/bin/helper", b"#!/bin/sh\n", 0o4755),
    ]);
    let hides = layer(&[("app/.wh..env", b"", 0o644)]);
    layout(&world.project().join("image"), &[base, app, hides], json!({"config": {"User": ""}}))
}

#[test]
fn an_image_is_judged_layer_by_layer() {
    let world = World::new();
    image(&world);
    import(
        &world,
        "a.json",
        &[
            advisory("DSA-1", "Debian:12", "deep", "1.0-2", json!({})),
            advisory("PYSEC-1", "PyPI", "urllib3", "1.26.5", json!({"aliases": ["CVE-2021-1"]})),
        ],
    );
    let text = world.expect(1, &["scan", "image", "image", "--sbom", "image.cdx.json"]);
    for wanted in [
        "libdeep1 1.0-1 → 1.0-2",
        "DSA-1",
        "urllib3 1.26.4 → 1.26.5",
        "1 secret",
        "layer 3 hides it",
        "image-root-user",
        "image-setuid",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let json = report(&world, 1, &["scan", "image", "image", "--format", "json", "-q"]);
    assert_eq!(json["issues"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["complete"], true);
    // The bill of materials of an image gives the same answers as the image.
    let again = report(&world, 1, &["scan", "deps", "image.cdx.json", "--format", "json", "-q"]);
    let ids = |value: &Value| -> Vec<String> {
        let issues = value["issues"].as_array().expect("issues");
        let mut ids: Vec<String> = issues.iter().map(|issue| issue["issue"]["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&json), ids(&again));
    world.expect(2, &["scan", "image", "./nowhere.tar"]);
    // Another byte in a layer is another image.
    let blobs = world.project().join("image/blobs/sha256");
    for blob in std::fs::read_dir(&blobs).expect("list") {
        let path = blob.expect("entry").path();
        let bytes = std::fs::read(&path).expect("read");
        if bytes.windows(7).any(|w| w == b"urllib3") && bytes.len() > 2000 {
            let mut file = std::fs::File::options().append(true).open(&path).expect("open");
            file.write_all(b"x").expect("write");
        }
    }
    let broken = world.run(&["scan", "image", "image"]);
    assert_eq!(broken.status.code(), Some(2), "{}", text_of(&broken));
}

/// Scan, statement, policy, verdict; and the verdict turns when the advisories do.
#[test]
fn an_image_is_admitted_by_its_scan_until_something_new_is_known() {
    let world = World::new();
    world.expect(0, &["init"]);
    let policy_path = world.project().join(".provost/policy.toml");
    let policy = std::fs::read_to_string(&policy_path).expect("policy");
    let section = "\n[scan]\nfunctionaries = [\"builder\"]\nfail-on = \"high\"\nmax-age-days = 7\n";
    std::fs::write(&policy_path, format!("{policy}{section}").replace("serial = 1", "serial = 2")).expect("policy");
    world.expect(0, &["policy", "sign"]);
    // The build makes the image: its manifest is a product.
    let token_free = layer(&[("etc/os-release", OS_RELEASE, 0o644), ("var/lib/dpkg/status", STATUS, 0o644)]);
    let prepared = world.root().join("prepared");
    let digest = layout(&prepared, &[token_free], json!({"config": {"User": "1000"}}));
    world.expect(0, &["run", "--step", "build", "--", "cp", "-r", &prepared.display().to_string(), "out"]);
    let artifact = format!("sha256:{digest}");
    let text = world.expect(1, &["verify", &artifact]);
    assert!(text.contains("no scan speaks of the artifact"), "{text}");

    import(&world, "a.json", &[advisory("DSA-0", "Debian:12", "other", "1.0-2", json!({}))]);
    let captured = |world: &World| {
        world.expect(0, &["report", "-o", "report.html"]);
        let report = std::fs::read_to_string(world.project().join("report.html")).expect("report");
        let line = report.lines().find(|line| line.contains("dependencies-captured"));
        line.map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(captured(&world), "");
    world.expect(0, &["scan", "image", "out", "--attest"]);
    let line = captured(&world);
    assert!(line.contains("1 bill of materials in the log, of 2 digests"), "BASE-5 rests on the document: {line}");
    let text = world.expect(0, &["verify", &artifact]);
    assert!(text.contains("PASSED"), "{text}");
    let text = world.expect(0, &["recheck"]);
    assert!(text.contains("1 artifact judged anew"), "{text}");

    import(&world, "b.json", &[advisory("DSA-1", "Debian:12", "deep", "1.0-2", json!({}))]);
    let text = world.expect(1, &["recheck"]);
    assert!(text.contains("now affected") && text.contains("DSA-1"), "{text}");
    world.expect(0, &["verify", &artifact]);
    world.expect(1, &["recheck", "--attest"]);
    let text = world.expect(1, &["verify", &artifact]);
    assert!(text.contains("DSA-1") && text.contains("critical"), "{text}");
}

/// What an attacker tries: none of it may end in a pass.
#[test]
fn what_hides_packages_ends_in_no_pass() {
    let world = World::new();
    import(&world, "a.json", &[advisory("MAL-1", "npm", "evil", "9.0.0", json!({}))]);
    // Nothing at all, and nothing that was left in.
    std::fs::create_dir_all(world.project().join("empty")).expect("folder");
    world.expect(3, &["scan", "deps", "empty"]);
    // A lock that does not hold what the manifest asks for.
    write(&world, "lock/package.json", r#"{"dependencies":{"evil":"^1"}}"#);
    for stub in ["{}", r#"{"lockfileVersion":3,"packages":{"":{}}}"#] {
        write(&world, "lock/package-lock.json", stub);
        let text = world.expect(3, &["scan", "deps", "lock"]);
        assert!(text.contains("asked for and not in"), "{text}");
    }
    // A link, and a name that is no text.
    std::fs::create_dir_all(world.project().join("links")).expect("folder");
    std::os::unix::fs::symlink("../lock/package.json", world.project().join("links/package-lock.json")).expect("link");
    world.expect(3, &["scan", "deps", "links"]);
    // A package that lies in the project as an archive is what its name says.
    let local = r#"{"lockfileVersion":3,"packages":{"":{"dependencies":{"evil":"file:evil-1.0.0.tgz"}},"node_modules/evil":{"version":"1.0.0","resolved":"file:evil-1.0.0.tgz"}}}"#;
    write(&world, "packed/package-lock.json", local);
    world.expect(1, &["scan", "deps", "packed"]);
    // A distribution's package that claims a file of the application.
    let list = b"/app/node_modules/evil/package.json\n/usr/lib/node_modules/evil/package.json\n";
    let manifest = br#"{"name":"evil","version":"1.0.0"}"#;
    for path in ["app/node_modules/evil/package.json", "usr/lib/node_modules/evil/package.json"] {
        let all = layer(&[
            ("etc/os-release", OS_RELEASE, 0o644),
            ("var/lib/dpkg/status", STATUS, 0o644),
            ("var/lib/dpkg/info/libdeep1.list", list, 0o644),
            (path, manifest, 0o644),
        ]);
        let root = world.project().join("claimed");
        let _ = std::fs::remove_dir_all(&root);
        layout(&root, &[all], json!({"config": {"User": "1000"}}));
        world.expect(1, &["scan", "image", "claimed", "--no-secrets"]);
    }
    // A database that a later layer takes away.
    let base = layer(&[("etc/os-release", OS_RELEASE, 0o644), ("var/lib/dpkg/status", STATUS, 0o644)]);
    let gone = layer(&[("var/lib/dpkg/.wh.status", b"", 0o644)]);
    layout(&world.project().join("gone"), &[base, gone], json!({"config": {"User": "1000"}}));
    let text = world.expect(3, &["scan", "image", "gone", "--no-secrets"]);
    assert!(text.contains("no package database is visible"), "{text}");
    // One fresh advisory does not renew old data.
    let old = advisory(
        "N-1",
        "npm",
        "other",
        "9.0.0",
        json!({"modified": "2020-01-01T00:00:00Z", "published": "2020-01-01T00:00:00Z"}),
    );
    write(&world, "old.json", &old.to_string());
    world.expect(0, &["db", "import", "--fresh", "--allow-older", "old.json"]);
    import(&world, "new.json", &[advisory("N-2", "npm", "another", "9.0.0", json!({}))]);
    world.expect(1, &["db", "status", "--max-age", "1000"]);
    world.expect(2, &["scan", "image", "misspelt"]);
}

/// Advisories about commits: submodules are packages, and their history tells.
#[test]
fn a_submodule_at_a_commit() {
    let world = World::new();
    let library = world.root().join("library");
    std::fs::create_dir(&library).expect("folder");
    let git = |at: &Path, arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "protocol.file.allow=always", "-c", "user.name=a", "-c", "user.email=a@x.test"]);
        let output = command.args(arguments).current_dir(at).output().expect("git runs");
        assert!(output.status.success(), "git {arguments:?}\n{}", text_of(&output));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    git(&library, &["init", "-q", "-b", "main"]);
    let commits: Vec<String> = ["hole", "still", "mended", "later"]
        .iter()
        .map(|message| {
            git(&library, &["commit", "-q", "--allow-empty", "-m", message]);
            git(&library, &["rev-parse", "HEAD"])
        })
        .collect();
    let project = world.project();
    git(&project, &["init", "-q", "-b", "main"]);
    let from = library.display().to_string();
    git(&project, &["submodule", "--quiet", "add", &from, "third_party/library"]);
    let url = "https://git.example.com/org/library.git";
    git(&project, &["config", "-f", ".gitmodules", "submodule.third_party/library.url", url]);
    let stand = |commit: &str| {
        git(&project.join("third_party/library"), &["checkout", "-q", commit]);
        git(&project, &["add", "-A"]);
        git(&project, &["commit", "-q", "--allow-empty", "-m", commit]);
    };
    stand(&commits[1]);
    let range = json!({"type": "GIT", "repo": "https://git.example.com/org/library", "events": [{"introduced": commits[0]}, {"fixed": commits[2]}]});
    import(
        &world,
        "a.json",
        &[json!({"id": "OSV-2026-1", "modified": "2026-01-01T00:00:00Z", "affected": [{"ranges": [range]}]})],
    );

    let json = report(&world, 1, &["scan", "deps", "--format", "json", "-q", "--fail-on", "unknown"]);
    assert_eq!(json["issues"][0]["issue"]["id"], "OSV-2026-1", "{json:#}");
    let text = world.expect(1, &["scan", "deps", "--fail-on", "unknown"]);
    assert!(text.contains("take a commit that has") && text.contains(&commits[2]), "{text}");
    stand(&commits[3]);
    let json = report(&world, 0, &["scan", "deps", "--format", "json", "-q", "--fail-on", "unknown"]);
    assert_eq!(json["complete"], true, "{json:#}");
    let review = world.expect(0, &["deps", "diff", "HEAD~1..HEAD", "--no-advisories"]);
    assert!(review.contains("git.example.com/org/library"), "{review}");

    // A clone without the submodule's content: its commit is known, and what lies behind it is not.
    stand(&commits[1]);
    let bare = world.root().join("bare");
    git(world.root(), &["clone", "-q", &project.display().to_string(), &bare.display().to_string()]);
    let at = bare.display().to_string();
    let told = text_of(&world.run(&["scan", "deps", &at]));
    assert!(told.contains("--git-history"), "{told}");
    let undecided = world.run(&["scan", "deps", &at, "--fail-on", "unknown"]);
    assert_eq!(undecided.status.code(), Some(3), "{}", text_of(&undecided));
    let with = ["scan", "deps", &at, "--fail-on", "unknown", "--git-history", &from];
    let json = report(&world, 1, &[&with[..], &["--format", "json", "-q"]].concat());
    assert_eq!(
        (json["complete"].as_bool(), json["issues"][0]["issue"]["id"].as_str()),
        (Some(true), Some("OSV-2026-1"))
    );
    let wrong = world.run(&["scan", "deps", &at, "--git-history", "/nowhere"]);
    assert!(text_of(&wrong).contains("--git-history /nowhere"), "{}", text_of(&wrong));
}
