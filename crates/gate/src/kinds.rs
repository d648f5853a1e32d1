//! What kind of change a change is: by name, by mode and by content. A name is compared without case, since some systems
//! that run it do not tell case.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use provost_policy::{Access, ChangeKind};
use provost_repo::{Change, Content, Side, View};

use crate::{GateError, Limits};

/// A changed path with what kind of change it is.
#[derive(Debug, Clone)]
pub struct ChangeRecord {
    /// The change.
    pub change: Change,
    /// Its kinds; empty for ordinary code.
    pub kinds: BTreeSet<ChangeKind>,
    /// Size of the new content in bytes.
    pub size: Option<u64>,
    /// What was seen, for people: `U+202E in line 3`.
    pub notes: Vec<String>,
}

/// Finds out the kinds of some changes.
///
/// # Errors
/// An object is missing or damaged.
pub fn classify(view: &View, access: &Access, changes: &[Change]) -> Result<Vec<ChangeRecord>, GateError> {
    view.map(changes, |view, change| classify_one(view, access, change))
}

fn classify_one(view: &View, access: &Access, change: &Change) -> Result<ChangeRecord, GateError> {
    let name = change.name();
    let mut record = ChangeRecord { change: change.clone(), kinds: by_name(&name), size: None, notes: Vec::new() };
    let sides = [change.old.as_ref(), change.new.as_ref()];
    let any = |test: fn(&Side) -> bool| sides.into_iter().flatten().any(test);
    if any(Side::is_submodule) {
        record.kinds.insert(ChangeKind::Submodule);
    }
    if any(Side::is_link) {
        record.kinds.insert(ChangeKind::Symlink);
    }
    let executable = |side: Option<&Side>| side.is_some_and(Side::is_executable);
    if executable(change.new.as_ref()) && !executable(change.old.as_ref()) {
        record.kinds.insert(ChangeKind::ExecutableBit);
    }
    text_of_name(&name, &mut record);
    let Some(new) = change.new.as_ref().filter(|side| !side.is_submodule()) else { return Ok(record) };
    let content = view.read_within(&new.id, Limits::CONTENT)?;
    let size = match &content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Larger(size) => *size,
    };
    record.size = Some(size);
    if size >= access.gate.large_bytes {
        record.kinds.insert(ChangeKind::Large);
    }
    let Content::Bytes(bytes) = content else {
        record.kinds.insert(ChangeKind::Large);
        if matches!(base(&name.to_lowercase()), "package.json" | "composer.json" | "cargo.toml") {
            record.kinds.insert(ChangeKind::BuildScript);
        }
        record.notes.push(format!("{size} bytes: its text was not looked at"));
        return Ok(record);
    };
    if change.old.as_ref().is_some_and(|old| old.id == new.id) {
        return Ok(record);
    }
    let old = match change.old.as_ref().filter(|old| old.is_file() || old.is_link()) {
        Some(old) => view.read_within(&old.id, Limits::CONTENT)?,
        None => Content::Bytes(Vec::new()),
    };
    let old = if let Content::Bytes(old) = old { old } else { Vec::new() };
    by_content(&name, &old, &bytes, &mut record);
    Ok(record)
}

/// The last part of a path.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

const CI: &[&str] = &[
    ".gitlab-ci.yml",
    ".gitlab-ci.yaml",
    ".travis.yml",
    ".drone.yml",
    ".drone.yaml",
    ".drone.star",
    ".drone.jsonnet",
    "zuul.yaml",
    ".zuul.yaml",
    ".cirrus.yml",
    "appveyor.yml",
    ".appveyor.yml",
    "azure-pipelines.yml",
    "azure-pipelines.yaml",
    "bitbucket-pipelines.yml",
    "cloudbuild.yaml",
    "cloudbuild.yml",
    ".woodpecker.yml",
    ".woodpecker.yaml",
    "buildspec.yml",
    "buildspec.yaml",
    "dependabot.yml",
    "dependabot.yaml",
    "renovate.json",
    "renovate.json5",
    ".renovaterc",
    ".renovaterc.json",
    ".build.yml",
    "screwdriver.yaml",
    "wercker.yml",
    "codefresh.yml",
];

