//! Issues as findings: rule, level, message, what to do.

use provost_deps::{Collected, Fault, Flaw, Issue, Kind, Reach, Severity, Source, advice};
use provost_formats::sarif::RuleText;
use provost_model::{Finding, Level, Package, Span};

/// The rules, as reports describe them.
pub(crate) const RULES: &[RuleText<'static>] = &[
    RuleText {
        id: "vulnerable-dependency",
        text: "A dependency has a known vulnerability",
        help: "Update to a version that is free of it, or say with a VEX statement why it does not matter.",
        level: Level::Error,
    },
    RuleText {
        id: "malicious-dependency",
        text: "A dependency is an attack",
        help: "Remove it; treat the secrets of every machine that installed it as known to the attacker.",
        level: Level::Error,
    },
    RuleText {
        id: "unmaintained-dependency",
        text: "Nobody looks after a dependency any more",
        help: "Replace it with something that is looked after.",
        level: Level::Warning,
    },
    RuleText {
        id: "unsound-dependency",
        text: "Safe code can break the rules of memory with a dependency",
        help: "Update or replace it.",
        level: Level::Warning,
    },
    RuleText {
        id: "noticed-dependency",
        text: "Its database has a notice about a dependency",
        help: "Read the notice.",
        level: Level::Note,
    },
    RuleText {
        id: "deprecated-dependency",
        text: "The authors of a dependency advise against its use",
        help: "Replace it as they advise.",
        level: Level::Warning,
    },
    RuleText {
        id: "yanked-dependency",
        text: "The version of a dependency was taken back",
        help: "Take another version.",
        level: Level::Warning,
    },
    RuleText {
        id: "lock-other-package",
        text: "An entry of a lock is another package, or another version, than it says",
        help: "Do not install from this lock: find out who wrote that, and lock anew from the manifest.",
        level: Level::Error,
    },
    RuleText {
        id: "lock-unprotected",
        text: "A locked package comes over a connection that anyone on the way can change",
        help: "Let it come over https.",
        level: Level::Error,
    },
    RuleText {
        id: "lock-foreign-host",
        text: "A locked package comes from a host that is neither public nor the one of the others",
        help: "Lock anew from the registry of the others, or name the host with --registry.",
        level: Level::Warning,
    },
    RuleText {
        id: "lock-unpinned",
        text: "A locked package comes from a repository by a name that can move",
        help: "Lock it to a commit, by its whole name.",
        level: Level::Warning,
    },
    RuleText {
        id: "lock-no-digest",
        text: "A locked package has no digest, and most others have one",
        help: "Lock anew: the manager writes the digest then.",
        level: Level::Warning,
    },
    RuleText {
        id: "lock-weak-digest",
        text: "A locked package has only a digest that can be forged, and most others have a better one",
        help: "Lock anew: the manager writes a better digest then.",
        level: Level::Note,
    },
    RuleText {
        id: "lock-scope",
        text: "A lock marks a package for less than what asks for it needs it for",
        help: "Lock anew. It is judged as what asks for it says.",
        level: Level::Warning,
    },
    RuleText {
        id: "package-not-as-locked",
        text: "A package is installed, or was read in a run, in another version than locked",
        help: "Install from the lock again, or find out who changed it.",
        level: Level::Warning,
    },
    RuleText {
        id: "package-not-locked",
        text: "A package is installed, or was read in a run, that no lock of the project names",
        help: "Find out who put it there; ask for it and lock it, or install from the lock again.",
        level: Level::Warning,
    },
    RuleText {
        id: "licence-not-permitted",
        text: "The licence of a dependency is none that is permitted",
        help: "Replace it, or have whoever answers for licences permit this one.",
        level: Level::Error,
    },
    RuleText {
        id: "young-dependency",
        text: "The version of a dependency was published too short a time ago",
        help: "Wait, or take an older version.",
        level: Level::Error,
    },
];

/// A package and its version for people.
pub(crate) fn name_of(package: &Package) -> String {
    match &package.version {
        Some(version) => format!("{} {version}", package.name),
        None => package.name.clone(),
    }
}

/// The id of a fault's rule.
pub(crate) fn rule_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Advisory(one) => match one.kind {
            Kind::Vulnerability => "vulnerable-dependency",
            Kind::Malicious => "malicious-dependency",
            Kind::Unmaintained => "unmaintained-dependency",
            Kind::Unsound => "unsound-dependency",
            Kind::Notice => "noticed-dependency",
        },
        Fault::Deprecated { .. } => "deprecated-dependency",
        Fault::Yanked => "yanked-dependency",
        Fault::Lock { flaw } => flaw.id(),
        Fault::NotAsLocked { .. } => "package-not-as-locked",
        Fault::NotLocked { .. } => "package-not-locked",
        Fault::Licence { .. } => "licence-not-permitted",
        Fault::Young { .. } => "young-dependency",
    }
}

fn level_of(fault: &Fault) -> Level {
    match fault {
        Fault::Advisory(one) if one.kind == Kind::Vulnerability => match one.rating.severity {
            Severity::Critical | Severity::High => Level::Error,
            Severity::Medium | Severity::Unknown => Level::Warning,
            Severity::Low | Severity::None => Level::Note,
        },
        other => RULES.iter().find(|rule| rule.id == rule_of(other)).map_or(Level::Warning, |rule| rule.level),
    }
}

