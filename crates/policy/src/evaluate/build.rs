//! The build policy of SP 800-204D 5.1.1: isolation, tools, platform, people, source.

use std::collections::BTreeSet;

use provost_attest::predicate::Environment;
use provost_model::{Digest, FactSource, RuleResult, RuleState};

use super::{Item, Judge, Run};
use crate::document::Step;

impl<'a> Judge<'a> {
    pub(super) fn build(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.environment.iter().map(|(i, _)| *i).collect();
        let environments: Vec<&Environment> = run.environment.iter().map(|(_, e)| e).collect();
        let facts =
            |fact: &str| -> Vec<&str> { environments.iter().filter_map(|e| e.fact(fact)).map(|(v, _)| v).collect() };
        if build.require_isolation {
            let answers: Vec<Option<bool>> = environments.iter().map(|e| e.keys_unreachable()).collect();
            let (state, reason) = if answers.is_empty() {
                (RuleState::NoEvidence, "no environment attestation says so".to_owned())
            } else if answers.iter().all(|a| *a == Some(true)) {
                (RuleState::Satisfied, format!("measured: {}", facts("isolation").join(", ")))
            } else {
                (RuleState::NotSatisfied, "the command could have reached the keys or the store".to_owned())
            };
            self.push(
                rules,
                "build-isolated",
                name,
                state,
                reason,
                &items,
                Some("run where the kernel has Landlock, or keep the key out of the machine"),
            );
        }
        self.tools(step, run, rules);
        self.platform(step, run, rules);
        if !build.who.is_empty() {
            let users = facts("user");
            let ok = !users.is_empty() && users.iter().all(|u| build.who.iter().any(|w| w == u));
            let state = if users.is_empty() {
                RuleState::NoEvidence
            } else if ok {
                RuleState::Satisfied
            } else {
                RuleState::NotSatisfied
            };
            let reason = format!(
                "built by {}; permitted: {}",
                if users.is_empty() { "(unknown)".into() } else { users.join(", ") },
                build.who.join(", ")
            );
            self.push(rules, "build-who", name, state, reason, &items, None);
        }
        self.source(step, run, rules);
        if !self.policy.evidence.custody.is_empty() {
            let custody: Vec<(&str, Option<FactSource>)> =
                environments.iter().filter_map(|e| e.fact("signing-key-custody")).collect();
            let ok = !custody.is_empty()
                && custody.iter().all(|(c, source)| {
                    *source == Some(FactSource::Measured) && self.policy.evidence.custody.iter().any(|w| w == c)
                });
            let state = if custody.is_empty() {
                RuleState::NoEvidence
            } else if ok {
                RuleState::Satisfied
            } else {
                RuleState::NotSatisfied
            };
            let found = custody.iter().map(|(c, _)| *c).collect::<Vec<_>>().join(", ");
            let reason = format!("the key is kept as {found}; accepted: {}", self.policy.evidence.custody.join(", "));
            self.push(
                rules,
                "key-custody",
                name,
                state,
                reason,
                &items,
                Some("sign with a token or an external signer"),
            );
        }
    }

    pub(super) fn tools(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        if build.tools.is_empty() {
            return;
        }
        let name = Some(step.name.as_str());
        let items: Vec<&Item> =
            run.environment.iter().map(|(i, _)| *i).chain(run.process.iter().map(|(i, _)| *i)).collect();
        let permitted: BTreeSet<Digest> = build.tools.values().flatten().copied().collect();
        let mut wrong = Vec::new();
        let mut seen = 0;
        for tool in run.environment.iter().flat_map(|(_, e)| e.tools()) {
            let tool_name = tool.name.as_deref().unwrap_or_default();
            let Some(listed) = build.tools.get(tool_name) else { continue };
            seen += 1;
            match tool.sha256() {
                Some(digest) if listed.contains(&digest) => {}
                Some(digest) => wrong.push(format!("{tool_name} is {digest}")),
                None => wrong.push(format!("{tool_name} has no digest")),
            }
        }
        // Whatever it is called: the program that was run is known by its digest only.
        for program in run.process.iter().filter_map(|(_, p)| p.command()?.program.as_ref()) {
            seen += 1;
            if build.only_listed_tools && !program.sha256().is_some_and(|d| permitted.contains(&d)) {
                let shown = program.sha256().map_or_else(|| "unknown".to_owned(), |d| d.to_string());
                wrong.push(format!(
                    "the command's program {} ({shown}) is not in the list",
                    program.name.as_deref().unwrap_or_default()
                ));
            }
        }
        let (state, reason) = if !wrong.is_empty() {
            (RuleState::NotSatisfied, wrong.join("; "))
        } else if seen == 0 {
            (RuleState::NoEvidence, "no tool was recorded".to_owned())
        } else {
            (RuleState::Satisfied, "every recorded tool that the policy lists is a permitted one".to_owned())
        };
        self.push(
            rules,
            "build-tools",
            name,
            state,
            reason,
            &items,
            Some("use the pinned tool, or have the policy list the new digest"),
        );
    }

