//! Events of forges, lists of reviews and neutral documents: what is read is safe to print, keeps to the limits, and a
//! contribution is read back from what it is written as.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::forge::{self, Contribution, Forge, Limits, RefName};
use provost_model::printable;

const EVENTS: [&str; 7] = [
    "pull_request",
    "pull_request_target",
    "push",
    "merge_group",
    "workflow_dispatch",
    "issue_comment",
    "pull_request_review",
];

fn sound(it: &Contribution, limits: &Limits) {
    assert!(it.labels.len() <= limits.labels);
    let texts = it.title.iter().chain(&it.labels).chain(&it.action);
    texts.for_each(|text| assert_eq!(&printable(text), text));
    for who in [&it.author, &it.sender, &it.pusher, &it.rerun_by].into_iter().flatten() {
        assert!(who.name.is_some() || who.id.is_some() || who.email.is_some());
        who.name.iter().for_each(|name| assert_eq!(printable(name.as_str()), name.as_str()));
    }
    assert!(!(it.created && it.base.is_some()) && !(it.deleted && it.head.is_some()));
    let again: Contribution = serde_json::from_value(serde_json::to_value(it).unwrap()).unwrap();
    assert_eq!(&again, it);
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { labels: 4, reviews: 4, ..Limits::default() };
    let Some((first, bytes)) = data.split_first() else { return };
    let result = match first % 11 {
        which @ 0..7 => forge::github_event(EVENTS[usize::from(which)], bytes, &limits),
        7 => forge::gitlab_event(bytes, &limits),
        8 => forge::gerrit_event(bytes, &limits),
        9 => forge::neutral_event(bytes, &limits),
        _ => {
            for list in [forge::github_reviews(bytes, &limits), forge::gitlab_approvals(bytes, &limits)].into_iter().flatten() {
                assert!(list.len() <= limits.reviews);
            }
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            if let Ok(name) = RefName::full(text) {
                assert_eq!(name.as_str(), text);
                assert_eq!(printable(&name.to_string()), name.to_string());
            }
            return;
        }
    };
    match result {
        Ok(it) => {
            sound(&it, &limits);
            if it.forge == Forge::Neutral {
                assert_eq!(forge::neutral_event(forge::neutral(&it).to_string().as_bytes(), &limits).as_ref(), Ok(&it));
            }
        }
        Err(error) => {
            let shown = error.to_string();
            assert_eq!(printable(&shown), shown);
        }
    }
});
