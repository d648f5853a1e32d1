//! What actions, commands and calls of the API need of a job's token: data/permissions.toml, each entry with its source.

use std::collections::HashMap;
use std::sync::LazyLock;

use provost_formats::pipeline::{Access, SCOPES, Scopes, Step};
use serde::Deserialize;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let written: Written = toml::from_str(include_str!("../data/permissions.toml")).unwrap_or_default();
    Table::new(written)
});

/// The table that is built in.
pub fn table() -> &'static Table {
    &TABLE
}

/// Every entry, ready to be looked up.
#[derive(Debug, Default)]
pub struct Table {
    actions: HashMap<String, Action>,
    commands: Vec<Command>,
    calls: HashMap<String, Call>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    action: Vec<Action>,
    command: Vec<Command>,
    call: Vec<Call>,
}

/// What an action needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// `owner/repository`, or a path in it.
    pub name: String,
    /// Always.
    pub needs: Rights,
    /// In private repositories too.
    #[serde(default)]
    pub private: Rights,
    /// The input that hands a token over.
    pub token: Option<String>,
    /// Where an input is so.
    #[serde(default)]
    pub when: Vec<When>,
    /// What else there is to know.
    pub note: Option<String>,
    /// Where it is told.
    pub source: String,
    /// The state of that.
    pub date: String,
}

/// A condition on an input of a step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    input: String,
    is: Option<String>,
    is_not: Option<String>,
    contains: Option<String>,
    set: Option<bool>,
    /// What it needs then.
    pub needs: Rights,
}

impl When {
    /// True where the step's inputs are so. An expression may have any value: it counts as one that needs more.
    pub fn holds(&self, step: &Step) -> bool {
        let value = step.input(&self.input).map(|text| text.value.trim()).filter(|text| !text.is_empty());
        if let Some(set) = self.set {
            return value.is_some() == set;
        }
        if value.is_some_and(|text| text.contains("${{")) {
            return true;
        }
        match (&self.is, &self.is_not, &self.contains) {
            (Some(wanted), ..) => value.is_some_and(|text| text.eq_ignore_ascii_case(wanted)),
            (_, Some(other), _) => !value.is_some_and(|text| text.eq_ignore_ascii_case(other)),
            (.., Some(part)) => value.is_some_and(|text| text.contains(part.as_str())),
            _ => false,
        }
    }
}

/// What a command of a script needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    words: String,
    /// Always.
    pub needs: Rights,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    /// What else there is to know.
    pub note: Option<String>,
    /// Where it is told.
    pub source: String,
    /// The state of that.
    pub date: String,
}

/// What a call of GitHub's API needs (`github.rest.issues.createComment` in a script).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    name: String,
    /// Always.
    pub needs: Rights,
    /// Where it is told.
    pub source: String,
    /// The state of that.
    pub date: String,
}

/// Scopes with the access that is needed, written `contents: read`.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Rights(Scopes);

impl Rights {
    /// Scope by scope.
    pub fn scopes(&self) -> &Scopes {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Rights {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let mut scopes = Scopes::new();
        for text in texts {
            let (name, access) = text.split_once(": ").ok_or_else(|| format!("`{text}` is no right"))?;
            let (scope, _) =
                SCOPES.iter().find(|(scope, _)| *scope == name).ok_or_else(|| format!("`{name}` is no scope"))?;
            let access = match access {
                "read" => Access::Read,
                "write" => Access::Write,
                _ => return Err(format!("`{access}` is no access")),
            };
            scopes.insert(scope, access);
        }
        Ok(Self(scopes))
    }
}

impl Table {
    fn new(written: Written) -> Self {
        Self {
            actions: written.action.into_iter().map(|action| (action.name.to_ascii_lowercase(), action)).collect(),
            commands: written.command,
            calls: written.call.into_iter().map(|call| (call.name.clone(), call)).collect(),
        }
    }

    /// Actions, commands and calls that are known.
    pub fn len(&self) -> (usize, usize, usize) {
        (self.actions.len(), self.commands.len(), self.calls.len())
    }

    /// The action, by its name without the version.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(&name.to_ascii_lowercase())
    }

    /// The call, as `issues.createComment`.
    pub fn call(&self, name: &str) -> Option<&Call> {
        self.calls.get(name)
    }

    /// What is known of a command: `None` where nothing is, else every entry whose words it begins with and whose
    /// conditions it meets. Options may stand between the words.
    pub fn command(&self, words: &[String]) -> Option<Vec<&Command>> {
        let begun: Vec<&Command> = self.commands.iter().filter(|entry| begins(words, &entry.words)).collect();
        // Of `gh release delete-asset` and `gh release delete` the whole words decide; nothing is to be chosen.
        let has = |part: &String| words.iter().any(|word| word.contains(part.as_str()));
        let meets = |entry: &&&Command| entry.with.iter().all(has) && !entry.without.iter().any(has);
        (!begun.is_empty()).then(|| begun.iter().filter(meets).copied().collect())
    }
}

/// The command's words are these, with options (and what follows them) in between.
fn begins(words: &[String], pattern: &str) -> bool {
    let mut pattern = pattern.split(' ').peekable();
    let mut after_option = false;
    for (at, word) in words.iter().enumerate() {
        let Some(wanted) = pattern.peek() else { return true };
        if word == wanted {
            pattern.next();
            after_option = false;
        } else if at > 0 && word.starts_with('-') {
            after_option = !word.contains('=');
        } else if at > 0 && after_option {
            after_option = false;
        } else {
            return false;
        }
    }
    pattern.peek().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let written: Written = toml::from_str(include_str!("../data/permissions.toml")).expect("TOML");
        let mut names: Vec<String> = written.action.iter().map(|action| action.name.to_ascii_lowercase()).collect();
        let number = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), number, "an action stands twice");
        assert!(number >= 60 && written.command.len() >= 40);
        for (source, date) in written
            .action
            .iter()
            .map(|entry| (&entry.source, &entry.date))
            .chain(written.command.iter().map(|entry| (&entry.source, &entry.date)))
            .chain(written.call.iter().map(|entry| (&entry.source, &entry.date)))
        {
            assert!(source.starts_with("https://"), "{source}");
            assert!(
                date.len() == 10 && format!("{date}T00:00:00Z").parse::<provost_model::Timestamp>().is_ok(),
                "{date}"
            );
        }
        assert_eq!(table().len().0, number);
    }

    #[test]
    fn commands_are_known_by_their_words() {
        let known = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            table()
                .command(&words)
                .map(|found| found.iter().flat_map(|entry| entry.needs.0.clone()).collect::<Vec<_>>())
        };
        assert_eq!(known("gh pr comment 1 --body x"), Some(vec![("pull-requests", Access::Write)]));
        assert_eq!(known("gh pr -R a/b comment 1"), Some(vec![("pull-requests", Access::Write)]));
        assert_eq!(known("git -C dir push origin"), Some(vec![("contents", Access::Write)]));
        assert_eq!(known("npm publish"), Some(vec![]));
        assert_eq!(known("npm publish --provenance"), Some(vec![("id-token", Access::Write)]));
        assert_eq!(known("docker push ghcr.io/a/b:1"), Some(vec![("packages", Access::Write)]));
        assert_eq!(known("docker push docker.io/a/b:1"), Some(vec![]));
        assert_eq!(known("gh api /user"), None);
        assert_eq!(known("gh"), None);
        assert_eq!(known("echo gh pr comment"), None);
    }
}