/// The finding of an issue. It stays the same when the file's lines move and when other packages come and go.
pub(crate) fn of(collected: &Collected, issue: &Issue) -> Finding {
    let source = &collected.sources[issue.source];
    let package = &source.inventory.packages[issue.package];
    let name = name_of(package);
    let (message, about) = match &issue.fault {
        Fault::Advisory(one) => {
            let summary = if one.summary.is_empty() { "no summary is given" } else { &one.summary };
            (format!("{name}: {}: {summary}", one.id), one.id.clone())
        }
        Fault::Deprecated { text } => (format!("{name} is deprecated: {text}"), String::new()),
        Fault::Yanked => (format!("{name} was yanked"), String::new()),
        other => (format!("{name} {}", said_of(other, is_read(source))), String::new()),
    };
    let version = package.version.as_deref().unwrap_or_default();
    let rule = rule_of(&issue.fault);
    let mut finding = Finding::new(
        rule,
        level_of(&issue.fault),
        message,
        &[package.ecosystem.purl_type(), &package.name, version, &about],
    )
    .in_file(&source.path);
    finding.span =
        package.line.map(|line| Span { offset: 0, length: 0, line, column: 1, end_line: line, end_column: 1 });
    if let Fault::Advisory(one) = &issue.fault {
        finding.why.extend(reasons(one));
    }
    if let Some(path) = path_of(collected, issue) {
        finding.why.push(format!("comes in by {path}"));
    }
    finding.help = Some(advice(&source.inventory, issue));
    finding
}

/// What is wrong, in words that go on from the package's name; empty for what is told by an advisory or by its authors.
/// `read` is true for what a run read and nothing tells to be installed.
pub(crate) fn said_of(fault: &Fault, read: bool) -> String {
    let there = if read { "was read" } else { "is installed" };
    match fault {
        Fault::Advisory(_) | Fault::Deprecated { .. } | Fault::Yanked => String::new(),
        Fault::Lock { flaw } => match flaw {
            Flaw::OtherPackage { how } => format!("is locked as another package: {how}"),
            Flaw::Unprotected { url } => format!("comes over an unprotected connection: {url}"),
            Flaw::ForeignHost { host, usual } => match usual {
                Some(usual) => format!("comes from {host}, the others from {usual}"),
                None => format!("comes from {host}, which is no public registry"),
            },
            Flaw::Unpinned { url } => format!("comes from {url} without a commit that pins it"),
            Flaw::NoDigest => "has no digest, unlike the others".to_owned(),
            Flaw::WeakDigest { algorithm } => format!("has only a {algorithm}, the others have better digests"),
            Flaw::Scope { claimed } => {
                let marks: Vec<&str> = claimed.iter().map(|scope| super::list::scope_name(*scope)).collect();
                format!("is marked for {} only; what asks for it needs it for more", marks.join(", "))
            }
        },
        Fault::NotAsLocked { locked, lock } => format!("{there}, and {lock} locks {}", locked.join(", ")),
        Fault::NotLocked { lock } => format!("{there}, and {lock} does not name it"),
        Fault::Licence { expression } => format!("has the licence {expression}, which is not permitted"),
        Fault::Young { released, days, by } => {
            let since = provost_model::count(days.unsigned_abs(), "day", "days");
            let since = if *days < 0 { "in the future".to_owned() } else { format!("{since} before") };
            format!("was published on {}, {since}, as {} says", &released.to_string()[..10], by.name())
        }
    }
}

/// True for a source that is what a run read.
pub(crate) fn is_read(source: &Source) -> bool {
    source.reader == provost_deps::READ
}

/// How near a package is to what runs, in words.
pub(crate) fn reach_text(reach: Reach) -> &'static str {
    match reach {
        Reach::Declared => "declared",
        Reach::Installed => "installed",
        Reach::Read => "read in the run",
        Reach::Linked => "the program holds the functions",
    }
}

/// What speaks for how much it matters.
pub(crate) fn reasons(one: &provost_deps::Vulnerability) -> Vec<String> {
    let mut reasons = Vec::new();
    let severity = one.rating.severity;
    match (one.rating.score, severity) {
        (Some(score), _) => reasons.push(format!("{} {score:.1}", severity.name())),
        (None, Severity::Unknown) => {}
        (None, _) => reasons.push(severity.name().to_owned()),
    }
    if let Some(day) = &one.exploited {
        reasons.push(format!("known to be exploited since {day}"));
    }
    if let Some(epss) = one.epss {
        reasons.push(format!("EPSS {:.1} %", epss.score * 100.0));
    }
    if !one.systems.is_empty() {
        reasons.push(format!("on {} only", one.systems.join(", ")));
    }
    reasons
}

/// `a 1.0 → b 2.0 → c 3.0`, where the way is known and not trivial.
pub(crate) fn path_of(collected: &Collected, issue: &Issue) -> Option<String> {
    if issue.path.len() < 2 {
        return None;
    }
    let packages = &collected.sources[issue.source].inventory.packages;
    let names: Vec<String> = issue.path.iter().map(|index| name_of(&packages[*index])).collect();
    Some(names.join(" → "))
}
