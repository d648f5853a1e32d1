//! Tokens: fetched where a registry says, if it may say so; for reading one repository, and no more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::Place;
use super::challenge::{self, Challenge};
use crate::address::{Address, encoded};
use crate::client::{Request, Response};
use crate::credentials::{Credentials, Secret};
use crate::error::Error;

/// Hosts other than the registry's own at which registries that everyone uses have tokens fetched.
const KNOWN: &[(&str, &str)] = &[("docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// What is shown to a registry, as long as it is good.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Option<(Secret, Instant)>>);

impl Tokens {
    pub(super) fn known(&self) -> Option<Secret> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(secret, _)| secret.clone())
    }

    fn remember(&self, secret: &Secret, lifetime: Duration) {
        if let Some(until) = Instant::now().checked_add(lifetime) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((secret.clone(), until));
        }
    }
}

impl Place {
    /// Does what a registry asks for in its refusal. Returns what is to be shown to it.
    pub(super) fn authorize(&self, refusal: &Response) -> Result<Secret, Error> {
        let failed = |why: String| Error::Authentication { registry: self.registry.clone(), why };
        let challenges: Vec<Challenge> = refusal.headers("www-authenticate").flat_map(challenge::parse).collect();
        let day = Duration::from_secs(24 * 60 * 60);
        if let Some(Credentials::RegistryToken(token)) = &self.credentials {
            let shown = Secret::new(format!("Bearer {}", token.expose()));
            self.tokens.remember(&shown, day);
            return Ok(shown);
        }
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service.as_deref())),
            Challenge::Basic => None,
        });
        if let Some((realm, service)) = bearer {
            return self.fetch(realm, service);
        }
        if !challenges.contains(&Challenge::Basic) {
            return Err(failed("it refuses, and does not say what it wants".to_owned()));
        }
        match &self.credentials {
            Some(Credentials::Password { user, password }) => {
                let shown = Credentials::basic(user, password);
                self.tokens.remember(&shown, day);
                Ok(shown)
            }
            Some(_) => Err(failed("it wants a name and a password, and there is only a token for it".to_owned())),
            None => Err(failed("it wants credentials, and there are none for it".to_owned())),
        }
    }

    fn fetch(&self, realm: &str, service: Option<&str>) -> Result<Secret, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            token: Option<Secret>,
            #[serde(default)]
            access_token: Option<Secret>,
            #[serde(default)]
            expires_in: Option<u64>,
        }
        let failed = |why: String| Error::Authentication { registry: self.registry.clone(), why };
        let realm: Address = self.root.join(realm)?;
        self.check_realm(&realm)?;
        // Asked for by us and not by the registry: to read this repository.
        let scope =
            if self.repository.is_empty() { None } else { Some(format!("repository:{}:pull", self.repository)) };
        let mut pairs = Vec::new();
        pairs.extend(service.map(|service| format!("service={}", encoded(service))));
        pairs.extend(scope.map(|scope| format!("scope={}", encoded(&scope))));
        let accept = "application/json";
        let limit = self.token_limit;
        let answer = match &self.credentials {
            Some(Credentials::IdentityToken(token)) => {
                let mut form =
                    Zeroizing::new(String::from("grant_type=refresh_token&client_id=provost&refresh_token="));
                form.push_str(&Zeroizing::new(encoded(token.expose())));
                for pair in &pairs {
                    form.push('&');
                    form.push_str(pair);
                }
                let form = Secret::new(form.as_str());
                self.client.send(&realm, &Request { accept, limit, form: Some(&form), authorization: None })?
            }
            credentials => {
                let basic = match credentials {
                    Some(Credentials::Password { user, password }) => {
                        pairs.push(format!("account={}", encoded(user)));
                        Some(Credentials::basic(user, password))
                    }
                    _ => None,
                };
                let query = realm.query_with(&pairs.join("&"));
                let address = realm.with_path(realm.path(), Some(&query));
                self.client.send(&address, &Request { accept, limit, authorization: basic.as_ref(), form: None })?
            }
        };
        if matches!(answer.status, 401 | 403) {
            let why = if self.credentials.is_some() {
                "does not take the credentials"
            } else {
                "gives no token to strangers"
            };
            return Err(failed(format!("its token service {} {why}", realm.authority())));
        }
        let unsound = || failed(format!("the answer of its token service {} is not sound", realm.authority()));
        let bytes = Zeroizing::new(answer.success()?.bytes()?);
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| unsound())?;
        let token =
            answer.token.or(answer.access_token).filter(|token| !token.expose().is_empty()).ok_or_else(unsound)?;
        let shown = Secret::new(format!("Bearer {}", token.expose()));
        // 60 seconds where nothing is said (distribution's token specification); not longer than a day.
        let lifetime = answer.expires_in.unwrap_or(60).clamp(10, 24 * 60 * 60);
        self.tokens.remember(&shown, Duration::from_secs(lifetime - 5));
        Ok(shown)
    }

    /// A registry that could send us anywhere could have our password sent anywhere.
    fn check_realm(&self, realm: &Address) -> Result<(), Error> {
        let own = realm.host() == self.root.host();
        let known = KNOWN.iter().any(|(registry, host)| *registry == self.registry && *host == realm.host());
        let allowed = self.settings.token_hosts.iter().any(|(registry, host)| {
            registry.eq_ignore_ascii_case(&self.registry)
                && (host.eq_ignore_ascii_case(realm.host()) || host.eq_ignore_ascii_case(&realm.authority()))
        });
        if self.root.is_secure() && !realm.is_secure() {
            let why = format!("it wants a token to be fetched without TLS, at {realm}");
            return Err(Error::Authentication { registry: self.registry.clone(), why });
        }
        if own || known || allowed {
            return Ok(());
        }
        let why = format!(
            "it wants a token to be fetched at another host, {}: allow that host for this registry if that is right",
            realm.authority()
        );
        Err(Error::Authentication { registry: self.registry.clone(), why })
    }
}
