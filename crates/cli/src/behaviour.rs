//! Suspicious behaviour: the rules' context, what the last passing run did, and the findings' way to people.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use provost_behaviour::{Baseline, Context, RULES};
use provost_formats::sarif::{RuleText, log};
use provost_model::{BackEnd, FileSet, Finding, Level, Observation, count, printable};

use crate::home::Home;
use crate::{environment, render};

/// What is known before the command runs: afterwards it could have changed it.
pub(crate) struct Suspicion {
    directory: String,
    tracked: Option<BTreeSet<String>>,
    credentials: Vec<String>,
    file: PathBuf,
    baseline: Option<Baseline>,
}

impl Suspicion {
    pub(crate) fn prepare(
        home: &Home,
        project: &str,
        step: &str,
        directory: &Path,
        credentials: Vec<PathBuf>,
    ) -> Result<Self> {
        let file = home.baseline(project, step);
        let baseline = match std::fs::read(&file) {
            Ok(bytes) => Some(
                serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is damaged: remove it to begin anew", file.display()))?,
            ),
            Err(_) => None,
        };
        Ok(Self {
            directory: directory.to_string_lossy().into_owned(),
            tracked: provost_repo::tracked(directory).unwrap_or_default(),
            credentials: credentials.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            file,
            baseline,
        })
    }

    /// Applies the rules.
    pub(crate) fn check(&self, observation: &Observation, materials: &FileSet) -> Vec<Finding> {
        if observation.back_end == BackEnd::None {
            return Vec::new();
        }
        let has_lockfile = materials.entries.iter().any(|entry| {
            let name = entry.name.text.rsplit('/').next().unwrap_or_default();
            environment::LOCKFILES.iter().any(|(lockfile, _)| *lockfile == name)
        });
        provost_behaviour::check(&Context {
            observation,
            directory: &self.directory,
            tracked: self.tracked.as_ref(),
            has_lockfile,
            credentials: &self.credentials,
            baseline: self.baseline.as_ref(),
        })
    }

    /// A passing run is the measure for the next one.
    pub(crate) fn remember(&self, observation: &Observation) -> Result<()> {
        if observation.back_end == BackEnd::None {
            return Ok(());
        }
        let baseline = Baseline::of(observation);
        if self.baseline.as_ref() == Some(&baseline) {
            return Ok(());
        }
        if let Some(parent) = self.file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let temporary = self.file.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec(&baseline)?)
            .and_then(|()| std::fs::rename(&temporary, &self.file))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// The findings as SARIF.
pub(crate) fn sarif(findings: &[Finding], directory: &Path) -> String {
    let rules: Vec<RuleText<'_>> = RULES
        .iter()
        .map(|rule| RuleText { id: rule.id, text: rule.text, help: rule.help, level: rule.level })
        .collect();
    format!("{:#}\n", log(env!("CARGO_PKG_VERSION"), &rules, findings, &directory.to_string_lossy()))
}

/// The findings for the terminal: notes are counted only.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let mut out = String::new();
    let serious: Vec<&Finding> = findings.iter().filter(|finding| finding.level > Level::Note).collect();
    for finding in serious.iter().take(10) {
        let rule =
            if finding.level == Level::Error { render::error(&finding.rule) } else { render::warning(&finding.rule) };
        out += &render::line("behaviour", &format!("{rule} {}", printable(&finding.message)));
    }
    if serious.len() > 10 {
        out += &render::line("", &format!("and {} more", serious.len() - 10));
    }
    let notes = findings.len() - serious.len();
    if notes > 0 {
        let notes = count(notes as u64, "file that nothing explains", "files that nothing explains");
        out += &render::line("behaviour", &render::dim(&format!("{notes}: `provost inspect` names them")));
    }
    out
}
