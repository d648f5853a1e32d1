//! Real events of GitHub and GitLab: each is read to what the payload says, or refused by its name. The expected values
//! are looked up in the payload independently.

use std::path::Path;
use std::process::Command;

use provost_formats::forge::{
    self, AccountKind, Association, Contribution, Forge, ForgeError, Kind, Limits, RefName, ReviewState, State,
};
use provost_testkit::{files_below, vectors};
use serde_json::{Value, json};

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && !text.bytes().all(|b| b == b'0'))
}

fn shown<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(T::to_string)
}

fn same_time(read: Option<provost_model::Timestamp>, written: &Value) {
    let written = written.as_str().map(|text| text.replace(" UTC", "Z").replacen(' ', "T", 1));
    assert_eq!(read, written.map(|text| text.parse().expect("a time")));
}

#[test]
fn events_of_github() {
    let Some(root) = vectors("forge-events/github") else { return };
    let (mut read, mut refused) = (0, 0);
    for path in files_below(&root) {
        let name = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a folder");
        let bytes = std::fs::read(&path).expect("readable");
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        let contribution =
            ["pull_request", "push", "merge_group", "workflow_dispatch", "issue_comment", "pull_request_review"];
        let on_issue = name == "issue_comment" && value["issue"]["pull_request"].is_null();
        let result = forge::github_event(name, &bytes, &Limits::default());
        if !contribution.contains(&name) || on_issue {
            let refusal = result.map(|_| ()).expect_err("refused");
            assert!(matches!(&refusal, ForgeError::NotAContribution { event, .. } if event == name), "{refusal}");
            refused += 1;
            continue;
        }
        let it = result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        github_fields(&it, &value, name);
        if name == "pull_request" {
            let target =
                forge::github_event("pull_request_target", &bytes, &Limits::default()).expect("the same payload");
            assert_eq!(target, Contribution { kind: Kind::PullRequestTarget, ..it });
        }
        read += 1;
    }
    assert!(read >= 38 && refused >= 40, "{read} read, {refused} refused");
}

