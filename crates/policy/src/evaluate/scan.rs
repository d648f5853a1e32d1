//! What a scan of the artifact found: there, recent, complete, and nothing in it that the policy refuses
//! (SP 800-204D 5.2, DEPLOY-4).

use provost_attest::predicate::{self, Occurrence, ScanResult, Vulns};
use provost_model::{RuleResult, RuleState, Timestamp, count};

use super::{Item, Judge, SKEW_MILLISECONDS};
use crate::document::{ScanException, ScanRules, Severity};
use crate::licence::LicenceRules;

/// Findings that a reason names; the rest is counted.
const NAMED: usize = 8;

/// The severity of a result; none where nobody says.
fn severity(result: &ScanResult) -> Option<Severity> {
    let of_score = |score: f64| match score {
        s if s >= 9.0 => Severity::Critical,
        s if s >= 7.0 => Severity::High,
        s if s >= 4.0 => Severity::Medium,
        s if s > 0.0 => Severity::Low,
        _ => Severity::None,
    };
    let of = |text: &str| match text.parse::<f64>() {
        Ok(score) if score.is_finite() => Some(of_score(score)),
        _ => match text.to_ascii_lowercase().as_str() {
            "critical" => Some(Severity::Critical),
            "high" | "important" => Some(Severity::High),
            "medium" | "moderate" => Some(Severity::Medium),
            "low" => Some(Severity::Low),
            "none" | "negligible" => Some(Severity::None),
            _ => None,
        },
    };
    result.severity.iter().filter_map(|one| of(&one.score)).max()
}

/// A purl without version, qualifiers and subpath.
fn without_version(purl: &str) -> &str {
    let end = purl.find(['?', '#']).unwrap_or(purl.len());
    let purl = &purl[..end];
    // A scope's `@` is written `%40` in a purl: the last `@` begins the version.
    purl.rsplit_once('@').map_or(purl, |(name, _)| name)
}

fn shortened(mut list: Vec<String>) -> String {
    let all = list.len();
    list.truncate(NAMED);
    if all > NAMED {
        list.push(format!("and {} more", all - NAMED));
    }
    list.join("; ")
}

impl<'a> Judge<'a> {
    pub(super) fn scan(&self, rules: &mut Vec<RuleResult>) {
        let Some(wanted) = &self.policy.scan else { return };
        let Some(artifact) = self.facts.artifact else { return };
        // While a step runs nothing of it can have been scanned yet.
        if self.facts.only_step.is_some() || self.facts.before_logging {
            return;
        }
        let mut refused = Vec::new();
        let mut candidates: Vec<(&Item, Vulns)> = Vec::new();
        for item in &self.evidence.statements {
            let statement = item.value();
            let about = statement.subject.iter().any(|subject| subject.sha256() == Some(artifact));
            if statement.predicate_type != predicate::VULNS || !about {
                continue;
            }
            match self.usable(item, wanted) {
                Ok(vulns) => candidates.push((item, vulns)),
                Err(why) => refused.push(why),
            }
        }
        candidates.sort_by_key(|(item, vulns)| (vulns.metadata.scan_finished_on, item.envelope()));
        let Some((item, vulns)) = candidates.pop() else {
            let (state, reason) = if refused.is_empty() {
                (RuleState::NoEvidence, "no scan speaks of the artifact".to_owned())
            } else {
                (RuleState::NotSatisfied, shortened(refused))
            };
            let hint = "scan it with `provost scan image … --attest` or `provost scan deps … --attest`";
            self.push(rules, "scan-present", None, state, reason, &[], Some(hint));
            return;
        };
        let finished = vulns.metadata.scan_finished_on;
        let days = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        let old = wanted.max_age_days > 0 && finished.plus_days(days(wanted.max_age_days)) < self.facts.now;
        let (state, reason) = if old {
            (RuleState::NotSatisfied, format!("the scan is of {finished}, older than {} days", wanted.max_age_days))
        } else {
            (
                RuleState::Satisfied,
                format!("scanned on {finished} with {} {}", vulns.scanner.uri, vulns.scanner.version),
            )
        };
        let hint = Some("scan again: `provost recheck` judges stored scans anew, without the images");
        self.push(rules, "scan-present", None, state, reason, &[item], hint);
        self.scan_complete(wanted, item, &vulns, rules);
        self.vulnerabilities(wanted, item, &vulns, rules);
        self.licences(wanted, item, &vulns, rules);
        self.ages(wanted, item, &vulns, rules);
        self.image(wanted, item, &vulns, rules);
    }

