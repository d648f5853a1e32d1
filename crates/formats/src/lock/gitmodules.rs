//! `.gitmodules` (gitmodules(5), in the syntax of git-config(1)): repositories that lie in this one. The commits that they stand at
//! are not in the file but in the tree; whoever has that fills them in.

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Scope, Scopes};

use super::graph::full;
use super::source::{public, repository};
use super::tree::{decode, note};
use super::{Input, LockError, Reader};

/// Git's own.
pub(crate) const READERS: &[Reader] =
    &[Reader { id: "git-submodules", wants: |path| super::named(path, ".gitmodules"), read, covered_by: &[] }];

/// A section, as far as it was read.
struct Section {
    name: String,
    line: u64,
    path: Option<String>,
    url: Option<String>,
    branch: Option<String>,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let mut inventory = Inventory::new("git submodules", Completeness::List);
    let mut section: Option<Section> = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            end(section.take(), &mut inventory);
            if full(&mut inventory) {
                return Ok(inventory);
            }
            let (header, rest) =
                header.rsplit_once(']').ok_or_else(|| LockError::at(number, "a section has no `]`"))?;
            section =
                subsection(header).map(|name| Section { name, line: number, path: None, url: None, branch: None });
            if !rest.trim_start().is_empty() && !rest.trim_start().starts_with(['#', ';']) {
                note(&mut inventory.problems, Some(number), "text behind a section's `]`".to_owned());
            }
            continue;
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let (key, written) = line.split_once('=').map_or((line, ""), |(key, value)| (key.trim_end(), value));
        let mut written = written.to_owned();
        // A backslash at the end of a line goes on in the next.
        while written.ends_with('\\') && !written.ends_with("\\\\") {
            written.pop();
            let Some((_, more)) = lines.next() else { break };
            written.push_str(more);
        }
        let Some(section) = &mut section else { continue };
        let Some(value) = value(&written) else {
            note(&mut inventory.problems, Some(number), format!("the value of `{}` cannot be read", section.name));
            continue;
        };
        match key.to_ascii_lowercase().as_str() {
            "path" => section.path = Some(value),
            "url" => section.url = Some(value),
            "branch" => section.branch = Some(value),
            _ => {}
        }
    }
    end(section, &mut inventory);
    Ok(inventory)
}

/// The name of `submodule "name"`.
fn subsection(header: &str) -> Option<String> {
    let quoted = header.trim().get(.."submodule".len()).filter(|kind| kind.eq_ignore_ascii_case("submodule"))?;
    let quoted = header.trim()[quoted.len()..].trim();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut name = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        name.push(if c == '\\' { characters.next()? } else { c });
    }
    Some(name)
}

/// A value without its quotes, escapes and comment.
fn value(written: &str) -> Option<String> {
    let mut value = String::new();
    // What is not quoted ends before white space at the end.
    let mut kept = 0;
    let mut quoted = false;
    let mut characters = written.trim_start().chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'b' => value.push('\u{8}'),
                c @ ('"' | '\\') => value.push(c),
                _ => return None,
            },
            '#' | ';' if !quoted => break,
            c => value.push(c),
        }
        if quoted || !c.is_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    (!quoted).then_some(value)
}

fn end(section: Option<Section>, inventory: &mut Inventory) {
    let Some(section) = section else { return };
    let (Some(path), Some(url)) = (section.path, section.url) else {
        let what = format!("the submodule `{}` has no path or no url", section.name);
        return note(&mut inventory.problems, Some(section.line), what);
    };
    let name = repository(&url);
    let name = name.trim_start_matches(['.', '/']).to_owned();
    if name.is_empty() {
        return note(
            &mut inventory.problems,
            Some(section.line),
            format!("the url of `{}` names nothing", section.name),
        );
    }
    let mut package = Package::new(Ecosystem::Generic, name, None);
    package.source = PackageSource::Git { url: public(&url).into_owned(), revision: None };
    package.requirement = section.branch;
    package.alias = Some(path.trim_matches('/').to_owned());
    package.scopes = Scopes::only(Scope::Production);
    package.direct = Some(true);
    package.line = Some(section.line);
    inventory.packages.push(package);
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_with;
    use super::*;

    #[test]
    fn as_git_reads_it() {
        let text = "# ours\n[submodule \"zlib \\\"x\\\"\"]\n\tpath = third_party/zlib # where\n\turl = \"https://u:p@github.com/madler/zlib.git\"\n\
                    [submodule \"ssh\"]\n\tPATH=a\\\n/b\n\turl = git@github.com:org/ssh ; comment\n\tbranch = main\n\
                    [core]\n\tpath = no\n[submodule \"half\"]\n\tpath = half\n[submodule \"rel\"]\n\tpath=rel\n\turl=../rel.git\n";
        let inventory = read_with(".gitmodules", text, &[]).expect("read");
        let said: Vec<_> = inventory
            .packages
            .iter()
            .map(|one| {
                let PackageSource::Git { url, .. } = &one.source else { panic!("{one:?}") };
                (one.name.as_str(), one.alias.as_deref().unwrap_or_default(), url.as_str(), one.requirement.as_deref())
            })
            .collect();
        assert_eq!(
            said,
            [
                ("github.com/madler/zlib", "third_party/zlib", "https://github.com/madler/zlib.git", None),
                ("github.com/org/ssh", "a/b", "git@github.com:org/ssh", Some("main")),
                ("rel", "rel", "../rel.git", None),
            ]
        );
        assert_eq!(inventory.problems.len(), 1, "{:?}", inventory.problems);
        assert!(read_with(".gitmodules", "[submodule \"x\"\n", &[]).is_err());
        assert_eq!(value(" \"a # b\"  c "), Some("a # b  c".into()));
        assert_eq!(value("a\\x"), None);
        assert_eq!(value("\"open"), None);
    }
}
