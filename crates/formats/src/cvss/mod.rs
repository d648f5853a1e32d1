//! CVSS scores from vectors: 2.0, 3.0, 3.1 and 4.0 (FIRST specifications).

mod four;
mod metrics;
mod older;

use std::fmt;
use std::str::FromStr;

pub use metrics::Metric;

/// Bytes of a vector that are read at most.
pub const MAXIMUM_VECTOR_BYTES: usize = 1024;

/// A version of CVSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 2.0.
    V2,
    /// 3.0.
    V3_0,
    /// 3.1.
    V3_1,
    /// 4.0.
    V4,
}

impl Version {
    /// What its vectors start with: `CVSS:3.1/`; nothing in 2.0.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "",
            Self::V3_0 => "CVSS:3.0/",
            Self::V3_1 => "CVSS:3.1/",
            Self::V4 => "CVSS:4.0/",
        }
    }

    /// Its metrics in the order of the specification's table.
    pub fn metrics(self) -> &'static [Metric] {
        metrics::table(self)
    }
}

/// A score from 0.0 to 10.0 in tenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    /// From tenths; more than 100 is 100.
    pub fn from_tenths(tenths: u8) -> Self {
        Self(tenths.min(100))
    }

    /// In tenths: 98 for 9.8.
    pub fn tenths(self) -> u8 {
        self.0
    }

    /// As a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// The name of a score's range (CVSS 3.1, section 5; 4.0, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 0.0.
    None,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9; to 10.0 in CVSS 2.0.
    High,
    /// 9.0 to 10.0; not in CVSS 2.0.
    Critical,
}

impl Severity {
    /// The severity of a score. CVSS 2.0 names none itself: the three ranges are those of the National Vulnerability
    /// Database, where 0.0 is low.
    pub fn of(version: Version, score: Score) -> Self {
        match (version, score.0) {
            (Version::V2, 0..=39) => Self::Low,
            (_, 0) => Self::None,
            (_, 1..=39) => Self::Low,
            (_, 40..=69) => Self::Medium,
            (Version::V2, _) | (_, 70..=89) => Self::High,
            _ => Self::Critical,
        }
    }

    /// `none`, `low`, `medium`, `high`, `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Why a text is no vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CvssError {
    /// Longer than [`MAXIMUM_VECTOR_BYTES`].
    #[error("a CVSS vector of {0} bytes: at most {MAXIMUM_VECTOR_BYTES} are read")]
    Long(usize),
    /// It names a version that is not known.
    #[error("`{0}` is no version of CVSS that is known: 2.0, 3.0, 3.1 and 4.0 are")]
    Version(String),
    /// A part that is not `metric:value`.
    #[error("`{0}` is no metric of a CVSS vector with its value")]
    Part(String),
    /// A metric that the version does not have.
    #[error("CVSS has no metric `{0}` in this version")]
    Metric(String),
    /// A value that the metric does not have.
    #[error("the CVSS metric {metric} has no value `{value}`")]
    Value {
        /// The metric.
        metric: &'static str,
        /// The value.
        value: String,
    },
    /// A metric that is there twice.
    #[error("the CVSS metric {0} is there twice")]
    Twice(&'static str),
    /// A metric that stands before one that belongs before it (CVSS 4.0 knows one order only, section 7).
    #[error("the CVSS metric {0} is out of order: 4.0 allows only the order of its table")]
    Order(&'static str),
    /// A mandatory metric is missing.
    #[error("the CVSS metric {0} is missing")]
    Missing(&'static str),
}

/// A vector that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cvss {
    version: Version,
    /// Index of the value, by the metric's place in its version's table; `None` where the vector does not have it.
    values: Vec<Option<u8>>,
}

impl Cvss {
    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The base score: threat (temporal) and environment are left out.
    pub fn base(&self) -> Score {
        match self.version {
            Version::V2 => older::two(self).base,
            Version::V3_0 | Version::V3_1 => older::three(self).base,
            Version::V4 => four::score(&|metric| self.base_value(metric)),
        }
    }

    /// The score with all that the vector says: environmental in 2.0 and 3.x where it says something of that, else
    /// temporal; CVSS-BTE in 4.0. The base score where it says nothing beyond that.
    pub fn overall(&self) -> Score {
        match self.version {
            Version::V2 => older::two(self).overall,
            Version::V3_0 | Version::V3_1 => older::three(self).overall,
            Version::V4 => four::score(&|metric| self.modified_value(metric)),
        }
    }

    /// The severity of the base score.
    pub fn severity(&self) -> Severity {
        Severity::of(self.version, self.base())
    }

    /// The value of a metric as the vector has it.
    pub fn metric(&self, name: &str) -> Option<&'static str> {
        let index = self.table().iter().position(|metric| metric.name == name)?;
        let value = (*self.values.get(index)?)?;
        self.table()[index].values.get(usize::from(value)).copied()
    }

    fn table(&self) -> &'static [Metric] {
        self.version.metrics()
    }

    /// The value, `X` (2.0: `ND`) where it is not there.
    fn value(&self, name: &str) -> &'static str {
        self.metric(name).unwrap_or(if self.version == Version::V2 { "ND" } else { "X" })
    }

    fn base_value(&self, name: &str) -> &'static str {
        if matches!(name, "E" | "CR" | "IR" | "AR") { "X" } else { self.value(name) }
    }

    /// The value, as the environment changes it.
    fn modified_value(&self, name: &str) -> &'static str {
        match self.metric(&format!("M{name}")) {
            None | Some("X") => self.value(name),
            Some(modified) => modified,
        }
    }
}

impl FromStr for Cvss {
    type Err = CvssError;

