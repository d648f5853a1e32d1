//! Signed packs of advisories: what whoever can put files before a verifier may try.

use serde_json::{Value, json};

use crate::World;
use crate::scan::write;

fn import(world: &World, id: &str) {
    let advisory = json!({
        "id": id,
        "modified": "2026-01-01T00:00:00Z",
        "affected": [{
            "package": {"ecosystem": "crates.io", "name": "deep"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0.0"}]}],
        }],
    });
    write(world, "one.json", &advisory.to_string());
    world.expect(0, &["db", "import", "one.json"]);
}

fn digest(world: &World) -> String {
    let status: Value = serde_json::from_str(&world.expect(0, &["db", "status", "--json"])).expect("JSON");
    status["database"]["digest"].as_str().expect("digest").to_owned()
}

#[test]
fn a_pack_is_newer_than_the_last_or_refused() {
    let world = World::new();
    world.expect(0, &["init"]);
    import(&world, "A-1");
    let one = digest(&world);
    world.expect(0, &["db", "pack", "create", "-o", "1.pack", "--pack-version", "1"]);
    import(&world, "A-2");
    let two = digest(&world);
    world.expect(0, &["db", "pack", "create", "-o", "2.pack", "--pack-version", "2"]);
    world.expect(0, &["db", "pack", "create", "-o", "other.pack", "--pack-version", "1", "--name", "other"]);
    world.expect(2, &["db", "pack", "create", "-o", "x.pack", "--days", "4000"]);

    // Nobody is trusted at first; then whoever was named, and nobody else.
    let text = world.expect(2, &["db", "import", "1.pack"]);
    assert!(text.contains("db trust"), "{text}");
    let text = world.expect(2, &["db", "import", "1.pack", "--signer", ".provost/keys/policy.pub"]);
    assert!(text.contains("not signed by a key whose packs count"), "{text}");
    world.expect(0, &["db", "import", "1.pack", "--signer", ".provost/keys/builder.pub"]);
    assert_eq!(digest(&world), one);
    world.expect(0, &["db", "trust", ".provost/keys/builder.pub"]);
    world.expect(0, &["db", "trust"]);
    let text = world.expect(0, &["db", "import", "2.pack"]);
    assert!(text.contains("version 2"), "{text}");
    assert_eq!(digest(&world), two);
    // The same once more is nothing new; an older one is a rollback, also after the database was taken away.
    world.expect(0, &["db", "import", "2.pack"]);
    std::fs::remove_file(world.root().join("home/advisories.db")).expect("remove");
    let text = world.expect(2, &["db", "import", "1.pack"]);
    assert!(text.contains("an old pack was put back"), "{text}");
    world.expect(2, &["db", "status"]);
    world.expect(0, &["db", "import", "2.pack"]);
    // Each name has versions of its own.
    world.expect(0, &["db", "import", "other.pack"]);
    // Two packs of one version are not both what the signer means.
    import(&world, "A-3");
    world.expect(0, &["db", "pack", "create", "-o", "2b.pack", "--pack-version", "2"]);
    let text = world.expect(2, &["db", "import", "2b.pack"]);
    assert!(text.contains("bear the version 2"), "{text}");
    // A pack is the whole database.
    let text = world.expect(2, &["db", "import", "2.pack", "one.json"]);
    assert!(text.contains("import it alone"), "{text}");
    world.expect(2, &["db", "import", "--fresh", "2.pack"]);
    world.expect(2, &["db", "import", "one.json", "--signer", ".provost/keys/builder.pub"]);
}

#[test]
fn a_changed_pack_changes_nothing() {
    let world = World::new();
    world.expect(0, &["init"]);
    import(&world, "A-1");
    world.expect(0, &["db", "pack", "create", "-o", "good.pack", "--pack-version", "7"]);
    world.expect(0, &["db", "trust", ".provost/keys/builder.pub"]);
    import(&world, "A-2");
    let before = digest(&world);
    let good = std::fs::read(world.project().join("good.pack")).expect("pack");
    let envelope = good.iter().skip(15).position(|byte| *byte == b'\n').expect("line") + 15;
    let longer = [&good[..], b"x"].concat();
    let mut bad = vec![longer, good[..good.len() - 1].to_vec(), good[..envelope + 1].to_vec(), good[..40].to_vec()];
    for at in [20, envelope - 20, envelope + 1, envelope + 40, good.len() - 3] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        bad.push(changed);
    }
    for (number, bytes) in bad.iter().enumerate() {
        std::fs::write(world.project().join("bad.pack"), bytes).expect("write");
        let text = world.expect(2, &["db", "import", "bad.pack"]);
        assert_eq!(digest(&world), before, "{number}: {text}");
    }
    // None of them counted as seen, and nothing is left over.
    let home = std::fs::read_dir(world.root().join("home")).expect("list");
    let names: Vec<String> =
        home.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.contains("unpacked") || name.contains("part")), "{names:?}");
    world.expect(0, &["db", "import", "good.pack"]);
    assert_ne!(digest(&world), before);
}

/// Time goes by, and nothing newer comes.
#[test]
fn advisories_of_a_pack_that_has_ended_do_not_count() {
    let world = World::new();
    world.expect(0, &["init"]);
    import(&world, "A-1");
    world.expect(0, &["db", "pack", "create", "-o", "1.pack"]);
    world.expect(0, &["db", "trust", ".provost/keys/builder.pub"]);
    world.expect(0, &["db", "import", "1.pack"]);
    write(&world, "Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n");
    world.expect(0, &["scan", "deps", "Cargo.lock"]);
    let path = world.root().join("home/advisories.db.pack");
    let mut origin: Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
    origin["pack"]["expires"] = "2026-01-02T00:00:00Z".into();
    std::fs::write(&path, origin.to_string()).expect("write");
    let text = world.expect(2, &["scan", "deps", "Cargo.lock"]);
    assert!(text.contains("ended on 2026-01-02") && text.contains("get a newer one"), "{text}");
    world.expect(2, &["recheck"]);
    world.expect(2, &["db", "pack", "create", "-o", "2.pack"]);
    let text = world.expect(1, &["db", "status"]);
    assert!(text.contains("ended:"), "{text}");
    // What is imported beside it is no pack any more: its age is shown and limited as ever.
    import(&world, "A-2");
    world.expect(0, &["scan", "deps", "Cargo.lock"]);
}
