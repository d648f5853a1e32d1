//! What a Java archive is called, where nothing in it says: from its file's name and its manifest.

use std::collections::BTreeMap;

/// A file's name taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) artifact: String,
    pub(super) version: String,
}

/// Takes `artifact-1.2.3.jar` apart; `None` where there is no version.
pub(super) fn of_file(file: &str) -> Option<FileName> {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let classifier = ["-sources", "-javadoc", "-tests", "-shaded", "-all", "-jar-with-dependencies"];
    let stem = classifier.iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem);
    let begins = |at: &usize| stem.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    let starts: Vec<usize> = stem.match_indices('-').map(|(at, _)| at).filter(begins).collect();
    // `log4j-1.2-api-2.17.1`: what follows the version is digits or a qualifier.
    let start = starts.iter().find(|at| stem[**at + 1..].split('-').skip(1).all(is_qualifier)).or(starts.last())?;
    let (artifact, version) = (&stem[..*start], &stem[*start + 1..]);
    let sound =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
    (sound(artifact) && sound(version)).then(|| FileName { artifact: artifact.to_owned(), version: version.to_owned() })
}

fn is_qualifier(part: &str) -> bool {
    const QUALIFIERS: [&str; 19] = [
        "jre",
        "android",
        "release",
        "final",
        "ga",
        "snapshot",
        "alpha",
        "beta",
        "rc",
        "cr",
        "m",
        "sp",
        "incubating",
        "jdk",
        "java",
        "milestone",
        "pre",
        "b",
        "sec",
    ];
    let lower = part.to_ascii_lowercase();
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    part.starts_with(|c: char| c.is_ascii_digit()) || QUALIFIERS.contains(&word)
}

/// A guess at what an archive is.
pub(super) struct Guess {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
    /// The group is written somewhere: it is not made of the artifact's name.
    pub(super) group_known: bool,
    /// What tells it.
    pub(super) by: &'static str,
}

/// Guesses. `None` where there is no artifact or no version.
pub(super) fn guess(file: Option<&FileName>, manifest: &BTreeMap<String, String>) -> Option<Guess> {
    let value = |keys: &[&str]| keys.iter().find_map(|key| manifest.get(*key)).map(String::as_str);
    let bundle = manifest.get("Bundle-SymbolicName").map(|name| name.split(';').next().unwrap_or(name).trim());
    let titles = ["Implementation-Title", "Specification-Title", "Bundle-Name", "Name", "Extension-Name", "Short-Name"];
    let title = titles.iter().filter_map(|key| manifest.get(*key)).find(|title| is_token(title));
    let (artifact, by) = match (file, bundle.filter(|name| is_token(name)), title) {
        (Some(file), ..) if manifest.is_empty() => (file.artifact.clone(), "its file's name"),
        (Some(file), ..) => (file.artifact.clone(), "its file's name and its manifest"),
        (None, Some(bundle), _) => (last_part(bundle), "its manifest"),
        (None, None, Some(title)) => (last_part(title), "its manifest"),
        (None, None, None) => return None,
    };
    let artifact = artifact.as_str();
    let written = value(&["Implementation-Version", "Bundle-Version", "Plugin-Version", "Specification-Version"]);
    let written = written.and_then(|version| version.split_whitespace().next());
    let written = written.filter(|version| version.starts_with(|c: char| c.is_ascii_digit()) && is_token(version));
    let version = file.map(|file| file.version.as_str()).or(written)?;
    // `org/apache/axis` and `org.apache.axis` are groups or packages of classes.
    let dotted = |text: &str| {
        let text = text.trim().trim_end_matches('/').replace('/', ".");
        let text = text.split('#').next().unwrap_or(&text).trim().to_owned();
        (text.contains('.') && is_token(&text) && text.starts_with(|c: char| c.is_ascii_lowercase())).then_some(text)
    };
    let vendor = value(&["Implementation-Vendor-Id", "Group-Id", "Maven-Group-Id"]).and_then(dotted);
    let names = [
        bundle,
        value(&["Automatic-Module-Name"]),
        value(&["Implementation-Title"]),
        value(&["Name"]),
        value(&["Extension-Name"]),
    ];
    let named = names.into_iter().flatten().find_map(dotted).map(|name| without_artifact(&name, artifact));
    let known = group_of(artifact).map(str::to_owned);
    // A vendor of one word, `org.apache`, says less than a name that begins with it.
    let within = |named: &String| vendor.as_ref().is_none_or(|vendor| named.starts_with(&format!("{vendor}.")));
    let found = known.or(named.filter(within)).or(vendor);
    let group_known = found.is_some();
    let group = found.unwrap_or_else(|| match artifact.rsplit_once('.') {
        // `org.eclipse.sisu.inject` is one of `org.eclipse.sisu`.
        Some((group, _)) if group.contains('.') => group.to_owned(),
        // Old libraries are groups of their own: `log4j:log4j`.
        _ => artifact.to_owned(),
    });
    Some(Guess { group, artifact: artifact.to_owned(), version: version.to_owned(), group_known, by })
}

