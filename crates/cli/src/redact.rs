//! Secrets stay out of evidence: what looks like one on a command line is replaced before anything is recorded.

const REDACTED: &str = "[redacted]";

/// A URL without user name and password.
pub fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => text.to_owned(),
    }
}

/// True for names of variables and options that hold secrets.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
        "APIKEY",
        "API_KEY",
        "API-KEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// The command line for evidence. Replaced are: values of options whose name speaks of a secret (`--token=…`,
/// `--password …`), `NAME=value` with such a name, credentials in URLs, and any value of a variable with such a name.
pub fn command_line(arguments: &[String], variables: &dyn Fn() -> Vec<(String, String)>) -> Vec<String> {
    let secrets: Vec<String> = variables()
        .into_iter()
        .filter(|(name, value)| is_secret_name(name) && value.len() >= 6)
        .map(|(_, value)| value)
        .collect();
    let mut out: Vec<String> = Vec::with_capacity(arguments.len());
    let mut next_is_secret = false;
    for argument in arguments {
        let mut shown = without_credentials(argument);
        if next_is_secret && !argument.starts_with('-') {
            shown = REDACTED.to_owned();
        } else if let Some((name, value)) = argument.split_once('=')
            && is_secret_name(name)
            && !name.contains(char::is_whitespace)
            && !value.is_empty()
        {
            shown = format!("{name}={REDACTED}");
        }
        for secret in &secrets {
            if shown.contains(secret.as_str()) {
                shown = shown.replace(secret.as_str(), REDACTED);
            }
        }
        next_is_secret = argument.starts_with("--") && !argument.contains('=') && is_secret_name(argument);
        out.push(shown);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_on_the_command_line() {
        let variables = || {
            vec![("NPM_TOKEN".to_owned(), "canary-value-1".to_owned()), ("HOME".to_owned(), "/home/user".to_owned())]
        };
        let given = [
            "curl",
            "--token=abc",
            "--password",
            "hunter2",
            "API_KEY=zzz",
            "https://u:p@host.test/x",
            "-Hx: canary-value-1",
            "/home/user/a",
            "--tokenizer",
            "-v",
        ];
        let shown = command_line(&given.map(str::to_owned), &variables);
        assert_eq!(
            shown,
            [
                "curl",
                "--token=[redacted]",
                "--password",
                "[redacted]",
                "API_KEY=[redacted]",
                "https://host.test/x",
                "-Hx: [redacted]",
                "/home/user/a",
                "--tokenizer",
                "-v"
            ]
        );
    }
}
