//! Verification by someone who has one file, and by someone who wants to be fooled.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use crate::{World, text_of};

/// A consumer: another home, the artifact and its evidence file, no network: the kernel kills at the first socket.
fn consume(world: &World, home: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = world.command_at(&world.root().join(home), arguments);
    provost_trace::kill_on_socket(&mut command);
    let output = command.output().expect("runs");
    assert_eq!(output.status.signal(), None, "killed: it wanted a socket");
    (output.status.code(), text_of(&output))
}

fn published() -> (World, String) {
    let world = World::built(&[]);
    world.expect(0, &["bundle", "out/app"]);
    let id = world.policy_key_id();
    (world, id)
}

/// Signs a second policy and gives the first one, as it was signed.
fn second_policy(world: &World) -> Vec<u8> {
    let first = std::fs::read(world.project().join(".provost/policy.dsse.json")).expect("file");
    world.edit(".provost/policy.toml", |text| text.replace("serial = 1", "serial = 2"));
    world.expect(0, &["policy", "sign"]);
    first
}

#[test]
fn one_file_is_enough_without_any_network() {
    let (world, id) = published();
    let (code, text) = consume(&world, "c", &["verify", "out/app"]);
    assert_eq!(code, Some(3), "nobody is trusted yet: {text}");
    assert!(text.contains(&id) && text.contains("--trust"), "it says what to compare and what to do: {text}");
    let (code, text) = consume(&world, "c", &["verify", "out/app", "--trust", &id]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = consume(&world, "c", &["trust", "add", "out/app.provost.jsonl", "--id", &id]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(consume(&world, "c", &["verify", "out/app"]).0, Some(0));
    assert_eq!(consume(&world, "c", &["explain", "out/app"]).0, Some(0));
    let wrong = "0".repeat(64);
    assert_eq!(consume(&world, "d", &["verify", "out/app", "--trust", &wrong]).0, Some(3));
}

#[test]
fn a_changed_artifact_is_refused() {
    let (world, id) = published();
    let path = world.artifact();
    let good = std::fs::read(&path).expect("file");
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).expect("written");
        let (code, text) = consume(&world, "c", &["verify", "out/app", "--trust", &id]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("no trusted statement"), "{text}");
    }
    std::fs::write(&path, b"").expect("written");
    assert!(consume(&world, "c", &["verify", "out/app", "--trust", &id]).1.contains("empty"));
}

#[test]
fn a_flipped_byte_anywhere_in_the_evidence_is_refused_or_harmless() {
    let (world, id) = published();
    let file = world.project().join("out/app.provost.jsonl");
    let good = std::fs::read(&file).expect("file");
    let (mut refused, mut harmless) = (0, 0);
    for at in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).expect("written");
        let (code, text) = consume(&world, "c", &["verify", "out/app", "--trust", &id]);
        match code {
            Some(0) => harmless += 1,
            Some(1 | 3) => refused += 1,
            other => panic!("byte {at}: {other:?} {text}"),
        }
        assert!(!text.contains("panicked"), "{text}");
    }
    // Hints, the VSA and the link are not required by the permissive policy: what they say is shown and not needed.
    assert!(refused > 80, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_flipped_byte_in_the_policy_is_refused() {
    let world = World::built(&[]);
    let path = world.project().join(".provost/policy.dsse.json");
    let good = std::fs::read(&path).expect("file");
    for at in (20..good.len() - 20).step_by(good.len() / 25) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).expect("written");
        let output = world.run(&["verify", "out/app"]);
        let text = text_of(&output);
        let hint_only = output.status.success() && String::from_utf8_lossy(&good[..at]).rfind("keyid").is_some();
        assert!(
            hint_only || (output.status.code() == Some(3) && text.contains("policy.dsse.json")),
            "byte {at}: {text}"
        );
    }
}

#[test]
fn an_attackers_own_policy_and_keys_do_not_count() {
    let (world, id) = published();
    // The attacker builds the same path with a policy, keys and log of their own, and hands over that evidence.
    let attacker = World::built(&[]);
    attacker.expect(0, &["bundle", "out/app"]);
    let forged = std::fs::read(attacker.project().join("out/app.provost.jsonl")).expect("file");
    std::fs::write(world.project().join("out/app.provost.jsonl"), &forged).expect("written");
    std::fs::copy(attacker.artifact(), world.artifact()).expect("copied");
    assert_eq!(consume(&world, "c", &["verify", "out/app", "--trust", &id]).0, Some(3));
    assert_eq!(consume(&world, "c", &["verify", "out/app"]).0, Some(3));
}

