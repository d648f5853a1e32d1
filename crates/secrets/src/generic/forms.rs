//! Forms: what a name promises of its value.
//!
//! A provider whose credentials have had one documented form always is named, and the value is of another one: then it is
//! not that provider's. Such values are made up, cut off or masked, and are weak.

use crate::value;

/// Says so when a value is not of the form that its name promises.
pub(super) fn contradicts(name: &[u8], text: &[u8]) -> Option<&'static str> {
    let words: Vec<Vec<u8>> = value::words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    let named = |wanted: &[&str]| wanted.iter().all(|word| words.iter().any(|w| w == word.as_bytes()));
    FORMS.iter().find(|form| named(form.words) && !(form.fits)(text)).map(|form| form.why)
}

/// What a provider's credential looks like.
struct Form {
    /// All of them are in the name.
    words: &'static [&'static str],
    fits: fn(&[u8]) -> bool,
    why: &'static str,
}

const FORMS: &[Form] = &[
    Form {
        words: &["github", "client", "secret"],
        fits: |text| text.len() == 40,
        why: "GitHub's client secrets have 40 characters",
    },
    Form {
        words: &["stripe", "client", "secret"],
        fits: |text| memchr::memmem::find(text, b"_secret_").is_some() || text.starts_with(b"sk_"),
        why: "Stripe's client secrets hold the word `secret`",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_names_promise() {
        let against = |name: &str, text: &str| contradicts(name.as_bytes(), text.as_bytes()).is_some();
        assert!(against("GITHUB_CLIENT_SECRET", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a8"));
        assert!(!against("GITHUB_CLIENT_SECRET", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a85b1f1f0c"));
        assert!(!against("client_secret", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a8"));
        assert!(against("stripeClientSecret", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a8"));
        assert!(!against("stripeClientSecret", "pi_3MtwBw_secret_YrKJUKribcBjcG8HVhfZluoGH"));
    }
}
