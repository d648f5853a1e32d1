//! Patterns over refs and paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A list of patterns: `*` stays within a directory, `**` does not, `!` takes away again; the last that matches decides.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    texts: Vec<String>,
    set: GlobSet,
    takes_away: Vec<bool>,
    /// What has to match as well.
    outer: Option<Box<Globs>>,
}

impl Globs {
    /// Reads patterns.
    ///
    /// # Errors
    /// One that is none, and why.
    pub fn new(texts: Vec<String>) -> Result<Self, String> {
        let mut builder = GlobSetBuilder::new();
        let mut takes_away = Vec::new();
        for text in &texts {
            let pattern = text.strip_prefix('!');
            takes_away.push(pattern.is_some());
            let glob = GlobBuilder::new(pattern.unwrap_or(text))
                .literal_separator(true)
                .build()
                .map_err(|error| format!("`{text}`: {}", error.kind()))?;
            builder.add(glob);
        }
        let set = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { texts, set, takes_away, outer: None })
    }

    /// Everything.
    pub fn all() -> Self {
        Self::new(vec!["**".into()]).unwrap_or_default()
    }

    /// As it is, and only where the other matches too.
    pub fn within(mut self, outer: &Self) -> Self {
        self.outer = Some(Box::new(match self.outer.take() {
            Some(own) => own.within(outer),
            None => outer.clone(),
        }));
        self
    }

    /// Whether a ref or path matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_bytes(text.as_bytes())
    }

    /// As [`Globs::matches`], for names that are not UTF-8.
    pub fn matches_bytes(&self, bytes: &[u8]) -> bool {
        let last = self.set.matches(Path::new(OsStr::from_bytes(bytes))).into_iter().max();
        let own = last.is_some_and(|index| !self.takes_away.get(index).copied().unwrap_or(true));
        own && self.outer.as_ref().is_none_or(|outer| outer.matches_bytes(bytes))
    }

    /// No pattern at all.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether every ref matches, whatever it is called; patterns that only happen to do so count as narrower.
    pub fn is_everything(&self) -> bool {
        let every = self.texts.iter().any(|text| matches!(text.as_str(), "**" | "refs/**"));
        every && !self.takes_away.contains(&true) && self.outer.is_none()
    }

    /// The patterns as they were written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::Globs;

    #[test]
    fn the_last_that_matches_decides() {
        let globs = Globs::new(vec!["**".into(), "!docs/**".into(), "docs/policy.md".into()]).expect("globs");
        assert!(globs.matches("src/a/b.rs") && globs.matches("a"));
        assert!(!globs.matches("docs/a.md"));
        assert!(globs.matches("docs/policy.md"));
        assert!(globs.matches_bytes(b"\xff/x"), "a name that is not UTF-8 does not slip through");
    }

    #[test]
    fn one_star_stays_within_a_directory() {
        let globs = Globs::new(vec!["refs/heads/*".into()]).expect("globs");
        assert!(globs.matches("refs/heads/main"));
        assert!(!globs.matches("refs/heads/a/b"));
        assert!(!globs.matches("refs/headsx"));
    }

    #[test]
    fn everything_is_what_leaves_nothing_out() {
        let every =
            |texts: &[&str]| Globs::new(texts.iter().map(|t| (*t).into()).collect()).expect("globs").is_everything();
        assert!(every(&["refs/**"]) && every(&["refs/heads/a", "**"]));
        assert!(!every(&["refs/heads/**"]) && !every(&["refs/**", "!refs/heads/secret"]) && !every(&[]));
    }

    #[test]
    fn a_part_stays_within_its_whole() {
        let inner = Globs::all().within(&Globs::new(vec!["docs/**".into()]).expect("globs"));
        assert!(inner.matches("docs/x") && !inner.matches("src/x"));
    }
}