#[test]
fn an_older_policy_is_not_put_back() {
    let (world, _) = published();
    let old = second_policy(&world);
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    std::fs::remove_file(world.project().join("out/app.provost.jsonl")).expect("removed");
    world.expect(0, &["verify", "out/app"]);
    std::fs::write(world.project().join(".provost/policy.dsse.json"), old).expect("put back");
    // Verification goes by the newest policy that was seen, and says so; a run refuses to begin.
    let text = world.expect(0, &["verify", "out/app"]);
    assert!(text.contains("serial 2"), "{text}");
    let text = world.expect(3, &["run", "--", "true"]);
    assert!(text.contains("serial 1, but 2"), "{text}");
}

#[test]
fn what_another_process_remembers_meanwhile_counts() {
    let (world, id) = published();
    let old = second_policy(&world);
    let verify = ["verify", "out/app", "--trust", &id];
    assert_eq!(consume(&world, "c", &verify).0, Some(0));
    std::fs::write(world.project().join(".provost/policy.dsse.json"), old).expect("put back");
    let memory = world.root().join("c/memory");
    let seen = provost_testkit::files_below(&memory.join("policies"));
    let [seen] = &seen[..] else { panic!("one policy was seen: {seen:?}") };
    let remembered = std::fs::read(seen).expect("memory");
    std::fs::remove_file(seen).expect("not seen yet");
    // The other process is about to write; this one waits for its turn, and looks then.
    let lock = std::fs::File::open(memory.join("lock")).expect("lock");
    lock.lock().expect("locked");
    let mut command = world.command_at(&world.root().join("c"), &verify);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(Duration::from_millis(500));
    std::fs::write(seen, &remembered).expect("remembered");
    drop(lock);
    let output = run.wait_with_output().expect("ends");
    let text = text_of(&output);
    assert!(output.status.code() == Some(3) && text.contains("an old policy was put back"), "{text}");
    assert_eq!(std::fs::read(seen).expect("memory"), remembered, "and it stays remembered");
}

#[test]
fn a_changed_policy_needs_a_new_serial() {
    let world = World::built(&[]);
    world.edit(".provost/policy.toml", |text| text.replace("# What must be there", "# what must be there"));
    let text = world.expect(2, &["policy", "sign"]);
    assert!(text.contains("count it up"), "{text}");
    assert!(world.expect(0, &["run", "--", "sh", "build.sh"]).contains("differs from the signed policy"));
}

#[test]
fn a_revocation_counts_for_older_evidence_too() {
    let (world, _) = published();
    world.edit(".provost/policy.toml", |text| {
        text.replace("serial = 1", "serial = 2")
            .replace("name = \"builder\"\n", "name = \"builder\"\nrevoked-at = \"2020-01-01T00:00:00Z\"\n")
    });
    world.expect(0, &["policy", "sign"]);
    // The evidence file beside the artifact still brings the old policy.
    let text = world.expect(1, &["verify", "out/app"]);
    assert!(text.contains("revoked"), "{text}");
}

