//! Texts to expressions.

use super::{Expression, LicenceError, MAXIMUM_BRACKETS, MAXIMUM_EXPRESSION_BYTES, Term, names};

/// Reads an SPDX expression (annex D): ids of the list in any case, deprecated ones too, `LicenseRef-…`, operators all
/// upper or all lower case.
pub fn parse(text: &str) -> Result<Expression, LicenceError> {
    read(text, Mode::Strict)
}

/// Reads a licence as people state it: an expression, the full name of a licence, common abbreviations
/// (`Apache License 2.0`, `GPLv2+`, `MIT/Apache-2.0`). What it does not know becomes a `LicenseRef-` with its text in it;
/// what names a family but not the licence (`BSD`, `GPL`) too: nothing is guessed. A comma, a semicolon and `&` mean that
/// all hold, a slash and `|` that one may be chosen. `None` where nothing is said: empty, `NOASSERTION`, `NONE`, `UNKNOWN`.
pub fn normalise(text: &str) -> Option<Expression> {
    let text = text.trim();
    if matches!(text.to_ascii_lowercase().as_str(), "" | "noassertion" | "none" | "unknown" | "n/a" | "not specified") {
        return None;
    }
    if text.len() > 500 || text.lines().count() > 3 {
        // The licence itself instead of its name.
        let digest = provost_model::sha256(text.as_bytes());
        return Some(Expression::Licence(Term::plain(format!("LicenseRef-text-{}", digest.short()))));
    }
    let whole = parse(text).ok().or_else(|| names::known(text));
    Some(whole.or_else(|| read(text, Mode::Lax).ok()).unwrap_or_else(|| Expression::Licence(names::reference(text))))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Lax,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    With,
    Text(String),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Open => "(".into(),
            Self::Close => ")".into(),
            Self::And => "AND".into(),
            Self::Or => "OR".into(),
            Self::With => "WITH".into(),
            Self::Text(text) => text.chars().take(80).collect(),
        }
    }
}

fn read(text: &str, mode: Mode) -> Result<Expression, LicenceError> {
    if text.len() > MAXIMUM_EXPRESSION_BYTES {
        return Err(LicenceError::Long(text.len()));
    }
    let mut reader = Reader { tokens: tokens(text, mode), next: 0, mode };
    let expression = reader.any(0)?;
    match reader.peek() {
        None => Ok(expression),
        Some(token) => Err(LicenceError::Unexpected(token.text())),
    }
}

