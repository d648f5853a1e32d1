//! What people see of a run: the report's pages, and the summaries of CI systems. The build chooses the names.

use crate::{World, text_of};

/// Names that would do something to a page, a terminal or a log if they were not made harmless.
const HOSTILE: &[&[u8]] = &[
    b"</script><script>alert(1)</script>",
    b"<img src=x onerror=alert(2)>",
    b"\"'><b>quotes</b>&amp;",
    "line\u{2028}and\u{2029}paragraph".as_bytes(),
    "txt.\u{202e}exe.\u{2066}x\u{2069}".as_bytes(),
    b"esc\x1b[2J\x07bell",
    b"new\nline::error::x",
    b"bytes-\xff\xfe-<i>",
    b"<!--comment",
    b"a|b`c`",
];

/// A build that makes files with such names, hands them to programs, and asks for such hosts.
fn hostile() -> World {
    let world = World::new();
    world.expect(0, &["init"]);
    let mut script = b"mkdir -p out\n".to_vec();
    for name in HOSTILE {
        script.extend_from_slice(b"echo x > 'out/");
        // All slashes but the first would be directories.
        script.extend(
            name.iter()
                .map(|b| if *b == b'/' { b'%' } else { *b })
                .flat_map(|b| if b == b'\'' { b"'\\''".to_vec() } else { vec![b] }),
        );
        script.extend_from_slice(b"'\n");
    }
    script.extend_from_slice(
        b"cat out/* > out/all\nenv printf %s '</script><script>alert(3)</script>'\nsh -c ': \"</script>\"'\n",
    );
    std::fs::write(world.project().join("hostile.sh"), script).expect("file");
    world
}

fn page_of(world: &World) -> (String, String) {
    world.expect(0, &["report", "-o", "report.html"]);
    let report = std::fs::read_to_string(world.project().join("report.html")).expect("report");
    let runs = world.project().join("report.runs");
    let files: Vec<_> = std::fs::read_dir(runs).expect("pages").map(|e| e.expect("entry").path()).collect();
    assert_eq!(files.len(), 1, "one page a run");
    (report, std::fs::read_to_string(&files[0]).expect("page"))
}

/// The text of the element with this opening tag.
fn between<'a>(page: &'a str, open: &str, close: &str) -> &'a str {
    let start = page.find(open).unwrap_or_else(|| panic!("{open} is not there")) + open.len();
    let length = page[start..].find(close).expect("closed");
    &page[start..start + length]
}

