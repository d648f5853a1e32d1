//! Project files of .NET: `PackageReference` (learn.microsoft.com, "Package references in project files") and central
//! package management (`Directory.Packages.props`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Root, Scope, Scopes};

use super::graph::{declare, full};
use super::tree::xml::Element;
use super::tree::{decode, note, shown, xml};
use super::{Input, LockError, Reader};

/// What people write for a build.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "dotnet-project", wants: is_project, read: project, covered_by: &["nuget-lock", "nuget-config"] },
    Reader { id: "nuget-central", wants: is_central, read: central, covered_by: &["nuget-lock"] },
];

/// Directories above the project's in which shared files are looked for.
const UPWARDS: usize = 6;

/// Variables within variables that are followed.
const SUBSTITUTIONS: usize = 16;

/// Bytes that a value may grow to.
const MAXIMUM_VALUE: usize = 4096;

fn is_project(path: &str) -> bool {
    [".csproj", ".fsproj", ".vbproj"]
        .iter()
        .any(|end| path.len() > end.len() && path.to_ascii_lowercase().ends_with(end))
}

fn is_central(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name == "directory.packages.props" || name == "packages.props"
}

/// Properties by their names in lower case.
#[derive(Default)]
struct Properties(HashMap<String, String>);

impl Properties {
    /// Adds what a file sets. Conditions are not judged: the last value counts.
    fn add(&mut self, root: &Element) {
        root.walk(&mut |group| {
            if group.is("PropertyGroup") {
                for property in &group.children {
                    self.0.insert(property.name.to_lowercase(), property.text.trim().to_owned());
                }
            }
        });
    }

    /// A value with its `$(variables)` replaced; `None` where one is not known.
    fn replace(&self, value: &str) -> Option<String> {
        let mut value = value.trim().to_owned();
        for _ in 0..SUBSTITUTIONS {
            let Some(start) = value.find("$(") else { return Some(value) };
            let end = start + value[start..].find(')')?;
            let replacement = self.0.get(&value[start + 2..end].trim().to_lowercase())?;
            value.replace_range(start..=end, replacement);
            if value.len() > MAXIMUM_VALUE {
                return None;
            }
        }
        None
    }
}

/// A file of that name in the project's directory or the nearest one above.
fn nearest(input: &Input<'_>, name: &str) -> Option<Element> {
    let bytes = (0..=UPWARDS).find_map(|up| (input.beside)(&format!("{}{name}", "../".repeat(up))))?;
    let text = decode(&bytes).ok()?;
    xml::parse(&text).ok()
}

/// The version, where what is asked for says which one is restored: the lowest that fits (learn.microsoft.com, "How NuGet
/// resolves package dependencies"), so `1.2.3` and `[1.2.3]` but no other range.
fn restored(wanted: &str) -> Option<String> {
    let wanted = wanted.trim();
    let version = wanted.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(wanted).trim();
    let well = version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
    well.then(|| version.to_owned())
}

/// The names of an item: `Include` or `Update`, several with `;` between.
fn names(element: &Element) -> impl Iterator<Item = &str> {
    let said = element.said("Include").or_else(|| element.said("Update")).unwrap_or_default();
    said.split(';').map(str::trim).filter(|name| !name.is_empty())
}

fn project(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let root = xml::parse(&text)?;
    if !root.is("Project") {
        return Err(LockError::at(root.line.into(), "no `Project` element: no project of MSBuild"));
    }
    let mut properties = Properties::default();
    if let Some(shared) = nearest(input, "Directory.Build.props") {
        properties.add(&shared);
    }
    let central = nearest(input, "Directory.Packages.props");
    let mut versions: HashMap<String, &str> = HashMap::new();
    let mut everywhere: Vec<&Element> = Vec::new();
    if let Some(central) = &central {
        properties.add(central);
        central.walk(&mut |element| {
            if element.is("PackageVersion")
                && let Some(version) = element.said("Version")
            {
                versions.extend(names(element).map(|name| (name.to_lowercase(), version)));
            } else if element.is("GlobalPackageReference") {
                everywhere.push(element);
            }
        });
    }
    properties.add(&root);
    let mut inventory = Inventory::new("MSBuild project", Completeness::Declared);
    let name = input.name().rsplit_once('.').map_or(input.name(), |(name, _)| name).to_owned();
    let name = properties.0.get("packageid").or_else(|| properties.0.get("assemblyname")).cloned().unwrap_or(name);
    let version = properties.0.get("version").and_then(|version| properties.replace(version));
    let mut found = Root { name: Some(name), version, path: String::new(), dependencies: Vec::new() };
    let mut elements: Vec<(&Element, bool)> = everywhere.into_iter().map(|element| (element, true)).collect();
    root.walk(&mut |element| {
        if element.is("PackageReference") {
            elements.push((element, false));
        }
    });
    for (element, global) in elements {
        for name in names(element) {
            if full(&mut inventory) {
                break;
            }
            let line = (!global).then_some(u64::from(element.line));
            let Some(name) = properties.replace(name).filter(|name| !name.is_empty()) else {
                note(&mut inventory.problems, line, format!("`{}`: a variable whose value is not known", shown(name)));
                continue;
            };
            let own = element.said("VersionOverride").or_else(|| element.said("Version"));
            let wanted = own.filter(|own| !own.is_empty()).or_else(|| versions.get(&name.to_lowercase()).copied());
            let wanted = wanted.and_then(|wanted| {
                let replaced = properties.replace(wanted);
                if replaced.is_none() {
                    let what = format!("`{}`: a version with a variable whose value is not known", shown(&name));
                    note(&mut inventory.problems, line, what);
                }
                replaced
            });
            let kept = element.said("PrivateAssets").is_some_and(|said| said.eq_ignore_ascii_case("all"));
            let scope = if kept || global { Scope::Development } else { Scope::Production };
            let mut package = Package::new(Ecosystem::NuGet, name, wanted.as_deref().and_then(restored));
            package.requirement = wanted;
            declare(&mut inventory, &mut found, package, scope, line);
        }
    }
    inventory.roots.push(found);
    Ok(inventory)
}

