//! What was run, what it made, and what flows between steps.

use std::collections::{BTreeMap, BTreeSet};

use provost_attest::predicate::{self, Process};
use provost_model::{FileKind, Level, RuleResult, RuleState};

use super::{Item, Judge, Run};
use crate::document::{ObservationWanted, Step};

impl<'a> Judge<'a> {
    pub(super) fn process(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.process.iter().map(|(i, _)| *i).collect();
        let commands: Vec<_> = run.process.iter().map(|(_, p)| p.command()).collect();
        if commands.is_empty() {
            // Steps that are proved by other statements (a scan, a review) have no command.
            if step.require.iter().any(|r| r == predicate::PROCESS) {
                self.push(
                    rules,
                    "step-succeeded",
                    name,
                    RuleState::NoEvidence,
                    "there is no process attestation".into(),
                    &[],
                    None,
                );
            }
            return;
        }
        let failed = commands.iter().any(|c| !c.is_some_and(|c| c.ending.is_some_and(|e| e.is_success())));
        let (state, reason) = if failed {
            let how = commands
                .iter()
                .flatten()
                .map(|c| c.ending.map_or_else(|| "not seen".into(), |e| e.to_string()))
                .collect::<Vec<_>>()
                .join(", ");
            (RuleState::NotSatisfied, format!("the command did not succeed: {how}"))
        } else {
            (RuleState::Satisfied, "the command ended with status 0".to_owned())
        };
        self.push(
            rules,
            "step-succeeded",
            name,
            state,
            reason,
            &items,
            Some("mend the build; evidence of a failed step releases nothing"),
        );
        if let Some(expected) = &step.command {
            let same = commands.iter().all(|c| c.is_some_and(|c| c.arguments == *expected));
            let (state, reason) = if same {
                (RuleState::Satisfied, format!("it is `{}`", expected.join(" ")))
            } else {
                let ran = commands.iter().flatten().map(|c| c.arguments.join(" ")).collect::<Vec<_>>().join("`, `");
                (RuleState::NotSatisfied, format!("`{ran}` was run, permitted is `{}`", expected.join(" ")))
            };
            self.push(
                rules,
                "step-command",
                name,
                state,
                reason,
                &items,
                Some("run the permitted command, or have the policy changed"),
            );
        }
        let left: u32 = run.process.iter().map(|(_, p)| p.completeness.left_running).sum();
        let (state, reason) = if left == 0 {
            (RuleState::Satisfied, "nothing was left running".to_owned())
        } else {
            (
                RuleState::NotSatisfied,
                format!("{left} processes were still running: they may have changed files afterwards"),
            )
        };
        self.push(
            rules,
            "nothing-left-running",
            name,
            state,
            reason,
            &items,
            Some("stop build daemons, for example with `--no-daemon`"),
        );
    }

    /// How the run was watched, and what it did against its guard.
    pub(super) fn observed(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.process.iter().map(|(i, _)| *i).collect();
        let processes: Vec<&Process> = run.process.iter().map(|(_, p)| p).collect();
        if let Some(wanted) = self.policy.build.observation {
            let fault = processes.iter().find_map(|process| {
                let seen = &process.completeness;
                if seen.back_end.is_empty() || seen.back_end == "none" {
                    return Some(format!("nobody watched the command: {}", seen.not_used.join("; ")));
                }
                if wanted == ObservationWanted::Complete && !seen.complete {
                    let mut why = seen.incomplete.clone();
                    why.extend(seen.delegated.iter().map(|service| format!("work was handed to {service}")));
                    if let Some(lost @ 1..) = seen.events_lost {
                        why.push(format!("{lost} events were lost"));
                    }
                    return Some(format!("the observation is not complete: {}", why.join("; ")));
                }
                None
            });
            let (state, reason) = match fault {
                _ if processes.is_empty() => {
                    (RuleState::NoEvidence, "no process attestation says how it was watched".into())
                }
                Some(why) => (RuleState::NotSatisfied, why),
                None => (
                    RuleState::Satisfied,
                    "watched from the kernel's side, and complete as far as was asked".to_owned(),
                ),
            };
            let advice = Some("run it where seccomp notification works, without build daemons");
            self.push(rules, "build-observed", name, state, reason, &items, advice);
        }
        if self.policy.build.require_prevent {
            let (state, reason) = if processes.is_empty() {
                (RuleState::NoEvidence, "no process attestation says what the run was held to".to_owned())
            } else if processes.iter().all(|p| p.guard.mode == "prevent") {
                (RuleState::Satisfied, "the guard was in mode prevent".to_owned())
            } else {
                (RuleState::NotSatisfied, "the guard was not in mode prevent".to_owned())
            };
            let advice = Some("set `mode = \"prevent\"` in [guard] of provost.toml");
            self.push(rules, "build-guarded", name, state, reason, &items, advice);
        }
        let held: Vec<&&Process> = processes.iter().filter(|p| !p.guard.mode.is_empty()).collect();
        if held.is_empty() {
            return;
        }
        let count: usize = held.iter().map(|p| p.guard.violation_count).sum();
        let prevents = held.iter().any(|p| p.guard.mode == "prevent");
        let first = held.iter().flat_map(|p| &p.guard.violations).next();
        let example = first.map(|v| format!(", the first: {}: {}", v.kind, v.what)).unwrap_or_default();
        let (state, reason) = match (count, prevents) {
            (0, _) => (RuleState::Satisfied, "nothing was done against the guard".to_owned()),
            (_, true) => (RuleState::NotSatisfied, format!("{count} violations{example}")),
            (_, false) => {
                (RuleState::NotApplicable, format!("{count} violations were recorded and let through{example}"))
            }
        };
        let advice = Some("see them with `provost inspect`; what is right can be allowed with `provost run --learn`");
        self.push(rules, "guard-kept", name, state, reason, &items, advice);
    }

