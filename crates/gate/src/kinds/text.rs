//! Text that is shown otherwise than it is.

/// Characters that change the order in which text is shown (Unicode Standard Annex 9; CVE-2021-42574).
pub(super) fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are not shown at all and stand in no ordinary text.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0e}'
        | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters of other scripts that are drawn like Latin ones (Unicode Technical Standard 39).
fn is_look_alike(c: char) -> bool {
    matches!(c,
        // Cyrillic
        'а' | 'е' | 'о' | 'р' | 'с' | 'у' | 'х' | 'і' | 'ј' | 'ѕ' | 'һ' | 'ԁ' | 'ԛ' | 'ԝ' | 'ѵ' | 'ӏ' | 'ɡ'
        | 'А' | 'В' | 'Е' | 'К' | 'М' | 'Н' | 'О' | 'Р' | 'С' | 'Т' | 'Х' | 'І' | 'Ј' | 'Ѕ' | 'Ү' | 'Ԍ'
        // Greek
        | 'ο' | 'ν' | 'α' | 'ι' | 'κ' | 'ρ' | 'υ' | 'χ' | 'γ'
        | 'Α' | 'Β' | 'Ε' | 'Ζ' | 'Η' | 'Ι' | 'Κ' | 'Μ' | 'Ν' | 'Ο' | 'Ρ' | 'Τ' | 'Υ' | 'Χ'
        // Armenian
        | 'ո' | 'ս' | 'հ' | 'օ' | 'ց' | 'ք'
        // full width and mathematical letters
        | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
}

/// A word that mixes Latin letters with others that look like them, or a character that is not shown.
pub(super) fn look_alike(text: &str) -> Option<String> {
    if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
        return Some(format!("U+{:04X}, which is not shown,", c as u32));
    }
    // Marks of direction (UAX 9, 2.6) mean something among letters that are written from right to left, and nothing elsewhere.
    let leftwards = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}');
    let mark = |c: &char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}');
    if let Some(c) = text.chars().find(mark)
        && !text.chars().any(|c| leftwards(c) && !mark(&c))
    {
        return Some(format!("U+{:04X}, which is not shown,", c as u32));
    }
    // Joiners are part of emojis and of other scripts; within a Latin word they make another word that looks the same.
    let joined = text.char_indices().find(|(at, c)| {
        let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        matches!(c, '\u{200c}'..='\u{200f}' | '\u{ad}' | '\u{feff}' | '\u{61c}')
            && latin(text[..*at].chars().next_back())
            && latin(text[*at + c.len_utf8()..].chars().next())
    });
    if let Some((_, c)) = joined {
        return Some(format!("U+{:04X}, which is not shown,", c as u32));
    }
    text.split(|c: char| !c.is_alphanumeric() && c != '_').find_map(|word| {
        let foreign = word.chars().find(|c| is_look_alike(*c))?;
        word.chars().any(|c| c.is_ascii_alphabetic()).then(|| format!("U+{:04X} among Latin letters", foreign as u32))
    })
}
