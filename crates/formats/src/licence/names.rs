//! Names of licences: ids of the list, the ones that replaced deprecated ones, full names, and what people write.

use super::{Expression, Term};

/// Deprecated ids whose meaning has another form (SPDX licence list, "Deprecated License Identifiers").
const REPLACED: &[(&str, &str, Option<&str>)] = &[
    ("GPL-2.0-with-autoconf-exception", "GPL-2.0-only", Some("Autoconf-exception-2.0")),
    ("GPL-2.0-with-bison-exception", "GPL-2.0-only", Some("Bison-exception-2.2")),
    ("GPL-2.0-with-classpath-exception", "GPL-2.0-only", Some("Classpath-exception-2.0")),
    ("GPL-2.0-with-font-exception", "GPL-2.0-only", Some("Font-exception-2.0")),
    ("GPL-2.0-with-GCC-exception", "GPL-2.0-only", Some("GCC-exception-2.0")),
    ("GPL-3.0-with-autoconf-exception", "GPL-3.0-only", Some("Autoconf-exception-3.0")),
    ("GPL-3.0-with-GCC-exception", "GPL-3.0-only", Some("GCC-exception-3.1")),
    ("eCos-2.0", "GPL-2.0-or-later", Some("eCos-exception-2.0")),
    ("wxWindows", "LGPL-2.0-or-later", Some("WxWindows-exception-3.1")),
    ("BSD-2-Clause-FreeBSD", "BSD-2-Clause", None),
    ("BSD-2-Clause-NetBSD", "BSD-2-Clause", None),
    ("StandardML-NJ", "SMLNJ", None),
    ("bzip2-1.0.5", "bzip2-1.0.6", None),
    ("Net-SNMP", "LicenseRef-Net-SNMP", None),
];

