//! A program that the run put into a temporary directory and executed.

use provost_model::{Finding, Level, Use};

use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "dropped-executable",
    text: "a program was made in a temporary directory and executed from there",
    help: "find out who wrote it; builds run what they built in their own tree",
    level: Level::Warning,
    check,
};

const TEMPORARY: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/", "/memfd:", "/run/user/"];

fn check(context: &Context<'_>) -> Vec<Finding> {
    let files = context.observation.files.iter();
    files
        .filter(|file| {
            let name = &file.name.text;
            let made = file.uses.iter().any(|kind| matches!(kind, Use::Created | Use::Written));
            let temporary = TEMPORARY.iter().any(|start| name.starts_with(start)) && context.in_tree(name).is_none();
            file.uses.contains(&Use::Executed) && temporary && (made || name.starts_with("/memfd:"))
        })
        .map(|file| {
            let writer = file.written_by.first().copied().unwrap_or(file.first_by);
            let who = context.observation.processes.get(writer as usize).and_then(|p| context.program(p));
            let who = who.map_or("?", |program| program.path.text.as_str());
            let message = format!("{} was written by {who} and then executed", file.name.text);
            Finding::new(RULE.id, RULE.level, message, &[who]).in_file(&file.name.text).by(writer)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, file, process};

    #[test]
    fn dropped_and_run_is_found_and_built_and_run_is_not() {
        let mut seen = empty();
        let curl = process(&mut seen, None, "/usr/bin/curl", &["curl", "-o", "/tmp/x"]);
        file(&mut seen, "/tmp/x", &[Use::Created, Use::Executed], curl);
        file(&mut seen, "/w/target/build-script", &[Use::Created, Use::Executed], curl);
        file(&mut seen, "/tmp/ccABC.s", &[Use::Created, Use::Read], curl);
        file(&mut seen, "/tmp/there-before", &[Use::Executed], curl);
        let found = check(&context(&seen, None));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file.as_deref(), Some("/tmp/x"));
    }
}
