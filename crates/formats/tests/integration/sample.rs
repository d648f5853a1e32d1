//! A document with every kind of package, and all that can be said of one.

use provost_formats::sbom::{Aggregate, Bom, BomBuilder, Component, ComponentKind, Tool};
use provost_model::{
    Completeness, Distribution, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes,
};

pub(crate) fn inventory() -> Inventory {
    let mut inventory = Inventory::new("sample", Completeness::Graph);
    for (index, ecosystem) in Ecosystem::ALL.into_iter().enumerate() {
        let name = match ecosystem {
            Ecosystem::Maven => "org.example:thing",
            Ecosystem::Npm => "@scope/Thing_x",
            Ecosystem::Packagist | Ecosystem::GitHubActions => "Example/Thing",
            Ecosystem::Go | Ecosystem::Swift => "github.com/Example/Thing",
            Ecosystem::Oci => "ghcr.io/example/thing",
            _ => "Thing_x",
        };
        let mut package = Package::new(ecosystem, name, Some("2.3-4+b~5".into()));
        package.scopes =
            Scopes::only([Scope::Production, Scope::Build, Scope::Development, Scope::Optional][index % 4]);
        package.licence = [Some("MIT OR Apache-2.0"), None, Some("LicenseRef-BSD")][index % 3].map(str::to_owned);
        package.hashes = vec![PackageHash { algorithm: "sha256".into(), value: format!("{index:064x}") }];
        if ecosystem == Ecosystem::Go {
            package.hashes = vec![PackageHash { algorithm: "h1".into(), value: "q83v+/=".into() }];
        }
        if ecosystem != Ecosystem::Oci {
            package.source = match index % 5 {
                0 => PackageSource::Git { url: "ssh://git@example.org/a.git".into(), revision: Some("abc".into()) },
                1 => PackageSource::Url { url: "https://example.org/x.tgz".into() },
                2 => PackageSource::Path { path: "../x".into() },
                3 => PackageSource::OtherRegistry { url: "https://registry.example".into() },
                _ => PackageSource::Registry,
            };
        }
        if matches!(ecosystem, Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm) {
            package.distribution = Some(Distribution { id: "debian".into(), version: "12".into(), like: Vec::new() });
            package.architecture = Some("amd64".into());
            package.built_from = Some(("source".into(), Some("1-2".into())));
        }
        package.requirement = Some("^1".into());
        package.alias = Some("other".into());
        package.deprecated = Some("do not".into());
        package.install_script = true;
        package.direct = Some(index == 0);
        package.dependencies = if index == 17 { Vec::new() } else { vec![index + 1, 17] };
        inventory.packages.push(package);
    }
    let dependencies = vec![(0, Scope::Production), (1, Scope::Development)];
    inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies: dependencies.clone() });
    let name = Some("member".to_owned());
    inventory.roots.push(Root { name, version: Some("0.1".into()), path: "crates/a".into(), dependencies });
    inventory
}

pub(crate) fn builder() -> BomBuilder {
    let bom = Bom {
        timestamp: "2026-01-02T03:04:05Z".parse().ok(),
        tools: vec![Tool { vendor: None, name: "provost".into(), version: Some("0.1.0".into()) }],
        lifecycles: vec!["build".into()],
        ..Bom::default()
    };
    let subject = Package::new(Ecosystem::Generic, "product", Some("1.0".into()));
    BomBuilder::new(bom, Component::new("SPDXRef-subject", ComponentKind::Application, subject))
}

pub(crate) fn bom() -> Bom {
    let mut builder = builder();
    builder.add("a/Thing.lock", &inventory());
    builder.finish(Aggregate::Complete)
}
