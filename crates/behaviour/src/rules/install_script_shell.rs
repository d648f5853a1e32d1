//! A shell that a package's install script started.

use provost_model::{Finding, Level};

use crate::context::{is_shell, plain_name};
use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "install-script-shell",
    text: "a package's install script started a shell",
    help: "install with `--ignore-scripts`, or allow the package's script knowingly",
    level: Level::Warning,
    check,
};

/// Installing commands of package managers, by their arguments: they appear behind `node npm-cli.js` and `python -m pip`.
fn installs(arguments: &[String]) -> bool {
    let words: Vec<&str> = arguments.iter().map(|a| a.rsplit('/').next().unwrap_or(a)).collect();
    let manager = words.iter().take(4).position(|word| {
        matches!(
            plain_name(word.trim_end_matches("-cli.js").trim_end_matches(".js")),
            "npm" | "yarn" | "pnpm" | "pip" | "gem" | "composer" | "bundle"
        )
    });
    let Some(manager) = manager else { return false };
    words[manager..].iter().any(|word| matches!(*word, "install" | "ci" | "i" | "add" | "rebuild" | "update"))
}

fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in &context.observation.processes {
        for shell in process.programs.iter().filter(|program| is_shell(&program.path.text)) {
            let ancestors = context.ancestors(process);
            let installer = ancestors.iter().flat_map(|p| &p.programs).find(|program| installs(&program.arguments));
            let Some(installer) = installer else { continue };
            let script = shell.arguments.join(" ");
            let place = shell.directory.text.rsplit_once("node_modules/").map_or("", |(_, package)| package);
            let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
            let message = format!("`{}` started a shell{of}: {script}", installer.arguments.join(" "));
            findings.push(Finding::new(RULE.id, RULE.level, message, &[place, &script]).by(process.id));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, process};

    #[test]
    fn npm_runs_a_script_and_make_runs_a_shell() {
        let mut seen = empty();
        let make = process(&mut seen, None, "/usr/bin/make", &["make"]);
        process(&mut seen, Some(make), "/usr/bin/dash", &["sh", "-c", "cc"]);
        let npm = process(&mut seen, Some(make), "/usr/bin/node", &["node", "/usr/bin/npm", "ci"]);
        process(&mut seen, Some(npm), "/usr/bin/dash", &["sh", "-c", "node postinstall.js"]);
        let found = check(&context(&seen, None));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("postinstall"));
        // `npm run build` is the project's own script.
        let mut own = empty();
        let npm = process(&mut own, None, "/usr/bin/node", &["npm", "run", "build"]);
        process(&mut own, Some(npm), "/usr/bin/dash", &["sh", "-c", "tsc"]);
        assert!(check(&context(&own, None)).is_empty());
    }
}
