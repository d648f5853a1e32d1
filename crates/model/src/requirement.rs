//! The requirements of NIST SP 800-204D (February 2024), one row each, worded by us.
//!
//! The publication gives most of its statements no designator. Where it has one it is kept as printed; the other
//! ids are ours, grouped by section.

/// How strongly the body of SP 800-204D words a statement. It uses lowercase modals only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// "must", "required".
    Must,
    /// "should".
    Should,
    /// Stated as practice, without a modal verb.
    Practice,
    /// "may".
    May,
}

impl Strength {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Practice => "practice",
            Self::May => "may",
        }
    }
}

/// One requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// Stable id, e.g. `ATT-3`.
    pub id: &'static str,
    /// Section of SP 800-204D.
    pub section: &'static str,
    /// How strongly it is worded.
    pub strength: Strength,
    /// What it asks, in our words.
    pub text: &'static str,
}

impl Requirement {
    /// Looks a requirement up by its id.
    pub fn find(id: &str) -> Option<&'static Self> {
        ALL_REQUIREMENTS.iter().find(|requirement| requirement.id == id)
    }
}

const fn row(id: &'static str, section: &'static str, strength: Strength, text: &'static str) -> Requirement {
    Requirement { id, section, strength, text }
}

use Strength::{May, Must, Practice, Should};