fn github_fields(it: &Contribution, value: &Value, event: &str) {
    assert_eq!(it.forge, Forge::GitHub);
    assert_eq!(shown(it.repository.name.as_ref()).as_deref(), value["repository"]["full_name"].as_str());
    assert_eq!(it.repository.id, value["repository"]["id"].as_u64());
    let visibility = serde_json::to_value(it.repository.visibility).expect("a word");
    assert_eq!(visibility, value["repository"]["visibility"]);
    let sender = it.sender.as_ref().expect("a sender");
    assert_eq!(shown(sender.name.as_ref()).as_deref(), value["sender"]["login"].as_str());
    assert_eq!(sender.id, value["sender"]["id"].as_u64());
    assert_eq!(sender.kind == AccountKind::User, value["sender"]["type"] == "User");
    match event {
        "push" => {
            assert_eq!(it.kind, Kind::Push);
            assert_eq!(it.target.as_ref().map(RefName::as_str), value["ref"].as_str());
            assert_eq!(shown(it.base.as_ref()).as_deref(), text(&value["before"]));
            assert_eq!(shown(it.head.as_ref()).as_deref(), text(&value["after"]));
            assert_eq!(Some(it.created), value["created"].as_bool());
            assert_eq!(Some(it.deleted), value["deleted"].as_bool());
            assert_eq!(it.forced, value["forced"].as_bool());
            let pusher = it.pusher.as_ref().and_then(|pusher| pusher.name.as_ref());
            assert_eq!(shown(pusher).as_deref(), value["pusher"]["name"].as_str());
        }
        "merge_group" => {
            let group = &value["merge_group"];
            assert_eq!(it.target.as_ref().map(RefName::as_str), group["base_ref"].as_str());
            assert_eq!(it.head_ref.as_ref().map(RefName::as_str), group["head_ref"].as_str());
            assert_eq!(shown(it.base.as_ref()).as_deref(), text(&group["base_sha"]));
            assert_eq!(shown(it.head.as_ref()).as_deref(), text(&group["head_sha"]));
        }
        "workflow_dispatch" => assert_eq!(it.target.as_ref().map(RefName::as_str), value["ref"].as_str()),
        _ => {
            let request = if event == "issue_comment" { &value["issue"] } else { &value["pull_request"] };
            assert_eq!(it.number, request["number"].as_u64());
            assert_eq!(it.title.as_deref(), request["title"].as_str());
            let labels: Vec<_> =
                request["labels"].as_array().into_iter().flatten().filter_map(|label| label["name"].as_str()).collect();
            assert_eq!(it.labels, labels);
            let author = it.author.as_ref().expect("an author");
            assert_eq!(shown(author.name.as_ref()).as_deref(), request["user"]["login"].as_str());
            assert_eq!(
                author.qualified(Forge::GitHub),
                Some(format!("github:{}", request["user"]["login"].as_str().expect("a login")))
            );
            assert_eq!(serde_json::to_value(it.association).expect("a word"), request["author_association"]);
            assert_eq!(it.draft, request["draft"].as_bool());
            same_time(it.created_at, &request["created_at"]);
            same_time(it.updated_at, &request["updated_at"]);
            let merged = request["merged"] == true || !request["merged_at"].is_null();
            assert_eq!(it.state == Some(State::Merged), merged);
            assert_eq!(it.state == Some(State::Open), request["state"] == "open");
            if event == "issue_comment" {
                return;
            }
            let branch = |side: &str| format!("refs/heads/{}", request[side]["ref"].as_str().expect("a branch"));
            assert_eq!(it.target.as_ref().map(RefName::as_str), Some(branch("base").as_str()));
            assert_eq!(it.head_ref.as_ref().map(RefName::as_str), Some(branch("head").as_str()));
            assert_eq!(shown(it.base.as_ref()).as_deref(), request["base"]["sha"].as_str());
            assert_eq!(shown(it.head.as_ref()).as_deref(), request["head"]["sha"].as_str());
            assert_eq!(it.head_repository.as_ref().and_then(|from| from.id), request["head"]["repo"]["id"].as_u64());
            let same = request["head"]["repo"]["id"] == request["base"]["repo"]["id"];
            assert_eq!(it.from_same_repository(), Some(same));
            assert_eq!(it.reviews.len(), usize::from(event == "pull_request_review"));
            for review in &it.reviews {
                assert_eq!(serde_json::to_value(review.state).expect("a word"), value["review"]["state"]);
                assert_eq!(shown(review.commit.as_ref()).as_deref(), value["review"]["commit_id"].as_str());
                let who = review.who.as_ref().and_then(|who| who.id);
                assert_eq!(who, value["review"]["user"]["id"].as_u64());
                same_time(review.submitted_at, &value["review"]["submitted_at"]);
            }
        }
    }
}

#[test]
fn events_of_gitlab() {
    let Some(root) = vectors("forge-events/gitlab") else { return };
    let (mut read, mut refused) = (0, 0);
    for path in files_below(&root) {
        let bytes = std::fs::read(&path).expect("readable");
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        let name = value["object_kind"].as_str().or(value["event_name"].as_str()).expect("a name");
        let result = forge::gitlab_event(&bytes, &Limits::default());
        if path.ends_with("webhooks/group_merge_request.json") {
            // As it was recorded, its names have spaces at their ends: no GitLab sends that.
            let error = result.map(|_| ()).expect_err("no such field").to_string();
            assert_eq!(error, "the event has no `object_attributes.target_project_id` that is a whole number");
            refused += 1;
            continue;
        }
        let about_request = value["object_attributes"]["noteable_type"] == "MergeRequest";
        let expected = ["push", "tag_push", "merge_request"].contains(&name) || name == "note" && about_request;
        if !expected {
            let refusal = result.map(|_| ()).expect_err("refused");
            assert!(matches!(&refusal, ForgeError::NotAContribution { event, .. } if event == name), "{refusal}");
            refused += 1;
            continue;
        }
        let it = result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        gitlab_fields(&it, &value);
        read += 1;
    }
    assert!(read >= 7 && refused >= 30, "{read} read, {refused} refused");
}

