//! Names: which of them speak of a secret.

use super::Class;
use crate::value;

/// Words that make a name a secret's, and what kind.
fn telling(word: &[u8]) -> Option<Class> {
    Some(match word {
        b"password" | b"passwd" | b"pwd" | b"pass" | b"passphrase" | b"passcode" | b"passwords" | b"psw" | b"pw"
        | b"userpass" | b"dbpass" | b"dbpassword" | b"rootpassword" | b"userpassword" | b"mypassword" | b"dbpwd"
        | b"sshpass" | b"passwordhash" | b"keypass" | b"storepass" | b"pgpassword" => Class::Password,
        b"secret" | b"token" | b"apikey" | b"secretkey" | b"accesskey" | b"authkey" | b"privatekey" | b"credential"
        | b"credentials" | b"creds" | b"apitoken" | b"accesstoken" | b"authtoken" | b"secrets" | b"tokens" | b"jwt"
        | b"bearer" | b"clientsecret" | b"appkey" | b"appsecret" | b"salt" | b"apisecret" | b"refreshtoken"
        | b"idtoken" | b"masterkey" | b"encryptionkey" | b"signingkey" | b"licensekey" | b"sessionid" | b"cookie"
        | b"auth" | b"nonce" | b"verifier" | b"usertoken" | b"bearertoken" | b"consumerkey" | b"consumersecret"
        | b"sharedsecret" => Class::Token,
        _ => return None,
    })
}

/// Words before `key` that make it a secret one.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "api", "access", "secret", "private", "auth", "encryption", "encrypt", "signing", "sign", "master", "account",
    "storage", "app", "application", "client", "shared", "service", "consumer", "subscription", "license", "session",
    "cipher", "aes", "des", "hmac", "ssh", "rsa", "deploy", "server", "admin", "write", "read", "ingest",
    "integration", "merchant", "maps", "crypt", "crypto", "decryption", "decrypt", "token", "jwt", "user", "aws",
    "azure", "google", "primary", "secondary", "instrumentation", "webhook", "hash", "security", "root", "my", "sas",
    "firebase", "stripe", "passwd", "password", "x", "push", "set", "mail", "smtp", "query", "partner", "developer",
    "dev", "prod", "test", "sendgrid",
];

/// Words that may follow the telling one.
#[rustfmt::skip]
const AFTER: &[&str] = &[
    "value", "val", "string", "str", "text", "env", "default", "prod", "production", "test", "dev", "staging", "base",
    "plain", "plaintext", "raw", "b", "s", "x", "v", "one", "two", "new", "old", "current", "live", "key", "token",
    "data", "content", "encoded", "confirmation", "confirm", "again", "repeat", "admin", "user", "db", "root", "api",
    "local",
];

/// Words that say that the value is no secret, wherever they stand.
#[rustfmt::skip]
const NOT: &[&str] = &[
    "hash", "hashed", "digest", "checksum", "integrity", "public", "pub", "sha", "md", "fingerprint", "thumbprint",
    "file", "filename", "path", "dir", "url", "uri", "endpoint", "host", "port", "type", "name", "length", "len",
    "size", "count", "field", "label", "placeholder", "regex", "pattern", "expiry", "expires", "expiration", "ttl",
    "timeout", "header", "param", "prefix", "suffix", "policy", "column", "index", "format", "template", "message",
    "msg", "error", "err", "title", "description", "desc", "help", "hint", "url", "link", "page", "view", "form",
    "input", "button", "icon", "selector", "class", "style", "color", "event", "handler", "callback", "provider",
    "manager", "factory", "service_url", "algorithm", "alg", "method", "mode", "scheme", "issuer", "audience",
    "scope", "realm", "enabled", "disabled", "required", "missing", "strength", "reset", "forgot", "change",
    "changed", "command", "cmd", "prompt", "store", "ring", "board", "words", "code_point", "version", "tokenizer",
    "arn", "ref", "lookup", "limit", "rotation", "min", "max", "history", "attempts", "map", "list", "table",
    "schema", "spec", "mount", "volume", "kind",
];

pub(super) fn class_of(name: &[u8]) -> Option<Class> {
    if name.len() < 2 {
        return None;
    }
    let lower: Vec<Vec<u8>> = value::words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    let is = |list: &[&str], word: &[u8]| list.iter().any(|w| w.as_bytes() == word);
    if lower.iter().any(|word| is(NOT, word)) {
        return None;
    }
    let (at, class) = lower.iter().enumerate().rev().find_map(|(i, word)| {
        if let Some(class) = telling(word) {
            return Some((i, class));
        }
        let is_key = word == b"key" || word == b"keys";
        is_key.then(|| (i, if i > 0 && is(KEYS, &lower[i - 1]) { Class::Token } else { Class::Key }))
    })?;
    // A machine's words around a person's password do not make it a token.
    let class = if lower[..at].iter().any(|w| telling(w) == Some(Class::Password)) { Class::Password } else { class };
    lower[at + 1..].iter().all(|word| is(AFTER, word)).then_some(class)
}
