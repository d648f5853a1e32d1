//! Images of Compose files and of GitLab's CI, and what the latter includes.

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Scope, Scopes};

use super::image::{Variables, image};
use super::source::address;
use super::text::{add, quoted};
use super::tree::{Node, decode, note, yaml};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "compose", wants: wants_compose, read: read_compose, covered_by: &[] },
    Reader { id: "gitlab-ci", wants: wants_gitlab, read: read_gitlab, covered_by: &[] },
];

fn wants_compose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let Some(stem) = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")) else { return false };
    ["docker-compose", "compose", "podman-compose"]
        .iter()
        .any(|kind| stem.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_'])))
}

fn wants_gitlab(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".gitlab-ci.yml", ".gitlab-ci.yaml"].iter().any(|end| name.ends_with(end))
}

fn read_compose(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = decode(input.bytes)?;
    let tree = yaml::parse(&content)?;
    let mut inventory = Inventory::new("Compose file", Completeness::Declared);
    inventory.problems = tree.problems;
    let mut variables = Variables::new();
    if let Some(bytes) = (input.beside)(".env")
        && let Ok(content) = decode(&bytes)
    {
        for line in content.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let name = name.trim().strip_prefix("export ").unwrap_or(name.trim());
            variables.insert(name.to_owned(), value.trim().trim_matches(['"', '\'']).to_owned());
        }
    }
    for (name, service) in tree.root.get("services").map_or(&[][..], Node::entries) {
        let built = service.get("build");
        match service.get("image") {
            // With `build`, that is what the result is called.
            Some(node) if built.is_none() => match node.text() {
                Some(written) => drop(image(&mut inventory, written, &variables, Scope::Production, node.line.into())),
                None => {
                    let what = format!("service {}: `image` is {}", quoted(name), node.kind());
                    note(&mut inventory.problems, Some(node.line.into()), what);
                }
            },
            _ => {}
        }
        let contexts = built.and_then(|built| built.get("additional_contexts"));
        let listed = contexts.map_or(&[][..], Node::items).iter();
        let named = contexts.map_or(&[][..], Node::entries).iter().map(|(_, context)| context);
        for context in listed.chain(named) {
            let written = context.text().and_then(|text| text.split_once("docker-image://")).map(|(_, image)| image);
            if let Some(written) = written {
                image(&mut inventory, written, &variables, Scope::Build, context.line.into());
            }
        }
    }
    Ok(inventory)
}

/// Keys of the top that are no jobs.
const NO_JOBS: [&str; 8] =
    ["stages", "variables", "workflow", "include", "cache", "before_script", "after_script", "spec"];

fn read_gitlab(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = decode(input.bytes)?;
    let tree = yaml::parse(&content)?;
    let mut inventory = Inventory::new("GitLab CI", Completeness::Declared);
    inventory.problems = tree.problems;
    for root in std::iter::once(&tree.root).chain(&tree.more) {
        let mut global = Variables::new();
        collect(root, &mut global);
        // What stands on top holds for every job.
        of_job(root, &global, &mut inventory);
        for (name, job) in root.entries() {
            if NO_JOBS.contains(&name.as_ref()) || matches!(name.as_ref(), "image" | "services") {
                continue;
            }
            let before = collect(job, &mut global);
            of_job(job, &global, &mut inventory);
            for (name, value) in before.into_iter().rev() {
                match value {
                    Some(value) => global.insert(name, value),
                    None => global.remove(&name),
                };
            }
        }
        let includes = root.get("include");
        match includes.map(Node::items) {
            Some([]) => includes.into_iter().for_each(|one| include(one, &mut inventory)),
            Some(all) => all.iter().for_each(|one| include(one, &mut inventory)),
            None => {}
        }
    }
    Ok(inventory)
}

/// The variables of a job, or of all, put to the others: what each of them was before.
fn collect(holder: &Node<'_>, variables: &mut Variables) -> Vec<(String, Option<String>)> {
    let mut before = Vec::new();
    for (name, node) in holder.get("variables").map_or(&[][..], Node::entries) {
        let value = node.scalar().or_else(|| node.get("value").and_then(Node::scalar));
        if let Some(value) = value {
            before.push((name.to_string(), variables.insert(name.to_string(), value.to_owned())));
        }
    }
    before
}

