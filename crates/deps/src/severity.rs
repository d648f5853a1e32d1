//! How severe a vulnerability is: from CVSS vectors, else from the word of its database.

use provost_formats::cvss;
use provost_formats::osv;
use serde::{Deserialize, Serialize};

/// Severity in the words of CVSS (4.0, section 6; 3.1, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody says.
    Unknown,
    /// 0.0.
    None,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// Of a CVSS score.
    pub fn of_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Of a database's own word: those of GitHub, Ubuntu, Debian, Red Hat, SUSE and Go.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().trim_end_matches('*') {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "negligible" | "unimportant" | "none" => Self::None,
            _ => return None,
        })
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("unknown") {
            return Ok(Self::Unknown);
        }
        Self::of_word(text)
            .ok_or_else(|| format!("`{text}` is no severity: critical, high, medium, low, none, unknown"))
    }
}

/// A severity and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The severity.
    pub severity: Severity,
    /// The score, where it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The CVSS vector, or the database's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Default for Rating {
    fn default() -> Self {
        Self { severity: Severity::Unknown, score: None, from: None }
    }
}

/// The rating of a record: the vector of the newest version of CVSS that can be read, else a word.
pub fn rate(severities: &[osv::Severity], word: Option<&str>) -> Rating {
    let computed = severities
        .iter()
        .filter(|one| one.kind.starts_with("CVSS_"))
        .filter_map(|one| {
            Some((one.kind.as_str(), one.score.parse::<cvss::Cvss>().ok()?.base().value(), one.score.as_str()))
        })
        .max_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)));
    if let Some((_, score, vector)) = computed {
        let severity = Severity::of_score(score);
        return Rating { severity, score: Some(score), from: Some(vector.to_owned()) };
    }
    let words = severities.iter().filter(|one| !one.kind.starts_with("CVSS_")).map(|one| one.score.as_str());
    words
        .chain(word)
        .find_map(|word| Some(Rating { severity: Severity::of_word(word)?, score: None, from: Some(word.to_owned()) }))
        .unwrap_or_default()
}
