//! git over HTTP: a CGI program (RFC 3875) in front of `git http-backend`. The web server says who it is (`REMOTE_USER`);
//! what they may do, the repository's policy says.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use provost_model::printable;

use super::serve::{Refused, Service, Whom, admit};
use crate::commands::Context;
use crate::exit::Exit;

/// Arguments of `repo serve-http`.
#[derive(Debug, Args)]
pub(crate) struct ServeHttpArgs {
    /// The folder below which repositories are served.
    #[arg(long, value_name = "DIRECTORY")]
    root: PathBuf,
    /// The realm that clients are asked to name themselves for.
    #[arg(long, value_name = "TEXT", default_value = "git")]
    realm: String,
}

/// What a request is, of the smart protocol's three.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    repository: String,
    service: Service,
    /// What follows the repository in the path.
    rest: &'static str,
}

/// Serves one request.
///
/// # Errors
/// git cannot be run.
pub(crate) fn run(args: &ServeHttpArgs, context: &Context) -> Result<Exit> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let method = variable("REQUEST_METHOD");
    let user = variable("REMOTE_USER");
    let whom = if user.is_empty() { Whom::Nobody } else { Whom::Account(format!("http:{user}")) };
    let Some(asked) = parse(&method, &variable("PATH_INFO"), &variable("QUERY_STRING"), &variable("CONTENT_TYPE"))
    else {
        return respond(NOT_FOUND, "", "there is nothing here but git's smart protocol\n");
    };
    let address: String = variable("REMOTE_ADDR").chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    let admitted = match admit(&context.home, &args.root, &asked.repository, asked.service, &whom, &address) {
        Ok(admitted) => admitted,
        // Whoever has not said who they are may yet turn out to be someone: for what is there and what is not alike.
        Err(_) if whom == Whom::Nobody => {
            let realm: String = printable(&args.realm).chars().filter(|c| !matches!(c, '"' | '\\')).collect();
            let ask = format!("WWW-Authenticate: Basic realm=\"{realm}\", charset=\"UTF-8\"\r\n");
            return respond("401 Unauthorized", &ask, "say who you are\n");
        }
        Err(Refused::NotThere(_)) => return respond(NOT_FOUND, "", "there is no such repository for you\n"),
        Err(Refused::NotAllowed(why)) => return respond("403 Forbidden", "", &format!("{}\n", printable(&why))),
        Err(Refused::Broken(why)) => return respond("503 Service Unavailable", "", &format!("{}\n", printable(&why))),
    };
    let root = args.root.canonicalize().with_context(|| args.root.display().to_string())?;
    let mut path = std::ffi::OsString::from("/");
    path.push(&admitted.relative);
    path.push(asked.rest);
    let protocol = variable("HTTP_GIT_PROTOCOL");
    let plain = matches!(protocol.as_str(), "version=0" | "version=1" | "version=2");
    let protocol = (plain && admitted.sees_all()).then_some(protocol);
    let code = admitted.run(&context.home, &["http-backend".as_ref()], |command| {
        command.env("GIT_PROJECT_ROOT", root).env("PATH_INFO", path).env("GIT_HTTP_EXPORT_ALL", "1");
        // Of the request, only what git needs to read it.
        for name in
            ["REQUEST_METHOD", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_ENCODING", "REMOTE_ADDR"]
        {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if !user.is_empty() {
            command.env("REMOTE_USER", user);
        }
        if let Some(protocol) = protocol {
            command.env("HTTP_GIT_PROTOCOL", protocol);
        }
    })?;
    // The answer is written; what the web server makes of the status is its own matter.
    Ok(if code == 0 { Exit::Pass } else { Exit::Command(u8::try_from(code).unwrap_or(255)) })
}

const NOT_FOUND: &str = "404 Not Found";

fn respond(status: &str, headers: &str, text: &str) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    let no_store = "Cache-Control: no-cache, max-age=0, must-revalidate\r\n";
    write!(out, "Status: {status}\r\n{headers}{no_store}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}")
        .and_then(|()| out.flush())
        .context("the answer cannot be written")?;
    Ok(Exit::Pass)
}

/// The three requests of the smart protocol (gitprotocol-http(5)); files of the repository itself are never given out.
fn parse(method: &str, path: &str, query: &str, content: &str) -> Option<Asked> {
    let asked = |repository: &str, service, rest| {
        (!repository.is_empty()).then(|| Asked { repository: repository.to_owned(), service, rest })
    };
    match method {
        "GET" => {
            let service = match query {
                "service=git-upload-pack" => Service::UploadPack,
                "service=git-receive-pack" => Service::ReceivePack,
                _ => return None,
            };
            asked(path.strip_suffix("/info/refs")?, service, "/info/refs")
        }
        "POST" => {
            for (service, rest) in
                [(Service::UploadPack, "/git-upload-pack"), (Service::ReceivePack, "/git-receive-pack")]
            {
                if let Some(repository) = path.strip_suffix(rest) {
                    let right = content == format!("application/x-{}-request", service.name());
                    return right.then(|| asked(repository, service, rest)).flatten();
                }
            }
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smart_protocol_and_nothing_else() {
        let get = |path: &str, query: &str| parse("GET", path, query, "");
        let fetch = Asked { repository: "/shop.git".into(), service: Service::UploadPack, rest: "/info/refs" };
        assert_eq!(get("/shop.git/info/refs", "service=git-upload-pack"), Some(fetch));
        let push = parse("POST", "/shop.git/git-receive-pack", "", "application/x-git-receive-pack-request");
        assert_eq!(push.map(|asked| asked.service), Some(Service::ReceivePack));
        for (path, query) in [
            ("/shop.git/info/refs", ""),
            ("/shop.git/HEAD", ""),
            ("/shop.git/objects/info/packs", "service=git-upload-pack"),
            ("/shop.git/info/refs", "service=git-upload-archive"),
            ("/shop.git/info/refs", "service=git-upload-pack&x=y"),
            ("/info/refs", "service=git-upload-pack"),
        ] {
            assert_eq!(get(path, query), None, "{path} {query}");
        }
        assert_eq!(parse("POST", "/shop.git/git-upload-pack", "", "text/plain"), None);
        assert_eq!(parse("PUT", "/shop.git/git-upload-pack", "", "application/x-git-upload-pack-request"), None);
    }
}
