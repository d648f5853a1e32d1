//! What kind of text a file holds, told by its name.

/// Kinds of text, as far as they decide what an unquoted word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A programming language: an unquoted word is a name.
    Code,
    /// Settings and shell: an unquoted word is a value.
    Settings,
    /// Prose, markup, logs.
    Text,
    /// Lock files and checksums: long random values are their business.
    Lock,
}

/// Tells the kind by a file's name.
pub(crate) fn kind(path: &str) -> Kind {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.as_str();
    if [
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "npm-shrinkwrap.json",
        "composer.lock",
        "poetry.lock",
        "pipfile.lock",
        "cargo.lock",
        "go.sum",
        "gemfile.lock",
        "packages.lock.json",
        "flake.lock",
        "pubspec.lock",
        "podfile.lock",
        "uv.lock",
        "bun.lock",
        "deno.lock",
        "gradle.lockfile",
        "checksums.txt",
        "sha256sums",
        "sha512sums",
    ]
    .contains(&name)
    {
        return Kind::Lock;
    }
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "rs" | "py" | "js" | "mjs" | "cjs" | "ts" | "mts" | "jsx" | "tsx" | "java" | "kt" | "kts" | "go" | "c"
        | "h" | "cc" | "cpp" | "cxx" | "hpp" | "hh" | "cs" | "fs" | "vb" | "php" | "rb" | "erb" | "swift" | "scala"
        | "sc" | "pl" | "pm" | "lua" | "dart" | "groovy" | "gradle" | "m" | "mm" | "vue" | "svelte" | "ex" | "exs"
        | "erl" | "hrl" | "clj" | "cljs" | "hs" | "ml" | "mli" | "nim" | "zig" | "d" | "r" | "jl" | "coffee"
        | "proto" | "sol" | "pas" | "asm" | "s" | "ipynb" | "css" | "scss" | "less" | "html" | "htm" | "jsp"
        | "aspx" | "cshtml" | "tpl" | "tf" | "hcl" | "cmake" | "el" | "lisp" | "scm" | "tcl" | "cls" | "rake"
        | "gemspec" | "haml" | "ejs" | "hbs" | "pug" | "sql" | "graphql" | "j2" | "nix" | "ps1" | "psm1" => Kind::Code,
        "md" | "rst" | "adoc" | "txt" | "log" | "tex" | "org" | "po" | "pot" | "csv" | "tsv" | "out" | "eml"
        | "mdx" | "markdown" | "textile" => Kind::Text,
        _ => Kind::Settings,
    }
}
