//! Steps of GitHub's workflows and of composite actions: `uses:`, and the images of jobs and services.

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Scope, Scopes};

use super::image::{Variables, image};
use super::text::{add, quoted};
use super::tree::{Node, decode, note, yaml};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[Reader { id: "github-workflow", wants, read, covered_by: &[] }];

fn wants(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let workflow = super::named(folder, ".github/workflows") && (name.ends_with(".yml") || name.ends_with(".yaml"));
    workflow || name == "action.yml" || name == "action.yaml"
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = decode(input.bytes)?;
    let tree = yaml::parse(&content)?;
    let mut inventory = Inventory::new("GitHub workflow", Completeness::Declared);
    inventory.problems = tree.problems;
    let mut reading = Reading { inventory, lines: content.lines().collect() };
    for (_, job) in tree.root.get("jobs").map_or(&[][..], Node::entries) {
        reading.uses(job);
        reading.steps(job);
        for holder in job.get("container").into_iter().chain(
            job.get("services").into_iter().flat_map(|services| services.entries().iter().map(|(_, service)| service)),
        ) {
            reading.image(holder);
        }
    }
    if let Some(runs) = tree.root.get("runs") {
        reading.steps(runs);
        // `Dockerfile` is a file of the action's own.
        let own = runs.get("image").filter(|image| image.text().is_some_and(|text| text.starts_with("docker://")));
        if let Some(own) = own {
            reading.image(own);
        }
    }
    Ok(reading.inventory)
}

struct Reading<'c> {
    inventory: Inventory,
    lines: Vec<&'c str>,
}

impl Reading<'_> {
    fn steps(&mut self, holder: &Node<'_>) {
        for step in holder.get("steps").map_or(&[][..], Node::items) {
            self.uses(step);
        }
    }

    /// An image, or a table with one.
    fn image(&mut self, node: &Node<'_>) {
        let node = if node.text().is_some() { Some(node) } else { node.get("image") };
        if let Some((node, text)) = node.and_then(|node| Some((node, node.text()?)))
            && !text.is_empty()
        {
            image(&mut self.inventory, text, &Variables::new(), Scope::Build, node.line.into());
        }
    }

    fn uses(&mut self, holder: &Node<'_>) {
        let Some(node) = holder.get("uses") else { return };
        let line = u64::from(node.line);
        let Some(written) = node.text().map(str::trim) else {
            note(&mut self.inventory.problems, Some(line), format!("`uses` is {}", node.kind()));
            return;
        };
        if written.starts_with("./") || written.starts_with("../") {
            return; // a file of the repository itself
        }
        if written.starts_with("docker://") {
            image(&mut self.inventory, written, &Variables::new(), Scope::Build, line);
            return;
        }
        let Some((name, reference)) =
            written.rsplit_once('@').filter(|(name, reference)| is_action(name) && !reference.is_empty())
        else {
            note(&mut self.inventory.problems, Some(line), format!("{} names no action and version", quoted(written)));
            return;
        };
        let is_commit = reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
        let told = self.lines.get(node.line.saturating_sub(1) as usize).and_then(|line| comment(line));
        let mut package = Package::new(Ecosystem::GitHubActions, name, Some(reference.to_owned()));
        if let (true, Some(version)) = (is_commit, told) {
            package.version = Some(version.to_owned());
            package.requirement = Some(reference.to_owned());
        } else if !is_commit {
            // A tag or branch, which can be moved.
            package.requirement = Some(reference.to_owned());
        }
        let mut parts = name.splitn(3, '/');
        let repository = format!("{}/{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        package.source = PackageSource::Git {
            url: format!("https://github.com/{repository}"),
            revision: is_commit.then(|| reference.to_ascii_lowercase()),
        };
        package.scopes = Scopes::only(Scope::Build);
        package.direct = Some(true);
        package.line = Some(line);
        add(&mut self.inventory, package);
    }
}

