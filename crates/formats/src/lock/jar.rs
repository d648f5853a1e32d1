//! Java archives: what a jar is, what was shaded into it, and the jars within it (war, ear, Spring Boot).
//!
//! What Maven left in an archive (`META-INF/maven/…/pom.properties`, `pom.xml`) tells for sure. Where there is none, the
//! manifest and the file's name are all there is: what they say is a guess, and marked as one by a problem.

use std::collections::{BTreeMap, HashSet};
use std::io::{Cursor, Read, SeekFrom};
use std::ops::ControlFlow;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash};

use super::text::{add, quoted};

use super::tree::note;
use super::{jar_names, maven};
use crate::archive::{self, ArchiveError, Kind, ReadSeek, Source};

/// How much of an archive is read. The numbers hold for an archive and all that is within it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JarLimits {
    /// Members that are looked at.
    pub members: usize,
    /// How deep archives lie within archives: 0 for the outermost alone.
    pub depth: usize,
    /// Bytes that may come out: descriptions and inner archives, counted as they are unpacked.
    pub bytes: u64,
    /// Bytes that may come out for each byte of the outermost archive, once [`JarLimits::ratio_from`] came out.
    pub ratio: u64,
    /// So many bytes may come out whatever the archive's size.
    pub ratio_from: u64,
}

impl Default for JarLimits {
    /// 500,000 members, 16 deep, 4 GiB; 64 MiB or 200 times the archive's size, whichever is more.
    fn default() -> Self {
        Self { members: 500_000, depth: 16, bytes: 4 << 30, ratio: 200, ratio_from: 64 << 20 }
    }
}

/// How problems end that only say that a name is not certain: nothing was left unread.
pub const GUESS: &str = "a guess";

/// Bytes of a description that are read: a manifest with the digests of all classes is long.
const MAXIMUM_DESCRIPTION: u64 = 16 << 20;

/// Bytes of one inner archive, which is held in memory.
const MAXIMUM_INNER: u64 = 512 << 20;

/// Bytes of archives within one another, which are held at the same time.
const MAXIMUM_HELD: u64 = 1 << 30;

/// What the names of Java archives end with.
const ENDS: [&str; 10] = [".jar", ".war", ".ear", ".par", ".sar", ".aar", ".kar", ".hpi", ".jpi", ".lpkg"];

