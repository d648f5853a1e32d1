//! SPDX licence expressions (SPDX 2.3, annex D) against lists of ids.

/// Which licences are permitted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LicenceRules {
    /// The only ones that are, SPDX ids; empty: any that is not denied.
    pub permitted: Vec<String>,
    /// Those that are not.
    pub denied: Vec<String>,
}

impl LicenceRules {
    /// True when every expression is permitted.
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.denied.is_empty()
    }

    /// True when an SPDX expression can be satisfied with licences that are permitted.
    pub fn permits(&self, expression: &str) -> bool {
        let listed = |list: &[String], id: &str| list.iter().any(|known| known.eq_ignore_ascii_case(id));
        let permitted =
            |id: &str| !listed(&self.denied, id) && (self.permitted.is_empty() || listed(&self.permitted, id));
        is_permitted(expression, &permitted)
    }
}

/// True when an expression can be satisfied with licences that are permitted: of `OR` one side, of `AND` both. What is no
/// expression is permitted where the text as a whole is.
pub(crate) fn is_permitted(expression: &str, permitted: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, permitted };
    match parser.any() {
        Some(result) if parser.at == tokens.len() => result,
        _ => permitted(expression.trim()),
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
    depth: usize,
    permitted: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn next_is(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Option<bool> {
        let mut result = self.all()?;
        while self.next_is("OR") {
            let other = self.all()?;
            result = result || other;
        }
        Some(result)
    }

    fn all(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.next_is("AND") {
            let other = self.one()?;
            result = result && other;
        }
        Some(result)
    }

    fn one(&mut self) -> Option<bool> {
        if self.next_is("(") {
            self.depth += 1;
            if self.depth > 64 {
                return None;
            }
            let inner = self.any()?;
            self.depth -= 1;
            return self.next_is(")").then_some(inner);
        }
        let id: &'a str = self.tokens.get(self.at)?;
        if ["OR", "AND", "WITH", "(", ")"].iter().any(|word| id.eq_ignore_ascii_case(word)) {
            return None;
        }
        self.at += 1;
        if self.next_is("WITH") {
            let exception: &'a str = self.tokens.get(self.at)?;
            self.at += 1;
            // An exception only permits more: the licence alone is enough, or the pair by its name.
            return Some((self.permitted)(id) || (self.permitted)(&format!("{id} WITH {exception}")));
        }
        Some((self.permitted)(id) || (self.permitted)(id.trim_end_matches('+')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_needs_one_and_needs_both() {
        let permitted = |id: &str| ["MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"].contains(&id);
        for (text, wanted) in [
            ("MIT", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-3.0-only) AND Apache-2.0", true),
            ("MIT OR Apache-2.0 AND GPL-3.0-only", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", true),
            ("GPL-2.0-only", false),
            ("some text of ours", false),
            ("MIT OR", false),
            ("", false),
        ] {
            assert_eq!(is_permitted(text, &permitted), wanted, "{text}");
        }
        assert!(!is_permitted(&"(".repeat(100_000), &permitted));
    }
}
