//! A source file that the build itself wrote: the pattern of the SolarWinds attack.

use provost_model::{Finding, Level, Use};

use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "source-changed-by-build",
    text: "a source file was written after checkout, by the build itself",
    help: "generate into an output directory; what is compiled should be what was committed",
    level: Level::Error,
    check,
};

/// What is source where there is no version control to ask.
const SOURCES: &[&str] = &[
    "c", "cc", "cpp", "cxx", "h", "hh", "hpp", "rs", "go", "py", "rb", "pl", "php", "js", "mjs", "cjs", "jsx", "ts",
    "tsx", "java", "kt", "scala", "cs", "fs", "swift", "m", "mm", "sh",
];

fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &context.observation.files {
        let Some(path) = context.in_tree(&file.name.text) else { continue };
        let is_source = match context.tracked {
            Some(tracked) => tracked.contains(path),
            // Without version control only what was there before, by its being read first, is known to be source.
            None => file.first_use < Use::Written && SOURCES.iter().any(|end| path.rsplit('.').next() == Some(end)),
        };
        let changed =
            file.uses.iter().any(|kind| matches!(kind, Use::Written | Use::Created | Use::Renamed | Use::Deleted));
        if !is_source || !changed {
            continue;
        }
        let writer = file.written_by.first().copied().unwrap_or(file.first_by);
        let who = context.observation.processes.get(writer as usize).and_then(|p| context.program(p));
        let who = who.map_or("?", |program| program.path.text.as_str());
        let message = format!("{path} was changed during the build by {who}");
        findings.push(Finding::new(RULE.id, RULE.level, message, &[path]).in_file(path).by(writer));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, file, process};

    #[test]
    fn a_tracked_file_that_is_written_and_no_other() {
        let mut seen = empty();
        let sed = process(&mut seen, None, "/usr/bin/sed", &["sed", "-i"]);
        file(&mut seen, "/w/src/main.c", &[Use::Read, Use::Written], sed);
        file(&mut seen, "/w/src/main.o", &[Use::Created, Use::Written], sed);
        file(&mut seen, "/w/Makefile", &[Use::Read], sed);
        let tracked = ["src/main.c".to_owned(), "Makefile".to_owned()].into();
        let mut with = context(&seen, None);
        with.tracked = Some(&tracked);
        let found = check(&with);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "src/main.c was changed during the build by /usr/bin/sed");
        assert_eq!(check(&context(&seen, None)).len(), 1, "by its ending, without version control");
    }
}
