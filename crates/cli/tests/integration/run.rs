//! `run`: transparent for the command, honest in its evidence.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::{World, text_of};

#[test]
fn streams_and_status_pass_through_untouched() {
    let world = World::new();
    let mut child = world
        .command(&["run", "--quiet", "--", "sh", "-c", "cat; printf err >&2; exit 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let input = vec![0xfe_u8; 300_000];
    let mut stdin = child.stdin.take().expect("stdin");
    let copy = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("joins").expect("written");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, input);
    assert_eq!(output.stderr, b"err");
}

#[test]
fn a_signal_ends_us_as_it_ended_the_command() {
    let world = World::new();
    let output = world.run(&["run", "-q", "--", "sh", "-c", "kill -SEGV $$"]);
    assert_eq!(output.status.signal(), Some(11), "{}", text_of(&output));
    // A signal to us reaches the command, whose answer counts.
    let mut child = world
        .command(&["run", "-q", "--", "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().expect("stdout")), &mut line)
        .expect("ready");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("sent");
    assert_eq!(child.wait().expect("ends").code(), Some(5));
}

#[test]
fn a_failed_step_leaves_evidence_and_nothing_signed_as_passed() {
    let world = World::new();
    world.expect(0, &["init"]);
    let text = world.expect(3, &["run", "--", "sh", "-c", "echo x > made; exit 3"]);
    assert!(text.contains("FAILED") && text.contains("step-succeeded"), "{text}");
    let log = world.expect(0, &["log", "show"]);
    assert!(log.contains("process") && log.contains("vsa"), "{log}");
    assert!(!log.contains("provenance"), "no provenance for a failed build: {log}");
    world.expect(1, &["verify", "made"]);
}

#[test]
fn no_configuration_at_all() {
    let world = World::new();
    let text = world.expect(0, &["run", "--step", "compile", "--", "sh", "build.sh"]);
    assert!(text.contains("default policy"), "{text}");
    world.expect(0, &["verify", "out/app"]);
    // Another step under the default project has a policy of its own.
    world.expect(0, &["run", "--step", "test", "--", "true"]);
    world.expect(0, &["verify", "out/app"]);
}

#[test]
fn a_command_that_does_not_exist() {
    let world = World::new();
    let text = world.expect(3, &["run", "--", "no-such-command-here"]);
    assert!(text.contains("cannot start `no-such-command-here`"), "{text}");
}

#[test]
fn keys_store_and_passphrase_are_out_of_reach() {
    let world = World::new();
    world.expect(0, &["init"]);
    let home = world.root().join("home").display().to_string();
    // Everything that a hostile build would try: variables, descriptors, files, the supervisor itself.
    let script = format!(
        "env | grep -i -E 'passphrase-canary|PROVOST_' && exit 20
         ls -l /proc/self/fd | grep -E '{home}|sqlite|\\.key' && exit 21
         find {home} -name '*.key' 2>/dev/null | grep -q . && exit 22
         cat /proc/$PPID/environ 2>/dev/null | tr '\\0' '\\n' | grep -q passphrase-canary && exit 23
         ls {home}/stores/* >/dev/null 2>&1 && exit 24
         dd if=/proc/$PPID/mem of=/dev/null count=1 2>/dev/null && exit 25
         exit 0"
    );
    let mut command = world.command(&["run", "--", "sh", "-c", &script]);
    command.env("PROVOST_KEY_PASSPHRASE", "passphrase-canary");
    let output = command.output().expect("runs");
    let text = text_of(&output);
    if text.contains("not isolated") {
        eprintln!("skipped: this machine gives no confinement");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn canaries_are_in_no_output() {
    let world = World::new();
    world.expect(0, &["init"]);
    let mut command = world.command(&[
        "run",
        "--json",
        "result.json",
        "--code-quality",
        "quality.json",
        "--",
        "sh",
        "-c",
        "sh build.sh",
        "--token=canary-one-1",
        "--password",
        "canary-two-2",
        "https://u:canary-three-3@host.test/",
    ]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", world.project().join("summary.md"));
    command.env("DEPLOY_TOKEN", "canary-four-4").env("CI", "true").env("PATH_SECRET", "canary-five-5");
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", text_of(&output));
    world.expect(0, &["bundle", "out/app"]);
    world.expect(0, &["report", "-o", "report.html"]);
    let mut places = vec![text_of(&output)];
    for page in provost_testkit::files_below(&world.project().join("report.runs")) {
        places.push(std::fs::read_to_string(page).expect("page"));
    }
    assert_eq!(places.len(), 2, "the page of the run");
    for file in ["result.json", "quality.json", "summary.md", "out/app.provost.jsonl", "report.html"] {
        places.push(std::fs::read_to_string(world.project().join(file)).expect("file"));
    }
    for entry in 0..8 {
        places.push(world.expect(0, &["log", "show", "--entry", &entry.to_string()]));
    }
    for pack in provost_testkit::files_below(&world.root().join("home/stores")) {
        if pack.extension().is_some_and(|e| e == "jsonl") {
            for line in std::fs::read_to_string(&pack).expect("pack").lines() {
                let file = world.root().join("envelope");
                std::fs::write(&file, line).expect("written");
                places.push(world.expect(0, &["inspect", "--json", &file.display().to_string()]));
            }
        }
    }
    for place in places {
        assert!(
            !place.contains("canary-"),
            "{}",
            place.split("canary-").nth(1).unwrap_or_default().chars().take(80).collect::<String>()
        );
    }
}

#[test]
fn secrets_of_the_passphrase_do_not_stop_a_run() {
    let world = World::new();
    let output =
        world.command(&["init", "--encrypt"]).env("PROVOST_KEY_PASSPHRASE", "correct horse").output().expect("runs");
    assert!(output.status.success(), "{}", text_of(&output));
    let output = world
        .command(&["run", "--", "sh", "build.sh"])
        .env("PROVOST_KEY_PASSPHRASE", "correct horse")
        .output()
        .expect("runs");
    assert!(output.status.success() && text_of(&output).contains("encrypted-file"), "{}", text_of(&output));
    let text = world.expect(3, &["run", "--", "true"]);
    assert!(text.contains("PROVOST_KEY_PASSPHRASE"), "{text}");
    let output = world.command(&["run", "--", "true"]).env("PROVOST_KEY_PASSPHRASE", "wrong").output().expect("runs");
    assert!(text_of(&output).contains("does not open"), "{}", text_of(&output));
}

#[test]
fn init_never_overwrites() {
    let world = World::new();
    world.expect(0, &["init"]);
    let read = |file: &str| std::fs::read(world.project().join(file)).expect("file");
    let before = [read("provost.toml"), read(".provost/policy.toml"), read(".provost/policy.dsse.json")];
    let text = world.expect(0, &["init", "--strict"]);
    assert!(text.contains("kept"));
    assert_eq!(before, [read("provost.toml"), read(".provost/policy.toml"), read(".provost/policy.dsse.json")]);
}

#[test]
fn many_files_make_small_envelopes() {
    let world = World::new();
    world.expect(0, &["init"]);
    let text = world.expect(
        0,
        &[
            "run",
            "--json",
            "r.json",
            "--",
            "sh",
            "-c",
            "mkdir many; i=0; while [ $i -lt 1500 ]; do echo $i > many/$i; i=$((i+1)); done",
        ],
    );
    assert!(text.contains("1,500 files"), "{text}");
    for pack in provost_testkit::files_below(&world.root().join("home/stores"))
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
    {
        assert!(std::fs::read_to_string(pack).expect("pack").lines().all(|line| line.len() < 100_000));
    }
    // One file of the list is proved without the list being in any statement, also to a consumer.
    world.expect(0, &["verify", "many/777"]);
    world.expect(0, &["bundle", "many/777"]);
    let id = world.policy_key_id();
    let output = world
        .command_at(&world.root().join("consumer"), &["verify", "many/777", "--trust", &id])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    std::fs::write(world.project().join("many/777"), "changed").expect("written");
    let output = world
        .command_at(&world.root().join("consumer"), &["verify", "many/777", "--trust", &id])
        .output()
        .expect("runs");
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn the_build_has_no_say_over_its_supervisor() {
    let world = World::new();
    world.expect(0, &["init"]);
    // A signing program of the build's own, confinement switched off, another project's keys.
    for change in [
        "printf '[signer]\\ncommand = [\"./s.sh\"]\\npublic-key = \".provost/keys/builder.pub\"\\n' >> provost.toml",
        "sed -i 's/isolation = .*/isolation = \"off\"/' provost.toml",
    ] {
        let before = std::fs::read(world.project().join("provost.toml")).expect("file");
        world.expect(0, &["run", "--", "sh", "-c", change]);
        let text = world.expect(3, &["run", "--", "true"]);
        assert!(text.contains("provost trust config"), "{text}");
        std::fs::write(world.project().join("provost.toml"), before).expect("put back");
        world.expect(0, &["run", "--", "true"]);
    }
    // Without the signed policy nothing is signed anew.
    world.expect(
        0,
        &[
            "run",
            "--",
            "sh",
            "-c",
            "rm .provost/policy.dsse.json; sed -i 's/serial = 1/serial = 99/' .provost/policy.toml",
        ],
    );
    let text = world.expect(3, &["run", "--", "true"]);
    assert!(text.contains("review the text"), "{text}");
}

#[test]
fn what_the_build_leaves_leads_nowhere() {
    let world = World::new();
    world.expect(0, &["init"]);
    let target = world.root().join("target-of-links");
    std::fs::write(&target, "untouched").expect("file");
    let link = format!(
        "ln -sf {0} result.json; mkdir -p out; ln -sf {0} out/app.provost.jsonl; echo made > out/app",
        target.display()
    );
    world.expect(0, &["run", "--json", "result.json", "--artifact", "out/app", "--", "sh", "-c", &link]);
    assert_eq!(std::fs::read_to_string(&target).expect("file"), "untouched");
    assert!(std::fs::read_to_string(world.project().join("result.json")).expect("file").contains("\"kind\":\"run\""));
    // The working directory itself is replaced.
    let swap = format!("cd ..; mv project moved; ln -s {} project", world.root().join("home").display());
    let output = world.run(&["run", "--artifact", "*", "--", "sh", "-c", &swap]);
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    assert!(text_of(&output).contains("replaced its working directory"), "{}", text_of(&output));
}

#[test]
fn a_submodules_filters_are_not_run() {
    let world = World::new();
    let git = |directory: &std::path::Path, arguments: &[&str]| {
        let identity = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.test",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "init.defaultBranch=main",
        ];
        let done = std::process::Command::new("git").args(identity).args(arguments).current_dir(directory).output();
        done.is_ok_and(|d| d.status.success())
    };
    let sub = world.root().join("sub");
    std::fs::create_dir(&sub).expect("folder");
    std::fs::write(sub.join("b"), "content").expect("file");
    if !(git(&sub, &["init"]) && git(&sub, &["add", "."]) && git(&sub, &["commit", "-m", "x"])) {
        eprintln!("skipped: no git here");
        return;
    }
    assert!(
        git(&world.project(), &["init"])
            && git(&world.project(), &["submodule", "add", &sub.display().to_string(), "sub"])
    );
    assert!(git(&world.project(), &["add", "."]) && git(&world.project(), &["commit", "-m", "x"]));
    let canary = world.root().join("canary");
    for place in [world.project(), world.project().join("sub")] {
        assert!(git(&place, &["config", "filter.x.clean", &format!("touch {}", canary.display())]));
        std::fs::write(place.join(".gitattributes"), "* filter=x\n").expect("file");
    }
    std::fs::write(world.project().join("sub/b"), "changed").expect("file");
    std::fs::write(world.project().join("build.sh"), "true\n").expect("file");
    world.expect(0, &["init"]);
    world.expect(0, &["run", "--no-isolation", "--", "true"]);
    assert!(!canary.exists(), "a program that the repository names was run");
}

#[test]
fn key_files_elsewhere_are_hidden_too() {
    let world = World::new();
    let keys = world.root().join("elsewhere");
    std::fs::create_dir(&keys).expect("folder");
    std::fs::write(keys.join("README"), "x").expect("file");
    let key = keys.join("builder.key").display().to_string();
    world.expect(0, &["key", "generate", &key]);
    let init = world.command(&["init"]).env("PROVOST_KEY", &key).output().expect("runs");
    assert!(init.status.success(), "{}", text_of(&init));
    let output = world
        .command(&["run", "--", "sh", "-c", &format!("grep -q PRIVATE {key} && exit 9; true")])
        .env("PROVOST_KEY", &key)
        .output()
        .expect("runs");
    if !text_of(&output).contains("not isolated") {
        assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    }
}

#[test]
fn a_classic_link_for_in_toto() {
    let world = World::new();
    world.expect(0, &["init"]);
    world.expect(0, &["run", "--in-toto-link", "links", "--", "sh", "build.sh"]);
    let files = provost_testkit::files_below(&world.project().join("links"));
    let name = files[0].file_name().expect("name").to_string_lossy().into_owned();
    assert!(name.starts_with("build.") && name.ends_with(".link") && name.len() == "build.".len() + 8 + ".link".len());
    assert!(std::fs::read_to_string(&files[0]).expect("link").contains("application/vnd.in-toto+json"));
}

#[test]
fn a_declared_cache_is_a_material_with_its_key() {
    let world = World::new();
    std::fs::create_dir_all(world.root().join("cache/registry")).expect("folder");
    std::fs::write(world.root().join("cache/registry/crate"), "content").expect("file");
    std::fs::write(
        world.project().join("provost.toml"),
        "[[guard.cache]]\npath = \"~/cache\"\nkey = \"cargo-linux-1\"\n\n[[guard.cache]]\npath = \"not-there\"\nkey = \"none\"\n",
    )
    .expect("file");
    world.expect(0, &["run", "--", "sh", "build.sh"]);
    let text = world.expect(0, &["log", "export", "exported"]);
    let mut found = None;
    for file in provost_testkit::files_below(&world.project().join("exported")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Ok(envelope) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let payload = ["/payload", "/envelope/payload", "/dsseEnvelope/payload"]
                .iter()
                .find_map(|path| envelope.pointer(path).and_then(|p| p.as_str()));
            let Some(payload) = payload else { continue };
            use base64::Engine as _;
            let Ok(payload) = base64::engine::general_purpose::STANDARD.decode(payload) else { continue };
            let Ok(statement) = serde_json::from_slice::<serde_json::Value>(&payload) else { continue };
            if let Some(caches) = statement.pointer("/predicate/caches") {
                found = Some(caches.clone());
            }
        }
    }
    let caches = found.unwrap_or_else(|| panic!("no caches in the evidence: {text}"));
    assert_eq!(caches[0]["key"], "cargo-linux-1");
    assert_eq!(caches[0]["files"]["count"], 1);
    assert_eq!(caches[0]["files"]["entries"][0]["sha256"], provost_model::sha256(b"content").to_hex());
    assert_eq!(caches[1]["files"]["count"], 0);
}
