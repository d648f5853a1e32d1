//! The configuration of an image (image-spec, config.md).

use std::collections::BTreeMap;

use provost_model::{Digest, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{Limits, OciError, Platform, digests, or_default, read, strict, within};

/// The configuration of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The platform that its files are for.
    pub platform: Platform,
    /// When it was made, as it says. Reproducible builds say 1970 or nothing.
    pub created: Option<Timestamp>,
    /// Who made it, as it says.
    pub author: Option<String>,
    /// How it is run.
    pub runtime: Runtime,
    /// Digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// How each layer came to be, where it is told; those without files among them.
    pub history: Vec<History>,
}

/// How a container of the image is run when nobody says otherwise: the member `config`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Runtime {
    /// User, or user and group: `app`, `1000:1000`. Nothing means root.
    #[serde(default, deserialize_with = "or_default")]
    pub user: String,
    /// Ports: `8080/tcp`.
    #[serde(default, deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// Variables: `NAME=value`. Values may be secret.
    #[serde(default, deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// What is run.
    #[serde(default, deserialize_with = "words")]
    pub entrypoint: Vec<String>,
    /// Its arguments, or what is run where there is no entry point.
    #[serde(default, deserialize_with = "words")]
    pub cmd: Vec<String>,
    /// Directories that become volumes.
    #[serde(default, deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// The directory that it is run in.
    #[serde(default, deserialize_with = "or_default")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it.
    #[serde(default, deserialize_with = "or_default")]
    pub stop_signal: String,
    /// How it is asked whether it is well.
    #[serde(default)]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions that run when another image is built from this one.
    #[serde(default, deserialize_with = "or_default")]
    pub on_build: Vec<String>,
    /// The shell of build instructions.
    #[serde(default, deserialize_with = "words")]
    pub shell: Vec<String>,
}

/// A health check (Docker's extension). Times are in nanoseconds; 0 means the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// The test: empty is the base image's, `NONE` none, `CMD …` a command, `CMD-SHELL …` one for a shell.
    #[serde(default, deserialize_with = "or_default")]
    pub test: Vec<String>,
    /// Between two tests.
    #[serde(default, deserialize_with = "or_default")]
    pub interval: i64,
    /// For one test.
    #[serde(default, deserialize_with = "or_default")]
    pub timeout: i64,
    /// Before the first counts.
    #[serde(default, deserialize_with = "or_default")]
    pub start_period: i64,
    /// Failures before it is not well.
    #[serde(default, deserialize_with = "or_default")]
    pub retries: i64,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct History {
    /// When, as it says.
    #[serde(default, deserialize_with = "time")]
    pub created: Option<Timestamp>,
    /// The instruction. May hold the values of build arguments.
    #[serde(default, deserialize_with = "or_default")]
    pub created_by: String,
    /// Who.
    #[serde(default, deserialize_with = "or_default")]
    pub author: String,
    /// Anything.
    #[serde(default, deserialize_with = "or_default")]
    pub comment: String,
    /// True when it made no layer.
    #[serde(default, deserialize_with = "or_default")]
    pub empty_layer: bool,
}

const NAMES: &[&str] = &[
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "created",
    "author",
    "config",
    "rootfs",
    "type",
    "diff_ids",
    "history",
    "created_by",
    "comment",
    "empty_layer",
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "Test",
    "Interval",
    "Timeout",
    "StartPeriod",
    "Retries",
];

