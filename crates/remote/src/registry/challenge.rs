//! `WWW-Authenticate` (RFC 9110, section 11.6.1): how a registry asks who asks.

/// What a registry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token, fetched at its realm for its service (distribution's token authentication).
    Bearer { realm: String, service: Option<String> },
    /// Name and password.
    Basic,
}

/// The challenges of a header's value. What cannot be read is left out.
pub(super) fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = value.get(..8 << 10).unwrap_or(value);
    // `scheme param=value, param="value", scheme …`: a word before a space begins a challenge, one before `=` a parameter.
    let mut scheme = String::new();
    let mut params: Vec<(String, String)> = Vec::new();
    let mut finish = |scheme: &mut String, params: &mut Vec<(String, String)>| {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match scheme.as_str() {
            "bearer" => {
                if let Some(realm) = param("realm") {
                    challenges.push(Challenge::Bearer { realm, service: param("service") });
                }
            }
            "basic" => challenges.push(Challenge::Basic),
            _ => {}
        }
        scheme.clear();
        params.clear();
    };
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            break;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let word = rest[..end].to_ascii_lowercase();
        let after = rest[end..].trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=').filter(|_| !word.is_empty()) else {
            finish(&mut scheme, &mut params);
            scheme = word;
            rest = after.strip_prefix('=').unwrap_or(after);
            continue;
        };
        let value = value.trim_start_matches([' ', '\t']);
        if let Some(quoted) = value.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => text.extend(chars.next().map(|(_, c)| c)),
                    c => text.push(c),
                }
            }
            params.push((word, text));
            rest = &quoted[end..];
        } else {
            let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
            params.push((word, value[..end].to_owned()));
            rest = &value[end..];
        }
    }
    finish(&mut scheme, &mut params);
    challenges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
    }

    #[test]
    fn challenges_of_registries() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(parse(hub), [bearer("https://auth.docker.io/token", Some("registry.docker.io"))]);
        assert_eq!(parse(r#"Basic realm="x", Bearer realm=y"#), [Challenge::Basic, bearer("y", None)]);
        assert_eq!(parse("basic"), [Challenge::Basic]);
        assert_eq!(parse(r#"bearer  REALM = "a\"b" "#), [bearer("a\"b", None)]);
    }

    #[test]
    fn what_is_none_is_left_out() {
        for text in
            ["", "Bearer", "=", "a=b", "Digest realm=\"x\"", "Bearer realm", "Bearer service=\"x\"", ",,,", "Bearer =x"]
        {
            assert_eq!(parse(text), [], "{text}");
        }
        assert_eq!(parse("Bearer realm=\"open"), [bearer("open", None)]);
    }
}