const CI_FOLDERS: &[&str] = &[
    ".github/workflows/",
    ".github/actions/",
    ".gitlab/",
    ".circleci/",
    ".buildkite/",
    ".tekton/",
    ".teamcity/",
    ".woodpecker/",
    ".gitea/workflows/",
    ".forgejo/workflows/",
    ".azure-pipelines/",
    ".azuredevops/",
    ".semaphore/",
    ".builds/",
    ".ci/",
    "zuul.d/",
    "bamboo-specs/",
    ".harness/",
    ".jenkins/",
    ".dagger/",
    ".zuul.d/",
];

const BUILD: &[&str] = &[
    "makefile",
    "gnumakefile",
    "makefile.am",
    "makefile.in",
    "cmakelists.txt",
    "configure",
    "configure.ac",
    "configure.in",
    "autogen.sh",
    "meson.build",
    "build.rs",
    "setup.py",
    "setup.cfg",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "gradlew",
    "gradlew.bat",
    "gradle.properties",
    "pom.xml",
    "mvnw",
    "mvnw.cmd",
    "dockerfile",
    "containerfile",
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "docker-bake.hcl",
    "rakefile",
    "gulpfile.js",
    "gruntfile.js",
    "binding.gyp",
    "justfile",
    "taskfile.yml",
    "taskfile.yaml",
    "build",
    "build.bazel",
    "workspace",
    "workspace.bazel",
    "module.bazel",
    ".bazelrc",
    "build.sbt",
    "build.zig",
    "build.xml",
    "tox.ini",
    "noxfile.py",
    "pyproject.toml",
    "hatch.toml",
    "pixi.toml",
    "mise.toml",
    ".mise.toml",
    "conanfile.py",
    "earthfile",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    "bunfig.toml",
    "pip.conf",
    "nuget.config",
    "directory.build.props",
    "directory.build.targets",
    ".pre-commit-config.yaml",
    ".pre-commit-hooks.yaml",
    ".envrc",
    ".tool-versions",
    "rust-toolchain",
    "rust-toolchain.toml",
    "devcontainer.json",
    "flake.nix",
    "default.nix",
    "shell.nix",
    "vagrantfile",
    "procfile",
    "jenkinsfile",
];

const BUILD_ENDINGS: &[&str] = &[
    ".sh",
    ".bash",
    ".zsh",
    ".ps1",
    ".psm1",
    ".bat",
    ".cmd",
    ".mk",
    ".cmake",
    ".m4",
    ".gemspec",
    ".bzl",
    ".podspec",
    ".dockerfile",
    ".gradle.kts",
    ".targets",
    ".csproj",
    ".vbproj",
    ".fsproj",
    ".vcxproj",
    ".gradle",
    ".nix",
];

const BUILD_FOLDERS: &[&str] = &[
    "gradle/wrapper/",
    ".mvn/",
    ".husky/",
    ".githooks/",
    ".cargo/",
    "debian/",
    ".devcontainer/",
    ".yarn/plugins/",
    ".yarn/releases/",
    ".vscode/",
    ".idea/",
];

const LOCK: &[&str] = &[
    "cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pipfile.lock",
    "pylock.toml",
    "requirements.txt",
    "go.sum",
    "go.work.sum",
    "gemfile.lock",
    "composer.lock",
    "packages.lock.json",
    "gradle.lockfile",
    "buildscript-gradle.lockfile",
    "verification-metadata.xml",
    "mix.lock",
    "rebar.lock",
    "pubspec.lock",
    "podfile.lock",
    "cartfile.resolved",
    "package.resolved",
    "conan.lock",
    "flake.lock",
    "module.bazel.lock",
    "project.assets.json",
    "chart.lock",
    ".terraform.lock.hcl",
    "stack.yaml.lock",
    "cabal.project.freeze",
    "manifest.toml",
    "renv.lock",
    "modules.txt",
];