fn central(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let root = xml::parse(&text)?;
    let mut properties = Properties::default();
    if let Some(shared) = nearest(input, "Directory.Build.props") {
        properties.add(&shared);
    }
    properties.add(&root);
    let mut inventory = Inventory::new("Directory.Packages.props", Completeness::Declared);
    let mut elements = Vec::new();
    root.walk(&mut |element| {
        if ["PackageVersion", "PackageReference", "GlobalPackageReference"].iter().any(|name| element.is(name)) {
            elements.push(element);
        }
    });
    for element in elements {
        let line = Some(u64::from(element.line));
        for name in names(element) {
            if full(&mut inventory) {
                break;
            }
            let wanted = element.said("Version").filter(|version| !version.is_empty());
            let replaced = (properties.replace(name), wanted.and_then(|wanted| properties.replace(wanted)));
            let (Some(name), Some(wanted)) = replaced else {
                note(&mut inventory.problems, line, format!("`{}`: name or version is not known", shown(name)));
                continue;
            };
            let mut package = Package::new(Ecosystem::NuGet, name, restored(&wanted));
            package.requirement = Some(wanted);
            package.line = line;
            if element.is("GlobalPackageReference") {
                package.scopes = Scopes::only(Scope::Development);
                package.direct = Some(true);
            }
            inventory.packages.push(package);
        }
    }
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use crate::lock::testing::{find, read_with};

    const CENTRAL: &str = r#"<Project>
  <PropertyGroup><BVersion>2.0.0</BVersion></PropertyGroup>
  <ItemGroup>
    <PackageVersion Include="B" Version="$(BVersion)" />
    <PackageVersion Include="F" Version="$(Unknown)" />
    <GlobalPackageReference Include="Check" Version="3.0.0" />
  </ItemGroup>
</Project>"#;

    #[test]
    fn reads_a_project_with_what_stands_above_it() {
        let text = r#"<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><A>1.0.0</A><Loop>$(Loop)</Loop></PropertyGroup>
  <ItemGroup>
    <PackageReference Include="A" Version="$(a)" />
    <PackageReference Include="b" />
    <PackageReference Include="C;D"><Version>[1.2.3]</Version><PrivateAssets>all</PrivateAssets></PackageReference>
    <PackageReference Include="E" Version="1.*" />
    <PackageReference Include="G" Version="$(Loop)" />
    <PackageReference Include="" Version="1" />
  </ItemGroup>
</Project>"#;
        let inventory = read_with("src/App.csproj", text, &[("../Directory.Packages.props", CENTRAL)]).unwrap();
        let found: Vec<_> = inventory
            .packages
            .iter()
            .map(|p| (p.name.as_str(), p.version.as_deref(), p.scopes.is_development_only()))
            .collect();
        assert_eq!(
            found,
            [
                ("Check", Some("3.0.0"), true),
                ("A", Some("1.0.0"), false),
                ("b", Some("2.0.0"), false),
                ("C", Some("1.2.3"), true),
                ("D", Some("1.2.3"), true),
                ("E", None, false),
                ("G", None, false),
            ]
        );
        assert_eq!((inventory.packages[5].requirement.as_deref(), inventory.packages[1].line), (Some("1.*"), Some(4)));
        assert_eq!((inventory.problems.len(), inventory.problems[0].line), (1, Some(8)));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("App"));
        assert!(read_with("App.csproj", "<a/>", &[]).is_err());
    }

    #[test]
    fn reads_central_versions() {
        let inventory = read_with("Directory.Packages.props", CENTRAL, &[]).unwrap();
        assert_eq!(find(&inventory, "B", "2.0.0").direct, None);
        assert!(find(&inventory, "Check", "3.0.0").scopes.is_development_only());
        assert_eq!((inventory.problems.len(), inventory.problems[0].line), (1, Some(5)));
    }
}
