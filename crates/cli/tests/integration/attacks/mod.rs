//! The attack suite: small hostile programs, each run bare, watched (`detect`) and confined (`prevent`), by root and by
//! an ordinary user. `tests/attacks/*.c` are the programs, `table` says what has to come of each, docs/attacks.md says
//! it to people.

mod network;
mod stage;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stage::{Mode, Result, Stage, User};
use table::{ATTACKS, Attack, Bare, Held, Seen};

/// Runs the suite in a network of its own, in which every address that the attacks want is this machine.
#[test]
fn every_attack_is_blocked_or_recorded() {
    let Some(mut inside) = network::command(&["attacks::inside", "--exact", "--ignored", "--nocapture"]) else {
        eprintln!("skipped: no network namespace, or no `ip` command, or no C compiler here");
        return;
    };
    let output = inside.output().expect("runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{text}");
    assert!(output.status.success(), "an attack came through, or was not recorded (see above)");
    assert!(text.contains("attacks were run"), "the suite did not run");
}

/// Each attack has a row in the documentation, and each row an attack.
#[test]
fn the_documentation_names_every_attack() {
    let text = include_str!("../../../../../docs/attacks.md");
    let rows: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)).collect();
    let names: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
    assert_eq!(rows, names);
    let sources = provost_testkit::files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks"));
    for source in sources.iter().filter(|path| path.extension().is_some_and(|e| e == "c")) {
        let name = source.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(names.contains(name), "{name} is in no row of the table");
    }
}

#[test]
#[ignore = "run by every_attack_is_blocked_or_recorded, in a network of its own"]
fn inside() {
    let stage = Stage::new();
    let wanted = std::env::var("PROVOST_ATTACKS").unwrap_or_default();
    let chosen: Vec<&Attack> = ATTACKS.iter().filter(|attack| attack.name.contains(&wanted)).collect();
    let (next, complaints, runs) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(attack) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let (found, count) = one(&stage, attack);
                    runs.fetch_add(count, Ordering::SeqCst);
                    found.iter().for_each(|what| eprintln!("{what}"));
                    complaints.lock().expect("lock").extend(found);
                }
            });
        }
    });
    let complaints = complaints.into_inner().expect("lock");
    eprintln!("{} attacks were run {} times", chosen.len(), runs.into_inner());
    assert!(complaints.is_empty(), "{} complaints, see above", complaints.len());
}

/// Runs one attack in every way; what is wrong, and how many runs that were.
fn one(stage: &Stage, attack: &Attack) -> (Vec<String>, usize) {
    let mut wrong = Vec::new();
    let mut runs = 0;
    let ways = stage.users().into_iter().map(|user| (user, "notify"));
    for (user, back_end) in ways.chain(stage.tracing()) {
        let bare = stage.run(attack, Mode::Bare, user, back_end);
        runs += 1;
        if bare.unable() {
            continue;
        }
        match attack.bare {
            Bare::Wins if user == User::Root && !bare.won() => {
                wrong.push(format!("{} bare as {user:?}: it does not work at all\n{}", attack.name, bare.text));
            }
            _ => {}
        }
        for mode in [Mode::Detect, Mode::Prevent] {
            let result = stage.run(attack, mode, user, back_end);
            runs += 1;
            let mut complain = |what: String| {
                wrong.push(format!("{} in {mode:?} as {user:?} ({back_end}): {what}\n{}", attack.name, result.text));
            };
            let Some(_) = &result.observation else {
                complain("there is no evidence".into());
                continue;
            };
            let traced = attack.held == Held::Traced && back_end == "ptrace";
            if mode == Mode::Prevent && result.won() && (attack.held == Held::Blocked || traced) {
                complain("it came through".into());
            }
            if mode == Mode::Detect && !result.won() && bare.won() && attack.detect_lets_through && !traced {
                complain("it is refused where it should only be recorded".into());
            }
            let seen = if mode == Mode::Detect { attack.detect } else { attack.prevent };
            // Where it could not even begin there is nothing to be seen.
            let root_only = user == User::Ordinary && !bare.won() && attack.bare == Bare::Wins;
            for seen in seen.iter().filter(|_| !root_only) {
                if !found(&result, seen, mode) {
                    complain(format!("not recorded: {seen:?}\n{}", result.summary()));
                }
            }
            if let Some(check) = attack.check
                && let Err(what) = check(&result, mode)
            {
                complain(format!("{what}\n{}", result.summary()));
            }
        }
    }
    (wrong, runs)
}

fn found(result: &Result, seen: &Seen, mode: Mode) -> bool {
    let list = |name: &str| result.list(name);
    let has = |value: &serde_json::Value, key: &str, part: &str| {
        value.get(key).and_then(|v| v.as_str()).is_some_and(|text| text.contains(part))
    };
    match seen {
        Seen::Violation(kind, part) => list("violations").iter().any(|v| {
            let refused = v.get("permission").and_then(|p| p.as_str()) == Some("refused");
            has(v, "kind", kind) && has(v, "what", part) && (mode == Mode::Detect || refused)
        }),
        Seen::Network(part) => list("network").iter().any(|v| has(v, "address", part) || has(v, "name", part)),
        Seen::Question(part) => list("names").iter().any(|v| has(v, "name", part)),
        Seen::Incomplete(part) => result
            .coverage("incomplete")
            .as_array()
            .is_some_and(|list| list.iter().any(|v| v.as_str().is_some_and(|text| text.contains(part)))),
    }
}
