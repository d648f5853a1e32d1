//! `provost run --learn`: the tightest guard under which this run would have passed, as a patch to review.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use provost_model::{NetworkKind, Observation, ObservedFile, Origin, Use, printable};

use crate::guard::{GuardConfig, NetworkConfig, PlaceConfig};

/// What a run needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Directories in the tree in which it wrote, relative; `.` for the tree itself.
    pub outputs: BTreeSet<String>,
    /// Places it connected to, with the programs that did.
    pub network: BTreeMap<String, BTreeSet<String>>,
    /// Credentials that it opened.
    pub credentials: BTreeSet<String>,
    /// Programs by SHA-256, with their paths.
    pub tools: BTreeMap<String, String>,
}

impl Needs {
    /// From what was seen.
    pub fn of(observation: &Observation, directory: &Path) -> Self {
        let mut needs = Self::default();
        let wrote = |file: &&ObservedFile| file.uses.iter().any(|kind| *kind >= Use::Written);
        // A directory that was made and written in is an output itself: what is above it was not written.
        let parents: BTreeSet<&Path> =
            observation.files.iter().filter(wrote).filter_map(|file| Path::new(&file.name.text).parent()).collect();
        for file in &observation.files {
            let path = Path::new(&file.name.text);
            if wrote(&file)
                && let Ok(relative) = path.strip_prefix(directory)
            {
                let made = file.first_use == Use::Created && parents.contains(path);
                let parent = if made { Some(relative) } else { relative.parent() };
                let parent = parent.map(Path::to_path_buf).unwrap_or_default();
                needs.outputs.insert(if parent.as_os_str().is_empty() {
                    ".".into()
                } else {
                    parent.display().to_string()
                });
            }
            if file.uses.contains(&Use::Executed)
                && file.first_use < Use::Written
                && file.origin != Some(Origin::Kernel)
                && let Some(digest) = file.digests.first()
            {
                needs.tools.insert(digest.to_hex(), file.name.text.clone());
            }
        }
        // A directory covers those below it.
        let all: Vec<String> = needs.outputs.iter().cloned().collect();
        needs.outputs.retain(|output| {
            !all.iter().any(|other| other != output && (other == "." || Path::new(output).starts_with(other)))
        });
        for event in &observation.network {
            let internet = matches!(event.protocol.as_str(), "tcp" | "udp");
            let outward = matches!(event.kind, NetworkKind::Connect | NetworkKind::Datagram);
            let own = event.address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
            if !internet || !outward || own && event.name.is_none() || event.port == Some(53) {
                continue;
            }
            let host = event.name.clone().unwrap_or_else(|| {
                if event.address.contains(':') { format!("[{}]", event.address) } else { event.address.clone() }
            });
            let place = match event.port {
                Some(port) => format!("{host}:{port}"),
                None => host,
            };
            let who = observation.processes.get(event.process as usize).and_then(|p| p.programs.last());
            let who = who.map(|program| program.path.text.clone()).unwrap_or_default();
            needs.network.entry(place).or_default().insert(who);
        }
        for violation in observation.violations.iter().filter(|v| v.kind == "credential") {
            needs.credentials.insert(violation.what.clone());
        }
        needs
    }

    /// The section of `provost.toml` that allows just this.
    pub fn section(&self, step: &str) -> String {
        let text = |value: &str| toml::Value::from(value).to_string();
        let mut out = format!("[guard.step.{}]\nmode = \"prevent\"\n", key(step));
        let list = |name: &str, values: &[String]| {
            let values = values.iter().map(|v| text(v)).collect::<Vec<_>>().join(", ");
            format!("{name} = [{values}]\n")
        };
        out += &list("outputs", &self.outputs.iter().cloned().collect::<Vec<_>>());
        if self.network.is_empty() {
            out += "network = \"none\"\n";
        } else {
            out += "network = [\n";
            for (place, programs) in &self.network {
                let programs = programs.iter().map(|p| printable(p)).collect::<Vec<_>>().join(", ");
                out += &format!("    {}, # {programs}\n", text(place));
            }
            out += "]\n";
        }
        if !self.credentials.is_empty() {
            out += &list("allow-credentials", &self.credentials.iter().cloned().collect::<Vec<_>>());
        }
        out += &format!("\n[guard.step.{}.tools]\nallow = [\n", key(step));
        let mut tools: Vec<(&String, &String)> = self.tools.iter().map(|(digest, path)| (path, digest)).collect();
        tools.sort();
        for (path, digest) in tools {
            out += &format!("    \"{digest}\", # {}\n", printable(path));
        }
        out += "]\n";
        out
    }

