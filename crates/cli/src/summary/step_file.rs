//! The file of a job summary: opened before the command runs, and only ever added to.

use std::fs::File;
use std::io::{Error, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// GitHub takes so many bytes of a step, and nothing at all of more.
const LIMIT: u64 = 1 << 20;

/// The file, held open.
pub(super) struct StepFile {
    path: PathBuf,
    file: File,
    before: u64,
}

impl StepFile {
    /// Opens it, through no link, and nothing but a regular file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file =
            std::fs::OpenOptions::new().read(true).append(true).create(true).custom_flags(flags.bits()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Error::other("it is no regular file"));
        }
        Ok(Self { path: path.to_path_buf(), file, before: metadata.len() })
    }

    /// Adds a text at the end.
    pub(super) fn append(mut self, text: &str) -> Result<()> {
        let now = self.file.metadata()?;
        let there = self.path.symlink_metadata().map(|there| (there.dev(), there.ino()));
        if !matches!(there, Ok(there) if there == (now.dev(), now.ino())) {
            return Err(Error::other(format!("the command replaced {}", self.path.display())));
        }
        let mut out = String::from("\n\n");
        if now.len() != self.before {
            // What the command wrote before us may be in the middle of something.
            let mut written = Vec::new();
            self.file.seek(SeekFrom::Start(0))?;
            (&mut self.file).take(LIMIT).read_to_end(&mut written)?;
            out.push_str(&closing(&String::from_utf8_lossy(&written)));
        }
        out.push_str(text);
        self.file.write_all(out.as_bytes())?;
        if now.len() + out.len() as u64 > LIMIT {
            return Err(Error::other("with what the command wrote into it, it is longer than the platform shows"));
        }
        Ok(())
    }
}

/// What ends everything that a Markdown text leaves open, so that what follows is read as Markdown again.
fn closing(text: &str) -> String {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        // A fence in a quotation or a list ends with it, at the latest with our empty lines.
        let rest = &line[indent..];
        let Some(mark @ ('`' | '~')) = rest.chars().next() else { continue };
        let length = rest.chars().take_while(|c| *c == mark).count();
        if indent > 3 || length < 3 {
            continue;
        }
        match open {
            None => open = Some((mark, length)),
            Some((of, least)) if of == mark && length >= least && rest.trim_matches([mark, ' ', '\t']).is_empty() => {
                open = None;
            }
            Some(_) => {}
        }
    }
    let mut out = String::new();
    if let Some((mark, length)) = open {
        out.extend(std::iter::repeat_n(mark, length));
        out.push_str("\n\n");
    }
    let lower = text.to_ascii_lowercase();
    for (begin, end) in [
        ("<!--", "-->"),
        ("<![cdata[", "]]>"),
        ("<?", "?>"),
        ("<script", "</script>"),
        ("<style", "</style>"),
        ("<textarea", "</textarea>"),
        ("<pre", "</pre>"),
        ("<summary", "</summary>"),
        ("<details", "</details>"),
        ("<table", "</table>"),
        ("<blockquote", "</blockquote>"),
        ("<div", "</div>"),
        ("<sub", "</sub>"),
        ("<del", "</del>"),
    ] {
        let open = lower.matches(begin).count().saturating_sub(lower.matches(end).count());
        for _ in 0..open.min(100) {
            out.push_str(end);
            out.push_str("\n\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_is_closed() {
        assert_eq!(closing("plain\n\n```\ncode\n```\n<!-- x -->"), "");
        assert_eq!(closing("````rust\ncode\n```\n"), "````\n\n");
        assert_eq!(closing("~~~~\n```"), "~~~~\n\n");
        assert_eq!(closing("<!-- hidden"), "-->\n\n");
        assert_eq!(closing("<DETAILS><details>x</details>"), "</details>\n\n");
    }

    #[test]
    fn only_added_to_and_through_no_link() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("summary");
        std::fs::write(&path, "before\n").expect("file");
        let file = StepFile::open(&path).expect("opens");
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"```\nby the command"))
            .expect("written");
        file.append("ours\n").expect("written");
        let text = std::fs::read_to_string(&path).expect("file");
        assert_eq!(text, "before\n```\nby the command\n\n```\n\nours\n");

        // The command puts a link to another file in its place.
        let file = StepFile::open(&path).expect("opens");
        let other = folder.path().join("other");
        std::fs::write(&other, "other").expect("file");
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(&other, &path).expect("link");
        assert!(file.append("ours").is_err());
        assert!(StepFile::open(&path).is_err(), "a link is not followed");
        assert_eq!(std::fs::read_to_string(&other).expect("file"), "other");
        assert!(StepFile::open(Path::new("/dev/null")).is_err());
    }
}
