//! A file that went into the build and that neither a commit nor a lockfile explains.

use provost_model::{Finding, Level, Origin};

use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "unexplained-input",
    text: "a file was read that no commit, lockfile or package explains",
    help: "commit it, declare it as a cache, or remove it: what is built should follow from what is committed",
    level: Level::Note,
    check,
};

fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in context.observation.files.iter().filter(|file| file.is_input() && !file.digests.is_empty()) {
        let name = file.name.text.as_str();
        let why = match file.origin {
            Some(Origin::Repository) => match (context.tracked, context.in_tree(name)) {
                (Some(tracked), Some(path)) if !tracked.contains(path) && !path.starts_with(".git/") => {
                    "it lies in the tree and is in no commit"
                }
                _ => continue,
            },
            Some(Origin::PackageCache) if !context.has_lockfile => {
                "it comes from a package cache, and there is no lockfile"
            }
            Some(Origin::Temporary) => "it lay in a temporary directory before the run",
            Some(Origin::Other) => "it lies outside the tree, the caches and the system",
            _ => continue,
        };
        findings
            .push(Finding::new(RULE.id, RULE.level, format!("{name}: {why}"), &[name]).in_file(name).by(file.first_by));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, file, process};
    use provost_model::Use;

    #[test]
    fn what_is_committed_or_installed_is_explained() {
        let mut seen = empty();
        let cc = process(&mut seen, None, "/usr/bin/cc", &["cc"]);
        for (path, origin) in [
            ("/w/main.c", Origin::Repository),
            ("/w/config.local", Origin::Repository),
            ("/usr/include/stdio.h", Origin::Distribution),
            ("/home/me/.cargo/registry/x.rs", Origin::PackageCache),
            ("/opt/vendor/lib.a", Origin::Other),
            ("/tmp/seed", Origin::Temporary),
        ] {
            file(&mut seen, path, &[Use::Read], cc);
            if let Some(last) = seen.files.last_mut() {
                last.origin = Some(origin);
            }
        }
        let tracked = ["main.c".to_owned()].into();
        let mut with = context(&seen, None);
        with.tracked = Some(&tracked);
        with.has_lockfile = true;
        let names: Vec<_> = check(&with).into_iter().filter_map(|f| f.file).collect();
        assert_eq!(names, ["/w/config.local", "/opt/vendor/lib.a", "/tmp/seed"]);
        with.has_lockfile = false;
        assert_eq!(check(&with).len(), 4);
    }
}
