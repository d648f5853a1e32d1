//! Stanzas of `Name: value` lines (`deb822(5)`).

/// Fields of one stanza at most; lines beyond them are bad ones.
const FIELDS: usize = 1000;

/// One stanza: a package, mostly.
pub(super) struct Stanza<'a> {
    /// Its first line, counted from 1.
    pub(super) line: u64,
    /// The first line of it that is neither a field nor the continuation of one.
    pub(super) bad: Option<u64>,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Stanza<'a> {
    /// The value of a field, with the lines that continue it as they stand. Names have no case.
    pub(super) fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The stanzas of a text, one after the other.
pub(super) fn stanzas(content: &str) -> impl Iterator<Item = Stanza<'_>> {
    let (mut at, mut number) = (0, 0);
    std::iter::from_fn(move || {
        let mut stanza: Option<Stanza<'_>> = None;
        // Where the value begins that may still go on.
        let mut open = None;
        while let Some(line) = content.get(at..).and_then(|rest| rest.split_inclusive('\n').next()) {
            let start = at;
            at += line.len();
            number += 1;
            if line.trim().is_empty() {
                if stanza.is_some() {
                    break;
                }
                continue;
            }
            if line.starts_with('#') {
                open = None;
                continue;
            }
            let stanza = stanza.get_or_insert(Stanza { line: number, bad: None, fields: Vec::new() });
            if line.starts_with([' ', '\t']) {
                match (open, stanza.fields.last_mut()) {
                    (Some(from), Some((_, value))) => *value = content.get(from..at).unwrap_or_default(),
                    _ => stanza.bad = stanza.bad.or(Some(number)),
                }
            } else if let Some((name, value)) = field(line).filter(|_| stanza.fields.len() < FIELDS) {
                open = Some(start + name.len() + 1);
                stanza.fields.push((name, value));
            } else {
                open = None;
                stanza.bad = stanza.bad.or(Some(number));
            }
        }
        stanza
    })
}

fn field(line: &str) -> Option<(&str, &str)> {
    line.split_once(':').filter(|(name, _)| !name.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_continue_and_have_no_case() {
        let content = "\n\nPackage: a\nDepends: b,\n c\n# remark\nnonsense\n\n \nversion: 2\r\n lost? no\n\n";
        let found: Vec<_> = stanzas(content).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].bad), (3, Some(7)));
        assert_eq!(found[0].field("DEPENDS"), Some("b,\n c"));
        assert_eq!((found[1].line, found[1].field("Version")), (10, Some("2\r\n lost? no")));
        assert_eq!(stanzas(" alone\n").next().and_then(|one| one.bad), Some(1));
        assert!(stanzas("").next().is_none());
    }
}