/// Every requirement, in the order of the publication.
pub const ALL_REQUIREMENTS: &[Requirement] = &[
    row("BASE-1", "2.1", Must, "End users receive an SBOM"),
    row("BASE-2", "3.1.1", Should, "Developer machines are not part of the trusted build"),
    row("BASE-3", "3.1.3", Must, "Identity and origin of ingested components are verified"),
    row("BASE-4", "3.2", Practice, "Known-bad hosts are blocked by network policy"),
    row("BASE-5", "3.2", Practice, "Dependencies of artifacts are captured centrally"),
    row(
        "BASE-6",
        "3.2.1",
        Should,
        "Open-source components come from sources the organization trusts, exceptions are approved",
    ),
    row("BASE-7", "3.2.1", Should, "Source is preferred over precompiled components"),
    row("BASE-8", "3.2.1", Should, "New open-source components are checked at their first commit"),
    row("BASE-9", "3.2.1", Should, "Stored artifacts are rescanned for newly known defects"),
    row("BASE-10", "3.2.1", Should, "CI/CD processes are audited regularly"),
    row("BASE-11", "3.2.1", Should, "CI/CD runs isolated, with separate credentials for deployment"),
    row("BASE-12", "3.2.1", Should, "CI/CD servers are monitored in real time"),
    row("BASE-13", "3.2", Should, "Developer systems meet a minimum baseline"),
    row("SCM-1", "3.2.2", Should, "Proposed changes follow the organization's process"),
    row("SCM-2", "3.2.2", Should, "Write access to source is tightly controlled"),
    row("SCM-3", "3.2.2", Should, "Another developer reviews before merge"),
    row("SCM-4", "3.2.2", Should, "Code analysis is in place with few false positives"),
    row("TRUST-1", "4", Should, "Provenance is generated, validated and used in policy"),
    row("TRUST-2", "4.2", Should, "Entities are authenticated, then authorized"),
    row("TRUST-3", "4.2", Should, "Integrity of artifacts and repositories is ensured by verifying signatures"),
    row("TRUST-4", "4.2", Must, "Trust is established anew at every hand-off"),
    row("TRUST-5", "4.2", Should, "Inputs and outputs of each step are verified: right step, right entity"),
    row("TRUST-6", "4.2, Table 1", Must, "SBOMs and reports used for assurance are themselves trusted"),
    row("TRUST-7", "4.2, Table 1", Practice, "A verification summary does not make the store trusted"),
    row("PRE-1", "5", Practice, "The execution environment of CI is hardened"),
    row("PRE-2", "5", Practice, "Roles and granular authorizations are defined"),
    row("PRE-4", "5", Practice, "The whole pipeline is automated"),
    row("PRE-5", "5", Practice, "The driver of the pipeline runs at a higher trust than its steps"),
    row(
        "PRE-6",
        "5",
        Practice,
        "Security requirements cover application, infrastructure, policy and configuration code",
    ),
    row("PRE-7", "5.1", Practice, "Evidence follows standards and serves many platforms"),
    row("BUILD-1", "5.1.1", Must, "A build policy names the isolated platform, the tools and who may build"),
    row("BUILD-2", "5.1.1", Must, "The build policy is enforced"),
    row("BUILD-3", "5.1.1", Must, "Evidence is made while the build runs"),
    row("EVID-1", "5.1.1", Should, "The build system confirms that tools run isolated"),
    row("EVID-2", "5.1.1", Should, "Artifacts, files, materials and events are hashed"),
    row("EVID-3", "5.1.1", Practice, "Evidence is signed outside developers' control"),
    row("EVID-4", "5.1.1", Should, "The generator of evidence is trusted or isolated more than the build"),
    row("EVID-5", "5.1.1", Must, "Verification happens inside the build as it occurs"),
    row("ATT-1", "5.1.1", Must, "An environment attestation inventories the system at the time of the build"),
    row(
        "ATT-2",
        "5.1.1",
        Should,
        "A process attestation names the programs that transformed the materials (best effort)",
    ),
    row("ATT-3", "5.1.1", Practice, "A materials attestation names configuration, source and dependencies"),
    row("ATT-4", "5.1.1", Practice, "An artifacts attestation names the results, intermediate ones too"),
    row("ATT-5", "5.1.1", Must, "Attestations are signed with a secure key"),
    row("ATT-6", "5.1.1", Must, "Attestations are kept tamper-proof and access-controlled"),
    row("POL-1", "5.1.1", Practice, "The policy is a signed document"),
    row("POL-2", "5.1.1", May, "The policy checks functionaries, required attestations and how they are evaluated"),
    row("POL-3", "5.1.1", Practice, "Compliance can be traced at any time"),
    row(
        "POL-4",
        "5.1.1",
        Practice,
        "The verdict shows authorized systems, authorized tools and the right order of steps",
    ),
    row("PULL-1", "5.1.2", Must, "Requests are authenticated and fit the role; nobody approves their own merge"),
    row("PULL-2", "5.1.2", Must, "Integrity of the code in the repository can be trusted"),
    row("PULL-PUSH_REQ-1", "5.1.2", Should, "Automated checks run on every artifact of a change"),
    row("PULL-PUSH_REQ-2", "5.1.2", Should, "CI uses tools only with confidence in their origin"),
    row("PULL-PUSH_REQ-3", "5.1.2", Should, "Contributions run sandboxed, or after a maintainer's approval"),
    row("PULL-PUSH_REQ-4", "5.1.2", Must, "The posture of the source platform is evaluated and repaired"),
    row("UPD-1", "5.1.3", Should, "Signing happens only after the build policy is satisfied"),
    row("UPD-2", "5.1.3", Should, "Known attacks on hashing, signing, keys and verification are covered"),
    row("UPD-3", "5.1.3", Should, "Roles use several keys and thresholds"),
    row("UPD-4", "5.1.3", Should, "Compromise of an exposed key has little effect"),
    row("UPD-5", "5.1.3", Should, "Online keys are not what clients ultimately trust"),
    row("UPD-6", "5.1.3", Should, "Online keys are kept in hardware and used only after the policy passed"),
    row("UPD-7", "5.1.3", Must, "The framework serves many update systems"),
    row("UPD-8", "5.1.3", Must, "The framework is easy to integrate"),
    row("COMMIT-T1", "5.1.4", Should, "Static and dynamic analysis cover all languages; coverage is reported"),
    row("COMMIT-T2", "5.1.4", Must, "Open-source dependencies are enumerated and evaluated"),
    row("COMMIT-T3", "5.1.4", Must, "Conditions for inclusion are tested"),
    row("COMMIT-T4", "5.1.4", Should, "Transitive dependencies are included without a depth limit"),
    row("COMMIT-0", "5.1.4", Must, "Secrets are kept out of committed code"),
    row("COMMIT-REQ-1", "5.1.4", Practice, "Commits are evaluated against policy, secrets included"),
    row(
        "COMMIT-REQ-2",
        "5.1.4",
        Should,
        "Push protection covers all repositories, with signed commits and file-name checks",
    ),
    row("DEPLOY-0", "5.2", Should, "Verification policies allow or disallow deployment"),
    row("DEPLOY-1", "5.2", Should, "Deployable code and repositories are scanned for secrets"),
    row("DEPLOY-2", "5.2", Should, "Vulnerable versions are visible before merge"),
    row("DEPLOY-3", "5.2", Should, "Only images from the secure build are deployed"),
    row("DEPLOY-4", "5.2", Should, "Images are scanned, attested, and allowed or blocked by policy"),
    row("DEPLOY-5", "5.2", Should, "Release build scripts are checked for malicious code"),
    row("DEPLOY-5a", "5.2", Should, "Images are scanned as soon as they are built"),
    row("DEPLOY-5b", "5.2", Should, "Repository tools integrate with deployment"),
    row("GITOPS-1", "5.2.1", Should, "Automation is used instead of manual work"),
    row("GITOPS-2", "5.2.1", Should, "All data on released packages is preserved"),
    row("GITOPS-3", "5.2.1", Should, "Nothing is changed by hand at run time"),
    row("GITOPS-4", "5.2.1", Should, "Drift is found, and repaired or raised"),
    row(
        "STRAT-1a",
        "5.3",
        Practice,
        "Builds are verified by tamper-proof pipelines with visible dependencies and steps",
    ),
    row("STRAT-1b", "5.3", Practice, "Each delivery step has a checklist with controls that enforce it"),
    row("STRAT-2", "5.3", Practice, "Integrity and provenance are ensured by signatures and attestations"),
    row("STRAT-3", "5.3", Should, "Code older than a set period is not launched"),
    row("STRAT-4", "5.3", Practice, "CI clients are protected from theft of source, keys and credentials"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        for (i, a) in ALL_REQUIREMENTS.iter().enumerate() {
            assert!(ALL_REQUIREMENTS[i + 1..].iter().all(|b| b.id != a.id), "{} is there twice", a.id);
            assert_eq!(Requirement::find(a.id), Some(a));
        }
    }
}