/// What people write, lower case and without punctuation and the words `the`, `license`, `licence`, `version`.
const KNOWN: &[(&str, &str)] = &[
    ("mit x11", "MIT"),
    ("mit mit", "MIT"),
    ("expat", "MIT"),
    ("mit expat", "MIT"),
    ("expat mit", "MIT"),
    ("x11", "X11"),
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache v2", "Apache-2.0"),
    ("apache v2.0", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache2.0", "Apache-2.0"),
    ("apache software 2.0", "Apache-2.0"),
    ("apache software v2.0", "Apache-2.0"),
    ("asl 2.0", "Apache-2.0"),
    ("asl2.0", "Apache-2.0"),
    ("apache 1.1", "Apache-1.1"),
    ("bsd 2 clause", "BSD-2-Clause"),
    ("2 clause bsd", "BSD-2-Clause"),
    ("bsd2", "BSD-2-Clause"),
    ("simplified bsd", "BSD-2-Clause"),
    ("freebsd", "BSD-2-Clause"),
    ("bsd 2 clause simplified", "BSD-2-Clause"),
    ("bsd 3 clause", "BSD-3-Clause"),
    ("3 clause bsd", "BSD-3-Clause"),
    ("bsd3", "BSD-3-Clause"),
    ("new bsd", "BSD-3-Clause"),
    ("modified bsd", "BSD-3-Clause"),
    ("revised bsd", "BSD-3-Clause"),
    ("bsd new", "BSD-3-Clause"),
    ("bsd 3 clause new", "BSD-3-Clause"),
    ("isc iscl", "ISC"),
    ("iscl", "ISC"),
    ("zlib libpng", "Zlib"),
    ("mpl 1.1", "MPL-1.1"),
    ("mplv1.1", "MPL-1.1"),
    ("mpl 2", "MPL-2.0"),
    ("mpl 2.0", "MPL-2.0"),
    ("mpl v2.0", "MPL-2.0"),
    ("mplv2.0", "MPL-2.0"),
    ("mpl2", "MPL-2.0"),
    ("mozilla public 2.0", "MPL-2.0"),
    ("mozilla public 2.0 mpl 2.0", "MPL-2.0"),
    ("mozilla public 1.1 mpl 1.1", "MPL-1.1"),
    ("epl 1.0", "EPL-1.0"),
    ("eclipse public v 1.0", "EPL-1.0"),
    ("eclipse public v1.0", "EPL-1.0"),
    ("epl 2.0", "EPL-2.0"),
    ("eclipse public v 2.0", "EPL-2.0"),
    ("eclipse public v2.0", "EPL-2.0"),
    ("eclipse public 2.0 epl 2.0", "EPL-2.0"),
    ("edl 1.0", "BSD-3-Clause"),
    ("eclipse distribution v 1.0", "BSD-3-Clause"),
    ("cddl 1.0", "CDDL-1.0"),
    ("cddl 1.1", "CDDL-1.1"),
    ("cc0", "CC0-1.0"),
    ("cc0 1.0", "CC0-1.0"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("cc0 1.0 universal cc0 1.0 public domain dedication", "CC0-1.0"),
    ("cc by 4.0", "CC-BY-4.0"),
    ("cc by 3.0", "CC-BY-3.0"),
    ("unlicense unlicense", "Unlicense"),
    ("bsl 1.0", "BSL-1.0"),
    ("boost", "BSL-1.0"),
    ("boost software 1.0", "BSL-1.0"),
    ("boost software 1.0 bsl 1.0", "BSL-1.0"),
    ("psf", "PSF-2.0"),
    ("psfl", "PSF-2.0"),
    ("python software foundation", "PSF-2.0"),
    ("artistic 2", "Artistic-2.0"),
    ("artistic 2.0", "Artistic-2.0"),
    ("perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("perl 5", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("gpl 1 or artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("gpl+ or artistic", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("gpl+", "GPL-1.0-or-later"),
    ("lgpl+", "LGPL-2.0-or-later"),
    ("public domain", "LicenseRef-Public-Domain"),
    ("bsd", "LicenseRef-BSD"),
    ("gpl", "LicenseRef-GPL"),
    ("lgpl", "LicenseRef-LGPL"),
    ("agpl", "LicenseRef-AGPL"),
    ("apache", "LicenseRef-Apache"),
    ("apache software", "LicenseRef-Apache"),
    ("mpl", "LicenseRef-MPL"),
    ("proprietary", "LicenseRef-Proprietary"),
];

/// The GNU families: how they are written, and the id they have.
const GNU: &[(&str, &str)] = &[
    ("gnu affero general public", "AGPL"),
    ("affero general public", "AGPL"),
    ("gnu lesser general public", "LGPL"),
    ("gnu library general public", "LGPL"),
    ("lesser general public", "LGPL"),
    ("gnu general public", "GPL"),
    ("general public", "GPL"),
    ("gnu agpl", "AGPL"),
    ("gnu lgpl", "LGPL"),
    ("gnu gpl", "GPL"),
    ("agpl", "AGPL"),
    ("lgpl", "LGPL"),
    ("gpl", "GPL"),
];

/// An id of the list in any case, or a `LicenseRef-…`.
pub(super) fn listed(text: &str) -> Option<Expression> {
    if let Some(id) = reference_id(text) {
        return Some(Expression::Licence(Term::plain(id)));
    }
    let (bare, plus) = text.strip_suffix('+').map_or((text, false), |bare| (bare, true));
    // The crate has it in its list; in the specification it is no licence.
    if bare.eq_ignore_ascii_case("NOASSERTION") {
        return None;
    }
    let known = spdx::license_id(bare).map(|id| id.name).or_else(|| {
        spdx::identifiers::LICENSES.iter().map(|one| one.name).find(|name| name.eq_ignore_ascii_case(bare))
    })?;
    if let Some((_, id, exception)) = REPLACED.iter().find(|(old, ..)| *old == known) {
        let term = Term { id: (*id).into(), or_later: plus, exception: exception.map(Into::into) };
        return Some(Expression::Licence(term));
    }
    let family = known.split('-').next().unwrap_or_default();
    if matches!(family, "GPL" | "LGPL" | "AGPL" | "GFDL") {
        // The version alone is deprecated, and so is `+` behind it.
        let base = known.trim_end_matches('+').trim_end_matches("-only").trim_end_matches("-or-later");
        let later = plus || known.ends_with('+') || known.ends_with("-or-later");
        let id = format!("{base}-{}", if later { "or-later" } else { "only" });
        if spdx::license_id(&id).is_some() {
            return Some(Expression::Licence(Term::plain(id)));
        }
    }
    Some(Expression::Licence(Term { id: known.into(), or_later: plus, exception: None }))
}

/// `LicenseRef-` and `DocumentRef-…:LicenseRef-` with letters, digits, `.` and `-` behind them (annex D.2).
fn reference_id(text: &str) -> Option<String> {
    let fine =
        |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let (document, licence) = match text.split_once(':') {
        Some((document, licence)) => (Some(document.strip_prefix("DocumentRef-")?), licence),
        None => (None, text),
    };
    let id = licence.strip_prefix("LicenseRef-")?;
    (fine(id) && document.is_none_or(fine)).then(|| text.to_owned())
}

/// An exception of the list in any case, or an `AdditionRef-…`.
pub(super) fn exception(text: &str) -> Option<String> {
    let fine =
        |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if text.strip_prefix("AdditionRef-").is_some_and(fine) {
        return Some(text.to_owned());
    }
    let known = spdx::identifiers::EXCEPTIONS.iter().map(|one| one.name);
    known.into_iter().find(|name| name.eq_ignore_ascii_case(text)).map(str::to_owned)
}

/// A full name of the list, or one of the names above.
pub(super) fn known(text: &str) -> Option<Expression> {
    if let Some(one) = spdx::identifiers::LICENSES.iter().find(|one| one.full_name.eq_ignore_ascii_case(text.trim())) {
        return listed(one.name);
    }
    let plain = simplified(text);
    if let Some((_, id)) = KNOWN.iter().find(|(name, _)| *name == plain) {
        return super::parse(id).ok();
    }
    gnu(&plain).or_else(|| listed(&plain.replace(' ', "-")))
}

/// Lower case, punctuation to single spaces, without the words that say nothing.
fn simplified(text: &str) -> String {
    let lower = later_as_plus(&text.to_lowercase());
    let spaced: String = lower.chars().map(|c| if c.is_alphanumeric() || ".+".contains(c) { c } else { ' ' }).collect();
    let words: Vec<&str> = spaced
        .split_whitespace()
        .filter(|word| !matches!(*word, "the" | "license" | "licence" | "licenses" | "version" | "ver" | "ver."))
        .collect();
    words.join(" ")
}

/// `or later` and its like become a `+` behind the word before them.
pub(super) fn later_as_plus(text: &str) -> String {
    let mut out = text.to_owned();
    for words in [
        " or any later version",
        " or (at your option) any later version",
        " or later version",
        " or later",
        " or newer",
        " or greater",
    ] {
        while let Some(at) = out.to_ascii_lowercase().find(words) {
            out.replace_range(at..at + words.len(), "+");
        }
    }
    out.replace(",+", "+").replace(" +", "+")
}

/// `gplv2+`, `gnu general public v3 gplv3`, `lgpl 2.1`, `gpl 2`.
fn gnu(plain: &str) -> Option<Expression> {
    let (family, rest) = GNU.iter().find_map(|(name, family)| {
        let rest = plain.strip_prefix(name)?;
        // `gplv2` goes on with the version, but `gplx` is another word.
        let fits =
            rest.is_empty() || rest.starts_with([' ', 'v', '+']) || rest.starts_with(|c: char| c.is_ascii_digit());
        fits.then_some((*family, rest.trim_start()))
    })?;
    let mut words = rest.split(' ');
    let version = words.next()?.trim_start_matches('v').trim_start_matches('.');
    let (number, later) = version.strip_suffix('+').map_or((version, false), |number| (number, true));
    let number = match number {
        "" => return None,
        whole if whole.bytes().all(|byte| byte.is_ascii_digit()) => format!("{whole}.0"),
        other => other.to_owned(),
    };
    let mut later = later;
    for word in words {
        // What may follow is the abbreviation once more, `only`, or a lone `+`.
        match word {
            "only" => {}
            "+" => later = true,
            again if GNU.iter().any(|(name, _)| again.starts_with(name)) => later |= again.ends_with('+'),
            again if again.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) => {
                later |= again.ends_with('+')
            }
            _ => return None,
        }
    }
    listed(&format!("{family}-{number}-{}", if later { "or-later" } else { "only" }))
}

/// A `LicenseRef-` with the text in it.
pub(super) fn reference(text: &str) -> Term {
    Term::plain(format!("LicenseRef-{}", slug(text)))
}

/// Letters, digits, `.` and `-`, as ids may have; a digest where nothing else is left of the text.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let cut: String = out.trim_matches('-').chars().take(60).collect();
    match cut.trim_end_matches('-') {
        "" => provost_model::sha256(text.as_bytes()).short(),
        cut => cut.to_owned(),
    }
}
