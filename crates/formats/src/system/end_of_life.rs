//! Until when distributions give security updates for a release to everyone: the table of one day.

use provost_model::{Distribution, Timestamp};

/// The day of the table. Ends that were not announced then are not in it. Debian and Ubuntu by Debian's package
/// distro-info-data 0.58+deb12u7, the others by what each announced.
pub const AS_OF: &str = "2026-11-29";

/// By id and release: the last day with updates for everyone, by the distribution's own word. Paid extensions (Ubuntu Pro,
/// extended LTS) are not counted; Debian's LTS is.
const ENDS: &[(&str, &str, &str)] = &[
    ("debian", "7", "2018-05-31"),
    ("debian", "8", "2020-06-30"),
    ("debian", "9", "2022-06-30"),
    ("debian", "10", "2024-06-30"),
    ("debian", "11", "2026-08-31"),
    ("debian", "12", "2028-06-30"),
    ("debian", "13", "2030-06-30"),
    ("ubuntu", "14.04", "2019-04-30"),
    ("ubuntu", "16.04", "2021-04-30"),
    ("ubuntu", "18.04", "2023-05-31"),
    ("ubuntu", "19.10", "2020-07-17"),
    ("ubuntu", "20.04", "2025-05-29"),
    ("ubuntu", "20.10", "2021-07-22"),
    ("ubuntu", "21.04", "2022-01-20"),
    ("ubuntu", "21.10", "2022-07-14"),
    ("ubuntu", "22.04", "2027-06-01"),
    ("ubuntu", "22.10", "2023-07-20"),
    ("ubuntu", "23.04", "2024-01-25"),
    ("ubuntu", "23.10", "2024-07-11"),
    ("ubuntu", "24.04", "2029-05-31"),
    ("ubuntu", "24.10", "2025-07-10"),
    ("ubuntu", "25.04", "2026-01-15"),
    ("ubuntu", "25.10", "2026-07-09"),
    ("alpine", "3.8", "2020-05-01"),
    ("alpine", "3.9", "2020-11-01"),
    ("alpine", "3.10", "2021-05-01"),
    ("alpine", "3.11", "2021-11-01"),
    ("alpine", "3.12", "2022-05-01"),
    ("alpine", "3.13", "2022-11-01"),
    ("alpine", "3.14", "2023-05-01"),
    ("alpine", "3.15", "2023-11-01"),
    ("alpine", "3.16", "2024-05-23"),
    ("alpine", "3.17", "2024-11-22"),
    ("alpine", "3.18", "2025-05-09"),
    ("alpine", "3.19", "2025-11-01"),
    ("alpine", "3.20", "2026-04-01"),
    ("alpine", "3.21", "2026-11-01"),
    ("alpine", "3.22", "2027-05-01"),
    ("alpine", "3.23", "2027-11-01"),
    ("centos", "6", "2020-11-30"),
    ("centos", "7", "2024-06-30"),
    // CentOS 8 ended on 2021-12-31; Stream 8 calls itself the same.
    ("centos", "8", "2024-05-31"),
    ("rhel", "6", "2020-11-30"),
    ("rhel", "7", "2024-06-30"),
    ("rhel", "8", "2029-05-31"),
    ("rhel", "9", "2032-05-31"),
    ("amzn", "2018.03", "2023-12-31"),
    ("amzn", "2", "2026-06-30"),
    ("opensuse-leap", "15.3", "2022-12-31"),
    ("opensuse-leap", "15.4", "2023-12-07"),
    ("opensuse-leap", "15.5", "2024-12-31"),
    ("fedora", "37", "2023-12-05"),
    ("fedora", "38", "2024-05-21"),
    ("fedora", "39", "2024-11-26"),
    ("fedora", "40", "2025-05-13"),
];

/// The first moment without updates; none where the table does not know the release. That is not the same as looked after.
pub fn of(release: &Distribution) -> Option<Timestamp> {
    let version = release.version.as_str();
    let parts: Vec<&str> = version.split('.').collect();
    // Ubuntu, Alpine and openSUSE number releases in two parts, the others in one.
    let short = match release.id.as_str() {
        "ubuntu" | "alpine" | "opensuse-leap" | "amzn" => {
            parts.get(..2).map_or(version.to_owned(), |two| two.join("."))
        }
        _ => parts.first().map(|one| (*one).to_owned())?,
    };
    let (_, _, day) = ENDS.iter().find(|(id, version, _)| *id == release.id && *version == short)?;
    let last: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    Some(last.plus_days(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_by_the_number_that_tells_them_apart() {
        let end = |id: &str, version: &str| {
            let release = Distribution { id: id.into(), version: version.into(), like: Vec::new() };
            of(&release).map(|time| time.to_string()[..10].to_owned())
        };
        assert_eq!(end("debian", "10").as_deref(), Some("2024-07-01"));
        assert_eq!(end("debian", "10.13").as_deref(), Some("2024-07-01"));
        assert_eq!(end("alpine", "3.10.4").as_deref(), Some("2021-05-02"));
        assert_eq!(end("alpine", "3.1").as_deref(), None);
        assert_eq!(end("centos", "7.9.2009").as_deref(), Some("2024-07-01"));
        assert_eq!(end("ubuntu", "20.04").as_deref(), Some("2025-05-30"));
        assert_eq!(end("wolfi", "20230201"), None);
        assert_eq!(end("debian", ""), None);
        for (id, version, day) in ENDS {
            assert!(end(id, version).is_some(), "{id} {version} {day}");
        }
    }
}
