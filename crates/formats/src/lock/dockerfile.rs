//! `Dockerfile` and `Containerfile`: the images that a build starts from and copies out of.

use std::borrow::Cow;
use std::collections::HashMap;

use provost_model::{Completeness, Inventory, Scope, Scopes};

use super::image::{Variables, fill, image};
use super::tree::decode;
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[Reader { id: "dockerfile", wants, read, covered_by: &[] }];

fn wants(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let begins = ["dockerfile", "containerfile"].iter().any(|kind| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && !rest.ends_with("ignore")))
    });
    begins || name.ends_with(".dockerfile") || name.ends_with(".containerfile")
}

/// A stage of the build.
struct Stage {
    name: Option<String>,
    /// The stage that it goes on from.
    from: Option<usize>,
    /// Images that it starts from or copies out of.
    images: Vec<usize>,
    /// Stages that it copies out of do not make their bases part of the product.
    variables: Variables,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = decode(input.bytes)?;
    let mut inventory = Inventory::new("Dockerfile", Completeness::Declared);
    let mut global = Variables::new();
    let mut stages: Vec<Stage> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    if let Some((line, frontend)) = directive(&content, "syntax") {
        image(&mut inventory, frontend, &global, Scope::Build, line);
    }
    for (line, instruction) in instructions(&content) {
        let (verb, rest) = instruction.split_once(char::is_whitespace).unwrap_or((&instruction, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match verb.to_ascii_uppercase().as_str() {
            "ARG" => {
                for word in words {
                    let Some((name, value)) = word.split_once('=') else {
                        // One without a value takes over what was set before the first stage.
                        if let (Some(stage), Some(value)) = (stages.last_mut(), global.get(word)) {
                            stage.variables.insert(word.to_owned(), value.clone());
                        }
                        continue;
                    };
                    let variables = stages.last_mut().map_or(&mut global, |stage| &mut stage.variables);
                    let value = fill(value.trim_matches(['"', '\'']), variables);
                    variables.insert(name.to_owned(), value);
                }
            }
            "FROM" => {
                let mut words = words.into_iter().filter(|word| !word.starts_with("--"));
                let base = fill(words.next().unwrap_or_default(), &global);
                let name = match (words.next(), words.next()) {
                    (Some(word), Some(name)) if word.eq_ignore_ascii_case("as") => Some(name.to_ascii_lowercase()),
                    _ => None,
                };
                let from = by_name.get(&base.to_ascii_lowercase()).copied();
                let mut stage = Stage { name, from, images: Vec::new(), variables: Variables::new() };
                if from.is_none() && base != "scratch" {
                    stage.images.extend(image(&mut inventory, &base, &global, Scope::Build, line));
                }
                if let Some(name) = &stage.name {
                    by_name.insert(name.clone(), stages.len());
                }
                stages.push(stage);
            }
            "COPY" | "ADD" => {
                let from = words
                    .iter()
                    .take_while(|word| word.starts_with("--"))
                    .find_map(|word| word.strip_prefix("--from="));
                other(&mut inventory, from, &mut stages, &by_name, line);
            }
            "RUN" => {
                let mounts = words
                    .iter()
                    .take_while(|word| word.starts_with("--"))
                    .filter_map(|word| word.strip_prefix("--mount="));
                for mount in mounts {
                    let from = mount.split(',').find_map(|option| option.strip_prefix("from="));
                    other(&mut inventory, from, &mut stages, &by_name, line);
                }
            }
            _ => {}
        }
    }
    // What the last stage is made of is the product; the others only build it.
    let mut next = stages.len().checked_sub(1);
    while let Some(stage) = next.and_then(|at| stages.get(at)) {
        for index in &stage.images {
            inventory.packages[*index].scopes = Scopes::only(Scope::Production);
        }
        next = stage.from.filter(|from| next.is_some_and(|at| *from < at));
    }
    Ok(inventory)
}

/// An image, or a stage, out of which something is taken.
fn other(
    inventory: &mut Inventory,
    from: Option<&str>,
    stages: &mut [Stage],
    by_name: &HashMap<String, usize>,
    line: u64,
) {
    let count = stages.len();
    let (Some(from), Some(stage)) = (from, stages.last_mut()) else { return };
    let is_number = from.parse::<usize>().is_ok_and(|number| number < count);
    if is_number || by_name.contains_key(&from.to_ascii_lowercase()) || from == "scratch" {
        return;
    }
    stage.images.extend(image(inventory, from, &stage.variables, Scope::Build, line));
}

/// A directive of the parser, which stands before everything else: `# syntax=…`.
fn directive<'c>(content: &'c str, wanted: &str) -> Option<(u64, &'c str)> {
    for (number, line) in (1..).zip(content.lines()) {
        let comment = line.trim().strip_prefix('#')?;
        let (name, value) = comment.split_once('=')?;
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some((number, value.trim()));
        }
    }
    None
}

