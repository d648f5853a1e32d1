//! Users' own rules in Rego, through regorus. Each module has the package `provost` and a set `deny` of messages; the
//! rule is satisfied when the set is empty.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use crate::Limits;

const PACKAGE: &str = "data.provost";

fn engine(module: &str) -> Result<Engine, String> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: Duration::from_millis(Limits::REGO_MILLISECONDS),
        check_interval: NonZeroU32::MIN.saturating_add(1023),
    });
    let package = engine.add_policy("rule.rego".to_owned(), module.to_owned()).map_err(|e| shorten(&e.to_string()))?;
    if package != PACKAGE {
        return Err(format!("its package is `{}`, expected `package provost`", package.trim_start_matches("data.")));
    }
    Ok(engine)
}

/// Checks that a module can be read and names `deny`. It is compiled and never run here: a text
/// that nobody has signed yet must not use our time and memory.
pub(crate) fn check(module: &str) -> Result<(), String> {
    engine(module)?;
    let names_deny = module.lines().any(|line| line.trim_start().starts_with("deny"));
    if names_deny { Ok(()) } else { Err("it has no rule `deny`: write `deny contains message if { … }`".into()) }
}

/// The messages of `deny` for an input.
pub(crate) fn deny(module: &str, input: &str) -> Result<Vec<String>, String> {
    let mut engine = engine(module)?;
    engine.set_input_json(input).map_err(|e| shorten(&e.to_string()))?;
    let value = engine.eval_rule(format!("{PACKAGE}.deny")).map_err(|e| shorten(&e.to_string()))?;
    if value == Value::Undefined {
        return Ok(Vec::new());
    }
    let set = value.as_set().map_err(|_| "`deny` is no set: write `deny contains message if { … }`".to_owned())?;
    Ok(set
        .iter()
        .map(|message| message.as_string().map_or_else(|_| message.to_string(), |text| text.to_string()))
        .collect())
}

fn shorten(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(400)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_answer_and_are_bounded() {
        let module = "package provost\nimport rego.v1\ndeny contains msg if { input.n > 3; msg := sprintf(\"n is %d\", [input.n]) }";
        check(module).expect("usable");
        assert_eq!(deny(module, r#"{"n": 4}"#).expect("answers"), ["n is 4"]);
        assert!(deny(module, r#"{"n": 1}"#).expect("answers").is_empty());
        assert!(check("package other\ndeny contains 1 if true").expect_err("package").contains("package provost"));
        assert!(check("package provost\nimport rego.v1\nallow if true").expect_err("deny").contains("deny"));
        assert!(check("package provost\n}").is_err());
        let endless = "package provost\nimport rego.v1\ndeny contains msg if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a * b == -1; msg := \"x\" }";
        assert!(deny(endless, "{}").is_err(), "the time limit must end it");
    }
}