    /// Suspicious behaviour that was found in the run.
    pub(super) fn behaviour(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.process.iter().map(|(i, _)| *i).collect();
        let watched = run.process.iter().any(|(_, p)| !p.guard.mode.is_empty());
        if !watched {
            return;
        }
        // A note is worth knowing, and no reason to stop.
        let serious: Vec<_> =
            run.process.iter().flat_map(|(_, p)| &p.guard.findings).filter(|f| f.level > Level::Note).collect();
        let (state, reason) = match serious.first() {
            None => (RuleState::Satisfied, "nothing suspicious was found".to_owned()),
            Some(first) => (
                RuleState::NotSatisfied,
                format!("{} findings, the first: {}: {}", serious.len(), first.rule, first.message),
            ),
        };
        let advice = Some("see them with `provost inspect`, and docs/behaviour.md for what each means");
        self.push(rules, "behaviour", name, state, reason, &items, advice);
    }

    pub(super) fn listed(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.artifacts.iter().map(|(i, _)| *i).collect();
        let Some(artifact) = self.facts.artifact.filter(|_| !run.artifacts.is_empty()) else { return };
        if self.consumes(run, &artifact) && !self.covers(run, &artifact) {
            let reason = "this step took the artifact in and did not make it".to_owned();
            self.push(rules, "artifact-listed", name, RuleState::NotApplicable, reason, &items, None);
            return;
        }
        let feeds = self.policy.steps.iter().any(|s| s.materials_from.contains(&step.name));
        // Every artifacts attestation of the run must list it: two that differ are not both true.
        let all = run.artifacts.iter().all(|(_, a)| self.lists(&a.files, &artifact));
        let (state, reason) = if all {
            (RuleState::Satisfied, "its digest is in the list of what the step made".to_owned())
        } else if feeds {
            (RuleState::NotApplicable, "a later step made it from this step's products".to_owned())
        } else {
            (RuleState::NotSatisfied, "its digest is not in the list of what the step made".to_owned())
        };
        self.push(
            rules,
            "artifact-listed",
            name,
            state,
            reason,
            &items,
            Some("this file was not made, or was changed after it was made"),
        );
    }

    pub(super) fn flow(
        &self,
        step: &Step,
        run: &Run<'a>,
        chosen: &BTreeMap<String, Vec<Run<'a>>>,
        rules: &mut Vec<RuleResult>,
    ) {
        if step.materials_from.is_empty() {
            return;
        }
        let name = Some(step.name.as_str());
        let mut items: Vec<&Item> = run.materials.iter().map(|(i, _)| *i).collect();
        let hidden = run
            .materials
            .iter()
            .any(|(_, m)| m.files.entries.is_none() && !self.evidence.file_lists.contains_key(&m.files.leaves));
        if hidden {
            let reason = "the list of materials is too long for the statement and its blob is not at hand".to_owned();
            self.push(
                rules,
                "artifact-flow",
                name,
                RuleState::NoEvidence,
                reason,
                &items,
                Some("verify where the store is, or export the evidence with --with-lists"),
            );
            return;
        }
        let (mut names, mut digests) = (BTreeMap::new(), BTreeSet::new());
        // Judged alone, a step is held against whatever earlier runs are at hand.
        let at_hand: Vec<Run<'a>> = match self.facts.only_step {
            Some(_) => step.materials_from.iter().flat_map(|from| self.runs_of(from)).collect(),
            None => Vec::new(),
        };
        for earlier in step.materials_from.iter().filter_map(|from| chosen.get(from)).flatten().chain(&at_hand) {
            items.extend(earlier.artifacts.iter().map(|(i, _)| *i));
            for entry in earlier.artifacts.iter().flat_map(|(_, a)| self.entries(&a.files)) {
                if let Some(digest) = entry.digest.filter(|_| entry.kind == FileKind::File) {
                    names.entry(entry.name.text.clone()).or_insert_with(BTreeSet::new).insert(digest);
                    digests.insert(digest);
                }
            }
        }
        let mut globs = globset::GlobSetBuilder::new();
        for glob in step.materials_match.iter().filter_map(|g| globset::Glob::new(g).ok()) {
            globs.add(glob);
        }
        let globs = globs.build().unwrap_or_else(|_| globset::GlobSet::empty());
        let (mut same, mut wrong) = (0_usize, Vec::new());
        for (path, digest) in self.materials(run) {
            let concerned =
                if step.materials_match.is_empty() { names.contains_key(path) } else { globs.is_match(path) };
            if !concerned {
                continue;
            }
            let fits =
                if step.materials_match.is_empty() { names[path].contains(&digest) } else { digests.contains(&digest) };
            if fits {
                same += 1;
            } else {
                wrong.push(path.to_owned());
            }
        }
        let from = step.materials_from.join(", ");
        let (state, reason) = if !wrong.is_empty() {
            let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            (RuleState::NotSatisfied, format!("{} materials are not as {from} made them: {shown}", wrong.len()))
        } else if same == 0 {
            // Nothing in common proves nothing.
            (RuleState::NotSatisfied, format!("not one material comes from {from}"))
        } else {
            (RuleState::Satisfied, format!("{same} materials are exactly as {from} made them"))
        };
        self.push(
            rules,
            "artifact-flow",
            name,
            state,
            reason,
            &items,
            Some("run the steps in order on the same files"),
        );
    }
}
