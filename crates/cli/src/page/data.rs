//! An observation as compact JSON for the page's script: rows as arrays, each text once, and every text already
//! harmless.

use std::collections::{HashMap, HashSet};

use provost_model::{
    Ending, Execution, FileName, NameQuestion, NetworkEvent, Observation, ObservedFile, ObservedProcess, Origin,
    Permission, Timestamp, printable,
};
use serde::Serialize;

use crate::observed::origin_name;

/// Rows of each kind that a page holds; beyond that it says so.
pub(crate) const MOST_ROWS: usize = 250_000;
/// Characters of a command line that a page holds.
const MOST_ARGUMENTS: usize = 1200;

/// The data of a page. Texts are indices of `texts`; times are milliseconds after `start`; -1 is “not known”.
#[derive(Serialize)]
struct Data {
    /// Milliseconds since 1970.
    start: i64,
    length: i64,
    /// The working directory, for shorter paths.
    base: String,
    texts: Vec<String>,
    processes: Vec<ProcessRow>,
    files: Vec<FileRow>,
    network: Vec<NetworkRow>,
    /// By process: how many violations.
    violations: HashMap<u32, u64>,
    origins: Vec<&'static str>,
    /// How many rows there were, of processes, files, network events and names.
    all: [usize; 4],
}

/// pid, parent, start, end, how it ended (kind, number), programs.
#[derive(Serialize)]
struct ProcessRow(u32, i64, i64, i64, u8, i32, Vec<ProgramRow>);

/// path, SHA-256, script, arguments, directory, time.
#[derive(Serialize)]
struct ProgramRow(usize, String, i64, usize, usize, i64);

/// directory, name, uses as bits (256: percent-encoded), first time, first process, writers, digests, digest at the
/// end (`=`: the last of them), size, origin, problem.
#[derive(Serialize)]
struct FileRow(usize, String, u16, i64, u32, Vec<u32>, Vec<String>, String, u64, u8, i64);

/// process, time, kind, protocol, where, answer (0 allowed, 1 refused, 2 against the guard and let through), name, asked for, delegated to, error, times.
#[derive(Serialize)]
struct NetworkRow(i64, i64, usize, usize, usize, u8, i64, i64, i64, i64, u64);

/// The groups, in the order of the page.
pub(crate) const ORIGINS: [Origin; 7] = [
    Origin::Repository,
    Origin::Built,
    Origin::PackageCache,
    Origin::Distribution,
    Origin::Temporary,
    Origin::Kernel,
    Origin::Other,
];

/// The data as text that can stand inside a `script` element: no character of it can end that element or begin
/// another, whatever the names in it are.
pub(crate) fn json(observation: &Observation, directory: &str, start: Timestamp, end: Timestamp) -> String {
    let mut texts = Texts { start: start.milliseconds(), ..Texts::default() };
    let processes = observation.processes.iter().take(MOST_ROWS).map(|process| texts.process(process)).collect();
    let files = observation.files.iter().take(MOST_ROWS).map(|file| texts.file(file)).collect();
    texts.against = observation
        .violations
        .iter()
        .filter(|violation| violation.kind == "network" && violation.permission == Permission::Allowed)
        .map(|violation| (violation.process, violation.what.clone()))
        .collect();
    let mut network: Vec<NetworkRow> =
        observation.network.iter().take(MOST_ROWS).map(|event| texts.event(event)).collect();
    network.extend(observation.names.iter().take(MOST_ROWS).map(|question| texts.question(question)));
    let mut violations = HashMap::new();
    for violation in &observation.violations {
        *violations.entry(violation.process).or_insert(0) += violation.count;
    }
    let data = Data {
        start: texts.start,
        length: (end.milliseconds() - texts.start).max(1),
        base: printable(directory),
        processes,
        files,
        network,
        violations,
        origins: ORIGINS.iter().map(|origin| origin_name(*origin)).collect(),
        all: [observation.processes.len(), observation.files.len(), observation.network.len(), observation.names.len()],
        texts: texts.list,
    };
    for_script(&serde_json::to_string(&data).unwrap_or_else(|_| "null".into()))
}

/// JSON in which the characters that mean something to HTML are escapes.
fn for_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 64);
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            _ => out.push(c),
        }
    }
    out
}

/// Each text once, harmless.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    known: HashMap<String, usize>,
    start: i64,
    /// What was wanted on the network against a guard that only detects, by process.
    against: HashSet<(u32, String)>,
}

impl Texts {
    fn of(&mut self, text: &str) -> usize {
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        self.list.push(printable(text));
        self.known.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }

    fn maybe(&mut self, text: Option<&str>) -> i64 {
        text.map_or(-1, |text| i64::try_from(self.of(text)).unwrap_or(-1))
    }

    fn name(&mut self, name: &FileName) -> usize {
        if name.percent_encoded { self.of(&format!("{} (not UTF-8)", name.text)) } else { self.of(&name.text) }
    }

    fn time(&self, at: Timestamp) -> i64 {
        at.milliseconds() - self.start
    }

    fn process(&mut self, process: &ObservedProcess) -> ProcessRow {
        let (kind, number) = match process.ending {
            None => (0, 0),
            Some(Ending::Exited(status)) => (1, status),
            Some(Ending::Signalled(signal)) => (2, signal),
            Some(Ending::TimedOut) => (3, 0),
        };
        let programs = process.programs.iter().map(|program| self.program(program)).collect();
        ProcessRow(
            process.pid,
            process.parent.map_or(-1, i64::from),
            self.time(process.started_on),
            process.finished_on.map_or(-1, |at| self.time(at)),
            kind,
            number,
            programs,
        )
    }