/// Words are parted by white space and brackets; in the lax mode words that stand side by side are one name, and more
/// characters are operators.
fn tokens(text: &str, mode: Mode) -> Vec<Token> {
    let lax = mode == Mode::Lax;
    let text = if lax { names::later_as_plus(text) } else { text.to_owned() };
    let mut tokens = Vec::new();
    let mut word = String::new();
    let finish = |word: &mut String, tokens: &mut Vec<Token>| {
        if word.is_empty() {
            return;
        }
        let token = match word.as_str() {
            "AND" | "and" => Token::And,
            "OR" | "or" => Token::Or,
            "WITH" | "with" => Token::With,
            "And" | "and/or" if lax => Token::And,
            "Or" if lax => Token::Or,
            "With" | "w/" if lax => Token::With,
            _ => Token::Text(word.clone()),
        };
        word.clear();
        match (tokens.last_mut(), token) {
            (Some(Token::Text(before)), Token::Text(more)) if lax => {
                before.push(' ');
                before.push_str(&more);
            }
            (_, token) => tokens.push(token),
        }
    };
    for c in text.chars() {
        let operator = match c {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' | ';' | '&' if lax => Some(Token::And),
            '/' | '|' if lax && word != "w" => Some(Token::Or),
            _ => None,
        };
        match operator {
            Some(token) => {
                finish(&mut word, &mut tokens);
                // `&&`, `||` and `, and` are one operator.
                if !(lax && matches!(token, Token::And | Token::Or) && tokens.last() == Some(&token)) {
                    tokens.push(token);
                }
            }
            None if c.is_whitespace() => finish(&mut word, &mut tokens),
            None => word.push(c),
        }
    }
    finish(&mut word, &mut tokens);
    if lax {
        tokens.dedup_by(|second, first| {
            matches!(second, Token::And | Token::Or) && matches!(first, Token::And | Token::Or)
        });
    }
    tokens
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
    mode: Mode,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn any(&mut self, depth: usize) -> Result<Expression, LicenceError> {
        let mut parts = vec![self.all(depth)?];
        while self.peek() == Some(&Token::Or) {
            self.next += 1;
            parts.push(self.all(depth)?);
        }
        Ok(Expression::joined(parts, false))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, LicenceError> {
        let mut parts = vec![self.one(depth)?];
        while self.peek() == Some(&Token::And) {
            self.next += 1;
            parts.push(self.one(depth)?);
        }
        Ok(Expression::joined(parts, true))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, LicenceError> {
        let text = match self.take().ok_or(LicenceError::End)? {
            Token::Open if depth >= MAXIMUM_BRACKETS => return Err(LicenceError::Deep),
            Token::Open => {
                let inner = self.any(depth + 1)?;
                return match self.take() {
                    Some(Token::Close) => Ok(inner),
                    Some(other) => Err(LicenceError::Unexpected(other.text())),
                    None => Err(LicenceError::End),
                };
            }
            Token::Text(text) => text,
            other => return Err(LicenceError::Unexpected(other.text())),
        };
        let licence = match self.mode {
            Mode::Strict => {
                names::listed(&text).ok_or_else(|| LicenceError::Licence(text.chars().take(80).collect()))?
            }
            Mode::Lax => names::listed(&text)
                .or_else(|| names::known(&text))
                .unwrap_or_else(|| Expression::Licence(names::reference(&text))),
        };
        if self.peek() != Some(&Token::With) {
            return Ok(licence);
        }
        self.next += 1;
        match (self.take().ok_or(LicenceError::End)?, licence) {
            (Token::Text(text), Expression::Licence(mut term)) if term.exception.is_none() => {
                let strict = || LicenceError::Exception(text.chars().take(80).collect());
                term.exception = Some(match (names::exception(&text), self.mode) {
                    (Some(exception), _) => exception,
                    (None, Mode::Strict) => return Err(strict()),
                    (None, Mode::Lax) => format!("AdditionRef-{}", names::slug(&text)),
                });
                Ok(Expression::Licence(term))
            }
            (other, _) => Err(LicenceError::Unexpected(other.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_expressions_become_canonical() {
        for (text, expected) in [
            ("mit", "MIT"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
            ("(MIT or (Apache-2.0))", "MIT OR Apache-2.0"),
            ("MIT AND (ISC OR Zlib)", "MIT AND (ISC OR Zlib)"),
            ("MIT OR ISC AND Zlib", "MIT OR ISC AND Zlib"),
            ("(MIT AND ISC) AND MIT", "MIT AND ISC"),
            ("GPL-2.0", "GPL-2.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("gpl-2.0-or-later with classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
            ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
            ("Apache-2.0+", "Apache-2.0+"),
            ("DocumentRef-a:LicenseRef-b.c", "DocumentRef-a:LicenseRef-b.c"),
        ] {
            assert_eq!(parse(text).map(|one| one.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for text in [
            "",
            "NOASSERTION",
            "()",
            "MIT OR",
            "MIT ISC",
            "MIT Or ISC",
            "MIT)",
            "(MIT",
            "Apache",
            "MIT WITH Nothing",
            "LicenseRef-",
            "LicenseRef-a_b",
            "MIT/ISC",
            "AND",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse(&"(".repeat(1000)), Err(LicenceError::Deep));
    }

    /// The crate `spdx` reads the same texts to the same answer.
    #[test]
    fn the_crate_spdx_agrees() {
        let mode =
            spdx::ParseMode { allow_deprecated: true, allow_postfix_plus_on_gpl: true, ..spdx::ParseMode::STRICT };
        let words = [
            "MIT",
            "Apache-2.0",
            "GPL-2.0-only",
            "LicenseRef-x",
            "AND",
            "OR",
            "WITH",
            "(",
            ")",
            "LLVM-exception",
            "Nope",
        ];
        let mut state = 1_u32;
        let mut agreed = 0;
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..(state % 9 + 1) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push(words[(state >> 16) as usize % words.len()]);
            }
            let text = text.join(" ");
            let theirs = spdx::Expression::parse_mode(&text, mode);
            let ours = parse(&text);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}: {ours:?}");
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                agreed += 1;
                for allowed_ids in [["MIT", "Apache-2.0"], ["MIT", "LicenseRef-x"], ["GPL-2.0-only", "MIT"]] {
                    let our_word =
                        super::super::allowed(&ours, &|id, exception| exception.is_none() && allowed_ids.contains(&id));
                    let their_word = theirs.evaluate(|req| {
                        req.addition.is_none() && allowed_ids.contains(&req.license.to_string().as_str())
                    });
                    assert_eq!(our_word.is_allowed(), their_word, "{text}");
                }
            }
        }
        assert!(agreed > 500, "{agreed}");
    }

    #[test]
    fn what_people_write() {
        for (text, expected) in [
            ("Apache License 2.0", "Apache-2.0"),
            ("Apache License, Version 2.0", "Apache-2.0"),
            ("The Apache Software License, Version 2.0", "Apache-2.0"),
            ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
            ("MIT / Apache 2.0", "MIT OR Apache-2.0"),
            ("MIT License", "MIT"),
            ("The MIT License (MIT)", "MIT"),
            ("MIT/X11", "MIT"),
            ("zlib/libpng", "Zlib"),
            ("BSD", "LicenseRef-BSD"),
            ("BSD License", "LicenseRef-BSD"),
            ("3-Clause BSD License", "BSD-3-Clause"),
            ("New BSD", "BSD-3-Clause"),
            ("GPLv2+", "GPL-2.0-or-later"),
            ("GPL v3", "GPL-3.0-only"),
            ("GPL", "LicenseRef-GPL"),
            ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
            ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
            ("GPLv2+ and LGPLv2.1+ and MIT", "GPL-2.0-or-later AND LGPL-2.1-or-later AND MIT"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("MIT, BSD-3-Clause", "MIT AND BSD-3-Clause"),
            ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
            ("Historical Permission Notice and Disclaimer", "HPND"),
            ("Python Software Foundation License", "PSF-2.0"),
            ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
            ("Public Domain", "LicenseRef-Public-Domain"),
            ("Proprietary (ask us)", "LicenseRef-Proprietary-ask-us"),
            ("GPL-2.0-only WITH my thing", "GPL-2.0-only WITH AdditionRef-my-thing"),
        ] {
            assert_eq!(normalise(text).map(|one| one.to_string()).as_deref(), Some(expected), "{text}");
            let canonical = normalise(text).unwrap();
            assert_eq!(parse(&canonical.to_string()), Ok(canonical), "{text}");
        }
        assert_eq!(normalise(" UNKNOWN "), None);
        assert!(
            normalise(&"Permission is hereby granted\n".repeat(30))
                .unwrap()
                .to_string()
                .starts_with("LicenseRef-text-")
        );
    }
}
