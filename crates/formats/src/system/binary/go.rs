//! Go's build information: the version of Go, the main module, the modules it was built with and their sums, and the
//! settings of the build (`debug/buildinfo`, `runtime/debug.BuildInfo`, `cmd/link/internal/ld/data.go: buildinfo`).

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes};

use super::object::{Bytes, Fields, Format, Object, Section, leb128};
use super::{MAXIMUM_RECORD, MAXIMUM_SEARCH};
use crate::lock::{LockError, MAXIMUM_PACKAGES};
use crate::system::{MAXIMUM_PROBLEMS, problem, text};

/// What the information begins with.
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// It stands at an address that this divides.
const ALIGNMENT: u64 = 16;

/// Bytes of its header.
const HEADER: u64 = 32;

/// Bytes that are searched at a time.
const PIECE: usize = 1 << 20;

/// Places with the right mark that are tried.
const TRIES: usize = 64;

/// Bytes of the version of Go at most.
const VERSION: u64 = 4096;

pub(super) fn read(bytes: &mut Bytes<'_>, object: &Object) -> Option<Result<Inventory, LockError>> {
    if object.format == Format::Wasm {
        return None;
    }
    let named = object.section(".go.buildinfo").or_else(|| object.section("__go_buildinfo"));
    if let Some(section) = named {
        return Some(decode(bytes, object, section.address, section.offset).map(|(go, info)| inventory(&go, &info)));
    }
    let places = if object.format == Format::Pe { &object.sections } else { &object.segments };
    let mut left = MAXIMUM_SEARCH;
    let mut first_error = None;
    for place in places.iter().filter(|one| one.data) {
        let size = place.size.min(left);
        left -= size;
        match search(bytes, object, place, size) {
            Some(Ok((go, info))) => return Some(Ok(inventory(&go, &info))),
            Some(Err(error)) => first_error = first_error.or(Some(error)),
            None => {}
        }
    }
    first_error.map(Err)
}

/// Looks for the mark, and for one behind which there is something.
fn search(
    bytes: &mut Bytes<'_>,
    object: &Object,
    place: &Section,
    size: u64,
) -> Option<Result<(String, String), LockError>> {
    let (mut at, mut tries, mut error) = (0, 0, None);
    while at < size {
        let piece = match bytes.up_to(place.offset.saturating_add(at), PIECE) {
            Ok(piece) if !piece.is_empty() => piece,
            Ok(_) => break,
            Err(error) => return Some(Err(error)),
        };
        for found in memchr::memmem::find_iter(&piece, MAGIC) {
            let here = at + found as u64;
            let address = place.address.wrapping_add(here);
            if here >= size || !address.is_multiple_of(ALIGNMENT) {
                continue;
            }
            match decode(bytes, object, address, place.offset.saturating_add(here)) {
                Ok(info) => return Some(Ok(info)),
                Err(why) => error = error.or(Some(why)),
            }
            tries += 1;
            if tries == TRIES {
                return error.map(Err);
            }
        }
        // A mark that the end of the piece cuts is found in the next one.
        at += if piece.len() == PIECE { (PIECE - MAGIC.len()) as u64 } else { piece.len() as u64 };
    }
    error.map(Err)
}