    fn program(&mut self, program: &Execution) -> ProgramRow {
        let script = program.script.as_ref().map_or(-1, |script| i64::try_from(self.name(script)).unwrap_or(-1));
        let arguments = command_line(&program.arguments, program.arguments_cut);
        ProgramRow(
            self.name(&program.path),
            program.digest.map(|digest| digest.to_hex()).unwrap_or_default(),
            script,
            self.of(&arguments),
            self.name(&program.directory),
            self.time(program.at),
        )
    }

    fn file(&mut self, file: &ObservedFile) -> FileRow {
        let (directory, name) = file.name.text.rsplit_once('/').map_or(("", file.name.text.as_str()), |(d, n)| (d, n));
        let directory = self.of(directory);
        let uses = file.uses.iter().fold(0, |bits, kind| bits | 1 << (*kind as u16));
        let last = file.digests.last().copied();
        FileRow(
            directory,
            printable(name),
            if file.name.percent_encoded { uses | 256 } else { uses },
            self.time(file.first_on),
            file.first_by,
            file.written_by.clone(),
            file.digests.iter().map(provost_model::Digest::to_hex).collect(),
            match file.final_digest {
                None => String::new(),
                Some(digest) if Some(digest) == last => "=".into(),
                Some(digest) => digest.to_hex(),
            },
            file.size,
            ORIGINS
                .iter()
                .position(|origin| Some(*origin) == file.origin)
                .and_then(|at| u8::try_from(at).ok())
                .unwrap_or(6),
            self.maybe(file.problem.as_deref()),
        )
    }

    /// The answer; `what` are the words in which a violation would say it.
    fn answer(&self, permission: Permission, process: u32, what: &[String]) -> u8 {
        let against = |what: &String| self.against.contains(&(process, what.clone()));
        match permission {
            Permission::Refused => 1,
            Permission::Allowed if !self.against.is_empty() && what.iter().any(against) => 2,
            Permission::Allowed => 0,
        }
    }

    fn event(&mut self, event: &NetworkEvent) -> NetworkRow {
        let kind = serde_json::to_value(event.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        let place = match event.port {
            Some(port) if event.address.contains(':') => format!("[{}]:{port}", event.address),
            Some(port) => format!("{}:{port}", event.address),
            None => event.address.clone(),
        };
        let mut words = vec![format!("{} {place}", event.protocol)];
        if let (Some(name), Some(port)) = (&event.name, event.port) {
            words.push(format!("{} {name}:{port}", event.protocol));
        }
        NetworkRow(
            i64::from(event.process),
            self.time(event.at),
            self.of(kind),
            self.of(&event.protocol),
            self.of(&place),
            self.answer(event.permission, event.process, &words),
            self.maybe(event.name.as_deref()),
            self.maybe(event.asked_for.as_deref()),
            self.maybe(event.delegated_to.as_deref()),
            self.maybe(event.error.as_deref()),
            event.count,
        )
    }

    fn question(&mut self, question: &NameQuestion) -> NetworkRow {
        let answers = match &question.answers {
            None if question.permission == Permission::Refused => "not asked any further".to_owned(),
            None => "answer not seen".to_owned(),
            Some(list) if list.is_empty() => "no address".to_owned(),
            Some(list) => list.join(", "),
        };
        NetworkRow(
            question.process.map_or(-1, i64::from),
            self.time(question.at),
            self.of("name"),
            self.of(&question.record),
            self.of(&answers),
            self.answer(
                question.permission,
                question.process.unwrap_or(0),
                &[format!("the name {} ({})", question.name, question.record)],
            ),
            self.maybe(Some(&question.name)),
            -1,
            -1,
            -1,
            1,
        )
    }
}

/// Arguments as a shell would take them, cut where they are too long for a page.
fn command_line(arguments: &[String], cut: bool) -> String {
    let mut out = String::new();
    for argument in arguments {
        if !out.is_empty() {
            out.push(' ');
        }
        let plain = |c: char| c.is_alphanumeric() || "-_./=+:,@%^".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            out.push_str(argument);
        } else {
            out.push('\'');
            out.push_str(&argument.replace('\'', "'\\''"));
            out.push('\'');
        }
        if out.len() > MOST_ARGUMENTS {
            break;
        }
    }
    let long = out.chars().count() > MOST_ARGUMENTS;
    if long {
        out = out.chars().take(MOST_ARGUMENTS).collect();
    }
    if cut || long {
        out.push_str(" …");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_script_element() {
        let hostile = serde_json::to_string("</script><!--<script>&\u{2028}\u{2029}").expect("json");
        let shown = for_script(&hostile);
        assert!(!shown.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("json"), "</script><!--<script>&\u{2028}\u{2029}");
    }

    #[test]
    fn arguments_are_readable_and_short() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(command_line(&words(&["sh", "-c", "a 'b'", ""]), false), r"sh -c 'a '\''b'\''' ''");
        assert_eq!(command_line(&words(&["x"]), true), "x …");
        let long = command_line(&words(&["y", &"ä".repeat(5000)]), false);
        assert_eq!(long.chars().count(), MOST_ARGUMENTS + 2);
    }
}