fn by_name(name: &str) -> BTreeSet<ChangeKind> {
    let lower = name.to_lowercase();
    let file = base(&lower);
    // A link or submodule in the place of a folder brings all that is in it.
    let as_folder = format!("{lower}/");
    let below = |folders: &[&str]| {
        folders.iter().any(|folder| as_folder.starts_with(folder) || as_folder.contains(&format!("/{folder}")))
    };
    let mut kinds = BTreeSet::new();
    let mut add = |kind, holds: bool| {
        if holds {
            kinds.insert(kind);
        }
    };
    let action = matches!(file, "action.yml" | "action.yaml");
    add(
        ChangeKind::CiConfiguration,
        CI.contains(&file)
            || below(CI_FOLDERS)
            || action
            || file.starts_with("jenkinsfile")
            || file.ends_with(".jenkinsfile")
            || file.ends_with(".gitlab-ci.yml")
            || file.ends_with(".gitlab-ci.yaml"),
    );
    let build = BUILD.contains(&file)
        || BUILD_ENDINGS.iter().any(|ending| file.ends_with(ending))
        || below(BUILD_FOLDERS)
        || ["dockerfile.", "containerfile.", "makefile."].iter().any(|start| file.starts_with(start));
    add(ChangeKind::BuildScript, build);
    let requirements = file.starts_with("requirements") && (file.ends_with(".txt") || file.ends_with(".lock"));
    add(ChangeKind::Lockfile, LOCK.contains(&file) || requirements);
    add(ChangeKind::Codeowners, matches!(file, "codeowners" | "owners" | "owners_aliases" | "maintainers"));
    add(ChangeKind::Policy, lower.starts_with(".provost/") || lower.contains("/.provost/") || file == "provost.toml");
    let attributes = matches!(file, ".gitattributes" | ".mailmap" | ".git-blame-ignore-revs" | ".lfsconfig");
    add(ChangeKind::Attributes, attributes);
    add(ChangeKind::Submodule, file == ".gitmodules");
    let generated = ["dist/", "vendor/", "node_modules/", "third_party/"].iter().any(|f| below(&[f]))
        || [".min.js", ".min.css", ".map", ".pb.go", ".pb.cc", ".pb.h", "_pb2.py", ".g.dart", ".designer.cs"]
            .iter()
            .any(|ending| file.ends_with(ending));
    add(ChangeKind::Generated, generated);
    kinds
}

fn text_of_name(name: &str, record: &mut ChangeRecord) {
    if let Some(c) = name.chars().find(|c| is_bidi(*c)) {
        record.kinds.insert(ChangeKind::Bidi);
        record.notes.push(format!("U+{:04X} in its name", c as u32));
    }
    if let Some(what) = look_alike(name) {
        record.kinds.insert(ChangeKind::Homoglyph);
        record.notes.push(format!("{what} in its name"));
    }
}

