//! git over SSH: the forced command of a key, and the lines for sshd that name it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_model::printable;
use provost_policy::PersonKey;

use super::serve::{Refused, Service, Whom, admit, repositories};
use crate::clock;
use crate::commands::Context;
use crate::exit::Exit;
use crate::gate::server::Server;

/// Arguments of `repo serve-ssh`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true)))]
pub(crate) struct ServeSshArgs {
    /// The folder below which repositories are served.
    #[arg(long, value_name = "DIRECTORY")]
    root: PathBuf,
    /// Whose key it is, by name in each repository's policy. All policies below the root have to mean the same by a name.
    #[arg(long, value_name = "NAME", group = "whom")]
    person: Option<String>,
    /// The key's fingerprint: each repository's policy says whose it is. `authorized-keys` prints it so.
    #[arg(long, value_name = "SHA256:…", group = "whom")]
    key: Option<String>,
}

/// Arguments of `repo authorized-keys`.
#[derive(Debug, Args)]
pub(crate) struct AuthorizedKeysArgs {
    /// The folder below which repositories are served.
    #[arg(long, value_name = "DIRECTORY")]
    root: PathBuf,
    /// Only this key: its type, as sshd's `%t`.
    #[arg(value_name = "TYPE", requires = "key")]
    kind: Option<String>,
    /// Only this key: its base64, as sshd's `%k`.
    #[arg(value_name = "KEY")]
    key: Option<String>,
}

/// Serves one command of git's client.
///
/// # Errors
/// git cannot be run.
pub(crate) fn run(args: &ServeSshArgs, context: &Context) -> Result<Exit> {
    let whom = match (&args.person, &args.key) {
        (Some(person), _) => Whom::Name(person.clone()),
        (None, Some(key)) => Whom::Key(key.clone()),
        (None, None) => bail!("whose key is it?"),
    };
    let Some(asked) = std::env::var_os("SSH_ORIGINAL_COMMAND") else {
        anstream::eprintln!("provost: this server has git repositories and no shell");
        return Ok(Exit::Denied);
    };
    let Some((service, path)) = asked.to_str().and_then(parse) else {
        let text = asked.to_string_lossy();
        super::serve::general_audit(
            &context.home,
            &serde_json::json!({
                "serve": "ssh",
                "whom": whom.how(),
                "address": address(),
                "outcome": "refused",
                "why": format!("not a command of git's: {}", printable(&text.chars().take(300).collect::<String>())),
            }),
        );
        anstream::eprintln!("provost: this server does `git fetch`, `git push` and `git archive`, and nothing else");
        return Ok(Exit::Denied);
    };
    let admitted = match admit(&context.home, &args.root, &path, service, &whom, &address()) {
        Ok(admitted) => admitted,
        Err(refused) => {
            match refused {
                Refused::NotThere(_) => {
                    anstream::eprintln!("provost: there is no repository `{}` for you here", printable(&path));
                }
                Refused::NotAllowed(why) | Refused::Broken(why) => anstream::eprintln!("provost: {}", printable(&why)),
            }
            return Ok(Exit::Denied);
        }
    };
    let protocol = std::env::var("GIT_PROTOCOL").ok().filter(|text| admitted.sees_all() && is_protocol(text));
    let git_dir = admitted.server.git_dir.clone();
    let arguments: Vec<&OsStr> = match service {
        Service::UploadPack => vec!["upload-pack".as_ref(), "--strict".as_ref(), "--timeout=3600".as_ref()],
        Service::ReceivePack => vec!["receive-pack".as_ref()],
        Service::UploadArchive => vec!["upload-archive".as_ref()],
    };
    let arguments: Vec<&OsStr> = arguments.into_iter().chain([git_dir.as_os_str()]).collect();
    let code = admitted.run(&context.home, &arguments, |command| {
        if let Some(protocol) = protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
    })?;
    Ok(Exit::Command(u8::try_from(code).unwrap_or(255)))
}

/// The client's address (sshd's `SSH_CONNECTION`).
fn address() -> String {
    let connection = std::env::var("SSH_CONNECTION").unwrap_or_default();
    let first = connection.split(' ').next().unwrap_or_default();
    first.chars().filter(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':')).take(64).collect()
}

/// `version=2`, and no more than that.
fn is_protocol(text: &str) -> bool {
    matches!(text, "version=0" | "version=1" | "version=2")
}

/// Reads what git's client asks for: a service, one space, one path. Quoted as git quotes it (`quote.c`: single quotes, with
/// `'\''` and `'\!'` for what cannot stand in them), or of letters that need no quotes. Nothing else, and never a shell.
pub(crate) fn parse(command: &str) -> Option<(Service, String)> {
    let rest = command.strip_prefix("git ").map(|rest| format!("git-{rest}"));
    let command = rest.as_deref().unwrap_or(command);
    let (name, path) = command.split_once(' ')?;
    let service = Service::parse(name)?;
    Some((service, unquote(path)?))
}

fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('\'') else {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | '@');
        return (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned());
    };
    let mut out = String::new();
    let mut rest = inner;
    loop {
        let (before, after) = rest.split_once('\'')?;
        out.push_str(before);
        if after.is_empty() {
            return Some(out);
        }
        rest = if let Some(more) = after.strip_prefix("\\''") {
            out.push('\'');
            more
        } else {
            let more = after.strip_prefix("\\!'")?;
            out.push('!');
            more
        };
    }
}

/// Prints lines for sshd: each key of each policy below the root, with the command that it is for.
///
/// # Errors
/// The root cannot be used, or this program not be named in such a line.
pub(crate) fn authorized_keys(args: &AuthorizedKeysArgs, context: &Context) -> Result<Exit> {
    let root = args.root.canonicalize().with_context(|| format!("{} is not there", args.root.display()))?;
    let program = std::env::current_exe().context("where this program is cannot be found out")?;
    let now = clock::now();
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for repository in repositories(&root) {
        let policy = Server::open(&context.home, &repository).and_then(|server| server.policy());
        let policy = match policy {
            Ok(policy) => policy.policy,
            // One repository that is not right keeps nobody from the others.
            Err(error) => {
                let text = format!("{}: {error:#}", repository.display());
                anstream::eprintln!("provost: {}", printable(&text));
                continue;
            }
        };
        for person in policy.access.persons.iter().filter(|person| person.valid_at(now)) {
            for key in &person.keys {
                let PersonKey::Ssh(key) = key else { continue };
                let line = key.clone().with_comment("").to_line();
                if let (Some(kind), Some(base64)) = (&args.kind, &args.key)
                    && line != format!("{kind} {base64}")
                {
                    continue;
                }
                let command = command_for(&program, context.home.path(), &root, &key.fingerprint())?;
                lines.insert(key.fingerprint(), format!("command=\"{command}\",restrict {line}"));
            }
        }
    }
    for line in lines.values() {
        anstream::println!("{line}");
    }
    Ok(Exit::Pass)
}

/// The forced command. The user's shell reads it, and sshd before that (sshd(8): `\"` stands for a quote).
fn command_for(program: &Path, home: &Path, root: &Path, key: &str) -> Result<String> {
    let quoted = |path: &Path| -> Result<String> {
        let text = path.to_str().filter(|text| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')));
        let text = text.with_context(|| format!("{} has a name that sshd cannot take", path.display()))?;
        Ok(format!("'{}'", text.replace('\'', r"'\''")))
    };
    // A backslash before the quote of a name would be read twice: such names are refused above, but for the quote's own.
    let (home, program, root) = (quoted(home)?, quoted(program)?, quoted(root)?);
    if [&home, &program, &root].iter().any(|text| text.contains('\\')) {
        bail!("a path with a quote in it cannot be named to sshd");
    }
    Ok(format!("PROVOST_HOME={home} {program} repo serve-ssh --root {root} --key '{key}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_git_are_taken() {
        let good = |text: &str| parse(text).map(|(service, path)| format!("{} {path}", service.name()));
        assert_eq!(good("git-upload-pack '/shop.git'").as_deref(), Some("git-upload-pack /shop.git"));
        assert_eq!(good("git receive-pack 'shop.git'").as_deref(), Some("git-receive-pack shop.git"));
        assert_eq!(good("git-upload-archive 'a b'").as_deref(), Some("git-upload-archive a b"));
        assert_eq!(good("git-upload-pack /team/shop.git").as_deref(), Some("git-upload-pack /team/shop.git"));
        assert_eq!(good(r"git-upload-pack 'it'\''s'\!'.git'").as_deref(), Some("git-upload-pack it's!.git"));
        assert_eq!(
            good("git-upload-pack ''").as_deref(),
            Some("git-upload-pack "),
            "an empty path is refused later on"
        );
    }

    #[test]
    fn everything_else_is_not() {
        let bad = [
            "",
            "sh",
            "git",
            "git-upload-pack",
            "git-upload-pack ",
            "git-upload-pack  'a'",
            "git-upload-pack 'a' 'b'",
            "git-upload-pack 'a'; id",
            "git-upload-pack 'a",
            "git-upload-pack a'",
            "git-upload-pack $(id)",
            "git-upload-pack `id`",
            "git-upload-pack 'a'x",
            "git-upload-pack 'a'\\''",
            "git-upload-pack \"a\"",
            "git-upload-pack --strict 'a'",
            "git-shell",
            "git  upload-pack 'a'",
            "GIT-UPLOAD-PACK 'a'",
            "git-upload-pack\t'a'",
            " git-upload-pack 'a'",
            "git-upload-pack 'a'\n",
            "git-upload-pack 'a'&",
            "git -c x=y upload-pack 'a'",
            "git-http-backend 'a'",
            "env git-upload-pack 'a'",
            "/usr/bin/git-upload-pack 'a'",
            "git-upload-pack ~ada",
            "git git-upload-pack 'a'",
            "git-lfs-authenticate 'a' download",
            "scp -f a",
            "git-upload-pack 'a'\\'b'",
        ];
        for text in bad {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn only_plain_versions_are_handed_on() {
        assert!(is_protocol("version=2"));
        for bad in ["", "version=2:x", "version=3", "version=2\n"] {
            assert!(!is_protocol(bad), "{bad}");
        }
    }
}