/// The instructions, each with the line that it begins in: continued lines joined, comments and here-documents left out.
fn instructions(content: &str) -> Vec<(u64, Cow<'_, str>)> {
    let escape = match directive(content, "escape") {
        Some((_, "`")) => '`',
        _ => '\\',
    };
    let mut instructions: Vec<(u64, Cow<'_, str>)> = Vec::new();
    let mut pending: Option<(u64, String)> = None;
    let mut heredocs: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        if let Some(end) = heredocs.first() {
            if line.trim_start_matches('\t') == end {
                heredocs.remove(0);
            }
            continue;
        }
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (part, goes_on) = match trimmed.strip_suffix(escape) {
            Some(part) => (part, true),
            None => (trimmed, false),
        };
        match (&mut pending, goes_on) {
            (None, true) => pending = Some((number, part.to_owned())),
            (None, false) => instructions.push((number, Cow::Borrowed(part))),
            (Some((_, text)), _) => {
                text.push(' ');
                text.push_str(part);
            }
        }
        if goes_on {
            continue;
        }
        if let Some((first, text)) = pending.take() {
            instructions.push((first, Cow::Owned(text)));
        }
        if let Some((_, instruction)) = instructions.last() {
            heredocs = ends_of_heredocs(instruction);
        }
    }
    if let Some((first, text)) = pending {
        instructions.push((first, Cow::Owned(text)));
    }
    instructions
}

/// `<<EOF`, `<<-"EOF"`: the words that end what follows. Only three instructions can have them.
fn ends_of_heredocs(instruction: &str) -> Vec<String> {
    const MOST: usize = 16;
    let verb = instruction.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(verb.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    let words = instruction.split_whitespace().filter_map(|word| word.split_once("<<").map(|(_, end)| end));
    let ends = words.map(|end| end.trim_start_matches('-').trim_matches(['"', '\'']));
    let name = |end: &&str| !end.is_empty() && end.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    ends.filter(name).take(MOST).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, shown};
    use super::*;

    #[test]
    fn stages_and_arguments() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let text = format!(
            "# syntax=docker/dockerfile:1.7\r\nARG VERSION=3.19 REGISTRY=\"host:5000\"\r\nFROM --platform=$BUILDPLATFORM golang:1.22@{digest} AS Build\r\n\
            RUN --mount=type=bind,from=busybox:1.36,target=/x go build \\\r\n  # why\r\n  -o x <<EOF\r\nFROM no:1\r\nEOF\r\nFROM build AS test\r\n\
            FROM $REGISTRY/alpine:${{VERSION}} as base\r\nfrom base\r\nCOPY --from=build --chown=1 /x /x\r\nCOPY --from=0 /a /a\r\n\
            ARG TAG=9\r\nCOPY --from=nginx:$TAG /etc/nginx /etc\r\nFROM scratch\r\nFROM base\r\nCOPY --from=tool:${{NONE}} / /\r\n"
        );
        let read = read_alone(read, "build/Dockerfile.prod", &text);
        let all =
            ["docker/dockerfile 1.7", "golang 1.22", "busybox 1.36", "host:5000/alpine 3.19", "nginx 9", "tool -"];
        assert_eq!(shown(&read), all);
        assert_eq!(package(&read, "golang").hashes.len(), 1);
        assert_eq!(package(&read, "busybox").line, Some(4));
        assert!(package(&read, "host:5000/alpine").scopes.contains(Scope::Production));
        assert!(package(&read, "golang").scopes.contains(Scope::Build));
        assert!(package(&read, "nginx").scopes.contains(Scope::Build));
        assert!(package(&read, "tool").scopes.contains(Scope::Production));
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(18)]);
    }

    #[test]
    fn which_files() {
        for path in ["Dockerfile", "a/Containerfile", "Dockerfile.dev", "web.dockerfile"] {
            assert!(wants(path), "{path}");
        }
        for path in ["Dockerfile.dockerignore", "Dockerfiles", "dockerfile_test.go"] {
            assert!(!wants(path), "{path}");
        }
    }

    #[test]
    fn another_escape() {
        let text = "# escape=`\nFROM `\n  a:1\nRUN x\\\nFROM b:2\n";
        assert_eq!(shown(&read_alone(read, "Dockerfile", text)), ["a 1", "b 2"]);
    }
}