fn by_content(name: &str, old: &[u8], new: &[u8], record: &mut ChangeRecord) {
    // git's own rule: a NUL in the first 8,000 bytes.
    if new[..new.len().min(8000)].contains(&0) {
        record.kinds.insert(ChangeKind::Binary);
        return;
    }
    let longest = new.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    // Most text is plain ASCII, and nothing in that shows otherwise than it is.
    let plain = new.is_ascii();
    let text = if plain { Cow::Borrowed("") } else { String::from_utf8_lossy(new) };
    let before = if plain { Cow::Borrowed("") } else { String::from_utf8_lossy(old) };
    let known: HashSet<&str> = before.lines().collect();
    for (number, line) in text.lines().enumerate() {
        if line.is_ascii() || known.contains(line) {
            continue;
        }
        if let Some(c) = line.chars().find(|c| is_bidi(*c)).filter(|_| record.kinds.insert(ChangeKind::Bidi)) {
            record.notes.push(format!("U+{:04X} in line {}", c as u32, number + 1));
        }
        if !record.kinds.contains(&ChangeKind::Homoglyph)
            && let Some(what) = look_alike(line)
        {
            record.kinds.insert(ChangeKind::Homoglyph);
            record.notes.push(format!("{what} in line {}", number + 1));
        }
    }
    let head = String::from_utf8_lossy(&new[..new.len().min(4096)]);
    let code = [".js", ".mjs", ".cjs", ".css", ".ts", ".py", ".sh", ".php"].iter().any(|ending| name.ends_with(ending));
    let marked = ["@generated", "Code generated by", "DO NOT EDIT", "autogenerated"].iter().any(|m| head.contains(m));
    if marked || (code && longest > 5000) {
        record.kinds.insert(ChangeKind::Generated);
    }
    let manifest = matches!(base(&name.to_lowercase()), "package.json" | "composer.json");
    // What cannot be read here may be read by the tool that it is for.
    if manifest && (scripts(new).is_none() || scripts(old) != scripts(new)) {
        record.kinds.insert(ChangeKind::BuildScript);
        record.notes.push("its scripts differ, or cannot be read".into());
    }
    if base(&name.to_lowercase()) == "cargo.toml" && cargo_build(&before) != cargo_build(&text) {
        record.kinds.insert(ChangeKind::BuildScript);
        record.notes.push("what it has run differs".into());
    }
}

/// What a manifest has run when it is installed or built.
fn scripts(bytes: &[u8]) -> Option<serde_json::Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let manifest: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let part = |name: &str| manifest.get(name).cloned().unwrap_or_default();
    Some(serde_json::json!([part("scripts"), part("gypfile"), part("bin"), part("config")]))
}

/// The lines of a Cargo manifest that decide what is run by a build.
fn cargo_build(text: &str) -> Vec<&str> {
    let decides = |line: &&str| {
        let key = line.split(['=', ' ', '\t']).next().unwrap_or_default().trim_matches(['"', '\'']);
        matches!(key, "build" | "links" | "proc-macro" | "proc_macro" | "runner" | "linker" | "rustc-wrapper")
    };
    text.lines().map(str::trim).filter(decides).collect()
}

/// Characters that change the order in which text is shown (Unicode Standard Annex 9; CVE-2021-42574).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are not shown at all and stand in no ordinary text.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0e}'
        | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters of other scripts that are drawn like Latin ones (Unicode Technical Standard 39).