    /// What this run needed beyond a guard, and what of the guard it did not need; one line each.
    pub fn differences(&self, guard: &GuardConfig) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(outputs) = &guard.outputs {
            let covered =
                |output: &str| outputs.iter().any(|o| o == Path::new(".") || Path::new(output).starts_with(o));
            lines.extend(self.outputs.iter().filter(|o| !covered(o)).map(|o| format!("+ writes in {o}")));
            for output in outputs {
                let used = self.outputs.iter().any(|o| Path::new(o).starts_with(output) || output == Path::new("."));
                if !used {
                    lines.push(format!("- the output {} was not written", output.display()));
                }
            }
        }
        if let Some(network) = &guard.network {
            let places: Vec<String> = match network {
                NetworkConfig::Word(word) if word == "host" => Vec::new(),
                NetworkConfig::Word(_) => Vec::new(),
                NetworkConfig::Places(places) => places
                    .iter()
                    .map(|place| match place {
                        PlaceConfig::Text(text) => text.clone(),
                        PlaceConfig::Table(table) => table.to.clone(),
                    })
                    .collect(),
            };
            if *network != NetworkConfig::Word("host".into()) {
                for (place, programs) in self.network.iter().filter(|(place, _)| !allowed(&places, place)) {
                    let programs = programs.iter().cloned().collect::<Vec<_>>().join(", ");
                    lines.push(format!("+ connects to {place} ({programs})"));
                }
                for place in &places {
                    if !self.network.keys().any(|used| allowed(std::slice::from_ref(place), used)) {
                        lines.push(format!("- {place} was not connected to"));
                    }
                }
            }
        }
        if let Some(tools) = guard.tools.as_ref().filter(|tools| !tools.allow.is_empty()) {
            let known = |digest: &str| tools.allow.iter().any(|t| t.trim_start_matches("sha256:") == digest);
            for (digest, path) in self.tools.iter().filter(|(digest, _)| !known(digest)) {
                lines.push(format!("+ executes {path} ({}…)", &digest[..12.min(digest.len())]));
            }
            let unused =
                tools.allow.iter().filter(|t| !self.tools.contains_key(t.trim_start_matches("sha256:"))).count();
            if unused > 0 {
                lines.push(format!("- {unused} permitted programs were not executed"));
            }
        }
        lines
    }
}

fn allowed(places: &[String], used: &str) -> bool {
    use provost_trace::observe::Endpoint;
    let Ok(used) = Endpoint::parse(used) else { return false };
    places.iter().filter_map(|place| Endpoint::parse(place).ok()).any(|place| {
        (place.covers_name(&used.host) || place.host == used.host) && (place.port.is_none() || place.port == used.port)
    })
}

fn key(step: &str) -> String {
    let plain = step.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain && !step.is_empty() { step.to_owned() } else { toml::Value::from(step).to_string() }
}

/// A patch that puts the section into a file, in the place of the one that is there.
pub fn patch(file: &Path, old: &str, section: &str, step: &str) -> String {
    let lines: Vec<&str> = old.lines().collect();
    let header = format!("[guard.step.{}]", key(step));
    let below = format!("[guard.step.{}.", key(step));
    let start = lines.iter().position(|line| line.trim() == header);
    let (start, end) = match start {
        None => (lines.len(), lines.len()),
        Some(start) => {
            let rest = lines.iter().skip(start + 1);
            let length = rest.take_while(|line| !line.starts_with('[') || line.starts_with(&below)).count();
            (start, start + 1 + length)
        }
    };
    let mut new: Vec<String> = section.lines().map(str::to_owned).collect();
    if start > 0 && start == lines.len() && !lines[start - 1].is_empty() {
        new.insert(0, String::new());
    }
    let (from, to) = (start.saturating_sub(3), (end + 3).min(lines.len()));
    let name: PathBuf = file.file_name().map(PathBuf::from).unwrap_or_default();
    let name = name.display();
    let before = lines[from..start].iter().chain(&lines[end..to]).count();
    let mut out = format!(
        "--- a/{name}\n+++ b/{name}\n@@ -{},{} +{},{} @@\n",
        if lines.is_empty() { 0 } else { from + 1 },
        before + (end - start),
        from + 1,
        before + new.len(),
    );
    let mut put = |sign: char, line: &str| {
        out.push(sign);
        out.push_str(line);
        out.push('\n');
    };
    lines[from..start].iter().for_each(|line| put(' ', line));
    lines[start..end].iter().for_each(|line| put('-', line));
    new.iter().for_each(|line| put('+', line));
    lines[end..to].iter().for_each(|line| put(' ', line));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `patch(1)` would make of it.
    fn applied(old: &str, patch: &str) -> String {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("provost.toml"), old).expect("file");
        std::fs::write(folder.path().join("p"), patch).expect("file");
        let done =
            std::process::Command::new("git").args(["apply", "p"]).current_dir(folder.path()).output().expect("git");
        assert!(done.status.success(), "{}\n{patch}", String::from_utf8_lossy(&done.stderr));
        std::fs::read_to_string(folder.path().join("provost.toml")).expect("file")
    }

    #[test]
    fn the_patch_applies_and_is_what_is_wanted() {
        let mut needs = Needs::default();
        needs.outputs.insert("target".into());
        needs.network.insert("crates.io:443".into(), ["/usr/bin/cargo".to_owned()].into());
        needs.tools.insert("ab".repeat(32), "/usr/bin/cc".into());
        let section = needs.section("build");
        let file = Path::new("/x/provost.toml");
        let old = "[project]\nname = \"x\"\n\n[run]\nisolation = \"required\"\n";
        let new = applied(old, &patch(file, old, &section, "build"));
        let config = crate::config::Config::parse(&new).expect("parses");
        let guard = config.guard.for_step("build");
        assert_eq!(guard.outputs, Some(vec!["target".into()]));
        assert!(needs.differences(&guard).is_empty(), "{:?}", needs.differences(&guard));
        // A second time it replaces the section, and a later run that needs more says what.
        let mut more = needs.clone();
        more.network.insert("evil.example:443".into(), ["/usr/bin/curl".to_owned()].into());
        assert_eq!(more.differences(&guard), ["+ connects to evil.example:443 (/usr/bin/curl)"]);
        let third = applied(&new, &patch(file, &new, &more.section("build"), "build"));
        assert_eq!(third.matches("[guard.step.build]").count(), 1, "{third}");
        assert!(third.contains("evil.example") && third.contains("[run]"));
    }
}