/// The version of Go and the text about modules (`debug/buildinfo.readRawBuildInfo`).
fn decode(bytes: &mut Bytes<'_>, object: &Object, address: u64, offset: u64) -> Result<(String, String), LockError> {
    let broken = |what: &str| LockError::new(format!("Go's build information: {what}"));
    let header = bytes.at(offset, HEADER)?;
    if !header.starts_with(MAGIC) {
        return Err(broken("it does not begin as it should"));
    }
    let (pointer, flags) = (header[14], header[15]);
    let (go, info) = if flags & 2 != 0 {
        // Since Go 1.18: the two strings stand behind the header, each after its length.
        let mut at = offset + HEADER;
        let mut string = |limit: u64| -> Result<Vec<u8>, LockError> {
            let head = bytes.up_to(at, 10)?;
            let (length, used) = leb128(&head).ok_or_else(|| broken("a length is cut off"))?;
            if length > limit {
                return Err(broken("it is longer than is read"));
            }
            let start = at + used as u64;
            at = start + length;
            bytes.at(start, length)
        };
        (string(VERSION)?, string(MAXIMUM_RECORD)?)
    } else {
        // Before it: pointers to Go's own strings.
        let wide = match pointer {
            4 => false,
            8 => true,
            _ => return Err(broken("pointers of no known size")),
        };
        let big_endian = flags & 1 != 0;
        let step = usize::from(pointer);
        let mut string = |at: usize, limit: u64| -> Result<Vec<u8>, LockError> {
            let to = Fields { bytes: &header, big_endian }.long(at, wide)?;
            if to == 0 {
                return Ok(Vec::new());
            }
            let string = object.at_address(bytes, to, 2 * step as u64)?;
            let string = Fields { bytes: &string, big_endian };
            let (data, length) = (string.long(0, wide)?, string.long(step, wide)?);
            if length > limit {
                return Err(broken("it is longer than is read"));
            }
            if length == 0 { Ok(Vec::new()) } else { object.at_address(bytes, data, length) }
        };
        (string(16, VERSION)?, string(16 + step, MAXIMUM_RECORD)?)
    };
    let _ = address;
    let go = String::from_utf8_lossy(&go).into_owned();
    if go.is_empty() {
        return Err(broken("it names no version of Go"));
    }
    // 16 bytes stand before and after the text, so that it can be found.
    let info = match info.len().checked_sub(33).and_then(|at| info.get(at + 16)) {
        Some(b'\n') => String::from_utf8_lossy(&info[16..info.len() - 16]).into_owned(),
        _ => String::new(),
    };
    Ok((go, info))
}

/// What the text says (`runtime/debug.ParseBuildInfo`).
fn inventory(go: &str, info: &str) -> Inventory {
    let mut inventory = Inventory::new(format!("Go binary ({})", text(go).unwrap_or_default()), Completeness::List);
    let mut main: Option<Package> = None;
    let mut settings = Settings::default();
    let (mut last_is_main, mut foreign) = (false, false);
    for (number, line) in (1..).zip(info.lines()) {
        let mut columns = line.split('\t');
        let kind = columns.next().unwrap_or_default();
        match kind {
            // `cmd/compile`, `command-line-arguments`: programs that may well be of Go's own packages alone.
            "path" => {
                foreign =
                    columns.next().is_some_and(|path| path.split('/').next().is_some_and(|first| first.contains('.')))
            }
            "mod" | "dep" => match module(&mut columns) {
                Some(package) if kind == "mod" => {
                    last_is_main = true;
                    main = Some(package);
                }
                Some(package) if inventory.packages.len() < MAXIMUM_PACKAGES => {
                    last_is_main = false;
                    inventory.packages.push(package);
                }
                Some(_) => problem(&mut inventory, None, "more modules than are read"),
                None => problem(&mut inventory, Some(number), "a module without a path"),
            },
            "=>" => {
                let replaced = if last_is_main { main.as_mut() } else { inventory.packages.last_mut() };
                match (replaced, module(&mut columns)) {
                    (Some(old), Some(new)) => replace(old, new),
                    _ => problem(&mut inventory, Some(number), "a replacement of nothing"),
                }
            }
            "build" => settings.add(columns.next().unwrap_or_default()),
            "" => {}
            _ => problem(&mut inventory, Some(number), "a line of no known kind"),
        }
        if inventory.problems.len() >= MAXIMUM_PROBLEMS {
            break;
        }
    }
    if info.is_empty() || (foreign && main.is_none() && inventory.packages.is_empty()) {
        problem(&mut inventory, None, "built without modules: what is in it is not told");
    }
    // Built from files and not by its path, the program's own module stands among the others: the one without a version.
    if main.is_none() {
        let own = |one: &Package| one.version.is_none() && one.source == PackageSource::Registry;
        let mut places = (0..inventory.packages.len()).filter(|at| own(&inventory.packages[*at]));
        if let (Some(only), None) = (places.next(), places.next()) {
            main = Some(inventory.packages.remove(only));
        }
    }
    inventory.packages.push(standard_library(go));
    for package in inventory.packages.iter_mut().chain(&mut main) {
        package.scopes = Scopes::only(Scope::Production);
    }
    if let Some(mut main) = main {
        settings.tell(&mut main);
        let (name, version) = (Some(main.name.clone()), main.version.clone());
        inventory.roots.push(Root { name, version, path: String::new(), dependencies: Vec::new() });
        inventory.packages.insert(0, main);
    }
    inventory
}

