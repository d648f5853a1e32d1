//! Workflow commands, with which GitHub Actions marks files and jobs
//! (docs.github.com/actions/reference/workflow-commands-for-github-actions).

use provost_model::{Level, Permission, printable};

use super::{Told, program, relative};

/// GitHub shows so many of each level for one step.
const MOST: usize = 10;

/// One line a violation and finding.
pub(super) fn annotations(told: &Told<'_>, directory: &str) -> String {
    let mut lines = Vec::new();
    let observation = &told.record.observation;
    for violation in &observation.violations {
        let (level, done) = match violation.permission {
            Permission::Refused => ("error", "refused"),
            Permission::Allowed => ("warning", "let through"),
        };
        let title = format!("provost guard: {} {done}", violation.kind);
        let who = program(observation, violation).map(|path| format!(" by {path}")).unwrap_or_default();
        lines.push((level, command(level, None, &title, &format!("{}{who}", violation.what))));
    }
    for finding in super::serious(told.findings) {
        let level = if finding.level == Level::Error { "error" } else { "warning" };
        let title = format!("provost: {}", finding.rule);
        let file = finding.file.as_deref().map(|file| relative(file, directory));
        lines.push((level, command(level, file, &title, &finding.message)));
    }
    let of = |wanted: &'static str| lines.iter().filter(move |(level, _)| *level == wanted).take(MOST);
    of("error").chain(of("warning")).map(|(_, line)| line.as_str()).collect()
}

/// There is no evidence of a step.
pub(super) fn no_evidence(step: &str, why: &str) -> String {
    command("error", None, &format!("provost: no evidence of {step}"), why)
}

/// One command. What is foreign in it can neither end the line nor a property.
pub(super) fn command(level: &str, file: Option<&str>, title: &str, message: &str) -> String {
    let file = file.map(|file| format!("file={},", property(file))).unwrap_or_default();
    format!("::{level} {file}title={}::{}\n", property(title), data(message))
}

/// As the toolkit's `escapeData` does it, after which nothing invisible is left either.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hostile, told};

    #[test]
    fn a_build_cannot_write_commands_of_its_own() {
        let (record, verdict, findings) = hostile();
        let lines = super::annotations(&told(&record, &verdict, &findings), "/w");
        assert!(lines.lines().all(|line| line.starts_with("::error ")), "{lines}");
        insta::assert_snapshot!(lines, @r#"
        ::error title=provost guard%3A network refused::tcp a|b`c`</code><img src=x onerror=alert(1)>\u{a}## PASSED\u{d}\u{a}::error::x\u{202e}[y](javascript:z) @user by /usr/bin/evil|name
        ::error file=src/a%2Cb%3Ac\u{a}%25.c,title=provost%3A source-changed-by-build::a|b`c`</code><img src=x onerror=alert(1)>\u{a}## PASSED\u{d}\u{a}::error::x\u{202e}[y](javascript:z) @user was changed
        "#);
    }

    #[test]
    fn a_flood_is_cut() {
        let (mut record, verdict, findings) = hostile();
        record.observation.violations = vec![record.observation.violations[0].clone(); 50];
        assert_eq!(super::annotations(&told(&record, &verdict, &findings), "/w").lines().count(), super::MOST);
    }
}
