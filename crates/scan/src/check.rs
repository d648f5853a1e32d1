//! What every engine implements.

use provost_model::Finding;

/// Where some bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Path, `/` between its parts, relative to what was scanned.
    pub path: String,
    /// Members of containers, outermost first.
    pub within: Vec<String>,
    /// The commit that brought it, for objects of a history.
    pub commit: Option<String>,
}

impl Place {
    /// A file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// A member of this place.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        let mut place = self.clone();
        place.within.push(name.to_owned());
        place
    }

    /// The name of the innermost thing: what its extension says counts.
    pub fn innermost(&self) -> &str {
        self.within.last().unwrap_or(&self.path)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        for member in &self.within {
            write!(f, "!{member}")?;
        }
        Ok(())
    }
}

/// Some bytes of a file or member.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Where they come from.
    pub place: &'a Place,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Offset of the first of them in the file or member.
    pub offset: u64,
    /// Line of the first of them, counted from 1.
    pub line: u64,
    /// What ends within so many bytes from the beginning was decided by the piece before.
    pub seen: usize,
    /// What ends after so many bytes is left to the next piece, which sees more of what follows.
    pub decided: usize,
    /// True when the file or member ends with these bytes.
    pub last: bool,
}

/// An engine's interest in files.
pub trait Check: Sync {
    /// Id, kebab-case.
    fn id(&self) -> &str;

    /// True when it wants to see this place, told by its name alone.
    fn wants(&self, _place: &Place) -> bool {
        true
    }

    /// Looks at some bytes. Findings need no file, container or commit: they get those of the piece. Returns why not all
    /// of them were looked at, when they were not.
    fn check(&self, piece: &Piece<'_>, findings: &mut Vec<Finding>) -> Option<&'static str>;
}