    /// A scan that may count: by who may sign it, in the log where that is asked for, and not of the future.
    fn usable(&self, item: &Item, wanted: &ScanRules) -> Result<Vulns, String> {
        let vulns: Vulns =
            item.value().predicate_as(predicate::VULNS).map_err(|error| format!("a scan cannot be read: {error}"))?;
        let mut why = None;
        let mut valid = false;
        for (key, identity) in item.signers() {
            for functionary in self.named(&wanted.functionaries, key, identity) {
                match self.valid(functionary, item, identity) {
                    Ok(()) => valid = true,
                    Err(error) => why = Some(error),
                }
            }
        }
        if !valid {
            return Err(why.unwrap_or_else(|| {
                let who = item.signers().keys().map(|k| k.digest().short()).collect::<Vec<_>>().join(", ");
                format!("a scan is signed by {who}, who may not sign scans")
            }));
        }
        if self.policy.evidence.require_log && item.logged().is_none() {
            return Err("a scan has no proof of a known log".to_owned());
        }
        let finished = vulns.metadata.scan_finished_on;
        if finished.milliseconds() > self.facts.now.milliseconds() + SKEW_MILLISECONDS {
            return Err(format!("a scan is dated {finished}, which is in the future"));
        }
        Ok(vulns)
    }

    fn scan_complete(&self, wanted: &ScanRules, item: &Item, vulns: &Vulns, rules: &mut Vec<RuleResult>) {
        let limit = i64::try_from(wanted.max_database_age_days).unwrap_or(i64::MAX);
        let too_old = |time: &Timestamp| limit > 0 && time.plus_days(limit) < self.facts.now;
        let old: Vec<String> = match &vulns.scan {
            Some(scan) if !scan.as_of.is_empty() => scan
                .as_of
                .iter()
                .filter(|(_, time)| too_old(time))
                .map(|(name, time)| format!("the data of {name} is of {time}"))
                .collect(),
            _ if too_old(&vulns.scanner.db.last_update) => {
                vec![format!("the data is of {}", vulns.scanner.db.last_update)]
            }
            _ => Vec::new(),
        };
        let (state, reason) = if !old.is_empty() {
            let reason = format!("{}, older than {} days", shortened(old), wanted.max_database_age_days);
            (RuleState::NotSatisfied, reason)
        } else {
            match &vulns.scan {
                None if wanted.allow_incomplete => {
                    (RuleState::NotApplicable, "the scan does not say whether it is complete".to_owned())
                }
                None => (RuleState::NotSatisfied, "the scan does not say whether it is complete".to_owned()),
                Some(scan) if scan.complete => {
                    let packages = count(scan.packages, "package", "packages");
                    (RuleState::Satisfied, format!("{packages} found, all of them judged"))
                }
                Some(scan) if wanted.allow_incomplete => (
                    RuleState::Satisfied,
                    format!("not complete, which is permitted: {}", shortened(scan.gaps.clone())),
                ),
                Some(scan) => {
                    (RuleState::NotSatisfied, format!("not everything was judged: {}", shortened(scan.gaps.clone())))
                }
            }
        };
        let hint = "update the advisory database, and scan again; `allow-incomplete` permits what cannot be judged";
        self.push(rules, "scan-complete", None, state, reason, &[item], Some(hint));
    }