#[test]
fn a_hostile_build_cannot_write_into_its_page() {
    let world = hostile();
    world.expect(0, &["run", "--", "sh", "hostile.sh"]);
    let (report, page) = page_of(&world);
    for page in [&report, &page] {
        for bad in ["<img", "<b>quotes", "<i>", "<!--", "alert(1)<", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}"] {
            assert!(!page.contains(bad), "{bad:?} is in the page");
        }
        assert!(!page.contains(['\u{1b}', '\u{7}']), "control characters are in the page");
        assert!(!page.contains("onclick") && !page.contains("style=\"") && !page.contains("http-equiv=\"refresh"));
        let policy = between(page, "Content-Security-Policy\" content=\"", "\"");
        assert!(policy.starts_with("default-src 'none'; style-src &#39;sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(report.matches("<script").count(), 0);
    assert_eq!(page.matches("<script").count(), 2, "the data and the page's own script");
    assert_eq!(page.matches("</script").count(), 2);
    // It is all there, and visible.
    let data: serde_json::Value =
        serde_json::from_str(between(&page, "id=\"data\">", "</script>")).expect("the data is JSON");
    let names: Vec<&str> =
        data["files"].as_array().expect("files").iter().filter_map(|file| file[1].as_str()).collect();
    for shown in [
        "<%script><script>alert(1)<%script>",
        "\"'><b>quotes<%b>&amp;",
        "line\\u{2028}and\\u{2029}paragraph",
        "txt.\\u{202e}exe.\\u{2066}x\\u{2069}",
        "esc\\u{1b}[2J\\u{7}bell",
        "new\\u{a}line::error::x",
        "bytes-%FF%FE-%3Ci%3E",
    ] {
        assert!(names.contains(&shown), "{shown} is not among {names:?}");
    }
    let texts = data["texts"].to_string();
    assert!(texts.contains("alert(3)"), "arguments are there: {texts}");
}

#[test]
fn a_run_that_nobody_watched_never_looks_like_a_pass() {
    let world = World::new();
    world.expect(0, &["init"]);
    world.expect(0, &["run", "--observe", "none", "--", "sh", "build.sh"]);
    let (report, page) = page_of(&world);
    assert!(report.contains("no evidence: nobody watched"));
    assert!(page.contains("No evidence of what happened while the command ran"));
    assert!(!page.contains("Nothing was done against the guard") && !page.contains("nothing lost"));
    assert!(page.matches("no evidence").count() >= 5, "each part says so");
}

#[test]
fn a_long_run_is_drawn_from_the_whole_observation_or_says_that_it_is_not() {
    let world = World::new();
    world.expect(0, &["init"]);
    let script = "mkdir many; i=0; while [ $i -lt 700 ]; do echo $i > many/$i; i=$((i+1)); done";
    let text = world.expect(0, &["run", "--", "sh", "-c", script]);
    if text.contains("by nobody") {
        eprintln!("skipped: nobody can watch here");
        return;
    }
    let (_, page) = page_of(&world);
    let data = between(&page, "id=\"data\">", "</script>");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert!(data["files"].as_array().expect("files").len() > 700);
    assert!(!page.contains("Not all of it"));
    // The blob is lost: said so, and what the statement holds is shown.
    let blobs = provost_testkit::files_below(&world.store().join("blobs"));
    for blob in &blobs {
        std::fs::write(blob, b"{}").expect("written");
    }
    let (_, page) = page_of(&world);
    assert!(page.contains("Not all of it") && page.contains("The whole observation could not be read"), "{page}");
    assert!(page.contains("<td>built</td>"));
}

#[test]
fn github_gets_a_summary_and_annotations() {
    let world = hostile();
    let summary = world.root().join("summary.md");
    std::fs::write(&summary, "earlier\n").expect("file");
    let script =
        format!("sh hostile.sh; printf '```\\nmine' >> {}; cat src/main.c; echo >> src/main.c", summary.display());
    std::fs::write(world.project().join("all.sh"), script).expect("file");
    let mut command = world.command(&["run", "--code-quality", "quality.json", "--", "sh", "all.sh"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let output = command.output().expect("runs");
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let shown = std::fs::read_to_string(&summary).expect("summary");
    assert!(shown.starts_with("earlier\n```\nmine\n\n```\n\n## provost: build: PASSED\n"), "{shown}");
    assert!(!shown.contains("<img") && !shown.contains("<script"), "{shown}");
    assert!(shown.contains("### Products (") && shown.contains("### Completeness"), "{shown}");
    let commands: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert!(commands.iter().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")), "{commands:?}");
    let quality = std::fs::read(world.project().join("quality.json")).expect("report");
    let issues: Vec<serde_json::Value> = serde_json::from_slice(&quality).expect("JSON");
    if !text.contains("by nobody") {
        assert!(
            commands.iter().any(|line| line.contains("file=src/main.c,title=provost%3A source-changed-by-build::"))
        );
        assert!(issues.iter().any(|issue| issue["location"]["path"] == "src/main.c"), "{issues:?}");
    }
    // A file that cannot be used is a warning, and quiet leaves the terminal alone.
    let mut command = world.command(&["run", "-q", "--", "true"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "/nonexistent/summary");
    let output = command.output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(text_of(&output).contains("warning: no job summary"), "{}", text_of(&output));
    assert!(!text_of(&output).contains("::"), "{}", text_of(&output));
    // No evidence is said where people look.
    let mut command = world.command(&["run", "--", "no-such-command"]);
    command.env("GITHUB_STEP_SUMMARY", &summary);
    assert_eq!(command.output().expect("runs").status.code(), Some(3));
    assert!(std::fs::read_to_string(&summary).expect("summary").contains("## provost: build: NO EVIDENCE"));
}

#[test]
fn gitlab_gets_a_section_that_the_build_cannot_close() {
    let world = hostile();
    let mut command = world.command(&["run", "--", "sh", "hostile.sh"]);
    let output = command.env("GITLAB_CI", "true").output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    let start = text.find("\u{1b}[0Ksection_start:").expect("opened");
    assert!(text[start..].contains(":provost_"), "{text:?}");
    assert_eq!(text.matches("\u{1b}[0Ksection_end:").count(), 1, "{text:?}");
    assert!(text.trim_end_matches("\r\u{1b}[0K\n").rfind("verdict") > Some(start), "{text:?}");
}
