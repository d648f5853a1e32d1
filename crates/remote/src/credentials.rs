//! Who asks: credentials, and where Docker keeps them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::Error;

/// Something that no output may show.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Credentials for a registry.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A name and a password, or a token in its place.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token with which others are fetched (OAuth 2 `refresh_token`).
    IdentityToken(Secret),
    /// A token that is shown to the registry as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// The value of an `Authorization` header with name and password (RFC 7617).
    pub(crate) fn basic(user: &str, password: &Secret) -> Secret {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
        Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
    }
}

/// The credentials of a `config.json` of Docker (or an `auth.json` of Podman). Helper programs that it names are not run.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    entries: BTreeMap<String, Credentials>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Bytes of such a file that are read.
const MAXIMUM_BYTES: usize = 1 << 20;

impl DockerConfig {
    /// Reads the file's content.
    ///
    /// # Errors
    /// It is not such a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            #[serde(default)]
            auths: Option<BTreeMap<String, Entry>>,
            #[serde(default)]
            cred_helpers: Option<BTreeMap<String, String>>,
            #[serde(default)]
            creds_store: Option<String>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            auth: Option<Secret>,
            #[serde(default)]
            username: Option<String>,
            #[serde(default)]
            password: Option<Secret>,
            #[serde(default)]
            identitytoken: Option<Secret>,
            #[serde(default)]
            registrytoken: Option<Secret>,
        }
        // A parser's message would repeat what stands there.
        let unreadable = |line: usize| Error::Setup(format!("Docker's configuration is not sound JSON (line {line})"));
        if bytes.len() > MAXIMUM_BYTES {
            return Err(Error::Setup(format!("Docker's configuration has more than {MAXIMUM_BYTES} bytes")));
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(|error| unreadable(error.line()))?;
        let mut entries = BTreeMap::new();
        for (key, entry) in raw.auths.unwrap_or_default() {
            let registry = registry_of(&key);
            let some = |text: Option<Secret>| text.filter(|text| !text.expose().is_empty());
            let credentials = if let Some(token) = some(entry.registrytoken) {
                Credentials::RegistryToken(token)
            } else if let Some(token) = some(entry.identitytoken) {
                Credentials::IdentityToken(token)
            } else if let (Some(user), Some(password)) = (entry.username, some(entry.password)) {
                Credentials::Password { user, password }
            } else if let Some(auth) = some(entry.auth) {
                let wrong = || Error::Setup(format!("Docker's credentials for {registry} cannot be read"));
                let decoded = Zeroizing::new(STANDARD.decode(auth.expose().trim_end()).map_err(|_| wrong())?);
                let text = std::str::from_utf8(&decoded).map_err(|_| wrong())?.trim_end_matches('\0');
                let (user, password) = text.split_once(':').ok_or_else(wrong)?;
                Credentials::Password { user: user.to_owned(), password: Secret::new(password) }
            } else {
                // `docker login` with a helper leaves an empty entry.
                continue;
            };
            entries.insert(registry, credentials);
        }
        let helpers = raw.cred_helpers.unwrap_or_default();
        let helpers = helpers.into_iter().map(|(key, helper)| (registry_of(&key), helper)).collect();
        Ok(Self { entries, helpers, store: raw.creds_store.filter(|store| !store.is_empty()) })
    }

    /// The credentials for a registry (host, and port where it has one).
    pub fn credentials(&self, registry: &str) -> Option<&Credentials> {
        self.entries.get(&registry_of(registry))
    }

    /// The helper program that Docker would ask for this registry: whoever wants its credentials runs it.
    pub fn helper(&self, registry: &str) -> Option<&str> {
        let registry = registry_of(registry);
        self.helpers.get(&registry).or(self.store.as_ref()).map(String::as_str)
    }
}

/// Keys are hosts, or addresses of Docker's first protocol: `https://index.docker.io/v1/`.
fn registry_of(key: &str) -> String {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_docker() {
        let text = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYTpzcw=="},"ghcr.io":{},
            "Azure.example:5000":{"auth":"MDAw","identitytoken":"id"},"t.example":{"registrytoken":"t"}},
            "credHelpers":{"ecr.example":"ecr-login"},"credsStore":"desktop"}"#;
        let config = DockerConfig::parse(text).expect("sound");
        let Some(Credentials::Password { user, password }) = config.credentials("docker.io") else { panic!("none") };
        assert_eq!((user.as_str(), password.expose()), ("user", "pa:ss"));
        assert!(config.credentials("ghcr.io").is_none());
        assert!(matches!(config.credentials("azure.example:5000"), Some(Credentials::IdentityToken(_))));
        assert!(matches!(config.credentials("t.example"), Some(Credentials::RegistryToken(_))));
        assert_eq!(config.helper("ecr.example"), Some("ecr-login"));
        assert_eq!(config.helper("ghcr.io"), Some("desktop"));
        assert!(!format!("{config:?}").contains("pa:ss"));
    }

    #[test]
    fn errors_repeat_no_secret() {
        for text in [
            &br#"{"auths":{"a":{"auth":"c2VjcmV0"}}}"#[..],
            br#"{"auths":{"a":{"auth":"secret!"}}}"#,
            br#"{"auths":"secret"}"#,
        ] {
            let error = DockerConfig::parse(text).expect_err("not sound").to_string();
            assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
        }
    }
}