    /// Why a result is refused, if it is.
    fn refuses(&self, wanted: &ScanRules, result: &ScanResult, at: &Occurrence) -> Option<String> {
        let known = |id: &str| result.id == id || at.aliases.iter().any(|alias| alias == id);
        let excepted = wanted.exceptions.iter().any(|one| {
            known(&one.id)
                && self.facts.now <= one.until
                && one.package.as_ref().is_none_or(|package| without_version(&at.purl) == without_version(package))
        });
        if excepted || matches!(at.vex.as_deref(), Some("not_affected" | "fixed")) {
            return None;
        }
        let denies = |kind: &str| wanted.deny.iter().any(|denied| denied == kind);
        let name = format!("{} in {}", result.id, if at.purl.is_empty() { "a package" } else { &at.purl });
        match at.kind.as_str() {
            "malicious" => return Some(format!("{name} is an attack")),
            "lock-other-package" => return Some(format!("{name}: a lock says another package than it holds")),
            "" | "vulnerability" => {}
            // What the scanner was asked for; the policy has rules of its own for these.
            "licence" | "young" => return None,
            kind if kind.starts_with("lock-") => return denies("lock").then(|| format!("{name}: {kind}")),
            "not-as-locked" | "not-locked" => return denies("drift").then(|| format!("{name}: {}", at.kind)),
            other => return denies(other).then(|| format!("{name}: {other}")),
        }
        if at.exploited.is_some() {
            return Some(format!("{name} is known to be exploited"));
        }
        let severity = severity(result);
        // Where a scan does not say how near a package is, the strictest holds.
        let limit = match &at.reach {
            Some(grade) => *wanted.fail_on_reach.get(grade).unwrap_or(&wanted.fail_on),
            None => wanted.fail_on_reach.values().copied().chain([wanted.fail_on]).min().unwrap_or(Severity::None),
        };
        if severity.is_some_and(|severity| severity < limit)
            || (wanted.ignore_unfixed && at.fixed.is_none())
            || (wanted.ignore_development && at.development)
        {
            return None;
        }
        if let Some(severity) = severity
            && let Some(days) = wanted.grace_days.get(&severity)
            && let Some(published) = at.published
            && published.plus_days(i64::try_from(*days).unwrap_or(i64::MAX)) >= self.facts.now
        {
            return None;
        }
        let severity = severity.map_or_else(|| "of unknown severity".to_owned(), |s| format!("{s:?}").to_lowercase());
        let fixed = at.fixed.as_ref().map(|fixed| format!(", fixed in {fixed}")).unwrap_or_default();
        Some(format!("{name} ({severity}{fixed})"))
    }

    fn vulnerabilities(&self, wanted: &ScanRules, item: &Item, vulns: &Vulns, rules: &mut Vec<RuleResult>) {
        let mut refused = Vec::new();
        for result in &vulns.scanner.result {
            // A scan that does not say where it found something means the artifact itself.
            let unknown = [Occurrence::default()];
            let places = if result.annotations.is_empty() { &unknown[..] } else { &result.annotations };
            refused.extend(places.iter().filter_map(|at| self.refuses(wanted, result, at)));
        }
        let (state, reason) = if refused.is_empty() {
            let known = vulns.scanner.result.len();
            let reason = if known == 0 {
                "nothing is known against its packages".to_owned()
            } else {
                format!(
                    "{}, none of which the policy refuses",
                    count(known as u64, "advisory applies", "advisories apply")
                )
            };
            (RuleState::Satisfied, reason)
        } else {
            (RuleState::NotSatisfied, shortened(refused))
        };
        let hint = "update the packages, or have whoever signs the policy add an exception with a reason and an end";
        self.push(rules, "vulnerabilities", None, state, reason, &[item], Some(hint));
    }

    fn licences(&self, wanted: &ScanRules, item: &Item, vulns: &Vulns, rules: &mut Vec<RuleResult>) {
        if wanted.denied_licences.is_empty() && wanted.permitted_licences.is_empty() {
            return;
        }
        let Some(scan) = &vulns.scan else {
            let reason = "the scan says nothing of licences".to_owned();
            self.push(rules, "licences", None, RuleState::NoEvidence, reason, &[item], Some("scan with provost"));
            return;
        };
        let rules_of_licences =
            LicenceRules { permitted: wanted.permitted_licences.clone(), denied: wanted.denied_licences.clone() };
        let refused: Vec<String> = scan
            .licences
            .iter()
            .filter(|(expression, _)| !rules_of_licences.permits(expression))
            .map(|(expression, number)| format!("{expression} ({})", count(*number, "package", "packages")))
            .collect();
        let (state, reason) = if refused.is_empty() {
            (
                RuleState::Satisfied,
                format!("{} stated, all permitted", count(scan.licences.len() as u64, "licence", "licences")),
            )
        } else {
            (RuleState::NotSatisfied, format!("not permitted: {}", shortened(refused)))
        };
        self.push(rules, "licences", None, state, reason, &[item], Some("replace the packages, or permit the licence"));
    }

