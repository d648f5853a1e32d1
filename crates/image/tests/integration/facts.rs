//! What checks ask of an image.

use provost_image::{Danger, RunsAs, chain_ids, dangers, ports, runs_as, secret_variables};
use provost_model::{Digest, sha256};
use serde_json::json;

use crate::build::{Draft, Tar, open, see};

#[test]
fn chain_ids_are_those_of_the_specification() {
    let digest = |n: u8| Digest::from_bytes([n; 32]);
    let chain = chain_ids(&[digest(1), digest(2), digest(3)]);
    assert_eq!(chain[0], digest(1));
    assert_eq!(chain[1], sha256(format!("sha256:{} sha256:{}", digest(1), digest(2)).as_bytes()));
    assert_eq!(chain[2], sha256(format!("sha256:{} sha256:{}", chain[1], digest(3)).as_bytes()));
    assert!(chain_ids(&[]).is_empty());
}

#[test]
fn a_base_is_told_by_its_layers_and_not_by_what_an_image_says() {
    let base = Draft::default().layer(Tar::default().file("a", "1")).layer(Tar::default().file("b", "1"));
    let mut app = base.clone().layer(Tar::default().file("c", "1"));
    app.runtime = json!({"Labels": {"org.opencontainers.image.base.name": "docker.io/library/alpine:3.20"}});
    let base = open(base.layout().path()).unwrap();
    let app = open(app.layout().path()).unwrap();
    let top = *base.chain_ids().last().unwrap();
    assert_eq!(app.base(|id| (*id == top).then_some("base")), Some((2, "base")));
    assert_eq!(base.base(|id| (*id == top).then_some("base")), Some((2, "base")));
    assert_eq!(app.base(|_| None::<()>), None);
    let claim = app.base_claim().unwrap();
    assert_eq!(claim.name.map(|name| name.to_string()).as_deref(), Some("docker.io/library/alpine:3.20"));
    assert_eq!(base.base_claim(), None);
}

#[test]
fn whom_it_runs_as() {
    let with = |user: &str, passwd: Option<&str>| {
        let draft = Draft { runtime: json!({"User": user}), ..Draft::default() };
        let image = open(draft.layout().path()).unwrap();
        runs_as(image.config.as_ref().unwrap(), passwd.map(str::as_bytes))
    };
    let passwd =
        Some("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n1001:x:0:0::/:/bin/sh\n");
    for user in ["", "root", "0", "00", "0:1000", "root:app", "toor", "1001"] {
        assert_eq!(with(user, passwd), RunsAs::Root, "{user}");
    }
    for user in ["app", "1000", "app:root", "65532:0"] {
        assert_eq!(with(user, passwd), RunsAs::Other, "{user}");
    }
    assert_eq!(with("app", None), RunsAs::Unknown);
    assert_eq!(with("nobody", passwd), RunsAs::Unknown);
    assert_eq!(with("root", None), RunsAs::Root);
}

#[test]
fn ports_and_variables() {
    let runtime = json!({
        "ExposedPorts": {"443": {}, "8080-8090/TCP": {}, "53/udp": {}, "x/tcp": {}, "99999/tcp": {}},
        "Env": ["PATH=/bin", "DB_PASSWORD=x", "GITHUB_TOKEN=x", "AWS_SECRET_ACCESS_KEY=x", "API_KEY=x", "PGPASSWORD=x",
            "SECRET_FILE=/run/secret", "TOKEN=", "PASSWORD=/run/secrets/password", "MONKEY=x", "KEYBOARD=de", "TOKENIZERS_PARALLELISM=x", "PWD=/x"],
    });
    let draft = Draft { runtime, ..Draft::default() };
    let image = open(draft.layout().path()).unwrap();
    let config = image.config.as_ref().unwrap();
    let shown: Vec<_> =
        ports(config).iter().map(|p| format!("{}-{}/{}", p.numbers.0, p.numbers.1, p.protocol)).collect();
    assert_eq!(shown, ["53-53/udp", "443-443/tcp", "8080-8090/tcp"]);
    let names = secret_variables(config);
    assert_eq!(names, ["DB_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "API_KEY", "PGPASSWORD"]);
}

#[test]
fn dangerous_files_of_the_merged_tree() {
    let capability = [("SCHILY.xattr.security.capability", "x")];
    let seen = see(&Draft::default()
        .layer(
            Tar::default()
                .mode("su", 0o4755)
                .mode("gone", 0o4755)
                .mode("sg", 0o2755)
                .mode("lock", 0o2644)
                .mode("w", 0o666)
                .raw(b"tmp", b'5', 0o1777, b"", b"")
                .raw(b"open", b'5', 0o777, b"", b"")
                .raw(b"sda", b'4', 0o600, b"", b"")
                .symlink("link", "su")
                .pax(&capability)
                .mode("cap", 0o755),
        )
        .layer(Tar::default().whiteout("gone")));
    let found: Vec<_> =
        dangers(&seen.walked.tree).map(|(path, _, d)| (String::from_utf8_lossy(path).into_owned(), d)).collect();
    let expected = [
        ("cap", Danger::Capabilities),
        ("open", Danger::WritableDirectory),
        ("sda", Danger::Device),
        ("sg", Danger::Setgid),
        ("su", Danger::Setuid),
        ("w", Danger::WritableFile),
    ];
    assert_eq!(found, expected.map(|(path, danger)| (path.to_owned(), danger)));
}

#[test]
fn history_and_dates() {
    let mut draft = Draft::default().layer(Tar::default().file("a", ""));
    draft.history = json!([
        {"created_by": "/bin/sh -c #(nop) ADD file:x in /", "created": "2024-01-01T00:00:00Z"},
        {"created_by": "RUN curl http://x | sh", "empty_layer": true}, {"empty_layer": true}
    ]);
    let image = open(draft.layout().path()).unwrap();
    assert_eq!(image.commands().count(), 2);
    let created = image.config.as_ref().and_then(|config| config.created).map(|time| time.to_string());
    assert_eq!(created.as_deref(), Some("2024-05-06T07:08:09Z"));
    assert!(String::from_utf8_lossy(&image.config_bytes).contains("curl"));
}
