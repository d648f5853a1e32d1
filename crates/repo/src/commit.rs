//! Commits and annotated tags as they are written, byte for byte (git's `Documentation/gitformat-commit` and
//! `git-mktag(1)`): what is not exactly as git writes it is refused, since others would read it differently.

use std::str;

/// Who, as a commit says. Nobody has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// Mail address, in lower case.
    pub email: String,
    /// Seconds since 1970, by the clock of whoever wrote it.
    pub seconds: i64,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// Its id.
    pub id: String,
    /// Its tree.
    pub tree: String,
    /// Its parents, in order.
    pub parents: Vec<String>,
    /// Who wrote the change.
    pub author: Identity,
    /// Who made the commit.
    pub committer: Identity,
    /// `Co-authored-by` of the message's trailers.
    pub co_authors: Vec<Identity>,
    /// The message, where it is UTF-8; else with replacement characters.
    pub message: String,
    /// The object's bytes.
    pub bytes: Vec<u8>,
}

/// An annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFacts {
    /// Its id.
    pub id: String,
    /// What it names.
    pub target: String,
    /// The kind of that: `commit`, `tag`, `tree` or `blob`.
    pub target_kind: String,
    /// Its own name, without `refs/tags/`.
    pub name: String,
    /// Who made it.
    pub tagger: Option<Identity>,
    /// The object's bytes.
    pub bytes: Vec<u8>,
}

/// Headers up to the empty line, and the rest.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    if bytes.contains(&0) {
        return Err("it holds a NUL: git would show less than what was signed".into());
    }
    let end = bytes.windows(2).position(|two| two == b"\n\n").ok_or("it has no message")?;
    Ok((&bytes[..=end], &bytes[end + 2..]))
}

/// The value of the next header, which has to be this one.
fn take<'a>(headers: &mut &'a [u8], name: &str) -> Option<&'a [u8]> {
    let line = headers.split(|b| *b == b'\n').next()?;
    let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
    *headers = headers.get(line.len() + 1..).unwrap_or_default();
    Some(value)
}

fn hex(value: &[u8]) -> Result<String, String> {
    let right = matches!(value.len(), 40 | 64) && value.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if right { Ok(String::from_utf8_lossy(value).into_owned()) } else { Err("it names no object id".into()) }
}

impl Identity {
    /// `Name <mail> seconds zone`.
    fn parse(value: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(value);
        let wrong = || format!("`{}` is not a name, a mail address and a time", printable(&text));
        let (name, rest) = text.split_once('<').ok_or_else(wrong)?;
        let (email, time) = rest.split_once('>').ok_or_else(wrong)?;
        // A second pair of brackets: readers differ in which of them they take.
        if rest.matches(['<', '>']).count() != 1 {
            return Err(wrong());
        }
        let seconds = time.trim().split(' ').next().and_then(|s| s.parse().ok()).ok_or_else(wrong)?;
        Ok(Self { name: name.trim().to_owned(), email: email.trim().to_lowercase(), seconds })
    }
}

fn printable(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl CommitFacts {
    pub(crate) fn parse(id: &str, bytes: Vec<u8>) -> Result<Self, String> {
        let (mut headers, message) = split(&bytes)?;
        let tree = hex(take(&mut headers, "tree").ok_or("its first header is not `tree`")?)?;
        let mut parents = Vec::new();
        while let Some(parent) = take(&mut headers, "parent") {
            parents.push(hex(parent)?);
            if parents.len() > 1000 {
                return Err("it has more than 1000 parents".into());
            }
        }
        let author = Identity::parse(take(&mut headers, "author").ok_or("`author` is not where it belongs")?)?;
        let committer = Identity::parse(take(&mut headers, "committer").ok_or("`committer` is not where it belongs")?)?;
        // A header of these names further down would be another commit to a reader that takes the last.
        for line in headers.split(|b| *b == b'\n') {
            for name in ["tree", "parent", "author", "committer"] {
                if line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b' ')) {
                    return Err(format!("a second `{name}` among its headers"));
                }
            }
        }
        let message = String::from_utf8_lossy(message).into_owned();
        let co_authors = co_authors(&message);
        Ok(Self { id: id.to_owned(), tree, parents, author, committer, co_authors, message, bytes })
    }

    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// `Co-authored-by: Name <mail>` anywhere in the message: a forge credits them wherever they stand.
fn co_authors(message: &str) -> Vec<Identity> {
    let mut found: Vec<Identity> = Vec::new();
    for line in message.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        if !key.trim().eq_ignore_ascii_case("co-authored-by") || found.len() >= 1000 {
            continue;
        }
        let Some((name, rest)) = value.split_once('<') else { continue };
        let email = rest.split('>').next().unwrap_or_default().trim().to_lowercase();
        let one = Identity { name: name.trim().to_owned(), email, seconds: 0 };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

impl TagFacts {
    pub(crate) fn parse(id: &str, bytes: Vec<u8>) -> Result<Self, String> {
        let (mut headers, _) = split(&bytes)?;
        let target = hex(take(&mut headers, "object").ok_or("its first header is not `object`")?)?;
        let kind = take(&mut headers, "type").ok_or("`type` is not where it belongs")?;
        let kind = str::from_utf8(kind).ok().filter(|k| ["commit", "tag", "tree", "blob"].contains(k));
        let target_kind = kind.ok_or("it is of an unknown kind")?.to_owned();
        let name =
            String::from_utf8_lossy(take(&mut headers, "tag").ok_or("`tag` is not where it belongs")?).into_owned();
        let tagger = take(&mut headers, "tagger").map(Identity::parse).transpose()?;
        Ok(Self { id: id.to_owned(), target, target_kind, name, tagger, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn commit(text: &str) -> Result<CommitFacts, String> {
        CommitFacts::parse(TREE, text.as_bytes().to_vec())
    }

    #[test]
    fn what_git_writes_is_read() {
        let text = format!(
            "tree {TREE}\nparent {TREE}\nauthor A B <A@x.test> 1700000000 +0100\ncommitter C <c@x.test> 1700000001 +0000\n\nsubject\n\nCo-authored-by: D <D@x.test>\n"
        );
        let commit = commit(&text).expect("a commit");
        assert_eq!((commit.author.email.as_str(), commit.author.seconds), ("a@x.test", 1_700_000_000));
        assert_eq!(commit.co_authors[0].email, "d@x.test");
        assert_eq!(commit.subject(), "subject");
    }

    #[test]
    fn what_readers_would_read_differently_is_refused() {
        let good = format!("tree {TREE}\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n");
        for (text, why) in [
            (format!("{good}\nm\0hidden"), "NUL"),
            (format!("{good}author B <b@x> 1 +0000\n\nm"), "second `author`"),
            (format!("{good}tree {TREE}\n\nm"), "second `tree`"),
            (format!("tree {TREE}\nauthor A <a@x> <b@x> 1 +0000\ncommitter A <a@x> 1 +0000\n\nm"), "not a name"),
            (format!("author A <a@x> 1 +0000\ntree {TREE}\n\nm"), "first header"),
            (good.clone(), "no message"),
        ] {
            let error = commit(&text).expect_err(why);
            assert!(error.contains(why), "{error} should say {why}");
        }
    }
}
