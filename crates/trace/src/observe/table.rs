//! The table of calls, for people: `docs/observer.md` holds it, and a test holds it to this.

use super::calls::{CALLS, COVERED_ELSEWHERE, Handling, When};

fn answer(handling: Handling) -> &'static str {
    match handling {
        Handling::Performed => "observed; done by the supervisor on its own copy of the arguments",
        Handling::Noted => "observed; then done by the kernel",
        Handling::Refused => "refused, and recorded",
        Handling::Silent(_) => "refused by the filter, not counted",
    }
}

fn condition(when: When) -> &'static str {
    match when {
        When::Always => "",
        When::Unusual => " (with namespaces of its own, or CLONE_FS without CLONE_THREAD)",
        When::AddressOrFastOpen => " (with an address, or with fast open)",
        When::UnusualSocket => {
            " (raw, packet, vsock and other unusual sockets; Unix, IPv4, IPv6 and routing sockets are seen when they are used)"
        }
        When::FastOpenOption => " (TCP_FASTOPEN_CONNECT)",
        When::OtherProcess => " (limits of another process)",
        When::Signal(_) => " (any signal but 0, SIGURG and those of the C library)",
        When::TerminalInjection => " (TIOCSTI, TIOCLINUX)",
    }
}

/// Names of the calls that are observed, and of those that are refused.
pub fn observed_calls() -> (Vec<String>, Vec<String>) {
    let names = |wanted: fn(Handling) -> bool| {
        CALLS.iter().filter(|call| wanted(call.handling)).map(|call| call.name.to_owned()).collect()
    };
    (
        names(|h| matches!(h, Handling::Performed | Handling::Noted)),
        names(|h| matches!(h, Handling::Refused | Handling::Silent(_))),
    )
}

/// The table in Markdown.
pub fn table() -> String {
    let mut out = String::from("| group | call | what happens |\n| --- | --- | --- |\n");
    for call in CALLS {
        out += &format!("| {} | `{}`{} | {} |\n", call.group, call.name, condition(call.when), answer(call.handling));
    }
    for (calls, why) in COVERED_ELSEWHERE {
        out += &format!("| no stop needed | {calls} | {why} |\n");
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_has_this_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/observer.md");
        let text = std::fs::read_to_string(file).expect("docs/observer.md");
        let table = super::table();
        assert!(text.contains(&table), "docs/observer.md must hold this table:\n{table}");
    }
}