/// `com.google.guava.failureaccess` is of the group `com.google.guava`; `org.apache.ivy` is a group of its own.
fn without_artifact(name: &str, artifact: &str) -> String {
    match name.rsplit_once('.') {
        Some((group, last))
            if group.matches('.').count() >= 2 && (last == artifact || artifact.ends_with(&format!("-{last}"))) =>
        {
            group.to_owned()
        }
        _ => name.to_owned(),
    }
}

/// The artifact that a name of classes or a path ends with.
fn last_part(name: &str) -> String {
    if let Some(module) = name.strip_prefix("org.springframework.").filter(|rest| !rest.contains('.')) {
        return format!("spring-{module}");
    }
    let name = name.trim_end_matches('/');
    match name.matches(['.', '/']).count() {
        0 | 1 => name.replace('/', "."),
        _ => name.rsplit(['.', '/']).next().unwrap_or(name).to_owned(),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+/:".contains(&b))
}

/// Groups of libraries whose archives often do not tell: those that Gradle or Ant built.
fn group_of(artifact: &str) -> Option<&'static str> {
    const EXACT: [(&str, &str); 42] = [
        ("activation", "javax.activation"),
        ("antlr", "antlr"),
        ("cglib-nodep", "cglib"),
        ("commons-collections4", "org.apache.commons"),
        ("commons-compress", "org.apache.commons"),
        ("commons-configuration2", "org.apache.commons"),
        ("commons-csv", "org.apache.commons"),
        ("commons-dbcp2", "org.apache.commons"),
        ("commons-email", "org.apache.commons"),
        ("commons-exec", "org.apache.commons"),
        ("commons-lang3", "org.apache.commons"),
        ("commons-math3", "org.apache.commons"),
        ("commons-pool2", "org.apache.commons"),
        ("commons-text", "org.apache.commons"),
        ("fastjson", "com.alibaba"),
        ("gson", "com.google.code.gson"),
        ("guava", "com.google.guava"),
        ("h2", "com.h2database"),
        ("hibernate-core", "org.hibernate"),
        ("hsqldb", "org.hsqldb"),
        ("httpclient", "org.apache.httpcomponents"),
        ("httpcore", "org.apache.httpcomponents"),
        ("jackson-annotations", "com.fasterxml.jackson.core"),
        ("jackson-core", "com.fasterxml.jackson.core"),
        ("jackson-databind", "com.fasterxml.jackson.core"),
        ("jsoup", "org.jsoup"),
        ("kafka-clients", "org.apache.kafka"),
        ("log4j-1.2-api", "org.apache.logging.log4j"),
        ("log4j-api", "org.apache.logging.log4j"),
        ("log4j-core", "org.apache.logging.log4j"),
        ("mail", "javax.mail"),
        ("mysql-connector-java", "mysql"),
        ("okhttp", "com.squareup.okhttp3"),
        ("pdfbox", "org.apache.pdfbox"),
        ("poi", "org.apache.poi"),
        ("poi-ooxml", "org.apache.poi"),
        ("postgresql", "org.postgresql"),
        ("servlet-api", "javax.servlet"),
        ("snakeyaml", "org.yaml"),
        ("xalan", "xalan"),
        ("xercesImpl", "xerces"),
        ("xstream", "com.thoughtworks.xstream"),
    ];
    const BEGINNINGS: [(&str, &str); 21] = [
        ("activemq-", "org.apache.activemq"),
        ("bcpkix-", "org.bouncycastle"),
        ("bcprov-", "org.bouncycastle"),
        ("hadoop-", "org.apache.hadoop"),
        ("jetty-", "org.eclipse.jetty"),
        ("kotlin-", "org.jetbrains.kotlin"),
        ("logback-", "ch.qos.logback"),
        ("lucene-", "org.apache.lucene"),
        ("netty-", "io.netty"),
        ("shiro-", "org.apache.shiro"),
        ("slf4j-", "org.slf4j"),
        ("spring-boot-", "org.springframework.boot"),
        ("spring-cloud-", "org.springframework.cloud"),
        ("spring-data-", "org.springframework.data"),
        ("spring-integration-", "org.springframework.integration"),
        ("spring-security-", "org.springframework.security"),
        ("spring-", "org.springframework"),
        ("struts2-", "org.apache.struts"),
        ("tika-", "org.apache.tika"),
        ("tomcat-embed-", "org.apache.tomcat.embed"),
        ("tomcat-", "org.apache.tomcat"),
    ];
    let exact = EXACT.iter().find(|(name, _)| *name == artifact).map(|(_, group)| *group);
    exact.or_else(|| match artifact {
        "spring-boot" => Some("org.springframework.boot"),
        _ => BEGINNINGS.iter().find(|(start, _)| artifact.starts_with(start)).map(|(_, group)| *group),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let parts = |file: &str| of_file(file).map(|name| (name.artifact, name.version));
        let is = |artifact: &str, version: &str| Some((artifact.to_owned(), version.to_owned()));
        assert_eq!(parts("log4j-1.2-api-2.17.1.jar"), is("log4j-1.2-api", "2.17.1"));
        assert_eq!(parts("guava-31.1-jre.jar"), is("guava", "31.1-jre"));
        assert_eq!(parts("a-1.0-20200101.123456-1.war"), is("a", "1.0-20200101.123456-1"));
        assert_eq!(parts("x-y-1.0-SNAPSHOT-sources.jar"), is("x-y", "1.0-SNAPSHOT"));
        assert_eq!(parts("a-1.0-unknown.jar"), is("a", "1.0-unknown"));
        assert_eq!(parts("thing.jar"), None);
        assert_eq!(parts("-1.jar"), None);
    }

    #[test]
    fn groups_come_from_where_they_are_written() {
        let manifest = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let full = |file: &str, pairs: &[(&str, &str)]| {
            let guess = guess(of_file(file).as_ref(), &manifest(pairs))?;
            Some(format!("{}:{}:{}", guess.group, guess.artifact, guess.version))
        };
        assert_eq!(full("spring-web-5.3.26.jar", &[]).as_deref(), Some("org.springframework:spring-web:5.3.26"));
        assert_eq!(full("log4j-1.2.17.jar", &[]).as_deref(), Some("log4j:log4j:1.2.17"));
        let pairs = [("Implementation-Vendor-Id", "com.example"), ("Implementation-Version", "3.1 build 7")];
        assert_eq!(full("thing.jar", &pairs), None);
        let pairs = [("Bundle-SymbolicName", "org.example.thing"), ("Bundle-Version", "3.1")];
        assert_eq!(full("whatever.jar", &pairs).as_deref(), Some("org.example.thing:thing:3.1"));
        assert_eq!(full("org.a.b.c-1.jar", &[]).as_deref(), Some("org.a.b:org.a.b.c:1"));
    }
}