#[test]
fn pipes_and_devices_are_no_evidence() {
    let (world, id) = published();
    nix::unistd::mkfifo(&world.project().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    for name in ["pipe", "/dev/zero", "/dev/null", "."] {
        for option in ["--evidence", "--policy", "--policy-key"] {
            let text = world.expect(3, &["verify", "out/app", "--trust", &id, option, name]);
            assert!(text.contains(name), "{text}");
        }
        assert!(!world.run(&["inspect", name]).status.success());
    }
}

#[test]
fn a_store_that_was_put_back_is_refused_everywhere() {
    let world = World::built(&[]);
    let (store, copy) = (world.store(), world.copy_of_store());
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    std::fs::remove_dir_all(&store).expect("removed");
    std::fs::rename(&copy, &store).expect("put back");
    for arguments in [
        &["run", "--", "true"][..],
        &["log", "show"],
        &["log", "fsck"],
        &["report"],
        &["bundle", "out/app"],
        &["verify", "out/app"],
    ] {
        let output = world.run(arguments);
        assert!(
            !output.status.success() && text_of(&output).contains("rolled back"),
            "{arguments:?} {}",
            text_of(&output)
        );
    }
    // A new, empty store under the same log key is the same thing.
    std::fs::remove_dir_all(&store).expect("removed");
    assert!(!world.run(&["init"]).status.success());
}

#[test]
fn rollback_and_split_view_of_the_log_are_refused() {
    let (world, id) = published();
    let verify =
        |home: &str, more: &[&str]| consume(&world, home, &[&["verify", "out/app", "--trust", &id], more].concat());
    let file = world.project().join("out/app.provost.jsonl");
    let first = std::fs::read(&file).expect("file");
    let original = std::fs::read(world.artifact()).expect("file");
    let (store, copy) = (world.store(), world.copy_of_store());
    assert_eq!(verify("c", &[]).0, Some(0));
    // The log goes on; the new evidence proves that it continues what the consumer saw.
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    std::fs::write(world.artifact(), "x").expect("something else");
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    world.expect(0, &["bundle", "out/app"]);
    let second = std::fs::read(&file).expect("file");
    let (code, text) = verify("c", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("continues from size"), "{text}");
    // The old release again: the newer file brought the proof that its log is a prefix, and it was kept.
    std::fs::write(&file, &first).expect("written");
    std::fs::write(world.artifact(), &original).expect("written");
    let (code, text) = verify("c", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("prefix"), "{text}");
    // Without that proof nothing shows it, but the log itself does.
    for kept in provost_testkit::files_below(&world.root().join("c/memory"))
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "proofs"))
    {
        std::fs::remove_file(kept).expect("removed");
    }
    assert_eq!(verify("c", &[]).0, Some(3));
    world.expect(0, &["log", "export", &world.root().join("export").display().to_string()]);
    let export = world.root().join("export").display().to_string();
    let (code, text) = verify("c", &["--log", &export]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("prefix"), "{text}");
    assert_eq!(verify("c", &["--accept-unproven-log"]).0, Some(0));
    // A fork: the copy goes another way, to the same length and beyond.
    std::fs::remove_dir_all(&store).expect("removed");
    std::fs::rename(&copy, &store).expect("put back");
    // The log's operator is in on it, and forgets what was seen.
    std::fs::remove_dir_all(world.root().join("home/memory")).expect("removed");
    for _ in 0..3 {
        std::fs::write(world.artifact(), "y").expect("something else");
        world.expect(0, &["run", "--", "sh", "-c", "sleep 0.01; sh build.sh"]);
    }
    world.expect(0, &["bundle", "out/app"]);
    let (code, text) = verify("c", &[]);
    assert_ne!(code, Some(0), "{text}");
    std::fs::write(&file, &second).expect("written");
    assert_eq!(verify("c", &[]).0, Some(0), "the log that was seen is still good: {text}");
}

#[test]
fn what_is_no_evidence_is_said_so() {
    let world = World::built(&[]);
    for (name, content) in [
        ("empty", ""),
        ("text", "hello"),
        ("json", "{}"),
        ("deep", &"[".repeat(5000)),
        ("repeated", "{\"payloadType\":\"a\",\"payloadType\":\"b\"}"),
    ] {
        let path = world.root().join(name);
        std::fs::write(&path, content).expect("written");
        let text = world.expect(3, &["verify", "out/app", "--evidence", &path.display().to_string()]);
        assert!(text.contains(name) && text.contains("no evidence file"), "{text}");
        world.run(&["inspect", &path.display().to_string()]);
    }
    let text = world.expect(3, &["verify", "missing"]);
    assert!(text.contains("missing"), "{text}");
    // The store knows it as a material only: nothing to decide on.
    world.expect(3, &["verify", "build.sh"]);
    // In an evidence file it is a material as well, and never a product.
    world.expect(0, &["bundle", "out/app"]);
    world.expect(1, &["verify", "build.sh", "--evidence", "out/app.provost.jsonl"]);
}

#[test]
fn a_verification_summary_is_signed_and_readable() {
    let world = World::built(&[]);
    world.expect(0, &["verify", "out/app", "--vsa", "vsa.json", "--resource-uri", "pkg:generic/app@1"]);
    let text = world.expect(0, &["inspect", "vsa.json"]);
    for part in ["PASSED", "SLSA_BUILD_LEVEL_1", "pkg:generic/app@1"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("LEVEL_2") && !text.contains("LEVEL_3"));
}
