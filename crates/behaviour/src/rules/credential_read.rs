//! A file with credentials that the run opened.

use provost_model::{Finding, Level, Use};

use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "credential-read",
    text: "a file that holds credentials was opened",
    help: "name it in `allow-credentials` if the step needs it; otherwise change the credentials that are in it",
    level: Level::Error,
    check,
};

fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &context.observation.files {
        let name = &file.name.text;
        let below = |secret: &String| {
            name.strip_prefix(secret.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let opened = file.uses.iter().any(|kind| matches!(kind, Use::Read | Use::Executed | Use::Written));
        if !opened || !context.credentials.iter().any(below) {
            continue;
        }
        let who = context.observation.processes.get(file.first_by as usize).and_then(|p| context.program(p));
        let who = who.map_or("?", |program| program.path.text.as_str());
        let message = format!("{name} was opened by {who}");
        findings.push(Finding::new(RULE.id, RULE.level, message, &[name, who]).in_file(name).by(file.first_by));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, file, process};

    #[test]
    fn below_a_secret_directory_and_not_beside_it() {
        let mut seen = empty();
        let cat = process(&mut seen, None, "/usr/bin/cat", &["cat"]);
        file(&mut seen, "/home/me/.ssh/id_rsa", &[Use::Read], cat);
        file(&mut seen, "/home/me/.sshrc", &[Use::Read], cat);
        file(&mut seen, "/home/me/.netrc", &[Use::Read], cat);
        file(&mut seen, "/home/me/.ssh", &[Use::Listed], cat);
        let secrets = ["/home/me/.ssh".to_owned(), "/home/me/.netrc".to_owned()];
        let mut with = context(&seen, None);
        with.credentials = &secrets;
        assert_eq!(check(&with).len(), 2);
    }
}
