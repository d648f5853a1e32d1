//! A host that the last passing run did not connect to.

use provost_model::{Finding, Level};

use crate::baseline::hosts;
use crate::{Context, Rule};

pub(crate) const RULE: Rule = Rule {
    id: "new-host",
    text: "a host was connected to that the last passing run did not connect to",
    help: "find out which dependency or script wants it; with a network list in [guard] it is refused",
    level: Level::Warning,
    check,
};

fn check(context: &Context<'_>) -> Vec<Finding> {
    // Without an earlier run everything is new, which says nothing.
    let Some(baseline) = context.baseline else { return Vec::new() };
    hosts(context.observation)
        .into_iter()
        .filter(|(host, _)| !baseline.hosts.contains(host))
        .map(|(host, process)| {
            let who = context.observation.processes.get(process as usize).and_then(|p| context.program(p));
            let who = who.map_or("?", |program| program.path.text.as_str());
            Finding::new(RULE.id, RULE.level, format!("{host} is new, wanted by {who}"), &[&host]).by(process)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Baseline;
    use crate::samples::{connection, context, empty, process};

    #[test]
    fn only_against_an_earlier_run() {
        let mut seen = empty();
        let curl = process(&mut seen, None, "/usr/bin/curl", &["curl"]);
        connection(&mut seen, curl, "crates.io");
        let before = Baseline::of(&seen);
        connection(&mut seen, curl, "evil.example");
        assert!(check(&context(&seen, None)).is_empty());
        let found = check(&context(&seen, Some(&before)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "evil.example is new, wanted by /usr/bin/curl");
    }
}