    fn ages(&self, wanted: &ScanRules, item: &Item, vulns: &Vulns, rules: &mut Vec<RuleResult>) {
        if wanted.min_age_days == 0 {
            return;
        }
        let Some(releases) = vulns.scan.as_ref().and_then(|scan| scan.releases.as_ref()) else {
            let reason = "the scan does not say when packages were published".to_owned();
            self.push(rules, "dependency-age", None, RuleState::NoEvidence, reason, &[item], Some("scan with provost"));
            return;
        };
        let days = i64::try_from(wanted.min_age_days).unwrap_or(i64::MAX);
        let young = releases.recent.iter().filter(|(_, released)| released.plus_days(days) > self.facts.now);
        let excepted = |purl: &str| {
            let of = |package: &String| without_version(purl) == without_version(package);
            let about = |one: &&ScanException| one.id == "young" && one.package.as_ref().is_none_or(of);
            wanted.exceptions.iter().filter(about).any(|one| self.facts.now <= one.until)
        };
        let mut wrong: Vec<String> = young
            .filter(|(purl, _)| !excepted(purl))
            .map(|(purl, released)| format!("{purl} was published on {released}"))
            .collect();
        if releases.not_known > 0 && !wanted.allow_unknown_age {
            let number = count(releases.not_known, "package", "packages");
            wrong.push(format!("of {number} it is not known when they were published"));
        }
        let (state, reason) = if wrong.is_empty() {
            let known = count(releases.known, "package", "packages");
            (RuleState::Satisfied, format!("{known} published at least {days} days ago"))
        } else {
            (RuleState::NotSatisfied, shortened(wrong))
        };
        let hint = "wait, take older versions, or import when they were published: `provost db import --releases`";
        self.push(rules, "dependency-age", None, state, reason, &[item], Some(hint));
    }

    fn image(&self, wanted: &ScanRules, item: &Item, vulns: &Vulns, rules: &mut Vec<RuleResult>) {
        let asks_age = wanted.max_image_age_days > 0 || wanted.max_base_age_days > 0;
        if wanted.base_images.is_empty() && wanted.deny_image.is_empty() && !asks_age {
            return;
        }
        let Some(image) = vulns.scan.as_ref().and_then(|scan| scan.image.as_ref()) else {
            let reason = "the scan is of no image".to_owned();
            self.push(rules, "image", None, RuleState::NotApplicable, reason, &[item], None);
            return;
        };
        let mut wrong = Vec::new();
        if !wanted.base_images.is_empty() && !wanted.base_images.iter().any(|base| image.chain.contains(base)) {
            wrong.push("it is built on none of the permitted base images".to_owned());
        }
        let old = |limit: u64, made: Option<Timestamp>, what: &str| {
            let limit = i64::try_from(limit).ok().filter(|limit| *limit > 0)?;
            match made {
                None => Some(format!("it is not known when {what} was made")),
                Some(made) if made.plus_days(limit) < self.facts.now => {
                    Some(format!("{what} was made on {made}, more than {limit} days ago"))
                }
                Some(_) => None,
            }
        };
        wrong.extend(old(wanted.max_image_age_days, image.created, "the image"));
        // The base is what the policy names; where it names none, the lowest layer.
        let named = wanted.base_images.iter().filter_map(|base| image.chain.iter().position(|id| id == base)).max();
        let at = named.unwrap_or(0);
        wrong.extend(old(wanted.max_base_age_days, image.chain_created.get(at).copied().flatten(), "its base"));
        for rule in &wanted.deny_image {
            if let Some(number) = image.findings.get(rule) {
                wrong.push(format!("{rule}: {}", count(*number, "finding", "findings")));
            }
        }
        let (state, reason) = if wrong.is_empty() {
            (RuleState::Satisfied, format!("image {} of {}", image.manifest, image.platform))
        } else {
            (RuleState::NotSatisfied, wrong.join("; "))
        };
        self.push(
            rules,
            "image",
            None,
            state,
            reason,
            &[item],
            Some("build on a permitted base, and mend what was found"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purls_lose_their_version_only() {
        assert_eq!(without_version("pkg:npm/%40scope/a@1.0.0?x=y#z"), "pkg:npm/%40scope/a");
        assert_eq!(without_version("pkg:npm/%40scope/a"), "pkg:npm/%40scope/a");
    }
}
