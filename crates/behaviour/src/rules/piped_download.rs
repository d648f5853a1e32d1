//! A downloader beside an interpreter that reads its program from standard input: `curl … | sh`.

use provost_model::{Finding, Level, ObservedProcess};

use crate::context::{is_shell, plain_name};
use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "download-piped-to-interpreter",
    text: "a download went straight into an interpreter",
    help: "download to a file, check its digest, then run it",
    level: Level::Error,
    check,
};

fn is_downloader(process: &ObservedProcess) -> bool {
    process.programs.iter().any(|program| {
        matches!(plain_name(&program.path.text), "curl" | "wget" | "fetch" | "aria" | "aria2c" | "http" | "httpie")
    })
}

/// True when the program that it interprets comes from standard input.
fn reads_its_program(process: &ObservedProcess) -> bool {
    process.programs.last().is_some_and(|program| {
        let interpreter = is_shell(&program.path.text)
            || matches!(plain_name(&program.path.text), "python" | "perl" | "ruby" | "node" | "php" | "lua");
        // Words that are no options name a script, but after `-s` they are the script's own arguments.
        let mut words = program.arguments.iter().skip(1);
        let from_input = loop {
            match words.next().map(String::as_str) {
                None | Some("-" | "-s" | "/dev/stdin") => break true,
                Some(option) if option.starts_with('-') && !option.contains('c') && option != "-e" => {}
                Some(_) => break false,
            }
        };
        interpreter && program.script.is_none() && from_input
    })
}

fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let processes = &context.observation.processes;
    for download in processes.iter().filter(|p| p.parent.is_some() && is_downloader(p)) {
        let beside = processes.iter().find(|other| {
            let together = other.started_on <= download.finished_on.unwrap_or(other.started_on)
                && download.started_on <= other.finished_on.unwrap_or(download.started_on);
            other.parent == download.parent && other.id != download.id && together && reads_its_program(other)
        });
        let (Some(interpreter), Some(program)) = (beside, context.program(download)) else { continue };
        let with = context.program(interpreter).map_or("?", |program| program.path.text.as_str());
        let command = program.arguments.join(" ");
        let message = format!("`{command}` was read by {with}");
        findings.push(Finding::new(RULE.id, RULE.level, message, &[&command]).by(interpreter.id));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{context, empty, process};

    #[test]
    fn a_pipe_into_a_shell_and_a_download_to_a_file() {
        let mut seen = empty();
        let shell = process(&mut seen, None, "/usr/bin/bash", &["bash", "build.sh"]);
        process(&mut seen, Some(shell), "/usr/bin/curl", &["curl", "-sSf", "https://sh.example"]);
        process(&mut seen, Some(shell), "/usr/bin/dash", &["sh", "-s", "--", "-y"]);
        assert_eq!(check(&context(&seen, None)).len(), 1);
        let mut fine = empty();
        let shell = process(&mut fine, None, "/usr/bin/bash", &["bash", "build.sh"]);
        process(&mut fine, Some(shell), "/usr/bin/curl", &["curl", "-o", "x", "https://sh.example"]);
        process(&mut fine, Some(shell), "/usr/bin/dash", &["sh", "-c", "make"]);
        process(&mut fine, Some(shell), "/usr/bin/python3.11", &["python3", "check.py"]);
        assert!(check(&context(&fine, None)).is_empty());
    }
}