    pub(super) fn platform(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        if build.builders.is_empty() && build.allow_workstation {
            return;
        }
        let name = Some(step.name.as_str());
        let items: Vec<&Item> =
            run.environment.iter().map(|(i, _)| *i).chain(run.provenance.iter().map(|(i, _)| *i)).collect();
        let mut wrong = Vec::new();
        let mut known = false;
        if !build.builders.is_empty() {
            let ids: Vec<&str> = run
                .provenance
                .iter()
                .map(|(_, p)| p.run_details.builder.id.as_str())
                .chain(self.facts.builder.as_deref().filter(|_| run.provenance.is_empty()))
                .collect();
            known |= !ids.is_empty();
            wrong.extend(
                ids.iter()
                    .filter(|id| !build.builders.iter().any(|b| b == **id))
                    .map(|id| format!("the builder `{id}` is not permitted")),
            );
            if ids.is_empty() {
                wrong.push("no provenance names the builder".to_owned());
            }
        }
        if !build.allow_workstation {
            for (_, environment) in &run.environment {
                known = true;
                if environment.fact("ci-system").is_none_or(|(value, _)| value == "none") {
                    wrong.push("it was built outside a CI system".to_owned());
                }
            }
        }
        let (state, reason) = if !wrong.is_empty() {
            (RuleState::NotSatisfied, wrong.join("; "))
        } else if known {
            (RuleState::Satisfied, "a permitted platform".to_owned())
        } else {
            (RuleState::NoEvidence, "no environment attestation names the platform".to_owned())
        };
        self.push(rules, "build-platform", name, state, reason, &items, Some("build on a permitted platform"));
    }

    pub(super) fn source(&self, step: &Step, run: &Run<'a>, rules: &mut Vec<RuleResult>) {
        let build = &self.policy.build;
        let name = Some(step.name.as_str());
        let items: Vec<&Item> = run.materials.iter().map(|(i, _)| *i).collect();
        if build.require_clean || !build.sources.is_empty() {
            let mut wrong = Vec::new();
            for (_, materials) in &run.materials {
                let Some(git) = &materials.git else {
                    wrong.push("the step did not run in a git repository".to_owned());
                    continue;
                };
                if build.require_clean && git.dirty != Some(false) {
                    wrong.push("the working tree differs from the commit".to_owned());
                }
                let uri = git.source.uri.as_deref().unwrap_or_default();
                if !build.sources.is_empty() && !build.sources.iter().any(|s| s == uri) {
                    wrong.push(format!("the source `{uri}` is not a permitted one"));
                }
            }
            let (state, reason) = if run.materials.is_empty() {
                (RuleState::NoEvidence, "there is no materials attestation".to_owned())
            } else if wrong.is_empty() {
                (RuleState::Satisfied, "a clean commit from a permitted place".to_owned())
            } else {
                (RuleState::NotSatisfied, wrong.join("; "))
            };
            self.push(
                rules,
                "source-clean",
                name,
                state,
                reason,
                &items,
                Some("commit or stash, and build from the permitted repository"),
            );
        }
        if !run.materials.is_empty() {
            let uncertain: u64 =
                run.materials.iter().map(|(_, m)| m.files.uncertain + m.files.not_listed.len() as u64).sum();
            let (state, reason) = if uncertain == 0 {
                (RuleState::Satisfied, "all materials were read and did not change meanwhile".to_owned())
            } else {
                (RuleState::NotSatisfied, format!("{uncertain} materials have no certain content"))
            };
            self.push(
                rules,
                "materials-certain",
                name,
                state,
                reason,
                &items,
                Some("see which ones with `provost inspect`"),
            );
        }
    }
}