fn gitlab_fields(it: &Contribution, value: &Value) {
    assert_eq!(it.forge, Forge::GitLab);
    if it.kind == Kind::Push {
        assert_eq!(shown(it.repository.name.as_ref()).as_deref(), value["project"]["path_with_namespace"].as_str());
        assert_eq!(it.repository.id, value["project_id"].as_u64());
        assert_eq!(it.target.as_ref().map(RefName::as_str), value["ref"].as_str());
        assert_eq!(shown(it.base.as_ref()).as_deref(), text(&value["before"]));
        assert_eq!(shown(it.head.as_ref()).as_deref(), text(&value["after"]));
        assert_eq!(it.created, text(&value["before"]).is_none());
        assert_eq!(it.pusher.as_ref().and_then(|pusher| pusher.id), value["user_id"].as_u64());
        return;
    }
    let request = if it.kind == Kind::IssueComment { &value["merge_request"] } else { &value["object_attributes"] };
    let branch = |name: &str| format!("refs/heads/{}", request[name].as_str().expect("a branch"));
    assert_eq!(it.number, request["iid"].as_u64());
    assert_eq!(it.target.as_ref().map(RefName::as_str), Some(branch("target_branch").as_str()));
    assert_eq!(it.head_ref.as_ref().map(RefName::as_str), Some(branch("source_branch").as_str()));
    assert_eq!(it.repository.id, request["target_project_id"].as_u64());
    assert_eq!(shown(it.repository.name.as_ref()).as_deref(), request["target"]["path_with_namespace"].as_str());
    assert_eq!(it.from_same_repository(), Some(request["source_project_id"] == request["target_project_id"]));
    assert_eq!(shown(it.head.as_ref()).as_deref(), request["last_commit"]["id"].as_str());
    assert_eq!(it.title.as_deref(), request["title"].as_str());
    assert_eq!(it.author.as_ref().and_then(|author| author.id), request["author_id"].as_u64());
    assert_eq!(it.sender.as_ref().and_then(|sender| sender.id), value["user"]["id"].as_u64());
    assert_eq!(
        shown(it.sender.as_ref().and_then(|sender| sender.name.as_ref())).as_deref(),
        value["user"]["username"].as_str()
    );
    assert_eq!(it.association == Some(Association::FirstTimeContributor), request["first_contribution"] == true);
    same_time(it.created_at, &request["created_at"]);
    same_time(it.updated_at, &request["updated_at"]);
}

