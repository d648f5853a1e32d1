//! What the name of a file says of it: whose configuration it is, and which tool runs it. The lists are of names that tools look
//! for by themselves; what a project's own scripts run beside them a policy names by `paths`.

use std::collections::BTreeSet;

use provost_policy::ChangeKind;

/// The last part of a path.
pub(super) fn base(name: &str) -> &str {
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
    "netlify.toml",
    "vercel.json",
    "heroku.yml",
    "render.yaml",
    "fly.toml",
    ".readthedocs.yml",
    ".readthedocs.yaml",
    "codemagic.yaml",
    "bitrise.yml",
    "buddy.yml",
    ".vsts-ci.yml",
    ".packit.yml",
    ".packit.yaml",
    ".mergify.yml",
    "bors.toml",
    ".cirrus.star",
    ".travis.yaml",
    ".semaphore.yml",
    "codeship-steps.yml",
    ".goreleaser.yml",
    ".goreleaser.yaml",
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
    ".github/scripts/",
    ".bazelci/",
    ".travis/",
    "ci_scripts/",
    ".copr/",
    ".prow/",
    ".gitlab-ci/",
    ".github/settings.yml/",
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
    "wscript",
    "sconstruct",
    "sconscript",
    "premake5.lua",
    "premake4.lua",
    "xmake.lua",
    "build.ninja",
    "meson_options.txt",
    "meson.options",
    "config.guess",
    "config.sub",
    "install-sh",
    "depcomp",
    "missing",
    "test-driver",
    "mkinstalldirs",
    "sitecustomize.py",
    "usercustomize.py",
    "conftest.py",
    "hatch_build.py",
    "pdm_build.py",
    "fabfile.py",
    "tasks.py",
    "dodo.py",
    "pavement.py",
    "manifest.in",
    "pytest.ini",
    "gemfile",
    "gems.rb",
    "thorfile",
    "guardfile",
    "capfile",
    "podfile",
    "fastfile",
    "brewfile",
    "berksfile",
    "puppetfile",
    "package.swift",
    "project.pbxproj",
    "mix.exs",
    "rebar.config",
    "rebar.config.script",
    "emakefile",
    "erlang.mk",
    "setup.hs",
    "setup.lhs",
    "stack.yaml",
    "cabal.project",
    "dune",
    "dune-project",
    "opam",
    "myocamlbuild.ml",
    "build.sc",
    "build.mill",
    "ivy.xml",
    "project.clj",
    "deps.edn",
    "build.clj",
    "build.boot",
    "shadow-cljs.edn",
    "makefile.pl",
    "build.pl",
    "dist.ini",
    "cpanfile",
    "makevars",
    "makevars.win",
    "configure.win",
    "cleanup.win",
    ".rprofile",
    "build.jl",
    "config.nims",
    "dub.json",
    "dub.sdl",
    "shard.yml",
    "magefile.go",
    "build.yaml",
    "melos.yaml",
    "buck",
    "targets",
    "pants.toml",
    ".buckconfig",
    "tiltfile",
    "skaffold.yaml",
    "build.cake",
    "packages.config",
    "pkgbuild",
    "apkbuild",
    "snapcraft.yaml",
    "lefthook.yml",
    ".lefthook.yml",
    "lefthook.yaml",
    "deno.json",
    "deno.jsonc",
    "nodemon.json",
    "angular.json",
    "nx.json",
    "turbo.json",
    "rush.json",
    "lerna.json",
    ".babelrc",
    ".swcrc",
    ".lintstagedrc",
    "jakefile",
    "cakefile",
    "ember-cli-build.js",
    ".eleventy.js",
    ".gdbinit",
    ".exrc",
    ".lvimrc",
    ".dir-locals.el",
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
    ".am",
    ".ac",
    ".ninja",
    ".pro",
    ".pri",
    ".prf",
    ".qbs",
    ".sln",
    ".proj",
    ".props",
    ".wixproj",
    ".shproj",
    ".xcconfig",
    ".xcscheme",
    ".cabal",
    ".opam",
    ".rockspec",
    ".nimble",
    ".nims",
    ".spec",
    ".ebuild",
    ".eclass",
    ".pth",
    ".star",
    ".containerfile",
    ".jenkinsfile",
    ".fish",
    ".ksh",
    ".csh",
    ".vbs",
    ".wsf",
    ".sbt",
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
    "buildsrc/",
    "build-logic/",
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

/// Kinds of a change that its path tells.
pub(super) fn by_name(name: &str) -> BTreeSet<ChangeKind> {
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
        || ["dockerfile.", "containerfile.", "makefile.", "gulpfile.", "gruntfile."]
            .iter()
            .any(|start| file.starts_with(start))
        || is_tool_script(file);
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

/// The configuration of a JavaScript tool that is itself a script: `vite.config.ts`, `karma.conf.js`, `.eslintrc.cjs`.
fn is_tool_script(file: &str) -> bool {
    let Some((stem, ending)) = file.rsplit_once('.') else { return false };
    let script = matches!(ending, "js" | "cjs" | "mjs" | "ts" | "cts" | "mts");
    let settings =
        stem.ends_with(".config") || stem.ends_with(".conf") || (stem.starts_with('.') && stem.ends_with("rc"));
    script && settings
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
        for run in [
            "wscript",
            "gui/app.pro",
            "venv/sitecustomize.py",
            "evil.pth",
            "web/webpack.config.js",
            "vite.config.mts",
            "karma.conf.js",
            ".eslintrc.cjs",
            "Gemfile",
            "mix.exs",
            "Setup.hs",
            "build-aux/config.guess",
            "packaging/tool.spec",
            "gulpfile.babel.js",
            "PKGBUILD",
        ] {
            assert_eq!(kinds(run), ["build-script"], "{run}");
        }
        assert_eq!(kinds("netlify.toml"), ["ci-configuration"]);
        assert_eq!(kinds(".github/scripts/release.py"), ["ci-configuration"]);
        for plain in ["src/config.ts", "button.spec.ts", "config.js", "docs/missing.md", "profile.rs", "rc.js"] {
            assert_eq!(kinds(plain), Vec::<&str>::new(), "{plain}");
        }
    }
}
