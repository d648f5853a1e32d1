//! Secrets stay out of evidence: what looks like one on a command line is replaced before anything is recorded.

const REDACTED: &str = "[redacted]";

/// A text without the user names and passwords of the URLs in it.
pub fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| "/?#'\"<> ".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = tail;
    }
    out + rest
}

/// True for names of variables and options that hold secrets.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let word = |word: &str| name.split('_').any(|part| part == word);
    [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
        "APIKEY",
        "API_KEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
    ]
    .iter()
    .any(|part| name.contains(part))
        || ["PASS", "AUTH", "BEARER", "PAT"].into_iter().any(word)
}

/// What is taken out of command lines.
pub struct Redaction {
    /// The values of variables whose names speak of a secret.
    secrets: Vec<String>,
}

impl Redaction {
    /// With the values of this process's own variables.
    pub fn of_environment() -> Self {
        Self::new(
            std::env::vars_os().map(|(n, v)| (n.to_string_lossy().into_owned(), v.to_string_lossy().into_owned())),
        )
    }

    fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        let secrets = variables.filter(|(name, value)| value.len() >= 6 && is_secret_name(name));
        Self { secrets: secrets.map(|(_, value)| value).collect() }
    }

    /// The command line for evidence. Replaced are: values of options whose name speaks of a secret (`--token=…`,
    /// `--password …`), `NAME=value` with such a name, credentials in URLs, and any value of a variable with such a name.
    pub fn command_line(&self, arguments: &[String]) -> Vec<String> {
        let mut out: Vec<String> = Vec::with_capacity(arguments.len());
        let mut next_is_secret = false;
        for argument in arguments {
            let mut shown = without_credentials(argument);
            if next_is_secret {
                shown = REDACTED.to_owned();
            } else if let Some((name, value)) = shown.split_once('=')
                && !value.is_empty()
                && !name.contains(char::is_whitespace)
                && is_secret_name(name)
            {
                shown = format!("{name}={REDACTED}");
            }
            let lower = shown.to_ascii_lowercase();
            for mark in ["authorization:", "bearer ", "basic "] {
                if let Some(at) = lower.find(mark).filter(|_| !shown.ends_with(REDACTED)) {
                    shown = format!("{}{REDACTED}", &shown[..at + mark.len()]);
                    break;
                }
            }
            for secret in &self.secrets {
                if shown.contains(secret.as_str()) {
                    shown = shown.replace(secret.as_str(), REDACTED);
                }
            }
            next_is_secret = argument.starts_with('-') && !argument.contains('=') && is_secret_name(argument);
            out.push(shown);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_on_the_command_line() {
        let variables = [("NPM_TOKEN", "canary-value-1"), ("HOME", "/home/user"), ("MY_PASS", "short")];
        let redaction = Redaction::new(variables.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
        for (given, shown) in [
            (&["--token=abc"][..], &["--token=[redacted]"][..]),
            (&["--password", "hunter2", "x"], &["--password", "[redacted]", "x"]),
            (&["--private-key", "-x"], &["--private-key", "[redacted]"]),
            (&["API_KEY=zzz"], &["API_KEY=[redacted]"]),
            (&["SSH_PASS=zzz"], &["SSH_PASS=[redacted]"]),
            (&["--auth=zzz"], &["--auth=[redacted]"]),
            (&["https://u:p@host.test/x"], &["https://host.test/x"]),
            (&["https://u:p@host.test/x?token=T"], &["https://host.test/x?token=[redacted]"]),
            (&["a=https://u:p@h/x b=ftp://q:r@h"], &["a=https://h/x b=ftp://h"]),
            (&["-Hx: canary-value-1"], &["-Hx: [redacted]"]),
            // Too short to be told from a word.
            (&["short"], &["short"]),
            (&["-H", "Authorization: Bearer abc"], &["-H", "Authorization:[redacted]"]),
            (
                &["/home/user/a", "-v", "PATH=/bin", "compass", "--pattern=x"],
                &["/home/user/a", "-v", "PATH=/bin", "compass", "--pattern=x"],
            ),
        ] {
            let given: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(redaction.command_line(&given), shown);
        }
    }
}