/// `path`, `version` and `sum`.
fn module<'a>(columns: &mut impl Iterator<Item = &'a str>) -> Option<Package> {
    let path = columns.next().and_then(text)?;
    let version = columns.next().and_then(text).filter(|version| version != "(devel)");
    let mut package = Package::new(Ecosystem::Go, path, version);
    if let Some(sum) = columns.next().and_then(|sum| text(sum.strip_prefix("h1:")?)) {
        package.hashes.push(PackageHash { algorithm: "h1".to_owned(), value: sum });
    }
    Some(package)
}

/// What stands in a module's place is what the program holds: another module, or a directory.
fn replace(old: &mut Package, new: Package) {
    if new.version.is_none() && new.hashes.is_empty() && is_directory(&new.name) {
        old.source = PackageSource::Path { path: new.name };
        old.hashes.clear();
        return;
    }
    if new.name != old.name {
        old.alias = Some(std::mem::replace(&mut old.name, new.name));
    }
    old.requirement = old.version.take();
    old.version = new.version;
    old.hashes = new.hashes;
}

/// Paths of directories in `go.mod` begin so (Go modules reference, `replace`).
fn is_directory(path: &str) -> bool {
    path.starts_with(['.', '/', '\\']) || path.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/")
}

/// Go itself: its standard library is in every binary. Advisories call it `stdlib`, and give versions in semver's form.
fn standard_library(go: &str) -> Package {
    let tag = go.split_ascii_whitespace().next().unwrap_or_default();
    Package::new(Ecosystem::Go, "stdlib", tag.strip_prefix("go").and_then(semver))
}

/// `1.22.3`, and `1.20` and `1.22rc1` as `1.20.0` and `1.22.0-rc.1`.
fn semver(tag: &str) -> Option<String> {
    let end = tag.find(|one: char| !one.is_ascii_digit() && one != '.').unwrap_or(tag.len());
    let (numbers, rest) = tag.split_at(end);
    let dots = numbers.matches('.').count();
    if numbers.is_empty() || numbers.starts_with('.') || numbers.ends_with('.') || dots > 2 || tag.len() > 256 {
        return None;
    }
    let missing = ["", ".0", ".0.0"][2 - dots];
    let kind = rest.trim_end_matches(|one: char| one.is_ascii_digit());
    let suffix = match kind {
        "rc" | "beta" if rest.len() > kind.len() => format!("-{kind}.{}", &rest[kind.len()..]),
        // `1.22-20231128-RC02`: a build of that day, before the release.
        _ if dots < 2 && is_day(rest) => {
            rest.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').collect()
        }
        // `1.22.3-vendor`: a vendor's build of it.
        _ => String::new(),
    };
    Some(format!("{numbers}{missing}{suffix}"))
}

/// True when a suffix begins with a day: `-20231128`.
fn is_day(suffix: &str) -> bool {
    suffix
        .strip_prefix('-')
        .and_then(|rest| rest.get(..8))
        .is_some_and(|day| day.bytes().all(|one| one.is_ascii_digit()))
}

/// Settings that tell of the main module.
#[derive(Default)]
struct Settings {
    revision: Option<String>,
    control: Option<String>,
    architecture: Option<String>,
    linked: Option<String>,
}

impl Settings {
    fn add(&mut self, setting: &str) {
        let Some((key, value)) = setting.split_once('=') else { return };
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        match key {
            "vcs" => self.control = text(value),
            "vcs.revision" => self.revision = text(value),
            "GOARCH" => self.architecture = text(value),
            "-ldflags" => self.linked = text(value),
            _ => {}
        }
    }

    fn tell(self, main: &mut Package) {
        main.architecture = self.architecture;
        if let Some(revision) = self.revision.filter(|_| self.control.as_deref() == Some("git"))
            && main.source == PackageSource::Registry
        {
            main.source = PackageSource::Git { url: format!("https://{}", main.name), revision: Some(revision) };
        }
        if main.version.is_none() {
            main.version = self.linked.as_deref().and_then(|flags| linked_version(flags, &main.name));
        }
    }
}

