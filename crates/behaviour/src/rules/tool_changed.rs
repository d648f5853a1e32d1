//! A tool whose content is another than in the last passing run.

use provost_model::{Finding, Level, Use};

use crate::context::plain_name;
use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "tool-changed",
    text: "a tool has another content than in the last passing run",
    help: "compare it with the package it belongs to; after an update the next passing run is the new measure",
    level: Level::Warning,
    check,
};

/// Tools that write machine code or link it: their change is more than a note.
const MAKERS: &[&str] = &[
    "cc", "cc1", "cc1plus", "gcc", "g++", "clang", "clang++", "ld", "ld.bfd", "ld.gold", "ld.lld", "lld", "mold", "as",
    "collect", "ar", "ranlib", "strip", "objcopy", "rustc", "go", "compile", "link", "javac", "kotlinc", "swiftc",
    "ghc", "tsc", "node", "python", "cmake", "make", "ninja", "cargo",
];

fn check(context: &Context<'_>) -> Vec<Finding> {
    let Some(baseline) = context.baseline else { return Vec::new() };
    let mut findings = Vec::new();
    for file in context.observation.files.iter().filter(|file| file.uses.contains(&Use::Executed)) {
        let (Some(before), Some(now)) = (baseline.tools.get(&file.name.text), file.digests.first()) else { continue };
        if before == now || file.first_use >= Use::Written {
            continue;
        }
        let level = if MAKERS.contains(&plain_name(&file.name.text)) { Level::Error } else { RULE.level };
        let message = format!("{} was {}… and is {}…", file.name.text, before.short(), now.short());
        let about = [file.name.text.as_str(), &now.to_hex()];
        findings.push(Finding::new(RULE.id, level, message, &about).in_file(&file.name.text).by(file.first_by));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Baseline;
    use crate::samples::{context, empty, file, process};
    use provost_model::sha256;

    #[test]
    fn another_compiler_is_an_error_and_another_sed_a_warning() {
        let mut seen = empty();
        let make = process(&mut seen, None, "/usr/bin/make", &["make"]);
        file(&mut seen, "/usr/bin/gcc-12", &[Use::Executed], make);
        file(&mut seen, "/usr/bin/sed", &[Use::Executed], make);
        file(&mut seen, "/usr/bin/cat", &[Use::Executed], make);
        let mut before = Baseline::of(&seen);
        assert!(check(&context(&seen, Some(&before))).is_empty());
        before.tools.insert("/usr/bin/gcc-12".into(), sha256(b"older"));
        before.tools.insert("/usr/bin/sed".into(), sha256(b"older"));
        let found = check(&context(&seen, Some(&before)));
        assert_eq!(found.iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Error, Level::Warning]);
    }
}
