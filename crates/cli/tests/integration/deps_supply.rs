//! Dependencies beside advisories: locks that lie, trees that drift, licences, ages, grades of reach.

use serde_json::{Value, json};

use crate::World;
use crate::deps::{OS_RELEASE, STATUS, advisory, import, layer, layout, report};
use crate::scan::{commit, git_ok, write};

/// An entry of a lock.
fn entry(name: &str, version: &str) -> Value {
    json!({
        "version": version,
        "resolved": format!("https://registry.npmjs.org/{name}/-/{name}-{version}.tgz"),
        "integrity": "sha512-AAEC",
        "license": "MIT",
    })
}

/// A project of `front` (which needs `middle`) and, for development, `tool`; `change` edits the lock.
fn project(world: &World, change: &dyn Fn(&mut Value)) {
    let asked = json!({"name": "app", "dependencies": {"front": "^1.0.0"}, "devDependencies": {"tool": "^1.0.0"}});
    write(world, "package.json", &asked.to_string());
    let mut front = entry("front", "1.0.0");
    front["dependencies"] = json!({"middle": "^2.0.0"});
    let mut tool = entry("tool", "1.0.0");
    tool["dev"] = true.into();
    let mut lock = json!({"name": "app", "lockfileVersion": 3, "packages": {
        "": asked, "node_modules/front": front, "node_modules/middle": entry("middle", "2.0.0"), "node_modules/tool": tool,
    }});
    change(&mut lock);
    write(world, "package-lock.json", &format!("{lock:#}"));
}

fn installed(world: &World, name: &str, version: &str, licence: &str) {
    let manifest = json!({"name": name, "version": version, "license": licence});
    write(world, &format!("node_modules/{name}/package.json"), &manifest.to_string());
}

fn database(world: &World) {
    import(world, "a.json", &[advisory("GHSA-1", "npm", "other", "1.0.0", json!({}))]);
}