/// True for the name of a Java archive.
pub fn is_jar(path: &str) -> bool {
    let lower = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

/// Reads a Java archive. `path` is what it is called: its last part may tell name and version.
///
/// Every limit and everything that cannot be read becomes a problem; what was found stands.
pub fn jar(source: &mut dyn ReadSeek, path: &str, limits: &JarLimits) -> Inventory {
    // One that cannot be measured has no more than anything may have.
    let size = source.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut reading = Reading {
        inventory: Inventory::new("Java archive", Completeness::List),
        members: limits.members,
        bytes: limits.bytes.min(size.saturating_mul(limits.ratio).max(limits.ratio_from)),
        held: 0,
        full: false,
    };
    reading.archive(source, path, None, limits.depth);
    reading.inventory
}

struct Reading {
    inventory: Inventory,
    /// What is left.
    members: usize,
    bytes: u64,
    /// What is held of the archives that are being read.
    held: u64,
    /// A limit was reached: said once.
    full: bool,
}

/// What one archive says.
#[derive(Default)]
struct Descriptions {
    /// By directory: what `pom.properties` and `pom.xml` say.
    maven: BTreeMap<String, (Option<Coordinates>, Option<maven::Coordinates>)>,
    manifest: Option<Manifest>,
    inner: bool,
}

/// `pom.properties`.
#[derive(Default)]
struct Coordinates {
    group: Option<String>,
    artifact: Option<String>,
    version: Option<String>,
}

/// The main section of a manifest.
type Manifest = BTreeMap<String, String>;

impl Reading {
    fn problem(&mut self, place: Option<&str>, what: &str) {
        let what = place.map_or_else(|| what.to_owned(), |place| format!("{}: {what}", quoted(place)));
        note(&mut self.inventory.problems, None, what);
    }

    fn archive(&mut self, source: &mut dyn ReadSeek, path: &str, within: Option<&str>, depth: usize) {
        let hash = match sha1(source) {
            Ok(hash) => hash,
            Err(error) => return self.problem(within, &format!("it cannot be read: {error}")),
        };
        let mut said = Descriptions::default();
        let limit = self.members;
        let mut seen = 0;
        let walked = archive::members(Kind::Zip, Source::Seek(source), limit, &mut |member, content| {
            seen += 1;
            self.member(&member.name, content, &mut said, within, depth);
            if self.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.members = self.members.saturating_sub(seen);
        match walked {
            Err(ArchiveError::Entries { .. }) => self.stop("more members than are looked at: the rest was not read"),
            Err(error) => {
                self.problem(within, &error.to_string());
                // No archive at all: its name tells nothing.
                if seen == 0 {
                    return;
                }
            }
            Ok(()) => {}
        }
        self.tell(said, path, within, hash);
    }

    fn stop(&mut self, what: &str) {
        if !std::mem::replace(&mut self.full, true) {
            self.problem(None, what);
        }
    }

    /// Looks at a member; reads it where it is a description or an archive.
    fn member(
        &mut self,
        name: &str,
        content: Result<&mut dyn Read, ArchiveError>,
        said: &mut Descriptions,
        within: Option<&str>,
        depth: usize,
    ) {
        let upper = name.strip_prefix('/').unwrap_or(name);
        let in_maven = upper.find("META-INF/maven/").filter(|at| *at == 0 || upper.as_bytes()[at - 1] == b'/');
        let folder = upper.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_manifest = upper.eq_ignore_ascii_case("META-INF/MANIFEST.MF");
        // Some tools put what they shade elsewhere; a `pom.xml` elsewhere may be anything.
        let is_properties = upper.rsplit('/').next() == Some("pom.properties");
        let is_pom = in_maven.is_some() && upper.ends_with("/pom.xml");
        let is_inner = is_jar(upper);
        if !(is_manifest || is_properties || is_pom || is_inner) {
            return;
        }
        let place = within.map_or_else(|| upper.to_owned(), |within| format!("{within}!/{upper}"));
        let content = match content {
            Ok(content) => content,
            Err(error) => return self.problem(Some(&place), &error.to_string()),
        };
        said.inner |= is_inner;
        if is_inner && depth == 0 {
            return self.problem(Some(&place), "it lies too deep within others: not read");
        }
        let most = if is_inner { MAXIMUM_INNER.min(MAXIMUM_HELD - self.held) } else { MAXIMUM_DESCRIPTION };
        let most = most.min(self.bytes);
        let mut bytes = Vec::new();
        let read = content.take(most + 1).read_to_end(&mut bytes);
        self.bytes = self.bytes.saturating_sub(bytes.len() as u64);
        if let Err(error) = read {
            return self.problem(Some(&place), &format!("it cannot be read: {error}"));
        }
        if bytes.len() as u64 > most {
            match self.bytes {
                0 => self.stop("more bytes than are read: the rest was not read"),
                _ => self.problem(Some(&place), "it is too large: not read"),
            }
            return;
        }
        if is_inner {
            let file = upper.rsplit('/').next().unwrap_or(upper);
            let size = bytes.len() as u64;
            self.held += size;
            self.archive(&mut Cursor::new(bytes), file, Some(&place), depth - 1);
            self.held -= size;
        } else if is_manifest {
            said.manifest.get_or_insert_with(|| manifest(&bytes));
        } else {
            let entry = said.maven.entry(folder.to_owned()).or_default();
            match is_properties {
                true => entry.0 = Some(properties(&bytes)),
                false => entry.1 = maven::coordinates(&bytes),
            }
        }
    }

    /// Makes packages of what an archive said.
    fn tell(&mut self, said: Descriptions, path: &str, within: Option<&str>, hash: Option<PackageHash>) {
        let file = path.rsplit('/').next().unwrap_or(path);
        let guess = jar_names::of_file(file);
        let mut seen: HashSet<(String, String)> = HashSet::new();
        let mut own = None;
        for (folder, (properties, pom)) in said.maven {
            // The directory is called after group and artifact.
            let below = folder.split_once("META-INF/maven/").map(|(_, below)| below);
            let (before, last) = below.and_then(|below| below.split_once('/')).unzip();
            let properties = properties.unwrap_or_default();
            let licence = pom.as_ref().and_then(|pom| pom.licence.clone());
            let (group, artifact, version) =
                pom.map_or((None, None, None), |pom| (pom.group, pom.artifact, pom.version));
            let known = |text: Option<String>| text.filter(|text| !text.is_empty() && !text.contains("${"));
            let group = known(properties.group).or(known(group)).or(known(before.map(str::to_owned)));
            let artifact = known(properties.artifact).or(known(artifact)).or(known(last.map(str::to_owned)));
            let (Some(group), Some(artifact)) = (group, artifact) else { continue };
            let name = format!("{group}:{artifact}");
            let Some(version) = known(properties.version).or(known(version)) else {
                let place = within.map_or_else(|| folder.clone(), |within| format!("{within}!/{folder}"));
                self.problem(Some(&place), &format!("{name} has no version"));
                continue;
            };
            if !seen.insert((name.clone(), version.clone())) {
                continue;
            }
            let mut package = Package::new(Ecosystem::Maven, name, Some(version));
            package.licence = licence;
            package.files.extend(within.map(str::to_owned));
            let is_own = guess.as_ref().is_some_and(|guess| guess.artifact == artifact);
            let Some(index) = add(&mut self.inventory, package) else { return };
            if is_own || own.is_none() {
                own = Some((index, is_own));
            }
        }
        match own {
            // The digest is of the archive: of what was shaded into it there is none.
            Some((index, is_own)) if is_own || seen.len() == 1 => {
                self.inventory.packages[index].hashes.extend(hash);
            }
            Some(_) => {}
            None => self.guessed(guess, said.manifest.unwrap_or_default(), said.inner, within, hash),
        }
    }

    /// A package that only the manifest and the file's name tell of.
    fn guessed(
        &mut self,
        file: Option<jar_names::FileName>,
        manifest: Manifest,
        inner: bool,
        within: Option<&str>,
        hash: Option<PackageHash>,
    ) {
        let Some(guess) = jar_names::guess(file.as_ref(), &manifest) else { return };
        // An application that holds others is nobody's dependency.
        if inner && within.is_none() && !guess.group_known {
            return;
        }
        let mut package =
            Package::new(Ecosystem::Maven, format!("{}:{}", guess.group, guess.artifact), Some(guess.version));
        let licence = ["Bundle-License", "Plugin-License-Name", "Plugin-License-Name-1"]
            .iter()
            .find_map(|key| manifest.get(*key));
        package.licence = licence.cloned();
        package.hashes.extend(hash);
        package.files.extend(within.map(str::to_owned));
        let what = format!("{}: told by {} only: {GUESS}", package.name, guess.by);
        self.problem(within, &what);
        add(&mut self.inventory, package);
    }
}

/// The SHA-1 of all of it: by that Maven's indexes know jars. `None` for one made by a known attack on SHA-1.
fn sha1(source: &mut dyn ReadSeek) -> std::io::Result<Option<PackageHash>> {
    let mut hasher = sha1dc::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    source.rewind()?;
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    source.seek(SeekFrom::Start(0))?;
    let digest = hasher.finalize().ok();
    Ok(digest.map(|digest| PackageHash { algorithm: "sha1".to_owned(), value: digest.to_string() }))
}

/// `key=value` lines.
fn properties(bytes: &[u8]) -> Coordinates {
    let mut coordinates = Coordinates::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let field = match key.trim() {
            "groupId" => &mut coordinates.group,
            "artifactId" => &mut coordinates.artifact,
            "version" => &mut coordinates.version,
            _ => continue,
        };
        *field = Some(value.trim().to_owned());
    }
    coordinates
}

/// The main section of a manifest (JAR File Specification), and the first of the others, in which Ant's users described
/// their library. Lines that begin with a blank go on with the one before.
fn manifest(bytes: &[u8]) -> Manifest {
    let mut manifest = Manifest::new();
    let (mut last, mut sections, mut in_section) = (None, 0, false);
    for line in String::from_utf8_lossy(bytes).lines() {
        if let (Some(rest), Some(key)) = (line.strip_prefix(' '), &last) {
            if let Some(value) = manifest.get_mut(key) {
                let value: &mut String = value;
                value.push_str(rest);
            }
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            sections += usize::from(line.trim().is_empty() && std::mem::take(&mut in_section));
            if sections > 1 {
                break;
            }
            continue;
        };
        in_section = true;
        let key = key.trim().to_owned();
        last = None;
        if !manifest.contains_key(&key) {
            manifest.insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::shown;
    use super::*;
    use std::io::Write as _;

    fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("zip");
            writer.write_all(content).expect("zip");
        }
        writer.finish().expect("zip").into_inner()
    }

    fn read(bytes: &[u8], path: &str) -> Inventory {
        jar(&mut Cursor::new(bytes), path, &JarLimits::default())
    }

    const PROPERTIES: &[u8] = b"#x\r\nversion=1.0\r\ngroupId=g.h\r\nartifactId=a\r\n";

    #[test]
    fn what_maven_left_and_what_lies_within() {
        let inner = zipped(&[("META-INF/maven/i/j/pom.properties", b"version=2\ngroupId=i\nartifactId=j\n")]);
        let pom = b"<project><parent><groupId>p</groupId><version>3</version></parent><artifactId>q</artifactId>\
            <licenses><license><name>MIT</name></license></licenses></project>";
        let bytes = zipped(&[
            ("META-INF/maven/g.h/a/pom.properties", PROPERTIES),
            ("META-INF/maven/p/q/pom.xml", pom),
            ("META-INF/maven/n/one/pom.properties", b"groupId=n\n"),
            ("BOOT-INF/lib/j-2.jar", &inner),
        ]);
        let read = read(&bytes, "target/a-1.0.jar");
        assert_eq!(shown(&read), ["i:j 2", "g.h:a 1.0", "p:q 3"]);
        assert_eq!(read.packages[0].files, ["BOOT-INF/lib/j-2.jar"]);
        assert_eq!(read.packages.iter().map(|package| package.hashes.len()).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(read.packages[2].licence.as_deref(), Some("MIT"));
        assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
    }

    #[test]
    fn guesses_are_marked() {
        let manifest = b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.exam\r\n ple.thing;singleton:=true\r\n\r\nName: x\r\nBundle-Version: 9\r\n";
        let bytes = zipped(&[("META-INF/MANIFEST.MF", manifest)]);
        let read = read(&bytes, "thing-1.2.3.jar");
        assert_eq!(shown(&read), ["org.example.thing:thing 1.2.3"]);
        assert!(read.problems[0].what.contains("guess"));
    }

    #[test]
    fn hostile_archives() {
        let mut nested = zipped(&[("META-INF/maven/g.h/a/pom.properties", PROPERTIES)]);
        for _ in 0..40 {
            nested = zipped(&[("x.jar", &nested)]);
        }
        let found = read(&nested, "deep.jar");
        assert_eq!((found.packages.len(), found.problems.len()), (0, 1));
        let bomb = zipped(&[("big.jar", &vec![0; 1 << 20]), ("META-INF/maven/g.h/a/pom.properties", PROPERTIES)]);
        let limits = JarLimits { bytes: 1 << 16, ..JarLimits::default() };
        let found = jar(&mut Cursor::new(&bomb), "bomb.jar", &limits);
        assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
        let limits = JarLimits { ratio_from: 1 << 16, ..JarLimits::default() };
        let found = jar(&mut Cursor::new(&bomb), "bomb.jar", &limits);
        assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
        let limits = JarLimits { members: 1, ..JarLimits::default() };
        assert_eq!(jar(&mut Cursor::new(&bomb), "bomb.jar", &limits).packages.len(), 0);
        for bytes in [&b""[..], b"PK\x03\x04", b"not a zip"] {
            assert_eq!(read(bytes, "x-1.0.jar").problems.len(), 1);
        }
    }
}
