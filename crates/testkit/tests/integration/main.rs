//! The house rules that a compiler does not check: which crate may use which, and who owns what.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Which of our crates each crate may use: the table of docs/architecture.md.
const MAY_USE: &[(&str, &[&str])] = &[
    ("provost-model", &[]),
    ("provost-keys", &["provost-model"]),
    ("provost-tlog", &["provost-model", "provost-keys"]),
    ("provost-attest", &["provost-model", "provost-keys", "provost-tlog"]),
    ("provost-evidence", &["provost-model", "provost-keys", "provost-tlog", "provost-attest"]),
    ("provost-repo", &["provost-model"]),
    ("provost-trace", &["provost-model"]),
    ("provost-formats", &["provost-model"]),
    ("provost-remote", &["provost-model", "provost-formats"]),
    ("provost-image", &["provost-model", "provost-formats", "provost-remote"]),
    ("provost-behaviour", &["provost-model"]),
    ("provost-scan", &["provost-model", "provost-formats"]),
    ("provost-deps", &["provost-model", "provost-formats", "provost-scan", "provost-repo"]),
    ("provost-config", &["provost-model", "provost-formats"]),
    ("provost-secrets", &["provost-model", "provost-formats", "provost-scan", "provost-repo"]),
    ("provost-policy", &["provost-model", "provost-keys", "provost-tlog", "provost-attest"]),
    ("provost-gate", &["provost-model", "provost-keys", "provost-attest", "provost-policy", "provost-repo"]),
    (
        "provost",
        &[
            "provost-model",
            "provost-keys",
            "provost-tlog",
            "provost-attest",
            "provost-evidence",
            "provost-repo",
            "provost-trace",
            "provost-formats",
            "provost-remote",
            "provost-image",
            "provost-behaviour",
            "provost-scan",
            "provost-secrets",
            "provost-deps",
            "provost-config",
            "provost-policy",
            "provost-gate",
        ],
    ),
    ("provost-testkit", &[]),
    ("xtask", &["provost-model", "provost-formats"]),
];

/// Foreign crates with one owner: nobody else may name them.
const OWNERS: &[(&str, &str)] = &[
    ("p256", "provost-keys"),
    ("ed25519-dalek", "provost-keys"),
    ("pkcs8", "provost-keys"),
    ("x509-cert", "provost-keys"),
    ("rustls-webpki", "provost-keys"),
    ("ssh-key", "provost-keys"),
    ("aws-lc-rs", "provost-keys"),
    ("cryptoki", "provost-keys"),
    ("rusqlite", "provost-evidence"),
    ("regorus", "provost-policy"),
    ("gix", "provost-repo"),
    ("landlock", "provost-trace"),
    ("ureq", "provost-remote"),
    ("rustls", "provost-remote"),
    ("clap", "provost"),
    ("anstream", "provost"),
    ("anyhow", "provost"),
];

fn metadata() -> serde_json::Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path", manifest])
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Direct dependencies by crate, development ones left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages").clone();
    packages
        .iter()
        .map(|package| {
            let list = package["dependencies"].as_array().expect("dependencies");
            let names = list
                .iter()
                .filter(|d| d["kind"].as_str() != Some("dev"))
                .map(|d| d["name"].as_str().expect("name").to_owned())
                .collect();
            (package["name"].as_str().expect("name").to_owned(), names)
        })
        .collect()
}

#[test]
fn arrows_go_down_only() {
    let found = dependencies();
    let ours: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for (name, uses) in &found {
        let allowed = MAY_USE.iter().find(|(n, _)| n == name).map(|(_, a)| *a);
        let allowed = allowed.unwrap_or_else(|| panic!("the crate {name} has no row in the table"));
        for used in uses.iter().filter(|u| ours.contains(u.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} may not use {used}");
        }
    }
    assert_eq!(found.len(), MAY_USE.len(), "a row of the table names no crate");
}

#[test]
fn one_owner_each() {
    for (name, uses) in dependencies() {
        for (foreign, owner) in OWNERS {
            let is_helper = name == "xtask" && *foreign == "anyhow";
            assert!(
                !uses.contains(*foreign) || name == *owner || is_helper,
                "{name} names {foreign}; it belongs to {owner}"
            );
        }
    }
}

#[test]
fn unsafe_is_forbidden_but_in_trace() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, _) in MAY_USE.iter().filter(|(n, _)| n.starts_with("provost")) {
        let folder = name.strip_prefix("provost-").unwrap_or("cli");
        let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("manifest");
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert_eq!(inherits, folder != "trace", "{name}");
    }
}