/// Rule and package of every issue, and whether it counts.
fn found(report: &Value) -> Vec<String> {
    let issues = report["issues"].as_array().expect("issues");
    let mut found: Vec<String> = issues
        .iter()
        .map(|issue| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let counts = if issue["counts"] == true { " counts" } else { "" };
            format!("{} {}{counts}", text(&issue["rule"]), text(&issue["package"]["name"]))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_lock_that_says_one_thing_and_holds_another() {
    let world = World::new();
    database(&world);
    project(&world, &|_| {});
    world.expect(0, &["scan", "deps"]);
    let with = |code: i32, more: &[&str], change: &dyn Fn(&mut Value)| {
        project(&world, change);
        found(&report(&world, code, &[&["scan", "deps", "--format", "json", "-q"], more].concat()))
    };
    let at = |lock: &mut Value, name: &str, key: &str, value: &str| {
        lock["packages"][format!("node_modules/{name}")][key] = value.into();
    };
    // The address of another package, of another version, of another one's scope; an alias that nobody asked for.
    for url in ["midle/-/midle-2.0.0.tgz", "middle/-/middle-2.0.1.tgz", "@evil/middle/-/middle-2.0.0.tgz"] {
        let url = format!("https://registry.npmjs.org/{url}");
        let issues = with(1, &[], &|lock| at(lock, "middle", "resolved", &url));
        assert_eq!(issues, ["lock-other-package middle counts"], "{url}");
    }
    let issues = with(1, &[], &|lock| {
        at(lock, "middle", "name", "midle");
        at(lock, "middle", "resolved", "https://registry.npmjs.org/midle/-/midle-2.0.0.tgz");
    });
    assert_eq!(issues, ["lock-other-package midle counts"]);
    let issues =
        with(1, &[], &|lock| at(lock, "middle", "resolved", "http://registry.npmjs.org/middle/-/middle-2.0.0.tgz"));
    assert_eq!(issues, ["lock-unprotected middle counts"]);
    let foreign =
        |lock: &mut Value| at(lock, "middle", "resolved", "https://user:word@evil.example/middle/-/middle-2.0.0.tgz");
    assert_eq!(with(0, &[], &foreign), ["lock-foreign-host middle"]);
    assert_eq!(with(1, &["--deny", "lock"], &foreign), ["lock-foreign-host middle counts"]);
    let all = ["--registry", "registry.npmjs.org,evil.example"];
    assert!(with(0, &all, &foreign).is_empty());
    let issues = with(1, &["--registry", "registry.npmjs.org"], &foreign);
    assert_eq!(issues, ["lock-foreign-host middle counts"]);
    assert!(!world.expect(0, &["scan", "deps"]).contains("word"), "the password stays where it is");
    let issues = with(0, &[], &|lock| {
        lock["packages"]["node_modules/middle"].as_object_mut().expect("entry").remove("integrity");
    });
    assert_eq!(issues, ["lock-no-digest middle"]);
    let issues = with(0, &[], &|lock| {
        at(lock, "middle", "resolved", "git+ssh://git@github.com/o/middle.git#main");
    });
    assert!(issues.contains(&"lock-unpinned middle".to_owned()), "{issues:?}");
    // In the reports of all kinds.
    project(&world, &|lock| at(lock, "middle", "resolved", "https://registry.npmjs.org/x/-/x-2.0.0.tgz"));
    let text = world.expect(1, &["scan", "deps"]);
    assert!(text.contains("its address is that of x") && text.contains("front 1.0.0 → middle 2.0.0"), "{text}");
    let sarif = report(&world, 1, &["scan", "deps", "--format", "sarif", "-q"]);
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "lock-other-package");
    assert_eq!(sarif["runs"][0]["results"][0]["properties"]["reach"], "declared");
    // A finding as others: it can be known.
    world.expect(0, &["scan", "deps", "--write-baseline", "base.json"]);
    world.expect(0, &["scan", "deps", "--baseline", "base.json"]);
}

#[test]
fn marks_and_copies_in_a_lock_hide_nothing_from_production() {
    let world = World::new();
    import(&world, "a.json", &[advisory("GHSA-1", "npm", "middle", "9.0.0", json!({}))]);
    // Marked as development's, and not asked for in the lock's own copy of the manifest.
    project(&world, &|lock| {
        let packages = &mut lock["packages"];
        packages["node_modules/front"]["dev"] = true.into();
        packages["node_modules/middle"]["dev"] = true.into();
        packages[""] = json!({"name": "app", "devDependencies": {"front": "^1.0.0", "tool": "^1.0.0"}});
    });
    let json = report(&world, 1, &["scan", "deps", "--production", "--format", "json", "-q"]);
    let issues = found(&json);
    assert!(issues.contains(&"vulnerable-dependency middle counts".to_owned()), "{issues:?}");
    assert!(issues.contains(&"lock-scope front".to_owned()), "{issues:?}");
    // The same in the first version, whose marks are all it has beside the manifest.
    let one = |name: &str, needs: Value| {
        let mut one = entry(name, if name == "middle" { "2.0.0" } else { "1.0.0" });
        one["dev"] = true.into();
        one["requires"] = needs;
        one
    };
    let lock = json!({"name": "app", "lockfileVersion": 1, "dependencies": {
        "front": one("front", json!({"middle": "^2.0.0"})), "middle": one("middle", json!({})), "tool": one("tool", json!({})),
    }});
    write(&world, "package-lock.json", &lock.to_string());
    let json = report(&world, 1, &["scan", "deps", "--production", "--format", "json", "-q"]);
    let issues = found(&json);
    let wanted = ["lock-scope front", "lock-scope middle", "vulnerable-dependency middle counts"];
    assert_eq!(issues, wanted);
}

#[test]
fn what_is_installed_is_held_against_the_lock() {
    let world = World::new();
    import(&world, "a.json", &[advisory("GHSA-1", "npm", "middle", "9.0.0", json!({}))]);
    project(&world, &|_| {});
    installed(&world, "front", "1.0.0", "MIT");
    installed(&world, "middle", "2.0.1", "MIT");
    installed(&world, "stray", "1.0.0", "MIT");
    let arguments = ["scan", "deps", "--format", "json", "-q", "--fail-on", "critical", "--allow-partial"];
    let json = report(&world, 1, &arguments);
    let issues = found(&json);
    assert!(issues.contains(&"package-not-as-locked middle".to_owned()), "{issues:?}");
    assert!(issues.contains(&"package-not-locked stray".to_owned()), "{issues:?}");
    assert_eq!(json["installedAgainstLocked"][0]["missing"], 1, "tool is locked and not installed");
    // The grade: 2.0.0 is locked and nowhere, 2.0.1 is there.
    let reach = |version: &str| {
        let issues = json["issues"].as_array().expect("issues");
        let one =
            issues.iter().find(|one| one["package"]["version"] == version && one["rule"] == "vulnerable-dependency");
        one.map(|one| one["reach"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!((reach("2.0.0").as_deref(), reach("2.0.1").as_deref()), (Some("declared"), Some("installed")));
    let text = world.expect(1, &["scan", "deps"]);
    assert!(text.contains("· installed") && text.contains("· declared") && text.contains("held against"), "{text}");
    // By grade what counts: only what is declared, then also not what is installed.
    import(
        &world,
        "b.json",
        &[advisory(
            "GHSA-1",
            "npm",
            "middle",
            "9.0.0",
            json!({
                "modified": "2026-02-01T00:00:00Z",
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}],
            }),
        )],
    );
    let text = world.expect(1, &["scan", "deps", "--fail-on-reach", "declared=high"]);
    assert!(text.contains("below --fail-on-reach declared=high") && text.contains("1 issue found"), "{text}");
    world.expect(0, &["scan", "deps", "--fail-on-reach", "declared=high,installed=critical"]);
    world.expect(1, &["scan", "deps", "--fail-on-reach", "declared=high,installed=critical", "--deny", "drift"]);
    world.expect(2, &["scan", "deps", "--fail-on-reach", "near=high"]);
}

#[test]
fn licences_are_judged_as_the_policy_judges_them() {
    let world = World::new();
    database(&world);
    project(&world, &|lock| {
        lock["packages"]["node_modules/middle"]["license"] = "(GPL-3.0-only OR MIT)".into();
        lock["packages"]["node_modules/front"]["license"] = "GPL-2.0-only WITH Classpath-exception-2.0".into();
        lock["packages"]["node_modules/tool"]["license"] = "AGPL-3.0-only".into();
    });
    let with = |code: i32, more: &[&str]| {
        found(&report(&world, code, &[&["scan", "deps", "--format", "json", "-q"], more].concat()))
    };
    // Of OR one side is enough; what only development needs does not reach the product.
    assert_eq!(with(1, &["--allow-licence", "MIT,AGPL-3.0-only"]), ["licence-not-permitted front counts"]);
    assert!(with(0, &["--allow-licence", "MIT,GPL-2.0-only WITH Classpath-exception-2.0"]).is_empty());
    assert!(with(0, &["--deny-licence", "GPL-3.0-only"]).is_empty());
    assert_eq!(with(1, &["--deny-licence", "GPL-3.0-only,MIT"]), ["licence-not-permitted middle counts"]);
    // None stated is not permitted, and not denied.
    project(&world, &|lock| {
        lock["packages"]["node_modules/middle"].as_object_mut().expect("entry").remove("license");
    });
    world.expect(0, &["scan", "deps", "--deny-licence", "GPL-3.0-only"]);
    let text = world.expect(3, &["scan", "deps", "--allow-licence", "MIT"]);
    assert!(text.contains("licence not known: 1 package (middle)"), "{text}");
    // The tree that was installed from it knows.
    installed(&world, "middle", "2.0.0", "ISC");
    let issues = with(1, &["--allow-licence", "MIT"]);
    assert_eq!(issues, ["licence-not-permitted middle counts", "licence-not-permitted middle counts"]);
    world.expect(2, &["scan", "deps", "--licences"]);
    // The policy's own lists.
    world.expect(0, &["init"]);
    let path = world.project().join(".provost/policy.toml");
    let policy = std::fs::read_to_string(&path).expect("policy");
    let section = "\n[scan]\nfunctionaries = [\"builder\"]\ndenied-licences = [\"ISC\"]\n";
    std::fs::write(&path, format!("{policy}{section}").replace("serial = 1", "serial = 2")).expect("policy");
    world.expect(0, &["policy", "sign"]);
    assert_eq!(with(1, &["--licences"]).len(), 2);
}

#[test]
fn a_version_has_to_be_old_enough_and_an_unknown_age_is_not() {
    let world = World::new();
    database(&world);
    project(&world, &|_| {});
    let at = ["--at", "2026-03-15"];
    let scan = |code: i32, more: &[&str]| world.expect(code, &[&["scan", "deps"], more, &at].concat());
    let text = scan(3, &["--min-age", "14d"]);
    assert!(text.contains("age not known: 3 packages (front, …)"), "{text}");
    let packument = |name: &str, version: &str, day: &str| {
        let times = json!({"created": "2020-01-01T00:00:00Z", "modified": "2026-03-14T00:00:00Z", version: day});
        write(&world, "packuments/x.json", &json!({"name": name, "time": times}).to_string());
        world.expect(0, &["db", "import", "--releases", "packuments"]);
        std::fs::remove_dir_all(world.project().join("packuments")).expect("remove");
    };
    packument("front", "1.0.0", "2026-01-01T00:00:00Z");
    packument("middle", "2.0.0", "2026-03-10T00:00:00Z");
    let text = scan(1, &["--min-age", "2w"]);
    for wanted in [
        "was published on 2026-03-10, 5 days before",
        "front 1.0.0 → middle 2.0.0",
        "age not known: 1 package (tool)",
        "counted to 2026-03-15",
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    scan(3, &["--min-age", "5d"]);
    scan(0, &["--min-age", "5d", "--allow-partial"]);
    packument("tool", "1.0.0", "2026-01-01T00:00:00Z");
    scan(0, &["--min-age", "5d"]);
    let json = report(&world, 0, &[&["scan", "deps", "--min-age", "5", "--format", "json", "-q"][..], &at].concat());
    assert_eq!((json["ages"]["known"].as_u64(), json["ages"]["at"].as_str()), (Some(3), Some("2026-03-15T00:00:00Z")));
    scan(2, &["--min-age", "soon"]);
    world.expect(2, &["scan", "deps", "--min-age", "5", "--at", "2999-01-01"]);
    assert!(world.expect(0, &["db", "status"]).contains("3 versions"));
    // Advisories that come later leave what is known of releases.
    import(&world, "b.json", &[advisory("GHSA-2", "npm", "another", "1.0.0", json!({}))]);
    scan(0, &["--min-age", "5d"]);
    // What is no such file is refused where it was named.
    write(&world, "no.json", r#"{"some":"thing"}"#);
    let text = world.expect(2, &["db", "import", "--releases", "no.json"]);
    assert!(text.contains("nothing that says when versions were published"), "{text}");
}

#[test]
fn dates_come_from_registries_of_all_kinds_and_from_locks() {
    let world = World::new();
    import(
        &world,
        "a.json",
        &[
            advisory("PYSEC-1", "PyPI", "other", "1.0.0", json!({})),
            advisory("RUSTSEC-1", "crates.io", "other", "1.0.0", json!({})),
            advisory("GO-1", "Go", "example.org/other", "1.0.0", json!({})),
        ],
    );
    let young = |name: &str| {
        let json = report(
            &world,
            1,
            &["scan", "deps", name, "--min-age", "30d", "--at", "2026-03-15", "--format", "json", "-q"],
        );
        assert_eq!(json["ages"]["notKnown"], json!([]), "{name}");
        found(&json)
    };
    // uv's lock says it itself; the last file of a release counts.
    let file = |day: &str| {
        let name = if day < "2026-03" { "a-1.0.tar.gz" } else { "a-1.0-py3-none-any.whl" };
        format!(
            "{{ url = \"https://files.pythonhosted.org/{name}\", hash = \"sha256:{:064}\", upload-time = \"{day}T00:00:00Z\" }}",
            1
        )
    };
    let uv = format!(
        "version = 1\n\n[[package]]\nname = \"a\"\nversion = \"1.0\"\nsource = {{ registry = \"https://pypi.org/simple\" }}\nsdist = {}\nwheels = [{}]\n",
        file("2025-01-01"),
        file("2026-03-10")
    );
    write(&world, "uv.lock", &uv);
    assert_eq!(young("uv.lock"), ["young-dependency a counts"]);
    // What the registry says counts where the lock claims to be older.
    write(&world, "uv.lock", &uv.replace("2026-03-10", "2020-01-01"));
    let files = json!([{"upload_time_iso_8601": "2026-03-11T00:00:00.000000Z"}]);
    write(
        &world,
        "pypi.json",
        &json!({"info": {"name": "A", "version": "1.0"}, "releases": {"1.0": files}}).to_string(),
    );
    world.expect(0, &["db", "import", "--releases", "pypi.json"]);
    assert_eq!(young("uv.lock"), ["young-dependency a counts"]);
    // crates.io's sparse index, Go's module cache.
    write(
        &world,
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"deep\"\nversion = \"0.3.1\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
    );
    write(
        &world,
        "de/ep/deep",
        "{\"name\":\"deep\",\"vers\":\"0.3.0\"}\n{\"name\":\"deep\",\"vers\":\"0.3.1\",\"pubtime\":\"2026-03-01T00:00:00Z\"}\n",
    );
    world.expect(0, &["db", "import", "--releases", "de/ep/deep"]);
    assert_eq!(young("Cargo.lock"), ["young-dependency deep counts"]);
    write(&world, "go.mod", "module example.org/m\n\ngo 1.21\n\nrequire github.com/Burnt/toml v1.2.0\n");
    write(
        &world,
        "mod/cache/download/github.com/!burnt/toml/@v/v1.2.0.info",
        "{\"Version\":\"v1.2.0\",\"Time\":\"2026-03-02T00:00:00Z\"}",
    );
    world.expect(0, &["db", "import", "--releases", "mod"]);
    assert_eq!(young("go.mod"), ["young-dependency github.com/Burnt/toml counts"]);
}

#[test]
fn a_review_tells_of_locks_that_lie_and_of_what_is_too_new() {
    let world = World::new();
    git_ok(&world, &["init", "-q"]);
    database(&world);
    project(&world, &|_| {});
    let base = commit(&world, "before");
    // Nothing but the address changes.
    project(&world, &|lock| {
        lock["packages"]["node_modules/middle"]["resolved"] =
            "https://registry.npmjs.org/www.evil.example/-/x-2.0.0.tgz".into();
    });
    commit(&world, "an address");
    let range = format!("{base}..HEAD");
    let text = world.expect(1, &["deps", "diff", &range, "--no-advisories"]);
    assert!(text.contains("! middle 2.0.0") && text.contains("is locked as another package"), "{text}");
    let markdown = world.expect(1, &["deps", "diff", &range, "--format", "markdown"]);
    assert!(!markdown.contains("www.evil") && markdown.contains("www.\u{2060}evil"), "{markdown}");
    // A version of last week.
    let update = |lock: &mut Value| lock["packages"]["node_modules/middle"] = entry("middle", "2.0.1");
    project(&world, &update);
    let head = commit(&world, "an update");
    let range = format!("{base}..{head}");
    world.expect(0, &["deps", "diff", &range]);
    let aged = ["deps", "diff", &range, "--min-age", "14d", "--at", "2026-03-15"];
    let text = world.expect(3, &aged);
    assert!(text.contains("nothing says when it was published"), "{text}");
    write(&world, "m.json", r#"{"name":"middle","time":{"2.0.1":"2026-03-10T00:00:00Z"}}"#);
    world.expect(0, &["db", "import", "--releases", "m.json"]);
    let text = world.expect(1, &aged);
    assert!(text.contains("brings was published on 2026-03-10"), "{text}");
}

#[test]
fn a_policy_asks_for_age_reach_and_a_recent_image() {
    let world = World::new();
    world.expect(0, &["init"]);
    let all = layer(&[
        ("etc/os-release", OS_RELEASE, 0o644),
        ("var/lib/dpkg/status", STATUS, 0o644),
        ("app/node_modules/front/package.json", br#"{"name":"front","version":"1.0.0"}"#, 0o644),
    ]);
    let prepared = world.root().join("prepared");
    let config = json!({
        "created": "2026-01-10T00:00:00Z",
        "config": {"User": "1000"},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "base"}],
    });
    let digest = layout(&prepared, &[all], config);
    world.expect(0, &["run", "--step", "build", "--", "cp", "-r", &prepared.display().to_string(), "out"]);
    import(
        &world,
        "a.json",
        &[
            advisory("DSA-1", "Debian:12", "other", "1.0-2", json!({})),
            advisory("GHSA-1", "npm", "front", "2.0.0", json!({})),
        ],
    );
    world.run(&["scan", "image", "out", "--attest"]);
    let artifact = format!("sha256:{digest}");
    let path = world.project().join(".provost/policy.toml");
    let written = std::fs::read_to_string(&path).expect("policy");
    let serial = std::cell::Cell::new(1);
    let verify = |code: i32, rules: &str| {
        serial.set(serial.get() + 1);
        let section = format!("\n[scan]\nfunctionaries = [\"builder\"]\n{rules}");
        let text = format!("{written}{section}").replace("serial = 1", &format!("serial = {}", serial.get()));
        std::fs::write(&path, text).expect("policy");
        world.expect(0, &["policy", "sign"]);
        world.expect(code, &["verify", &artifact])
    };
    assert!(verify(1, "").contains("GHSA-1"));
    // Critical, and installed: another limit for that grade does not help, one for what is declared even less.
    assert!(verify(1, "fail-on-reach = { declared = \"critical\" }\n").contains("GHSA-1"));
    let tolerant = "[[scan.exception]]\nid = \"GHSA-1\"\nuntil = \"2999-01-01T00:00:00Z\"\nreason = \"a test\"\n";
    verify(0, tolerant);
    let text = verify(1, &format!("min-age-days = 14\n{tolerant}"));
    assert!(text.contains("of 1 package it is not known when they were published"), "{text}");
    verify(0, &format!("min-age-days = 14\nallow-unknown-age = true\n{tolerant}"));
    let text = verify(1, &format!("max-image-age-days = 1\n{tolerant}"));
    assert!(text.contains("the image was made on 2026-01-10"), "{text}");
    let text = verify(1, &format!("max-base-age-days = 1\n{tolerant}"));
    assert!(text.contains("its base was made on 2025-01-01"), "{text}");
    verify(0, &format!("max-image-age-days = 36000\nmax-base-age-days = 36000\n{tolerant}"));
    let text = world.expect(1, &["scan", "image", "out", "--max-image-age", "30", "--at", "2026-03-15"]);
    assert!(text.contains("the image was made on 2026-01-10, 64 days ago; 30 are permitted"), "{text}");
    // A young version, by what the database knows when the artifact is scanned again.
    let line = format!(
        "{{\"ecosystem\":\"npm\",\"name\":\"front\",\"version\":\"1.0.0\",\"released\":\"{}\"}}",
        time_of(&world)
    );
    write(&world, "r.jsonl", &line);
    world.expect(0, &["db", "import", "--releases", "r.jsonl"]);
    world.run(&["scan", "image", "out", "--attest"]);
    let text = verify(1, &format!("min-age-days = 14\n{tolerant}"));
    assert!(text.contains("pkg:npm/front@1.0.0 was published on"), "{text}");
    // What advisories say nothing of stays when they are looked up anew.
    world.run(&["recheck", "--attest"]);
    let text = verify(1, &format!("min-age-days = 14\n{tolerant}"));
    assert!(text.contains("pkg:npm/front@1.0.0 was published on"), "{text}");
}

/// A time of a moment ago.
fn time_of(world: &World) -> String {
    let status = report(world, 0, &["db", "status", "--json"]);
    status["database"]["created"].as_str().expect("a time").to_owned()
}

#[test]
fn a_distribution_without_updates_is_told() {
    let world = World::new();
    import(&world, "a.json", &[advisory("DSA-1", "Debian:9", "other", "1.0-2", json!({}))]);
    let all =
        layer(&[("etc/os-release", b"ID=debian\nVERSION_ID=\"9\"\n", 0o644), ("var/lib/dpkg/status", STATUS, 0o644)]);
    layout(&world.project().join("image"), &[all], json!({"config": {"User": "1000"}}));
    let text = world.expect(0, &["scan", "image", "image"]);
    assert!(text.contains("debian 9, gets no security updates since 2022-07-01"), "{text}");
    world.expect(1, &["scan", "image", "image", "--deny-image", "image-end-of-life"]);
    let text = world.expect(0, &["scan", "image", "image", "--at", "2022-01-01"]);
    assert!(!text.contains("no security updates"), "{text}");
}

#[test]
fn what_a_run_read_is_graded_and_held_against_the_locks() {
    let world = World::new();
    world.expect(0, &["init"]);
    let cache = world.root().join("cargo/registry/src/index");
    for (folder, text) in [("deep-0.3.1", "pub fn deep() {}\n"), ("other-1.0.0", "pub fn other() {}\n")] {
        std::fs::create_dir_all(cache.join(folder)).expect("folder");
        std::fs::write(cache.join(folder).join("lib.rs"), text).expect("file");
    }
    let lock = |deep: &str| {
        let text = format!(
            "version = 4\n\n[[package]]\nname = \"deep\"\nversion = \"{deep}\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{:064}\"\n",
            7
        );
        write(&world, "Cargo.lock", &text);
    };
    lock("0.3.1");
    import(
        &world,
        "a.json",
        &[
            advisory("RUSTSEC-1", "crates.io", "deep", "0.3.5", json!({})),
            advisory("RUSTSEC-2", "crates.io", "other", "2.0.0", json!({})),
        ],
    );
    // Without a watched run there is nothing to go by.
    let text = world.expect(2, &["scan", "deps", "--observed"]);
    assert!(text.contains("no run in the evidence log was watched"), "{text}");
    let command = format!("cat {0}/deep-0.3.1/lib.rs {0}/other-1.0.0/lib.rs > out", cache.display());
    let ran = world.run(&["run", "--step", "build", "--", "sh", "-c", &command]);
    let tried = crate::text_of(&world.run(&["scan", "deps", "--observed"]));
    if tried.contains("no run in the evidence log was watched") {
        eprintln!("skipped: runs cannot be watched here: {}", crate::text_of(&ran));
        return;
    }
    let json = report(&world, 1, &["scan", "deps", "--observed", "--format", "json", "-q"]);
    // What was read and stands nowhere is judged too.
    let wanted =
        ["package-not-locked other", "vulnerable-dependency deep counts", "vulnerable-dependency other counts"];
    assert_eq!(found(&json), wanted);
    let grades: Vec<&str> =
        json["issues"].as_array().expect("issues").iter().filter_map(|i| i["reach"].as_str()).collect();
    assert_eq!(grades, ["read", "read", "read"]);
    let plain = report(&world, 1, &["scan", "deps", "--format", "json", "-q"]);
    assert_eq!(plain["issues"][0]["reach"], "declared");
    // The lock moved on; the run read what it locked before.
    lock("0.3.2");
    let json = report(&world, 1, &["scan", "deps", "--observed", "--deny", "drift", "--format", "json", "-q"]);
    assert!(found(&json).contains(&"package-not-as-locked deep counts".to_owned()), "{:?}", found(&json));
}