/// Reads a configuration.
///
/// # Errors
/// It is too large, not sound, or ambiguous.
pub fn config(bytes: &[u8], limits: &Limits) -> Result<Config, OciError> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(flatten)]
        platform: Platform,
        #[serde(default, deserialize_with = "time")]
        created: Option<Timestamp>,
        #[serde(default)]
        author: Option<String>,
        #[serde(default, deserialize_with = "or_default")]
        config: Runtime,
        rootfs: Rootfs,
        #[serde(default, deserialize_with = "or_default")]
        history: Vec<History>,
    }
    #[derive(Deserialize)]
    struct Rootfs {
        #[serde(default, rename = "type", deserialize_with = "or_default")]
        kind: String,
        #[serde(default, deserialize_with = "digests")]
        diff_ids: Vec<Digest>,
    }
    let what = "image configuration";
    if bytes.len() > limits.config {
        return Err(OciError::TooLarge { what, bytes: bytes.len(), limit: limits.config });
    }
    strict::check(bytes, what, NAMES, &["ExposedPorts", "Volumes", "Labels"])?;
    let raw: Raw = read(bytes, what)?;
    if raw.rootfs.kind != "layers" {
        let why = format!("its root file system is `{}` and not `layers`", cut(&raw.rootfs.kind));
        return Err(OciError::Shape { what, why });
    }
    within(raw.rootfs.diff_ids.len(), limits.layers, "diff ids")?;
    within(raw.history.len(), limits.history, "steps of history")?;
    let runtime = &raw.config;
    for (number, what) in [
        (runtime.env.len(), "variables"),
        (runtime.exposed_ports.len(), "ports"),
        (runtime.labels.len(), "labels"),
        (runtime.volumes.len(), "volumes"),
        (runtime.entrypoint.len().max(runtime.cmd.len()), "arguments"),
        (runtime.on_build.len(), "ONBUILD instructions"),
    ] {
        within(number, limits.members, what)?;
    }
    Ok(Config {
        platform: raw.platform,
        created: raw.created,
        author: raw.author,
        runtime: raw.config,
        diff_ids: raw.rootfs.diff_ids,
        history: raw.history,
    })
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A time; one that cannot be read is none, since nothing depends on it.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The keys of a Go `map[string]struct{}`, in order.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let map: BTreeMap<String, IgnoredAny> = or_default(deserializer)?;
    Ok(map.into_keys().collect())
}

/// A list of words, or one text.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Words::Many(words)) => words,
        Some(Words::One(word)) => vec![word],
        None => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn reads_what_docker_writes() {
        let text = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","created":"2024-01-27T00:30:48.743965523Z",
            "docker_version":"20.10","container_config":{{"user":"ignored"}},
            "config":{{"User":"app:app","Env":["A=b"],"Cmd":["/bin/sh"],"Entrypoint":null,"ExposedPorts":{{"80/tcp":{{}},"443/tcp":{{}}}},
            "Volumes":null,"Labels":{{"user":"x","User":"y"}},"OnBuild":null,"Healthcheck":{{"Test":["CMD","true"],"Retries":3}}}},
            "history":[{{"created_by":"/bin/sh -c #(nop) ADD file:1 in / "}},{{"created_by":"CMD","empty_layer":true}}],
            "rootfs":{{"type":"layers","diff_ids":["{D}"]}}}}"#
        );
        let config = config(text.as_bytes(), &Limits::default()).expect("sound");
        assert_eq!(config.platform.to_string(), "linux/arm64/v8");
        assert_eq!(config.runtime.user, "app:app");
        assert_eq!(config.runtime.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!(config.diff_ids.len(), 1);
        assert!(config.history[1].empty_layer);
        assert_eq!(config.created.map(|t| t.to_string()).as_deref(), Some("2024-01-27T00:30:48.743Z"));
        assert_eq!(config.runtime.healthcheck.map(|h| h.retries), Some(3));
    }

    #[test]
    fn a_second_user_is_refused() {
        let text = r#"{"os":"linux","architecture":"amd64","config":{"User":"app","user":"root"},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert!(matches!(config(text.as_bytes(), &Limits::default()), Err(OciError::Ambiguous { .. })));
    }

    #[test]
    fn a_configuration_of_something_else_is_refused() {
        for text in
            ["{}", r#"{"rootfs":{"type":"flat"}}"#, "null", "[]", r#"{"rootfs":{"type":"layers","diff_ids":["x"]}}"#]
        {
            assert!(config(text.as_bytes(), &Limits::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        let text = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{D}","{D}"]}},"config":{{"Env":["a","b"]}}}}"#);
        let with = |limits| config(text.as_bytes(), &limits);
        assert!(with(Limits::default()).is_ok());
        assert!(with(Limits { layers: 1, ..Limits::default() }).is_err());
        assert!(with(Limits { members: 1, ..Limits::default() }).is_err());
        assert!(with(Limits { config: 10, ..Limits::default() }).is_err());
    }
}
