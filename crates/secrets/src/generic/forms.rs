//! Forms: what a name promises of its value.
//!
//! A provider whose credentials have one documented form is named, and the value is of another one: then it is
//! not that provider's. Such values are made up, cut off or masked, and are weak.

use crate::value;

/// Says so when a value is not of the form that its name promises.
pub(super) fn contradicts(name: &[u8], text: &[u8]) -> Option<&'static str> {
    let words: Vec<Vec<u8>> = value::words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    let named = |wanted: &[&str]| wanted.iter().all(|word| words.iter().any(|w| w == word.as_bytes()));
    let by_name = FORMS.iter().find(|form| named(form.words) && !(form.fits)(text)).map(|form| form.why);
    by_name.or_else(|| AFFIXES.iter().find(|affix| affix.marks(text) && !(affix.fits)(text)).map(|affix| affix.why))
}

/// What a provider's credential looks like.
struct Form {
    /// All of them are in the name.
    words: &'static [&'static str],
    fits: fn(&[u8]) -> bool,
    why: &'static str,
}

/// How a value that belongs to a provider begins or ends, and what it looks like then.
struct Affix {
    begins: &'static [u8],
    ends: &'static [u8],
    fits: fn(&[u8]) -> bool,
    why: &'static str,
}

impl Affix {
    fn marks(&self, text: &[u8]) -> bool {
        text.starts_with(self.begins) && text.ends_with(self.ends)
    }
}

const AFFIXES: &[Affix] = &[
    Affix {
        begins: b"",
        ends: b"NRAL",
        fits: |text| text.len() == 40 && text[..36].iter().all(u8::is_ascii_hexdigit),
        why: "New Relic's licence keys are 36 hexadecimal digits and NRAL",
    },
    Affix {
        begins: b"px-api-",
        ends: b"",
        fits: |text| value::is_uuid(&text[b"px-api-".len()..]),
        why: "Pixie's API keys are px-api- and a UUID",
    },
    Affix {
        begins: b"px-dep-",
        ends: b"",
        fits: |text| value::is_uuid(&text[b"px-dep-".len()..]),
        why: "Pixie's deployment keys are px-dep- and a UUID",
    },
];

/// AWS IAM: secret access keys are 40 characters of base64. One that lacks a few was cut off by hand, and is one that a person
/// may have meant; what is far shorter, hexadecimal, or made of sequences is none. Others than AWS give UUIDs that name.
fn is_aws_secret(text: &[u8]) -> bool {
    let near = (36..=44).contains(&text.len()) && !value::is_hex(text) && value::placeholder(text).is_none();
    text.len() == 40 || near || value::is_uuid(text)
}

const AWS: &str = "AWS's secret access keys have 40 characters of base64";

const FORMS: &[Form] = &[
    Form { words: &["aws", "secret", "key"], fits: is_aws_secret, why: AWS },
    Form { words: &["secret", "access", "key"], fits: is_aws_secret, why: AWS },
    // GitHub's changelog of that day; those of other registries are found by the settings that name the registry.
    Form {
        words: &["npm", "token"],
        fits: |text| !value::is_uuid(text),
        why: "a UUID is the oldest form of npm's tokens, all of which were revoked on 2025-12-09",
    },
    Form {
        words: &["twitch", "stream", "key"],
        fits: |text| text.starts_with(b"live_"),
        why: "Twitch's stream keys begin with live_",
    },
    Form {
        words: &["wakatime", "key"],
        fits: |text| value::is_uuid(text.strip_prefix(b"waka_").unwrap_or(text)),
        why: "WakaTime's API keys are a UUID, with or without waka_ before it",
    },
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
        assert!(against("AWS_SECRET_ACCESS_KEY", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a85b1f1f0caa"));
        assert!(against("secretAccessKey", "qWvT9xPz"));
        assert!(!against("aws_secret_key", "hT4+kZq0pXw/RsvY2mLrBn8dGcJ6fQeU1oIaVtKx"));
        assert!(against("licenseKey", "zq0pxwrsvy2mlrbn8dgcj6fqeu1oiavtkxh3NRAL"));
        assert!(!against("licenseKey", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a85b1fNRAL"));
        assert!(against("apiKey", "px-api-5b1f1f0c-2a9d-4be8-a7c6-3b0e91d2f4g8"));
        assert!(!against("apiKey", "px-api-5b1f1f0c-2a9d-4be8-a7c6-3b0e91d2f4a8"));
        assert!(against("NPM_TOKEN", "5b1f1f0c-2a9d-4be8-a7c6-3b0e91d2f4a8"));
        assert!(!against("NPM_TOKEN", "npm_hT4kZq0pXwRsvY2mLrBn8dGcJ6fQeU1oIaVt"));
        assert!(against("TWITCH_STREAM_KEY", "126031192_hT4kZq0pXwRsvY2mLrBn8dGcJ6fQeU"));
        assert!(!against("WAKATIME_API_KEY", "waka_5b1f1f0c-2a9d-4be8-a7c6-3b0e91d2f4a8"));
        assert!(!against("client_secret", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a8"));
        assert!(against("stripeClientSecret", "5b1f1f0c2a9d4be8a7c63b0e91d2f4a8"));
        assert!(!against("stripeClientSecret", "pi_3MtwBw_secret_YrKJUKribcBjcG8HVhfZluoGH"));
    }
}