fn is_look_alike(c: char) -> bool {
    matches!(c,
        // Cyrillic
        'а' | 'е' | 'о' | 'р' | 'с' | 'у' | 'х' | 'і' | 'ј' | 'ѕ' | 'һ' | 'ԁ' | 'ԛ' | 'ԝ' | 'ѵ' | 'ӏ' | 'ɡ'
        | 'А' | 'В' | 'Е' | 'К' | 'М' | 'Н' | 'О' | 'Р' | 'С' | 'Т' | 'Х' | 'І' | 'Ј' | 'Ѕ' | 'Ү' | 'Ԍ'
        // Greek
        | 'ο' | 'ν' | 'α' | 'ι' | 'κ' | 'ρ' | 'υ' | 'χ' | 'γ'
        | 'Α' | 'Β' | 'Ε' | 'Ζ' | 'Η' | 'Ι' | 'Κ' | 'Μ' | 'Ν' | 'Ο' | 'Ρ' | 'Τ' | 'Υ' | 'Χ'
        // Armenian
        | 'ո' | 'ս' | 'հ' | 'օ' | 'ց' | 'ք'
        // full width and mathematical letters
        | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
}

/// A word that mixes Latin letters with others that look like them, or a character that is not shown.
fn look_alike(text: &str) -> Option<String> {
    if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
        return Some(format!("U+{:04X}, which is not shown,", c as u32));
    }
    // Joiners are part of emojis and of other scripts; within a Latin word they make another word that looks the same.
    let joined = text.char_indices().find(|(at, c)| {
        let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        matches!(c, '\u{200c}' | '\u{200d}' | '\u{ad}' | '\u{feff}')
            && latin(text[..*at].chars().next_back())
            && latin(text[*at + c.len_utf8()..].chars().next())
    });
    if let Some((_, c)) = joined {
        return Some(format!("U+{:04X}, which is not shown,", c as u32));
    }
    text.split(|c: char| !c.is_alphanumeric() && c != '_').find_map(|word| {
        let foreign = word.chars().find(|c| is_look_alike(*c))?;
        word.chars().any(|c| c.is_ascii_alphabetic()).then(|| format!("U+{:04X} among Latin letters", foreign as u32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(name: &str) -> Vec<&'static str> {
        by_name(name).into_iter().map(ChangeKind::name).collect()
    }

    #[test]
    fn names_tell_kinds() {
        assert_eq!(kinds(".github/workflows/ci.yml"), ["ci-configuration"]);
        assert_eq!(kinds("sub/.GitLab-CI.yml"), ["ci-configuration"]);
        assert_eq!(kinds("a/Makefile"), ["build-script"]);
        assert_eq!(kinds("Dockerfile.release"), ["build-script"]);
        assert_eq!(kinds("web/package-lock.json"), ["lockfile"]);
        assert_eq!(kinds("requirements-dev.txt"), ["lockfile"]);
        assert_eq!(kinds(".github/CODEOWNERS"), ["codeowners"]);
        assert_eq!(kinds(".provost/policy.toml"), ["policy"]);
        assert_eq!(kinds("src/main.rs"), Vec::<&str>::new());
        assert_eq!(kinds(".gitmodules"), ["submodule"]);
        assert_eq!(kinds(".github/workflows"), ["ci-configuration"], "a link in the place of the folder");
        assert_eq!(kinds("ci/build.gitlab-ci.yml"), ["ci-configuration"]);
        assert_eq!(kinds("a/conventions.gradle.kts"), ["build-script"]);
    }

    fn content(old: &str, new: &str) -> Vec<&'static str> {
        let change = Change { path: b"a.py".to_vec(), old: None, new: None };
        let mut record = ChangeRecord { change, kinds: BTreeSet::new(), size: None, notes: Vec::new() };
        by_content("a.py", old.as_bytes(), new.as_bytes(), &mut record);
        record.kinds.into_iter().map(ChangeKind::name).collect()
    }

    #[test]
    fn text_that_shows_otherwise() {
        assert_eq!(content("", "if access_level != \"user\u{202e} \u{2066}// admin\":\n"), ["bidi"]);
        assert_eq!(content("", "def is_\u{0430}dmin(): pass\n"), ["homoglyph"]);
        assert_eq!(content("", "x = \"\u{e0141}\u{e0142}\"\n"), ["homoglyph"], "variation selectors that carry data");
        assert_eq!(content("", "# Привет, мир\n"), Vec::<&str>::new(), "another script is no attack");
        assert_eq!(content("", "# done ✔\u{fe0f} 👩\u{200d}💻\n"), Vec::<&str>::new(), "nor is an emoji");
        assert_eq!(content("", "is\u{200d}Admin = 1\n"), ["homoglyph"], "a joiner within a Latin word");
        let old = "# x\u{202e}y\n";
        assert_eq!(content(old, "# x\u{202e}y\nnew\n"), Vec::<&str>::new(), "what was there is not this change's");
    }

    #[test]
    fn content_tells_kinds() {
        assert_eq!(content("", "a\0b"), ["binary"]);
        let change = Change { path: b"package.json".to_vec(), old: None, new: None };
        let mut record = ChangeRecord { change, kinds: BTreeSet::new(), size: None, notes: Vec::new() };
        by_content("package.json", b"{}", b"\xef\xbb\xbf{\"scripts\": {\"postinstall\": \"x\"}}", &mut record);
        assert!(record.kinds.contains(&ChangeKind::BuildScript), "a byte order mark hides no script");
        assert_eq!(content("", &"x".repeat(6000)), ["generated"]);
        assert_eq!(content("", "# Code generated by x. DO NOT EDIT.\n"), ["generated"]);
    }
}