/// A version that the linker was told to write into a variable: `-X main.version=1.2.3`. It counts where the variable is
/// called so, and is the main module's own.
fn linked_version(flags: &str, module: &str) -> Option<String> {
    flags.split_ascii_whitespace().find_map(|word| {
        let (variable, value) = word.trim_matches(['"', '\'']).trim_start_matches("-X=").split_once('=')?;
        let (package, name) = variable.rsplit_once('.')?;
        let own = package == "main"
            || package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let named = ["version", "gitversion", "buildversion", "appversion"].contains(&&*name.to_ascii_lowercase());
        let number = value.strip_prefix('v').unwrap_or(value);
        let mut parts = number.split('.');
        let numeric = |part: Option<&str>| part.is_some_and(|part| part.starts_with(|one: char| one.is_ascii_digit()));
        let version = numeric(parts.next()) && numeric(parts.next()) && numeric(parts.next());
        (own && named && version).then(|| format!("v{number}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_replacements_and_settings() {
        let info = "path\texample.org/a/cmd\nmod\texample.org/a\t(devel)\t\n\
            dep\tgithub.com/b/c\tv1.2.3\th1:AAA=\n\
            dep\tgithub.com/d/e\tv1.0.0\n=>\tgithub.com/f/e\tv1.0.1\th1:BBB=\n\
            dep\tgithub.com/g/h\tv0.1.0\n=>\t../h\t(devel)\t\n\
            build\t-ldflags=\"-s -w -X main.version=1.4.0 -X other.version=9.9.9\"\n\
            build\tGOARCH=arm64\nbuild\tvcs=git\nbuild\tvcs.revision=abcdef\nwhat\n";
        let inventory = inventory("go1.22rc1 X:boringcrypto", info);
        let said: Vec<String> = inventory
            .packages
            .iter()
            .map(|one| format!("{}@{}", one.name, one.version.as_deref().unwrap_or("?")))
            .collect();
        let expected = [
            "example.org/a@v1.4.0",
            "github.com/b/c@v1.2.3",
            "github.com/f/e@v1.0.1",
            "github.com/g/h@v0.1.0",
            "stdlib@1.22.0-rc.1",
        ];
        assert_eq!(said, expected);
        assert_eq!(inventory.packages[1].hashes[0].value, "AAA=");
        assert_eq!(inventory.packages[2].alias.as_deref(), Some("github.com/d/e"));
        assert_eq!(inventory.packages[2].requirement.as_deref(), Some("v1.0.0"));
        assert_eq!(inventory.packages[3].source, PackageSource::Path { path: "../h".into() });
        assert_eq!(inventory.packages[0].architecture.as_deref(), Some("arm64"));
        let git = PackageSource::Git { url: "https://example.org/a".into(), revision: Some("abcdef".into()) };
        assert_eq!(inventory.packages[0].source, git);
        assert_eq!(inventory.problems.len(), 1);
    }

    #[test]
    fn a_program_built_from_files_and_one_without_modules() {
        let info = "path\tcommand-line-arguments\ndep\tx.org/a\tv1.0.0\ndep\tx.org/own/v8\t(devel)\n\
            build\t-ldflags=\"-X=x.org/own/v8/version.Version=8.30.1\"\n";
        let found = inventory("go1.24.1", info);
        assert_eq!(found.packages[0].name, "x.org/own/v8");
        assert_eq!(found.roots[0].version.as_deref(), Some("v8.30.1"));
        let found = inventory("go1.24.1", "path\tgithub.com/docker/cli/cmd/docker\n");
        assert_eq!((found.packages.len(), found.problems.len()), (1, 1));
        assert!(inventory("go1.24.1", "path\tcmd/go\n").problems.is_empty());
    }

    #[test]
    fn versions_of_go() {
        for (tag, version) in [
            ("1.20", Some("1.20.0")),
            ("1.22.3", Some("1.22.3")),
            ("1.22beta2", Some("1.22.0-beta.2")),
            ("1.21.3-microsoft", Some("1.21.3")),
            ("1.22-20231128-RC02", Some("1.22.0-20231128-RC02")),
            ("1", Some("1.0.0")),
            ("1.2.3.4", None),
            ("", None),
            (".1", None),
        ] {
            assert_eq!(semver(tag).as_deref(), version, "{tag}");
        }
    }
}