/// `owner/repository`, or a path in it.
fn is_action(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let mut parts = name.split('/');
    let (owner, repository) = (parts.next(), parts.next());
    owner.is_some_and(plain)
        && repository.is_some_and(plain)
        && parts.all(|part| !part.is_empty() && !part.contains(' '))
}

/// The version that a comment behind a pinned commit tells: `# v4.1.0`, `# tag=v4`, `# ratchet:owner/name@v4`.
fn comment(line: &str) -> Option<&str> {
    let (_, comment) = line.split_once(" #")?;
    comment.split([' ', '\t', '=', '@', ':', ',', '(', ')']).find(|word| {
        let digits = word.strip_prefix(['v', 'V']).unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+_".contains(&b))
            && (digits.len() < word.len() || digits.contains('.') || digits.len() < 4)
    })
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, shown};
    use super::*;

    const COMMIT: &str = "8e5e7e5ab8b370d6c329ec480221332ada57f0ab";

    #[test]
    fn a_workflow() {
        let text = format!(
            "on: push\r\njobs:\r\n  call:\r\n    uses: octo/repo/.github/workflows/x.yml@main\r\n  build:\r\n    container: {{image: node:20}}\r\n    \
            services:\r\n      db:\r\n        image: postgres:16\r\n      other:\r\n        image: ${{{{ matrix.x }}}}\r\n    steps:\r\n      \
            - uses: actions/checkout@v4\r\n      - name: x\r\n        uses: \"actions/setup-node@{COMMIT}\" # v4.0.1 pinned\r\n      \
            - uses: github/codeql-action/init@{COMMIT}\r\n      - uses: ./local\r\n      - uses: docker://alpine:3.19\r\n      - uses: nonsense\r\n      \
            - run: echo uses actions/cache@v1\r\n      - uses: [x]\r\n"
        );
        let read = read_alone(read, ".github/workflows/ci.yml", &text);
        assert_eq!(
            shown(&read),
            [
                "octo/repo/.github/workflows/x.yml main".to_owned(),
                "actions/checkout v4".into(),
                "actions/setup-node v4.0.1".into(),
                format!("github/codeql-action/init {COMMIT}"),
                "alpine 3.19".into(),
                "node 20".into(),
                "postgres 16".into()
            ]
        );
        let node = package(&read, "actions/setup-node");
        assert_eq!((node.requirement.as_deref(), node.line), (Some(COMMIT), Some(15)));
        let url = "https://github.com/actions/setup-node".to_owned();
        assert_eq!(node.source, PackageSource::Git { url, revision: Some(COMMIT.into()) });
        assert_eq!(package(&read, "actions/checkout").requirement.as_deref(), Some("v4"));
        assert_eq!(package(&read, "github/codeql-action/init").requirement, None);
        assert_eq!(package(&read, "alpine").ecosystem, Ecosystem::Oci);
        assert_eq!(
            read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [Some(19), Some(21), Some(11)]
        );
    }

    #[test]
    fn a_composite_action() {
        let text = "runs:\n  using: composite\n  steps:\n    - uses: a/b@v1\n";
        assert_eq!(shown(&read_alone(read, "tools/x/action.yml", text)), ["a/b v1"]);
        let text = "runs:\n  using: docker\n  image: docker://ghcr.io/a/b:2\n";
        assert_eq!(shown(&read_alone(read, "action.yaml", text)), ["ghcr.io/a/b 2"]);
    }

    #[test]
    fn versions_in_comments() {
        assert_eq!(comment("uses: a/b@x # tag=v3.1"), Some("v3.1"));
        assert_eq!(comment("uses: a/b@x # ratchet:a/b@v3"), Some("v3"));
        assert_eq!(comment("uses: a/b@x # 4.2.0"), Some("4.2.0"));
        assert_eq!(comment("uses: a/b@x # see issue 12345"), None);
        assert_eq!(comment("uses: a/b@x"), None);
    }
}