/// `image` and `services`, each text or a table with a name.
fn of_job(job: &Node<'_>, variables: &Variables, inventory: &mut Inventory) {
    let services = job.get("services").map_or(&[][..], Node::items);
    for node in job.get("image").into_iter().chain(services) {
        let named = node.text().or_else(|| node.get("name").and_then(Node::text));
        if let Some(written) = named {
            image(inventory, written, variables, Scope::Build, node.line.into());
        } else if node.items().is_empty() {
            note(&mut inventory.problems, Some(node.line.into()), format!("an image that is {}", node.kind()));
        }
    }
}

/// Configuration that lies elsewhere, and is run as it is.
fn include(node: &Node<'_>, inventory: &mut Inventory) {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let line = u64::from(node.line);
    let url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    let mut package = if let Some(project) = text("project") {
        let reference = text("ref").map(str::to_owned);
        let mut package = Package::new(Ecosystem::Generic, project, reference.clone());
        package.source =
            PackageSource::Git { url: project.to_owned(), revision: reference.clone().filter(|one| is_commit(one)) };
        package.requirement = reference;
        package
    } else if let Some(component) = text("component") {
        let (name, version) = component.rsplit_once('@').unwrap_or((component, ""));
        let version =
            Some(version).filter(|version| !version.is_empty() && !version.starts_with('~')).map(str::to_owned);
        Package { requirement: Some(component.to_owned()), ..Package::new(Ecosystem::Generic, name, version) }
    } else if let Some(remote) = text("remote").or_else(|| node.text().filter(|text| url(text))) {
        let mut package = Package::new(Ecosystem::Generic, address(remote), None);
        package.source = PackageSource::Url { url: address(remote) };
        package.hashes.extend(text("integrity").and_then(|written| {
            let mut hashes = Vec::new();
            super::source::integrity(written, &mut hashes);
            hashes.pop()
        }));
        package
    } else {
        return; // a file of the repository, or a template that comes with GitLab
    };
    if package.name.contains('$') {
        note(&mut inventory.problems, Some(line), format!("{} is computed", quoted(&package.name)));
    }
    package.scopes = Scopes::only(Scope::Build);
    package.direct = Some(true);
    package.line = Some(line);
    add(inventory, package);
}

fn is_commit(reference: &str) -> bool {
    reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, read_beside, shown};
    use super::*;

    #[test]
    fn services_of_compose() {
        let text = "services:\n  db: &db\n    image: postgres:${PG:-16}\n  copy: *db\n  web:\n    build:\n      context: .\n      \
            additional_contexts:\n        - base=docker-image://alpine:3\n    image: own/web\n  cache:\n    image: redis:$R\n  bad:\n    image: [x]\n";
        let read = read_beside(read_compose, "docker-compose.dev.yml", text, &[(".env", "# x\nR='7'\n")]);
        assert_eq!(shown(&read), ["postgres 16", "postgres 16", "alpine 3", "redis 7"]);
        assert_eq!(package(&read, "redis").requirement.as_deref(), Some("redis:$R"));
        assert_eq!(read.problems.len(), 1);
        assert!(wants_compose("compose.yaml") && !wants_compose("composer.yaml") && !wants_compose("a/compose/x.yml"));
    }

    #[test]
    fn jobs_of_gitlab() {
        let commit = "8e5e7e5ab8b370d6c329ec480221332ada57f0ab";
        let text = format!(
            "variables:\n  V: '3.19'\n  W: {{value: x}}\nimage: alpine:$V\ninclude:\n  - local: a.yml\n  - project: g/p\n    ref: {commit}\n    file: b.yml\n  \
            - https://host/c.yml\n  - component: gitlab.com/g/c/d@1.0\n  - template: X.yml\njob:\n  image: {{name: 'node:20', entrypoint: ['']}}\n  \
            services: [postgres:16, {{name: 'redis:7'}}]\n  script: [!reference [a, b]]\nlate:\n  image: $CI_REGISTRY_IMAGE/x:1\n"
        );
        let read = read_alone(read_gitlab, "ci/x.gitlab-ci.yml", &text);
        assert_eq!(
            shown(&read),
            [
                "alpine 3.19".to_owned(),
                "node 20".into(),
                "postgres 16".into(),
                "redis 7".into(),
                format!("g/p {commit}"),
                "https://host/c.yml -".into(),
                "gitlab.com/g/c/d 1.0".into()
            ]
        );
        assert_eq!(package(&read, "node").line, Some(14));
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(18)]);
        let single = read_alone(read_gitlab, ".gitlab-ci.yml", "include: 'https://u:p@host/x.yml'\n");
        assert_eq!(shown(&single), ["https://host/x.yml -"]);
    }
}