    fn from_str(text: &str) -> Result<Self, CvssError> {
        if text.len() > MAXIMUM_VECTOR_BYTES {
            return Err(CvssError::Long(text.len()));
        }
        let (version, rest) = match text.strip_prefix("CVSS:") {
            None => (Version::V2, text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(text)),
            Some(_) => [Version::V3_0, Version::V3_1, Version::V4]
                .into_iter()
                .find_map(|version| text.strip_prefix(version.prefix()).map(|rest| (version, rest)))
                .ok_or_else(|| CvssError::Version(shortened(text.split('/').next().unwrap_or_default())))?,
        };
        let table = version.metrics();
        let mut values = vec![None; table.len()];
        let mut last = 0;
        for part in rest.split('/') {
            let (name, value) = part.split_once(':').ok_or_else(|| CvssError::Part(shortened(part)))?;
            let index = table.iter().position(|metric| metric.name == name);
            let index = index.ok_or_else(|| CvssError::Metric(shortened(name)))?;
            let metric = &table[index];
            let known =
                metric.values.iter().position(|known| *known == value).and_then(|value| u8::try_from(value).ok());
            let wrong = || CvssError::Value { metric: metric.name, value: shortened(value) };
            if values[index].replace(known.ok_or_else(wrong)?).is_some() {
                return Err(CvssError::Twice(metric.name));
            }
            if version == Version::V4 && index < last {
                return Err(CvssError::Order(metric.name));
            }
            last = index;
        }
        match table.iter().zip(&values).find(|(metric, value)| metric.mandatory && value.is_none()) {
            Some((metric, _)) => Err(CvssError::Missing(metric.name)),
            None => Ok(Self { version, values }),
        }
    }
}

/// The vector, its metrics in the order of the specification's table.
impl fmt::Display for Cvss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version.prefix())?;
        let mut first = true;
        for metric in self.table() {
            if let Some(value) = self.metric(metric.name) {
                write!(f, "{}{}:{value}", if first { "" } else { "/" }, metric.name)?;
                first = false;
            }
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector, base score, score with all that it says.
    const KNOWN: &[(&str, &str, &str)] = &[
        // CVSS 2.0, section 3.3: CVE-2002-0392, CVE-2003-0818, CVE-2003-0062.
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C/CDP:H/TD:H/CR:M/IR:M/AR:H", "7.8", "9.2"),
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C", "7.8", "6.4"),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C/E:F/RL:OF/RC:C/CDP:H/TD:H/CR:M/IR:M/AR:L", "10.0", "9.0"),
        ("(AV:L/AC:H/Au:N/C:C/I:C/A:C)", "6.2", "6.2"),
        ("AV:N/AC:L/Au:N/C:N/I:N/A:N", "0.0", "0.0"),
        // CVSS 3.1 examples: CVE-2013-1937, CVE-2013-0375, CVE-2014-3566, CVE-2012-1516, CVE-2014-0160, CVE-2014-6271,
        // CVE-2008-1447, CVE-2009-0783, CVE-2015-1098.
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "6.1", "6.1"),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", "6.4", "6.4"),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", "3.1", "3.1"),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", "9.9", "9.9"),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "7.5", "7.5"),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "9.8", "9.8"),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N", "6.8", "6.8"),
        ("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", "4.2", "4.2"),
        ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", "7.8", "7.8"),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "0.0", "0.0"),
        // CVSS 4.0 examples: CVE-2022-41741, CVE-2020-3549, CVE-2023-3089 and others of its kind.
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "7.3", "7.3"),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", "7.7", "5.2"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", "6.9", "6.9"),
        ("CVSS:4.0/AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:N", "5.9", "5.9"),
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", "8.8", "8.8"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", "10.0", "10.0"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", "0.0", "0.0"),
        // A safety impact counts above the rest.
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:N/SC:N/SI:N/SA:N/MSI:S", "9.3", "10.0"),
    ];

    #[test]
    fn known_vectors() {
        for (text, base, overall) in KNOWN {
            let vector: Cvss = text.parse().unwrap();
            assert_eq!(
                (vector.base().to_string().as_str(), vector.overall().to_string().as_str()),
                (*base, *overall),
                "{text}"
            );
            assert_eq!(vector.to_string().parse(), Ok(vector));
        }
    }

    #[test]
    fn severities() {
        let severity = |text: &str| text.parse::<Cvss>().unwrap().severity().name();
        assert_eq!(severity("AV:N/AC:L/Au:N/C:C/I:C/A:C"), "high");
        assert_eq!(severity("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), "critical");
        assert_eq!(severity("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"), "none");
    }

    #[test]
    fn errors_are_strict() {
        let error = |text: &str| text.parse::<Cvss>().unwrap_err();
        assert_eq!(error(""), CvssError::Part(String::new()));
        assert_eq!(error("CVSS:3.2/AV:N"), CvssError::Version("CVSS:3.2".into()));
        assert_eq!(error("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H"), CvssError::Missing("A"));
        assert_eq!(error("CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), CvssError::Twice("AV"));
        assert_eq!(error("CVSS:3.1/AV:n"), CvssError::Value { metric: "AV", value: "n".into() });
        assert_eq!(error("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/"), CvssError::Part(String::new()));
        assert_eq!(error("CVSS:3.1/Au:N"), CvssError::Metric("Au".into()));
        assert_eq!(error("CVSS:4.0/AC:L/AV:N"), CvssError::Order("AV"));
        assert!(matches!(error(&"A".repeat(2000)), CvssError::Long(2000)));
        // 3.1, section 6: any order.
        assert!("CVSS:3.1/A:H/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H".parse::<Cvss>().is_ok());
    }
}
