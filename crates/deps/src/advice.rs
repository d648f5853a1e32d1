//! What to do about an issue: the smallest change that makes it go away, as far as the lock tells.

use std::cmp::Ordering;

use provost_formats::version;
use provost_model::{Ecosystem, Inventory, Package};

use crate::assess::{Fault, Issue};
use crate::database::Kind;
use crate::git::is_commit;
use crate::origin::Flaw;

/// What to do, in one or two sentences.
pub fn advice(inventory: &Inventory, issue: &Issue) -> String {
    let package = &inventory.packages[issue.package];
    match &issue.fault {
        Fault::Advisory(one) => match one.kind {
            Kind::Malicious => {
                "remove it, and treat every secret of the machines that installed it as known to the attacker"
                    .to_owned()
            }
            Kind::Unmaintained => {
                format!("replace it with something that is looked after{}", through(inventory, issue))
            }
            _ => match &one.fixed {
                Some(fixed) => upgrade(inventory, issue, package, fixed),
                None => format!(
                    "no fixed version is known: replace it{}, or say with a VEX statement why it does not matter here",
                    through(inventory, issue)
                ),
            },
        },
        Fault::Deprecated { .. } => format!("replace it, as its authors advise{}", through(inventory, issue)),
        Fault::Yanked => format!("take another version{}", through(inventory, issue)),
        Fault::Lock { flaw } => of_flaw(flaw).to_owned(),
        Fault::NotAsLocked { locked, .. } => {
            format!("install from the lock again ({} is locked there), or find out who changed it", locked.join(", "))
        }
        Fault::NotLocked { .. } => {
            "find out who put it there; ask for it and lock it, or install from the lock again".to_owned()
        }
        Fault::Licence { .. } => {
            format!("replace it, or have whoever answers for licences permit this one{}", through(inventory, issue))
        }
        Fault::Young { .. } => "wait, or take an older version; an attack is often found within days".to_owned(),
    }
}

fn of_flaw(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::OtherPackage { .. } => {
            "do not install from this lock: find out who wrote that, and lock anew from the manifest"
        }
        Flaw::Unprotected { .. } => "let it come over https",
        Flaw::ForeignHost { .. } => {
            "lock anew from the registry that the others come from, or name the host with --registry"
        }
        Flaw::Unpinned { .. } => "lock it to a commit, by its whole name",
        Flaw::NoDigest => "lock anew: the manager writes the digest then",
        Flaw::WeakDigest { .. } => "lock anew: the manager writes a better digest then",
        Flaw::Scope { .. } => "lock anew; it is judged as what asks for it says",
    }
}

fn through(inventory: &Inventory, issue: &Issue) -> String {
    match issue.path.as_slice() {
        [first, _, ..] => format!(" (it comes with {})", inventory.packages[*first].name),
        _ => String::new(),
    }
}

fn upgrade(inventory: &Inventory, issue: &Issue, package: &Package, fixed: &str) -> String {
    if is_commit(fixed) {
        return format!("take a commit that has {fixed} behind it{}", through(inventory, issue));
    }
    let version = package.version.as_deref().unwrap_or_default();
    let direct = issue.path.len() == 1 || (issue.path.is_empty() && package.direct == Some(true));
    let compatible = is_compatible(package.ecosystem, version, fixed);
    let command = command(package, version, fixed, direct);
    let run = command.map(|command| format!(": `{command}`")).unwrap_or_default();
    if direct {
        return match &package.requirement {
            Some(asked) if version::satisfies(package.ecosystem, asked, fixed) == Some(false) => {
                format!("update to {fixed}; what is asked for, `{asked}`, has to be changed to permit it{run}")
            }
            _ => format!("update to {fixed}{run}"),
        };
    }
    match issue.path.as_slice() {
        [first, .., parent, _] | [first @ parent, _] => {
            let parent = &inventory.packages[*parent];
            let first = &inventory.packages[*first];
            if compatible {
                format!("update it to {fixed}, which is compatible with {version}{run}")
            } else {
                format!(
                    "it has to become {fixed}, which need not be compatible with {version}: {} has to be updated until {} \
                     permits it",
                    first.name, parent.name
                )
            }
        }
        _ => format!("update to {fixed}{run}"),
    }
}

/// True when a version may replace another without a change of what is asked for, by the ecosystem's custom.
fn is_compatible(ecosystem: Ecosystem, from: &str, to: &str) -> bool {
    let caret = match ecosystem {
        Ecosystem::Cargo | Ecosystem::Npm | Ecosystem::Hex | Ecosystem::Pub | Ecosystem::Packagist => {
            format!("^{from}")
        }
        // Minimal version selection: any later version of the same module path may be chosen. Systems' packages keep to
        // their release.
        Ecosystem::Go | Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm => {
            return version::compare(ecosystem, from, to) == Ordering::Less;
        }
        _ => {
            let major = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
            return major(from) == major(to);
        }
    };
    version::satisfies(ecosystem, &caret, to).unwrap_or(false)
}

fn command(package: &Package, version: &str, fixed: &str, direct: bool) -> Option<String> {
    let name = &package.name;
    Some(match package.ecosystem {
        Ecosystem::Cargo => format!("cargo update -p {name}@{version} --precise {fixed}"),
        Ecosystem::Npm if direct => format!("npm install {name}@{fixed}"),
        Ecosystem::Npm => format!("npm update {name}"),
        Ecosystem::Go if name == "stdlib" => return None,
        Ecosystem::Go => format!("go get {name}@v{}", fixed.trim_start_matches('v')),
        Ecosystem::RubyGems => format!("bundle update {name} --conservative"),
        Ecosystem::Packagist => format!("composer update {name}"),
        Ecosystem::Deb => format!("apt-get install --only-upgrade {name}"),
        Ecosystem::Apk => format!("apk upgrade {name}"),
        Ecosystem::Rpm => format!("dnf upgrade {name}"),
        _ => return None,
    })
}