/// A real payload, to be bent.
fn opened() -> Option<Value> {
    let path = vectors("forge-events/github/pull_request/opened.payload.json")?;
    Some(serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON"))
}

fn bent(mut payload: Value, pointer: &str, to: Value) -> Result<Contribution, ForgeError> {
    *payload.pointer_mut(pointer).expect("a field") = to;
    forge::github_event("pull_request", payload.to_string().as_bytes(), &Limits::default())
}

#[test]
fn a_fork_a_fork_that_is_gone_and_an_app() {
    let Some(payload) = opened() else { return };
    let fork = json!({"id": 7, "full_name": "mallory/hello", "private": false, "fork": true});
    let it = bent(payload.clone(), "/pull_request/head/repo", fork).expect("a fork");
    assert_eq!(it.from_same_repository(), Some(false));
    assert_eq!(it.head_repository.and_then(|from| from.fork), Some(true));
    let it = bent(payload.clone(), "/pull_request/head/repo", Value::Null).expect("a fork that is gone");
    assert_eq!(it.from_same_repository(), None);
    let app = json!({"login": "renovate[bot]", "id": 1, "type": "Bot"});
    let it = bent(payload.clone(), "/pull_request/user", app).expect("an app");
    assert_eq!(it.author.map(|author| author.kind), Some(AccountKind::App));
    // A person cannot pass for one by the name alone.
    let person = json!({"login": "renovate[bot]", "id": 1, "type": "User"});
    let it = bent(payload, "/pull_request/user", person).expect("a person");
    assert_eq!(it.author.map(|author| author.kind), Some(AccountKind::User));
}

#[test]
fn hostile_events() {
    let Some(payload) = opened() else { return };
    for (pointer, value) in [
        ("/pull_request/head/sha", json!("HEAD")),
        ("/pull_request/head/sha", json!("0".repeat(40))),
        ("/pull_request/base/ref", json!("main..evil")),
        ("/pull_request/base/ref", json!("--upload-pack=x")),
        ("/pull_request/base/ref", json!("main\n")),
        ("/pull_request/base/ref", json!(1)),
        ("/pull_request/head/ref", json!("a".repeat(2000))),
        ("/pull_request/number", json!(3)),
        ("/pull_request/base/repo/id", json!(9)),
        ("/pull_request/user/login", json!("ada\u{202e}")),
        ("/pull_request/user/login", json!("ada\u{1b}[2J")),
        ("/repository/full_name", json!("../../etc")),
        ("/pull_request/author_association", json!("KING")),
        ("/pull_request/labels", json!(vec![json!({"name": "x"}); 1001])),
        ("/pull_request/labels", json!([{"name": "x".repeat(513)}])),
        ("/pull_request/created_at", json!("yesterday")),
    ] {
        let error = bent(payload.clone(), pointer, value).map(|_| ()).expect_err(pointer).to_string();
        assert_eq!(provost_model::printable(&error), error, "{pointer}");
        assert!(error.len() < 400, "{error}");
    }
    let it = bent(payload.clone(), "/pull_request/title", json!(format!("a\u{202e}b\u{1b}{}", "x".repeat(2000))))
        .expect("a title");
    let title = it.title.expect("a title");
    assert!(title.starts_with("a\\u{202e}b\\u{1b}x") && title.ends_with("x…") && title.chars().count() < 540);
    let it = bent(payload.clone(), "/pull_request/labels", json!([{"name": "safe\u{200b}"}])).expect("a label");
    assert_eq!(it.labels, ["safe\\u{200b}"]);

    let read = |bytes: &[u8], limits: &Limits| forge::github_event("pull_request", bytes, limits).map(|_| ());
    let written = payload.to_string();
    let twice = written.replacen("{\"action\"", "{\"number\":99,\"action\"", 1);
    assert!(matches!(read(twice.as_bytes(), &Limits::default()), Err(ForgeError::Json(why)) if why.contains("twice")));
    assert!(read(written.as_bytes(), &Limits { bytes: 100, ..Limits::default() }).is_err());
    assert!(read(written.as_bytes(), &Limits { values: 100, ..Limits::default() }).is_err());
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for bad in ["", "[]", "null", "{", &deep, "{\"a\":\"\\ud800\"}"] {
        assert!(read(bad.as_bytes(), &Limits::default()).is_err(), "{bad:.40}");
    }
    let refusal =
        forge::github_event("x\u{1b}", b"{}", &Limits::default()).map(|_| ()).expect_err("no event").to_string();
    assert_eq!(refusal, "GitHub event `x\\u{1b}` is not a contribution");
}

#[test]
fn variables_of_github_have_to_fit_the_payload() {
    let Some(payload) = opened() else { return };
    let bytes = payload.to_string();
    let merge = "1".repeat(40);
    let read = |changed: &[(&str, &str)]| {
        let mut all = vec![("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REPOSITORY", "Codertocat/Hello-World")];
        all.push(("GITHUB_SHA", &merge));
        all.push(("GITHUB_TRIGGERING_ACTOR", "Codertocat"));
        all.extend(changed);
        let get = |name: &str| all.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        forge::github_variables(&get, bytes.as_bytes(), &Limits::default())
    };
    let it = read(&[]).expect("it fits");
    assert_eq!(it.checkout.map(|commit| commit.to_string()), Some("1".repeat(40)));
    assert_eq!(it.rerun_by, None);
    let again = read(&[("GITHUB_TRIGGERING_ACTOR", "mallory")]).expect("run again").rerun_by;
    assert_eq!(again.and_then(|who| who.qualified(Forge::GitHub)).as_deref(), Some("github:mallory"));
    assert!(matches!(read(&[("GITHUB_REPOSITORY", "a/b")]), Err(ForgeError::Contradiction(_))));
    assert!(matches!(read(&[("GITHUB_REPOSITORY_ID", "1")]), Err(ForgeError::Contradiction(_))));
    assert!(matches!(read(&[("GITHUB_EVENT_NAME", "schedule")]), Err(ForgeError::NotAContribution { .. })));
    assert!(matches!(read(&[("GITHUB_EVENT_NAME", "push")]), Err(ForgeError::Field { .. })));
}

#[test]
fn variables_of_gitlab() {
    let (head, base, tip, trial) = ("a".repeat(40), "b".repeat(40), "c".repeat(40), "d".repeat(40));
    let read = |changed: &[(&str, &str)]| {
        let mut all = vec![
            ("GITLAB_CI", "true"),
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_PROJECT_PATH", "group/sub/shop"),
            ("CI_PROJECT_ID", "5"),
            ("CI_PROJECT_VISIBILITY", "public"),
            ("CI_COMMIT_SHA", head.as_str()),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
            ("CI_MERGE_REQUEST_PROJECT_PATH", "group/sub/shop"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "9"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "mallory/shop"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", ""),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str()),
            ("CI_MERGE_REQUEST_LABELS", "api,ready"),
            ("GITLAB_USER_LOGIN", "project_5_bot_abc"),
            ("GITLAB_USER_ID", "77"),
        ];
        all.extend(changed);
        let get = |name: &str| all.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let none = |_: &str| Err("no payload".to_owned());
        forge::from_variables(&get, &none, &Limits::default()).map(|it| it.expect("a forge"))
    };
    let it = read(&[]).expect("a merge request");
    assert_eq!((it.kind, it.number, it.from_same_repository()), (Kind::MergeRequest, Some(12), Some(false)));
    assert_eq!((shown(it.head.as_ref()), shown(it.base.as_ref())), (Some(head.clone()), Some(base.clone())));
    assert_eq!(it.labels, ["api", "ready"]);
    assert_eq!(it.sender.map(|sender| sender.kind), Some(AccountKind::Bot));
    assert_eq!(it.author, None);
    let train = [
        ("CI_COMMIT_SHA", trial.as_str()),
        ("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", head.as_str()),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", tip.as_str()),
    ];
    let it = read(&train).expect("a merge train");
    assert_eq!((shown(it.head.as_ref()), shown(it.base.as_ref())), (Some(head.clone()), Some(tip.clone())));
    assert_eq!(shown(it.checkout.as_ref()), Some(trial.clone()));
    let push = [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v1"), ("CI_COMMIT_BEFORE_SHA", &"0".repeat(40))];
    let it = read(&push).expect("a push");
    assert_eq!((it.kind, shown(it.target.as_ref()).as_deref()), (Kind::Push, Some("refs/tags/v1")));
    assert!(!it.created && it.base.is_none());
    assert!(matches!(read(&[("CI_PIPELINE_SOURCE", "schedule")]), Err(ForgeError::NotAContribution { .. })));
    assert!(read(&[("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "a..b")]).is_err());
    assert!(read(&[("CI_COMMIT_SHA", "main")]).is_err());
    assert!(read(&[("CI_MERGE_REQUEST_TITLE", &"x".repeat(70_000))]).is_err());
}

#[test]
fn gerrit() {
    let (old, new) = ("a".repeat(40), "b".repeat(40));
    let ada = json!({"name": "Ada L", "email": "ada@example.com", "username": "ada"});
    let set = json!({"number": 3, "revision": new, "ref": "refs/changes/45/12345/3", "uploader": ada, "createdOn": 1700000000});
    let change = json!({"project": "shop/web", "branch": "main", "number": "12345", "subject": "Fix\u{7}", "owner": ada,
        "status": "NEW", "wip": true, "hashtags": ["now"]});
    let mut event = json!({"type": "comment-added", "change": change, "patchSet": set, "author": ada, "eventCreatedOn": 1700000100,
        "approvals": [{"type": "Code-Review", "value": "2"}, {"type": "Verified", "value": "1"}]});
    let read = |event: &Value| forge::gerrit_event(event.to_string().as_bytes(), &Limits::default());
    let it = read(&event).expect("a vote");
    assert_eq!(
        (it.kind, it.number, it.patchset, it.draft),
        (Kind::PullRequestReview, Some(12345), Some(3), Some(true))
    );
    assert_eq!(it.reviews.len(), 1);
    assert_eq!((it.reviews[0].state, shown(it.reviews[0].commit.as_ref())), (ReviewState::Approved, Some(new.clone())));
    assert_eq!(it.title.as_deref(), Some("Fix\\u{7}"));
    assert_eq!(shown(it.target.as_ref()).as_deref(), Some("refs/heads/main"));
    event["approvals"][0]["value"] = json!("-1");
    assert_eq!(read(&event).expect("a vote").reviews[0].state, ReviewState::ChangesRequested);
    event["type"] = json!("patchset-created");
    assert_eq!(read(&event).expect("a patch set").kind, Kind::GerritPatchset);
    event["type"] = json!("change-abandoned");
    assert!(matches!(read(&event), Err(ForgeError::NotAContribution { .. })));
    let moved = json!({"type": "ref-updated", "submitter": ada,
        "refUpdate": {"oldRev": old, "newRev": "0".repeat(40), "refName": "refs/heads/x", "project": "shop"}});
    let it = read(&moved).expect("a deletion");
    assert!(it.deleted && !it.created && it.head.is_none() && it.base.is_some());

    let all = [
        ("GERRIT_EVENT_TYPE", "patchset-created"),
        ("GERRIT_PROJECT", "shop/web"),
        ("GERRIT_BRANCH", "main"),
        ("GERRIT_CHANGE_NUMBER", "12345"),
        ("GERRIT_PATCHSET_NUMBER", "3"),
        ("GERRIT_PATCHSET_REVISION", new.as_str()),
        ("GERRIT_REFSPEC", "refs/changes/45/12345/3"),
        ("GERRIT_CHANGE_OWNER_EMAIL", "ada@example.com"),
        ("GERRIT_CHANGE_WIP_STATE", "false"),
        ("GERRIT_CHANGE_SUBJECT", "Fix"),
    ];
    let get = |name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let it = forge::gerrit_variables(&get, &Limits::default()).expect("a patch set");
    assert_eq!(
        it.author.and_then(|author| author.email).map(|email| email.to_string()).as_deref(),
        Some("ada@example.com")
    );
    assert_eq!((it.head.map(|head| head.to_string()), it.draft), (Some(new), Some(false)));
}

#[test]
fn neutral_documents_are_what_contributions_are_written_as() {
    let document = json!({"version": forge::VERSION, "forge": "neutral", "kind": "push",
        "repository": {"name": "shop"}, "target": "refs/heads/main", "base": "a".repeat(64), "head": "b".repeat(64),
        "pusher": {"name": "ada", "kind": "user"}, "forced": true, "updatedAt": "2026-11-22T09:30:00Z",
        "reviews": [{"state": "approved", "who": {"id": 4}, "commit": "b".repeat(64)}]});
    let read = |document: &Value| forge::neutral_event(document.to_string().as_bytes(), &Limits::default());
    let it = read(&document).expect("a push");
    assert_eq!((it.kind, it.forced, it.reviews.len()), (Kind::Push, Some(true), 1));
    assert_eq!(read(&forge::neutral(&it)), Ok(it));
    for (pointer, value) in [
        ("/version", json!("provost.contribution/2")),
        ("/forge", json!("github")),
        ("/target", json!("main")),
        ("/head", json!("main")),
        ("/pusher", json!({"kind": "user"})),
        ("/repository", json!({"id": 1})),
        ("/repository", json!({"name": "shop", "owner": "x"})),
        ("/reviews/0/state", json!("APPROVED")),
        ("/kind", json!("pull")),
    ] {
        let mut bad = document.clone();
        *bad.pointer_mut(pointer).expect("a field") = value;
        assert!(read(&bad).is_err(), "{pointer}");
    }
    let mut bad = document.clone();
    bad["created"] = json!(true);
    assert!(matches!(read(&bad), Err(ForgeError::Contradiction(_))));
    bad = document;
    bad["approved"] = json!(true);
    assert!(read(&bad).is_err());
}

/// The schema names every field that is written, and nothing else.
#[test]
fn the_schema_is_of_this_form() {
    let schema: Value = serde_json::from_str(forge::SCHEMA).expect("JSON");
    let Some(payload) = vectors("forge-events/github/pull_request_review/submitted.payload.json") else { return };
    let bytes = std::fs::read(payload).expect("readable");
    let it = forge::github_event("pull_request_review", &bytes, &Limits::default()).expect("a review");
    let written = forge::neutral(&it);
    for (object, properties) in [
        (&written, &schema["properties"]),
        (&written["author"], &schema["$defs"]["account"]["properties"]),
        (&written["repository"], &schema["$defs"]["repository"]["properties"]),
        (&written["reviews"][0], &schema["$defs"]["review"]["properties"]),
    ] {
        for name in object.as_object().expect("an object").keys() {
            assert!(properties.get(name).is_some(), "{name} is not in the schema");
        }
    }
    // Whatever the schema names is a field: the reader refuses unknown ones.
    for name in schema["properties"].as_object().expect("an object").keys().filter(|name| *name != "version") {
        let mut document =
            json!({"version": forge::VERSION, "forge": "neutral", "kind": "push", "repository": {"name": "x"}});
        document[name.as_str()] = json!({"no": "such"});
        let error =
            forge::neutral_event(document.to_string().as_bytes(), &Limits::default()).map(|_| ()).expect_err("wrong");
        assert!(!error.to_string().contains(&format!("unknown field `{name}`")), "{name}: {error}");
    }
}

#[test]
fn lists_of_reviews() {
    let list = json!([
        {"id": 80, "user": {"login": "octocat", "id": 1, "type": "User"}, "state": "APPROVED", "commit_id": "a".repeat(40),
         "submitted_at": "2019-11-17T17:43:43Z", "author_association": "COLLABORATOR"},
        {"id": 81, "user": null, "state": "CHANGES_REQUESTED", "commit_id": null, "submitted_at": "2019-11-17T17:43:44Z",
         "author_association": "NONE"}]);
    let read = |text: &str, limits: &Limits| forge::github_reviews(text.as_bytes(), limits);
    let reviews = read(&list.to_string(), &Limits::default()).expect("reviews");
    assert_eq!((reviews[0].state, reviews[0].association), (ReviewState::Approved, Some(Association::Collaborator)));
    assert_eq!((reviews[1].who.clone(), reviews[1].commit.clone()), (None, None));
    assert!(read(&list.to_string(), &Limits { reviews: 1, ..Limits::default() }).is_err());
    for bad in ["{}", "[{}]", "[1]", "[{\"state\":\"SUPER\"}]"] {
        assert!(read(bad, &Limits::default()).is_err(), "{bad}");
    }
    let answer = json!({"id": 5, "iid": 5, "approvals_required": 2, "approved_by": [
        {"user": {"id": 1, "username": "root", "state": "active"}, "approved_at": "2024-01-02T03:04:05.678Z"}]});
    let reviews = forge::gitlab_approvals(answer.to_string().as_bytes(), &Limits::default()).expect("approvals");
    assert_eq!((reviews.len(), reviews[0].state, reviews[0].commit.clone()), (1, ReviewState::Approved, None));
    assert!(reviews[0].submitted_at.is_some());
    assert!(forge::gitlab_approvals(b"{}", &Limits::default()).is_err());
}

/// The rules for ref names are git's: the program is asked about the same names.
#[test]
fn ref_names_as_git_takes_them() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("skipped: no git");
        return;
    }
    let parts = [
        "a", ".", "..", "/", "@", "{", "@{", "~", "^", ":", "?", "*", "[", "]", "\\", " ", "\u{7f}", "\u{1}", ".lock",
        "-", "ü", "\u{202e}",
    ];
    let mut names: Vec<String> = parts.iter().map(|part| format!("refs/heads/{part}")).collect();
    for one in parts {
        names.extend(
            parts.iter().flat_map(|two| [format!("refs/heads/x{one}{two}"), format!("refs/heads/{one}{two}y")]),
        );
    }
    for name in &names {
        let git = Command::new("git").args(["check-ref-format", name]).status().expect("git runs").success();
        assert_eq!(RefName::full(name).is_ok(), git, "{name:?}");
    }
}
