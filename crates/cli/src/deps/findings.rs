//! Issues as findings: rule, level, message, what to do.

use provost_deps::{Collected, Fault, Issue, Kind, Severity, advice};
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
